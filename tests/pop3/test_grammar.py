"""Commands of POP3."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth.sasl import MAX_LINE as MAX_AUTH_LINE
from quantummail.pop3.grammar import MAX_LINE, Command, CommandError, parse

GOOD = [
    (b"QUIT\r\n", Command("QUIT")),
    (b"quit\n", Command("QUIT")),
    (b"NOOP \r\n", Command("NOOP")),
    (b"STAT\r\n", Command("STAT")),
    (b"RSET\r\n", Command("RSET")),
    (b"CAPA\r\n", Command("CAPA")),
    (b"STLS\r\n", Command("STLS")),
    (b"UTF8\r\n", Command("UTF8")),
    (b"USER alice@example.test\r\n", Command("USER", text="alice@example.test")),
    (b"USER  alice@example.test \r\n", Command("USER", text="alice@example.test")),
    ("USER ü@example.test\r\n".encode(), Command("USER", text="ü@example.test")),
    (b"PASS a b  c \r\n", Command("PASS", text="a b  c ")),
    (b"PASS  \r\n", Command("PASS", text=" ")),
    (b"LIST\r\n", Command("LIST")),
    (b"LIST 12\r\n", Command("LIST", number=12)),
    (b"uidl 0012\r\n", Command("UIDL", number=12)),
    (b"RETR  7 \r\n", Command("RETR", number=7)),
    (b"DELE 9999999999\r\n", Command("DELE", number=9_999_999_999)),
    (b"TOP 1 0\r\n", Command("TOP", number=1)),
    (b"TOP 1 10\r\n", Command("TOP", number=1, lines=10)),
    (b"TOP 1 999999999999\r\n", Command("TOP", number=1, lines=999_999_999_999)),
    (b"AUTH\r\n", Command("AUTH")),
    (b"AUTH plain\r\n", Command("AUTH", text="PLAIN")),
    (b"AUTH PLAIN AGEAYg==\r\n", Command("AUTH", text="PLAIN", initial=b"AGEAYg==")),
    (b"AUTH PLAIN =\r\n", Command("AUTH", text="PLAIN", initial=b"=")),
    (b"AUTH SCRAM-SHA-256 x\r\n", Command("AUTH", text="SCRAM-SHA-256", initial=b"x")),
    (b"AUTH PLAIN " + b"A" * 4000 + b"\r\n", Command("AUTH", text="PLAIN", initial=b"A" * 4000)),
]

BAD = [
    b"\r\n", b" \r\n", b" QUIT\r\n", b"APOP a b\r\n", b"XTND\r\n", b"STAT 1\r\n", b"QUIT\0\r\n",
    b"RETR\r\n", b"RETR 0\r\n", b"RETR -1\r\n", b"RETR +1\r\n", b"RETR 1.0\r\n", b"RETR 1 2\r\n",
    b"RETR 99999999999\r\n", b"RETR \xd9\xa1\r\n", b"DELE all\r\n", b"LIST 0\r\n", b"LIST x\r\n",
    b"TOP 1\r\n", b"TOP 1 -1\r\n", b"TOP 0 1\r\n", b"TOP 1 2 3\r\n", b"USER\r\n", b"USER \r\n",
    b"USER a\0b\r\n", b"USER a\rb\r\n", b"USER \xff\r\n", b"PASS\r\n", b"PASS \r\n", b"PASS \xff\r\n",
    b"PASS " + b"x" * MAX_LINE + b"\r\n", b"AUTH pl\xc3\xa4in\r\n", b"AUTH PLAIN a b\r\n",
    b"AUTH " + b"M" * 21 + b"\r\n", b"\xff\xfe\r\n", b"GET / HTTP/1.1\r\n",
]


class ParseTests(SynchronousTestCase):
    """One line, one command."""

    def test_good(self) -> None:
        """Each command is read, in any case, with the blanks that people send."""
        for line, command in GOOD:
            self.assertEqual(parse(line), command, line)

    def test_bad(self) -> None:
        """Anything else is an error, in printable words."""
        for line in BAD:
            with self.assertRaises(CommandError, msg=line) as caught:
                parse(line)
            self.assertTrue(str(caught.exception).isprintable())

    def test_longest(self) -> None:
        """255 octets with the line end are a line (RFC 2449 4)."""
        line = b"PASS ".ljust(MAX_LINE - 2, b"x") + b"\r\n"
        self.assertEqual(len(parse(line).text), MAX_LINE - 7)

    @given(st.binary(max_size=300) | st.tuples(
        st.sampled_from([b"USER", b"PASS", b"AUTH", b"TOP", b"RETR", b"LIST"]), st.binary(max_size=60),
    ).map(b" ".join))
    def test_whatever_comes(self, line: bytes) -> None:
        """A command within its bounds or a CommandError, nothing else."""
        try:
            command = parse(line + b"\r\n")
        except CommandError:
            return
        self.assertTrue(0 <= command.number < 10**10)
        self.assertLess(len(command.text), MAX_AUTH_LINE)
        self.assertFalse(set(command.text) & set("\0\r\n"))
