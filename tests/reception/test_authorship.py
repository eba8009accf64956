"""Tests of quantummail.reception.authorship."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.address import Address
from quantummail.message.envelope import Client, Envelope, Recipient, Sender
from quantummail.reception.authorship import Authorship, fields_end
from quantummail.smtp.reply import Refusal
from tests.support.stores import make_store, make_user, now

SECONDS = 1_000_000_000


class AuthorshipCase(SynchronousTestCase):
    """Alice writes; Bob and a shared address are there too."""

    def setUp(self) -> None:
        self.store = make_store(self)
        make_user(self.store)
        make_user(self.store, "bob@example.test")
        now(self.store.aliases.add("info@example.test", ["alice@example.test", "bob@example.test"]))
        now(self.store.aliases.add("@example.test", ["alice@example.test"]))
        self.authorship = Authorship(self.store.directory, "mail.example.test")

    def completed(self, header: bytes, sender: str | None = "alice@example.test") -> bytes:
        """A header of Alice's as it goes on."""
        envelope = Envelope(
            "0id", Client("192.0.2.1", user="alice@example.test"),
            Sender(None if sender is None else Address.parse(sender)),
            (Recipient(Address.parse("bob@example.test")),))
        return now(self.authorship.completed(header, envelope, SECONDS))

    def code(self, header: bytes) -> int:
        """The code with which a header is refused, 0 if it is not."""
        try:
            self.completed(header)
        except Refusal as refusal:
            return refusal.reply.code
        return 0


class OwnerTests(AuthorshipCase):
    """In whose name Alice may write."""

    def owns(self, address: str) -> bool:
        """Whether an address is Alice's."""
        return now(self.authorship.owns("alice@example.test", Address.parse(address)))

    def test_own(self) -> None:
        """Her account in any case, her subaddresses, and aliases that lead to her."""
        for address in ("alice@example.test", "Alice@example.test", "alice+x@example.test", "info@example.test"):
            self.assertTrue(self.owns(address), address)

    def test_of_others(self) -> None:
        """Not those of others, what the catch-all takes, and roles."""
        for address in ("bob@example.test", "whoever@example.test", "postmaster@example.test", "alice@other.test"):
            self.assertFalse(self.owns(address), address)

    def test_fields(self) -> None:
        """Every address in From and Sender must be hers."""
        for header, code in (
            (b"From: Alice <alice@example.test>\r\n\r\n", 0),
            (b"From: info@example.test\r\nSender: alice@example.test\r\n\r\n", 0),
            (b"From: bob@example.test\r\n\r\n", 553),
            (b"From: alice@example.test, bob@example.test\r\n\r\n", 553),
            (b"From: alice@example.test\r\nSender: bob@example.test\r\n\r\n", 553),
            (b"From: \"alice@example.test\" <bob@example.test>\r\n\r\n", 553),
            (b"From: alice@example.test <bob@example.test>\r\n\r\n", 550),
            (b"From: <alice@example.test> <bob@example.test>\r\n\r\n", 550),
            (b"From:\r\n bob@example.test\r\n\r\n", 553),
            (b"From : bob@example.test\r\n\r\n", 553),
            (b"fROM: bob@example.test\r\n\r\n", 553),
            (b"From: undisclosed:;\r\n\r\n", 550),
            (b"From: \r\n\r\n", 550),
        ):
            self.assertEqual(self.code(header), code, header)

    def test_twice(self) -> None:
        """A field that must be there once is not there twice."""
        for name in (b"From", b"Date", b"Subject", b"To", b"Message-ID", b"Reply-To", b"References"):
            value = b": alice@example.test\r\n"
            self.assertEqual(self.code(name + value + name.lower() + b" " + value + b"\r\n"), 550, name)

    def test_hidden(self) -> None:
        """More fields than are looked at are refused: a second From could be behind them."""
        header = b"From: alice@example.test\r\n" + b"X: y\r\n" * 1000 + b"From: bob@example.test\r\n\r\n"
        self.assertEqual(self.code(header), 552)


class CompletionTests(AuthorshipCase):
    """What a header must have, and must not."""

    def test_added(self) -> None:
        """From, Date and Message-ID are added where they are missing."""
        self.assertEqual(self.completed(b"Subject: x\r\n\r\n"), (
            b"From: <alice@example.test>\r\nDate: Sun, 09 Sep 2001 01:46:40 +0000\r\n"
            b"Message-ID: <0id@mail.example.test>\r\nSubject: x\r\n\r\n"))

    def test_null_sender(self) -> None:
        """Mail from the null sender is from the account."""
        self.assertTrue(self.completed(b"\r\n", None).startswith(b"From: <alice@example.test>\r\n"))

    def test_kept(self) -> None:
        """What is there stays as it stands."""
        header = b"From: alice@example.test\r\nDate: yesterday\r\nMessage-ID: <1@x>\r\nX:\tfolded\r\n\tvalue \r\n\r\n"
        self.assertEqual(self.completed(header), header)

    def test_blind(self) -> None:
        """Bcc goes, folded or twice."""
        header = b"Bcc: a@x.test,\r\n b@x.test\r\nSubject: x\r\nBCC: c@x.test\r\nResent-Bcc: d@x.test\r\n\r\n"
        self.assertNotIn(b"x.test", self.completed(header))

    def test_empty_line(self) -> None:
        """A header ends with one empty line, whatever was there."""
        for header in (b"", b"\r\n", b"Subject: x", b"Subject: x\r\n", b"Subject: x\r\n\r\n"):
            completed = self.completed(header)
            self.assertTrue(completed.endswith(b"\r\n\r\n"), header)
            self.assertEqual(completed.count(b"\r\n\r\n"), 1, header)


class FieldsEndTests(SynchronousTestCase):
    """Where the fields of what a program hands in come to their end."""

    def test_ends(self) -> None:
        """With the empty line, or before the first line that is no field."""
        for fields, rest in (
            (b"A: b\r\nC: d\r\n\r\n", b"text\r\n"),
            (b"A: b\r\n folded\r\n\tmore\r\n\r\n", b""),
            (b"A: b\r\n", b"Dear Bob,\r\nFrom: nobody\r\n\r\n"),
            (b"A: b\r\n", b"Dear Bob: hello\r\n"),
            (b"", b"just text\r\n"),
            (b"", b" begins with a space\r\nA: b\r\n\r\n"),
            (b"", b": no name\r\n"),
            (b"\r\n", b"text"),
            (b"", b""),
            (b"A: b", b""),
        ):
            self.assertEqual(fields_end(fields + rest), len(fields), fields + rest)
