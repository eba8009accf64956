"""Headers as programs of this machine write them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.local_header import author, canonical, completed, qualified, qualified_header, recipients_of


class QualifiedTests(SynchronousTestCase):
    """Names get a domain."""

    def test_cases(self) -> None:
        """Names alone, in brackets, in groups; addresses and what is neither stay."""
        for value, expected in (
            (b"root", b"root@h.test"), (b"root (Cron Daemon)", b"root@h.test (Cron Daemon)"),
            (b'"(Cron Daemon)" <root>', b'"(Cron Daemon)" <root@h.test>'), (b"<root>", b"<root@h.test>"),
            (b"root, a@b.test,bob", b"root@h.test, a@b.test,bob@h.test"), (b"a@b.test", b"a@b.test"),
            (b"Us: root, bob;", b"Us: root@h.test, bob@h.test;"), (b"undisclosed-recipients:;",) * 2,
            (b"(x (y) \\) , z) root", b"(x (y) \\) , z) root@h.test"), (b'"a, b"', b'"a, b"@h.test'),
            (b"John Smith", b"John Smith"), (b"<>", b"<>"), (b"", b""), (b"a @ b.test", b"a @ b.test"),
            (b" root\r\n", b" root@h.test\r\n"), (b"(open", b"(open"), (b'"open', b'"open@h.test'),
            (b"A <root", b"A <root@h.test>"),
        ):
            self.assertEqual(qualified(value, "h.test"), expected, value)

    @given(some.binary(max_size=60))
    def test_anything(self, value: bytes) -> None:
        """Whatever it is, nothing is lost: without what was added it is what it was."""
        found = qualified(value, "h.test").replace(b"@h.test", b"")
        self.assertEqual(found.translate(None, b"<> \t\r\n"),
                         value.replace(b"@h.test", b"").translate(None, b"<> \t\r\n"))

    def test_header(self) -> None:
        """Fields with addresses, and no others."""
        self.assertEqual(
            qualified_header(b"To: root\r\nSubject: root\r\nCc:\r\n bob\r\n\r\n", "h.test"),
            b"To: root@h.test\r\nSubject: root\r\nCc:\r\n bob@h.test\r\n\r\n")


class OtherTests(SynchronousTestCase):
    """Line ends, recipients, missing fields."""

    def test_canonical(self) -> None:
        """Every line end becomes CRLF; there is one at the end, and no NUL."""
        for octets, expected in (
            (b"a\nb", b"a\r\nb\r\n"), (b"a\r\nb\r\n", b"a\r\nb\r\n"), (b"10%\r20%\n", b"10%\r\n20%\r\n"), (b"", b""),
            (b"\n", b"\r\n"), (b"a\0b\n", b"ab\r\n"),
        ):
            self.assertEqual(canonical(octets), expected, octets)

    def test_recipients(self) -> None:
        """To, Cc and Bcc, each address once; Resent fields stand for them where there are any."""
        header = b"To: a@x.test, B <b@X.test>\r\nBcc: c@x.test\r\nCc: a@x.test\r\n\r\n"
        self.assertEqual(recipients_of(header), ["a@x.test", "b@x.test", "c@x.test"])
        self.assertEqual(recipients_of(b"Resent-To: z@x.test\r\n" + header), ["z@x.test"])

    def test_author(self) -> None:
        """Names are quoted where they have to be."""
        self.assertEqual(author("", "a@b"), "a@b")
        self.assertEqual(author("Joe User", "a@b"), "Joe User <a@b>")
        self.assertEqual(author('J. "X" \\', "a@b"), '"J. \\"X\\" \\\\" <a@b>')

    def test_completed(self) -> None:
        """Date, Message-ID and the empty line are added where they are missing; Bcc is taken out."""
        self.assertEqual(completed(b"Bcc: x\r\nTo: y\r\n", (), "<1@h>", 0.0),
                         b"Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nMessage-ID: <1@h>\r\nTo: y\r\n\r\n")
        whole = b"Date: x\r\nMessage-ID: y\r\n\r\n"
        self.assertEqual(completed(whole, (), "<1@h>", 0.0), whole)
        self.assertTrue(completed(b"", (), "<1@h>", 0.0).endswith(b">\r\n\r\n"))
