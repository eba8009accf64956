"""Command lines of SMTP."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.address import Address
from quantummail.message.envelope import Recipient, Sender
from quantummail.smtp import grammar
from quantummail.smtp.reply import Refusal

A = Address("a", "example.org")


class Refuses(SynchronousTestCase):
    """Shared by the tables of refusals."""

    def refusal(self, function: object, *arguments: object, **keywords: object) -> tuple[int, str]:
        error = self.assertRaises(Refusal, function, *arguments, **keywords)
        return error.reply.code, error.reply.status


class SplitTests(Refuses):
    """Verb and argument."""

    def test_table(self) -> None:
        """Verbs come in any case; blanks around the argument and either line end go."""
        for line, expected in {
            b"NOOP\r\n": ("NOOP", ""), b"noop\n": ("NOOP", ""), b"Mail From:<>\r\n": ("MAIL", "From:<>"),
            b"MAIL   FROM:<a@b>  \r\n": ("MAIL", "FROM:<a@b>"), b"RSET \t\r\n": ("RSET", ""),
            b"MAIL FROM:<\xc3\xa4@b>\r\n": ("MAIL", "FROM:<ä@b>"),
        }.items():
            self.assertEqual(grammar.split(line), expected, line)

    def test_refused(self) -> None:
        """Nothing, control characters and what is not UTF-8 are syntax errors."""
        for line in (b"\r\n", b" NOOP\r\n", b"\x16\x03\x01\r\n", b"NO\x00OP\r\n", b"NOOP\rNOOP\r\n", b"NOOP\tx\r\n",
                     b"MAIL FROM:<\xff@b>\r\n", b"NOOP \x7f\r\n"):
            self.assertEqual(self.refusal(grammar.split, line), (500, "5.5.2"), line)

    @given(st.binary(max_size=200))
    def test_anything(self, line: bytes) -> None:
        """Whatever comes is either a verb or a Refusal."""
        try:
            verb, _ = grammar.split(line)
        except Refusal:
            return
        self.assertTrue(verb)


class HelloTests(Refuses):
    """Names in EHLO."""

    def test_table(self) -> None:
        """Every name is taken, and made fit for Received."""
        for argument, name in {
            "client.example": "client.example", "[192.0.2.1]": "[192.0.2.1]",
            "[IPv6:2001:db8::1]": "[IPv6:2001:db8::1]",
            "MY_PC": "MY_PC", "my pc": "my?pc", "a(b);c": "a?b??c", "ä.example": "?.example", "x" * 300: "x" * 255,
        }.items():
            self.assertEqual(grammar.hello("EHLO", argument), name)

    def test_missing(self) -> None:
        """A name there must be."""
        self.assertEqual(self.refusal(grammar.hello, "EHLO", ""), (501, "5.5.4"))


class MailTests(Refuses):
    """MAIL FROM."""

    def test_table(self) -> None:
        """Paths and parameters."""
        for argument, sender in {
            "FROM:<a@example.org>": Sender(A),
            "from:<a@EXAMPLE.org>": Sender(A),
            "FROM: <a@example.org>": Sender(A),
            "FROM:<>": Sender(None),
            "FROM:<@x.example,@y.example:a@example.org>": Sender(A),
            'FROM:<"a>b"@example.org>': Sender(Address("a>b", "example.org")),
            "FROM:<a@example.org> SIZE=1000": Sender(A, size=1000),
            "FROM:<a@example.org>  size=0  body=8bitmime": Sender(A, body="8BITMIME"),
            "FROM:<a@example.org> BODY=BINARYMIME": Sender(A, body="BINARYMIME"),
            "FROM:<a@example.org> RET=hdrs ENVID=QQ+2B1+20x": Sender(A, ret="HDRS", envid="QQ+1 x"),
            "FROM:<a@example.org> AUTH=<>": Sender(A),
            "FROM:<a@example.org> AUTH=e+3Dmc2@example.com": Sender(A),
            "FROM:<ä@example.org> SMTPUTF8": Sender(Address("ä", "example.org"), smtputf8=True),
        }.items():
            self.assertEqual(grammar.mail(argument), sender, argument)

    def test_refused(self) -> None:
        """Each mistake has its own code."""
        for argument, reply in {
            "": (501, "5.5.4"), "TO:<a@example.org>": (501, "5.5.4"), "FROM": (501, "5.5.4"),
            "FROM :<a@example.org>": (501, "5.5.4"),
            "FROM:a@example.org": (501, "5.5.4"), "FROM:": (501, "5.5.4"),
            "FROM:<a@example.org": (501, "5.1.7"), "FROM:<a>": (501, "5.1.7"), "FROM:<a b@example.org>": (501, "5.1.7"),
            "FROM:<postmaster>": (501, "5.1.7"), "FROM:<@x.example>": (501, "5.1.7"),
            "FROM:<a@example.org>SIZE=1": (501, "5.5.4"),
            "FROM:<a@example.org> SIZE": (501, "5.5.4"), "FROM:<a@example.org> SIZE=-1": (501, "5.5.4"),
            "FROM:<a@example.org> SIZE=" + "9" * 21: (501, "5.5.4"),
            "FROM:<a@example.org> SIZE=1 SIZE=1": (501, "5.5.4"),
            "FROM:<a@example.org> SIZE=\u0661": (501, "5.5.4"),
            "FROM:<a@example.org> BODY=9BIT": (501, "5.5.4"), "FROM:<a@example.org> BODY": (501, "5.5.4"),
            "FROM:<a@example.org> SMTPUTF8=yes": (501, "5.5.4"), "FROM:<a@example.org> RET=SOME": (501, "5.5.4"),
            "FROM:<a@example.org> ENVID=+zz": (501, "5.5.4"), "FROM:<a@example.org> ENVID=" + "x" * 101: (501, "5.5.4"),
            "FROM:<a@example.org> ENVID=a+0Ab": (501, "5.5.4"),
            "FROM:<a@example.org> ENVID=a+": (501, "5.5.4"), "FROM:<a@example.org> ENVID=a+4": (501, "5.5.4"),
            "FROM:<a@example.org> AUTH=+": (501, "5.5.4"), "FROM:<a@example.org> AUTH": (501, "5.5.4"),
            "FROM:<a@example.org> =x": (501, "5.5.4"),
            "FROM:<a@example.org> MT-PRIORITY=3": (555, "5.5.4"), "FROM:<a@example.org> NOTIFY=NEVER": (555, "5.5.4"),
            "FROM:<ä@example.org>": (553, "5.6.7"), "FROM:<a@ä.example>": (553, "5.6.7"),
        }.items():
            self.assertEqual(self.refusal(grammar.mail, argument), reply, argument)

    @given(st.text(max_size=200))
    def test_anything(self, text: str) -> None:
        """Whatever comes is a Sender or a Refusal."""
        for argument in (text, "FROM:<" + text, "FROM:<a@b> " + text, "FROM:<a@b> ENVID=" + text):
            try:
                sender = grammar.mail(argument)
            except Refusal:
                continue
            self.assertIsInstance(sender, Sender)
            self.assertTrue(sender.envid.isprintable())


class RcptTests(Refuses):
    """RCPT TO."""

    def rcpt(self, argument: str) -> Recipient:
        return grammar.rcpt(argument, smtputf8=True)

    def test_table(self) -> None:
        """Paths and parameters."""
        for argument, recipient in {
            "TO:<a@example.org>": Recipient(A),
            "TO: <a@example.org> ": Recipient(A),
            "TO:<Postmaster>": Recipient(Address("postmaster", "")),
            "TO:<@relay.example:a@example.org>": Recipient(A),
            "TO:<a%b@example.org>": Recipient(Address("a%b", "example.org")),
            'TO:<"u@x"@example.org>': Recipient(Address("u@x", "example.org")),
            "TO:<a@example.org> NOTIFY=never": Recipient(A, frozenset({"NEVER"})),
            "TO:<a@example.org> NOTIFY=SUCCESS,FAILURE": Recipient(A, frozenset({"SUCCESS", "FAILURE"})),
            "TO:<a@example.org> ORCPT=rfc822;b+2Bc@x.example": Recipient(A, orcpt="rfc822;b+c@x.example"),
            "TO:<a@example.org> ORCPT=utf-8;\\x{E4}@x.example": Recipient(A, orcpt="utf-8;ä@x.example"),
            "TO:<a@example.org> ORCPT=utf-8;ä@x.example": Recipient(A, orcpt="utf-8;ä@x.example"),
        }.items():
            self.assertEqual(self.rcpt(argument), recipient, argument)

    def test_refused(self) -> None:
        """Each mistake has its own code."""
        for argument, reply in {
            "": (501, "5.5.4"), "FROM:<a@example.org>": (501, "5.5.4"), "TO:a@example.org": (501, "5.5.4"),
            "TO:<>": (501, "5.1.3"), "TO:<a>": (501, "5.1.3"), "TO:<u@x@example.org>": (501, "5.1.3"),
            "TO:<a@example.org> NOTIFY=NEVER,SUCCESS": (501, "5.5.4"), "TO:<a@example.org> NOTIFY=": (501, "5.5.4"),
            "TO:<a@example.org> NOTIFY": (501, "5.5.4"), "TO:<a@example.org> ORCPT=a@x.example": (501, "5.5.4"),
            "TO:<a@example.org> ORCPT=rfc822;a+0D+0Ab": (501, "5.5.4"),
            "TO:<a@example.org> ORCPT=utf-8;\\x{0A}": (501, "5.5.4"),
            "TO:<a@example.org> ORCPT=utf-8;\\x{D800}": (501, "5.5.4"),
            "TO:<a@example.org> ORCPT=utf-8;\\x{FFFFFF}": (501, "5.5.4"),
            "TO:<a@example.org> ORCPT=rfc822;" + "x" * 500: (501, "5.5.4"),
            "TO:<a@example.org> SIZE=1": (555, "5.5.4"),
        }.items():
            self.assertEqual(self.refusal(self.rcpt, argument), reply, argument)

    def test_smtputf8_missing(self) -> None:
        """Addresses beyond ASCII need SMTPUTF8 with MAIL."""
        self.assertEqual(self.refusal(grammar.rcpt, "TO:<ä@example.org>", smtputf8=False), (553, "5.6.7"))


class OtherTests(Refuses):
    """BDAT, AUTH, and commands without arguments."""

    def test_bdat(self) -> None:
        """Octets, and LAST in any case."""
        self.assertEqual(grammar.bdat("10"), grammar.Chunk(10, last=False))
        self.assertEqual(grammar.bdat("0  last"), grammar.Chunk(0, last=True))
        for argument in ("", "x", "-1", "1 2", "1LAST", "1 LAST x", "9" * 21, "\u0661"):
            self.assertEqual(self.refusal(grammar.bdat, argument), (501, "5.5.4"), argument)

    def test_auth(self) -> None:
        """Mechanism in any case, initial response as it is."""
        self.assertEqual(grammar.auth("plain AGEAYg=="), grammar.Auth("PLAIN", "AGEAYg=="))
        self.assertEqual(grammar.auth("LOGIN"), grammar.Auth("LOGIN", None))
        self.assertEqual(grammar.auth("PLAIN ="), grammar.Auth("PLAIN", "="))
        for argument in ("", "PLAIN a b", "PLAIN *", "x" * 21, "PL(AIN"):
            self.assertEqual(self.refusal(grammar.auth, argument), (501, "5.5.4"), argument)

    def test_base64(self) -> None:
        """Strict base64; `=` is empty."""
        self.assertEqual(grammar.sasl_octets("AGEAYg=="), b"\0a\0b")
        self.assertEqual(grammar.sasl_octets("="), b"")
        for text in ("AGEAYg", "A", "AGEAYg==x", "===="):
            self.assertEqual(self.refusal(grammar.sasl_octets, text), (501, "5.5.2"), text)

    def test_no_argument(self) -> None:
        """DATA x is no DATA."""
        grammar.no_argument("DATA", "")
        self.assertEqual(self.refusal(grammar.no_argument, "DATA", "x"), (501, "5.5.4"))
