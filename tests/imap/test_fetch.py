"""Tests of FETCH: quantummail.imap.fetching, cuts, attributes and commands.fetch."""

from __future__ import annotations

from pathlib import Path

from tests.imap.case import ImapCase
from tests.support.stores import now
from tests.support.transport import MemoryTransport

MULTIPART = (
    b"From: Alice <alice@example.test>\r\nTo: bob@example.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninner text\r\n"
    b"--b--\r\n"
)
_header = MULTIPART[: MULTIPART.index(b"preamble")]
HEADER = f"{{{len(_header)}}}\r\n{_header.decode()}"


class SectionTests(ImapCase):
    """Octets of messages."""

    def setUp(self) -> None:
        super().setUp()
        self.deliver(MULTIPART)
        self.connection = self.selected()

    CASES = [
        ("BODY.PEEK[]", f"BODY[] {{{len(MULTIPART)}}}\r\n{MULTIPART.decode()}"),
        ("BODY.PEEK[HEADER]", f"BODY[HEADER] {HEADER}"),
        ("RFC822.HEADER", f"RFC822.HEADER {HEADER}"),
        ("BODY.PEEK[1]", "BODY[1] {5}\r\nfirst"),
        ("BODY.PEEK[1.MIME]", "BODY[1.MIME] {28}\r\nContent-Type: text/plain\r\n\r\n"),
        ("BODY.PEEK[2]", "BODY[2] {28}\r\nSubject: inner\r\n\r\ninner text"),
        ("BODY.PEEK[2.HEADER]", "BODY[2.HEADER] {18}\r\nSubject: inner\r\n\r\n"),
        ("BODY.PEEK[2.TEXT]", "BODY[2.TEXT] {10}\r\ninner text"),
        ("BODY.PEEK[2.1]", "BODY[2.1] {10}\r\ninner text"),
        ("BODY.PEEK[2.HEADER.FIELDS (Subject)]", "BODY[2.HEADER.FIELDS (Subject)] {18}\r\nSubject: inner\r\n\r\n"),
        ("BODY.PEEK[HEADER.FIELDS (to)]", "BODY[HEADER.FIELDS (to)] {24}\r\nTo: bob@example.test\r\n\r\n"),
        ("BODY.PEEK[HEADER.FIELDS (X-None)]", "BODY[HEADER.FIELDS (X-None)] {2}\r\n\r\n"),
        ("BODY.PEEK[HEADER.FIELDS (to)]<4.3>", "BODY[HEADER.FIELDS (to)]<4> {3}\r\nbob"),
        ("BODY.PEEK[3]", "BODY[3] NIL"),
        ("BODY.PEEK[1.HEADER]", "BODY[1.HEADER] NIL"),
        ("BODY.PEEK[1]<1.3>", "BODY[1]<1> {3}\r\nirs"),
        ("BODY.PEEK[1]<3.100>", "BODY[1]<3> {2}\r\nst"),
        ("BODY.PEEK[1]<100.1>", "BODY[1]<100> {0}\r\n"),
        ("(BODY.PEEK[1] BODY.PEEK[3] BODY.PEEK[2.TEXT])",
         "BODY[1] {5}\r\nfirst BODY[3] NIL BODY[2.TEXT] {10}\r\ninner text"),
        ("(UID BODY.PEEK[1])", "UID 1 BODY[1] {5}\r\nfirst"),
    ]

    def test_sections(self) -> None:
        """Every section is exactly the octets that RFC 3501 6.4.5 means."""
        for items, expected in self.CASES:
            self.assertEqual(
                self.say(self.connection, f"a FETCH 1 {items}"),
                f"* 1 FETCH ({expected})\r\na OK FETCH completed\r\n",
            )

    def test_streamed(self) -> None:
        """A big message is sent in pieces, with the same sections."""
        big = MULTIPART + b"x" * 600_000
        self.deliver(big)
        self.say(self.connection, "a NOOP")
        for items, expected in self.CASES[3:]:
            self.assertEqual(
                self.say(self.connection, f"a FETCH 2 {items}"),
                f"* 2 FETCH ({expected})\r\na OK FETCH completed\r\n".replace("UID 1", "UID 2"),
            )
        self.assertEqual(
            self.say(self.connection, "a UID FETCH 2 BODY.PEEK[]"),
            f"* 2 FETCH (UID 2 BODY[] {{{len(big)}}}\r\n{big.decode()})\r\na OK UID FETCH completed\r\n",
        )
        self.assertEqual(
            self.say(self.connection, "a FETCH 2 BODY.PEEK[]<500000.4>"),
            "* 2 FETCH (BODY[]<500000> {4}\r\nxxxx)\r\na OK FETCH completed\r\n",
        )

    def test_back_pressure(self) -> None:
        """While a client does not read, no more than a piece is read for it (I8)."""
        self.deliver(b"Subject: big\r\n\r\n" + b"x" * 2_000_000)
        self.say(self.connection, "a NOOP")
        transport = self.connection.transport
        assert isinstance(transport, MemoryTransport)
        transport.full()
        taken = len(self.say(self.connection, "a FETCH 1:2 BODY.PEEK[]"))
        self.assertLess(taken, 300_000)
        transport.taken()
        taken += len(self.heard(self.connection))
        self.assertGreater(taken, 2_000_000)
        self.assertEqual(self.say(self.connection, "b NOOP"), "b OK NOOP completed\r\n")

    def test_hung_up(self) -> None:
        """A client that hangs up in the middle of a message leaves nothing behind."""
        self.deliver(b"Subject: big\r\n\r\n" + b"x" * 2_000_000)
        self.say(self.connection, "a NOOP")
        transport = self.connection.transport
        assert isinstance(transport, MemoryTransport)
        transport.full()
        self.say(self.connection, "a FETCH 2 BODY.PEEK[]")
        transport.lose()
        self.assertEqual(self.flushLoggedErrors(), [])


class SeenTests(ImapCase):
    r"""\Seen."""

    def setUp(self) -> None:
        super().setUp()
        self.deliver()
        self.deliver(flags=1)

    def test_set(self) -> None:
        r"""BODY[] sets \Seen and shows the flags of messages that did not have it (RFC 3501 6.4.5)."""
        connection = self.selected()
        answer = self.say(connection, "a FETCH 1:2 BODY[TEXT]<0.2>")
        self.assertEqual(answer, "* 1 FETCH (FLAGS (\\Seen \\Recent) BODY[TEXT]<0> {2}\r\nte)\r\n"
                                 "* 2 FETCH (BODY[TEXT]<0> {2}\r\nte)\r\na OK FETCH completed\r\n")
        self.assertEqual(self.say(connection, "b NOOP"), "b OK NOOP completed\r\n")

    def test_flags_asked_for(self) -> None:
        r"""FLAGS asked for beside BODY[] show the new \Seen, once."""
        connection = self.selected()
        answer = self.say(connection, "a FETCH 1 (FLAGS RFC822.TEXT)")
        self.assertEqual(answer, "* 1 FETCH (FLAGS (\\Seen \\Recent) RFC822.TEXT {6}\r\ntext\r\n)\r\n"
                                 "a OK FETCH completed\r\n")

    def test_peek(self) -> None:
        r"""PEEK and RFC822.HEADER leave it."""
        connection = self.selected()
        self.say(connection, "a FETCH 1 (BODY.PEEK[] RFC822.HEADER)")
        self.assertIn("FLAGS (\\Recent)", self.say(connection, "b FETCH 1 FLAGS"))

    def test_examine(self) -> None:
        """A mailbox opened by EXAMINE is not changed (RFC 3501 6.3.2)."""
        connection = self.logged_in()
        self.say(connection, "a EXAMINE INBOX")
        self.say(connection, "b FETCH 1 BODY[]")
        self.assertIn("FLAGS (\\Recent)", self.say(connection, "c FETCH 1 FLAGS"))


class GoneTests(ImapCase):
    """Messages that are not there any more."""

    def setUp(self) -> None:
        super().setUp()
        self.deliver()
        self.deliver(b"Subject: second\r\n\r\ntext two\r\n")
        self.connection = self.selected()

    def take_file(self) -> None:
        (root,) = [Path(self.store.bodies._root)]
        for path in root.rglob("*"):
            if path.is_file() and b"second" not in path.read_bytes() and b"Subject" in path.read_bytes():
                path.unlink()

    def test_file(self) -> None:
        """A message whose file is gone is left out, and the client is told (RFC 5530)."""
        self.take_file()
        answer = self.say(self.connection, "a FETCH 1:2 BODY.PEEK[TEXT]")
        self.assertEqual(answer, "* 2 FETCH (BODY[TEXT] {10}\r\ntext two\r\n)\r\n"
                                 "a NO [EXPUNGEISSUED] Some of the messages have been deleted\r\n")
        self.assertEqual(self.say(self.connection, "b NOOP"), "* 1 EXPUNGE\r\nb OK NOOP completed\r\n")

    def test_not_mounted(self) -> None:
        """Where the Maildir itself is missing nothing is expunged."""
        inbox = Path(self.store.bodies._root) / "example.test" / "alice"
        inbox.rename(inbox.with_name("elsewhere"))
        self.assertIn("a NO ", self.say(self.connection, "a FETCH 1:2 BODY.PEEK[TEXT]"))
        self.assertIn("b NO ", self.say(self.connection, "b COPY 1:2 Trash"))
        inbox.with_name("elsewhere").rename(inbox)
        self.assertEqual(self.say(self.connection, "c NOOP"), "c OK NOOP completed\r\n")
        self.assertIn("text two", self.say(self.connection, "d FETCH 2 BODY.PEEK[TEXT]"))

    def test_expunged_by_number(self) -> None:
        """FETCH by number of what another session removed: the others, then NO, and no EXPUNGE (RFC 2180 4.1.2)."""
        now(self.store.messages.remove(self.user.id, self.mailbox_id(), [1]))
        answer = self.say(self.connection, "a FETCH 1:2 UID")
        self.assertEqual(answer, "* 2 FETCH (UID 2)\r\na NO [EXPUNGEISSUED] Some of the messages have been deleted\r\n")
        self.assertEqual(self.say(self.connection, "b NOOP"), "* 1 EXPUNGE\r\nb OK NOOP completed\r\n")

    def test_expunged_by_uid(self) -> None:
        """By UID what is gone is passed over, and EXPUNGE may come (RFC 3501 6.4.8, 7.4.1)."""
        now(self.store.messages.remove(self.user.id, self.mailbox_id(), [1]))
        answer = self.say(self.connection, "a UID FETCH 1:7 FLAGS")
        self.assertEqual(answer, "* 2 FETCH (UID 2 FLAGS (\\Recent))\r\n* 1 EXPUNGE\r\na OK UID FETCH completed\r\n")


class HeaderTests(ImapCase):
    """HEADER.FIELDS and HEADER.FIELDS.NOT (RFC 3501 6.4.5)."""

    def test_no_empty_line(self) -> None:
        """Both end with an empty line, except for a message that has none."""
        for behind, end in ((b"\r\n\r\ntext", "\r\n"), (b"\r\n", ""), (b"", "")):
            uid = self.deliver(b"To: a\r\nBcc: b" + behind)
            connection = self.selected()
            for item in ("HEADER.FIELDS (TO)", "HEADER.FIELDS.NOT (BCC)"):
                self.assertIn(f"{{{7 + len(end)}}}\r\nTo: a\r\n{end})",
                              self.say(connection, f"a UID FETCH {uid} BODY.PEEK[{item}]"))
            self.assertIn(f"{{{len(end)}}}\r\n{end})", self.say(
                connection, f"b UID FETCH {uid} BODY.PEEK[HEADER.FIELDS.NOT (TO BCC)]"))


class DateTests(ImapCase):
    """INTERNALDATE."""

    def test_before_the_epoch(self) -> None:
        """A message from before 1970 keeps its date, is found by it, and its file tells it."""
        connection = self.selected()
        self.say(connection, b'a APPEND INBOX "24-Apr-1938 22:13:20 +0000" {3+}\r\nabc\r\n')
        self.assertIn('"24-Apr-1938 22:13:20 +0000"', self.say(connection, "b FETCH 1 INTERNALDATE"))
        self.assertIn("* SEARCH 1\r\n", self.say(connection, "c SEARCH ON 24-Apr-1938"))
        (file,) = (Path(self.store.bodies._root) / "example.test/alice/new").iterdir()
        self.assertEqual(int(file.stat().st_mtime), -1_000_000_000)


class NumbersTests(ImapCase):
    """Which messages."""

    def test_out_of_range(self) -> None:
        """A number beyond the last message is BAD, a UID is not (RFC 3501 section 9, 6.4.8)."""
        connection = self.selected()
        self.assertEqual(self.say(connection, "a FETCH 1:* FLAGS"), "a BAD No such message number\r\n")
        self.deliver()
        self.say(connection, "b NOOP")
        self.assertEqual(self.say(connection, "c FETCH 2 FLAGS"), "c BAD No such message number\r\n")
        self.assertEqual(self.say(connection, "d UID FETCH 7 FLAGS"), "d OK UID FETCH completed\r\n")
        self.assertIn("* 1 FETCH (UID 1 ", self.say(connection, "e UID FETCH 7:* FLAGS"))

    def test_many(self) -> None:
        """More messages than a page holds come all, in their order."""
        for _ in range(30):
            self.deliver()
        connection = self.selected()
        answer = self.say(connection, "a FETCH 1:* (UID)")
        self.assertEqual(answer.count("FETCH (UID"), 30)
        self.assertTrue(answer.startswith("* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\n"))

    def test_attributes(self) -> None:
        """All attributes of one message."""
        self.deliver(keywords=("$Forwarded",), flags=4)
        connection = self.selected()
        answer = self.say(connection, "a FETCH 1 FULL")
        self.assertEqual(answer, (
            '* 1 FETCH (FLAGS (\\Flagged $Forwarded \\Recent) INTERNALDATE "17-Jul-1996 02:44:25 +0000" RFC822.SIZE 23 '
            'ENVELOPE (NIL "test" NIL NIL NIL NIL NIL NIL NIL NIL) '
            'BODY ("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 6 1))\r\na OK FETCH completed\r\n'
        ))
