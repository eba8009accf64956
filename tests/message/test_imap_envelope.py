"""ENVELOPE and IMAP's strings."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.imap_envelope import render_envelope
from quantummail.message.imap_string import nstring, string

STRINGS = [
    (b"", b'""'),
    (b"abc", b'"abc"'),
    (b'a"b\\c', b'"a\\"b\\\\c"'),
    (b"a\tb\x01\x7f", b'"a\tb\x01\x7f"'),
    (b"a\r\nb", b"{4}\r\na\r\nb"),
    (b"a\rb", b"{3}\r\na\rb"),
    (b"\xc3\xbc", b"{2}\r\n\xc3\xbc"),
    (b"\xff", b"{1}\r\n\xff"),
    (b"a\0b", b"{5}\r\na\xef\xbf\xbdb"),
]

# the value of To, and the list in the envelope
LISTS = [
    (b"", b"NIL"),
    (b"a@b", b'((NIL NIL "a" "b"))'),
    (b"<a@b>", b'((NIL NIL "a" "b"))'),
    (b'Alice <a@b>,"B, C"  <c@d> , e@f', b'(("Alice" NIL "a" "b")("B, C" NIL "c" "d")(NIL NIL "e" "f"))'),
    (b"Mr. O'Neil Jr. <a@b>", b'(("Mr. O\'Neil Jr." NIL "a" "b"))'),
    (b'"a  b" <a@b>', b'(("a b" NIL "a" "b"))'),
    (b'"a " <a@b>', b'(("a" NIL "a" "b"))'),
    (b'"a\\"b" <a@b>', b'(("a\\"b" NIL "a" "b"))'),
    (b"a@b,\r\n c@d\r\n ,\r\n\te@f", b'((NIL NIL "a" "b")(NIL NIL "c" "d")(NIL NIL "e" "f"))'),
    (b"A\r\n B <a@b>", b'(("A B" NIL "a" "b"))'),
    (b"=?utf-8?q?=C3=BC_a?= <a@b>", b'(("=?utf-8?q?=C3=BC_a?=" NIL "a" "b"))'),
    ("Ü <ü@ö>".encode(), "(({2}\r\nÜ NIL {2}\r\nü {2}\r\nö))".encode()),
    (b"<@r:a@b>", b'((NIL "@r" "a" "b"))'),
    (b"g: a@b;", b'((NIL NIL "g" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL))'),
    (b"x", b'((NIL NIL "x" "MISSING_DOMAIN"))'),
    (b"<>", b'((NIL NIL "MISSING_MAILBOX" "MISSING_DOMAIN"))'),
    (b"a@b.", b'((NIL NIL "a" "b."))'),
    (b"boss@x.org <a@b>", b'(("boss@x.org" NIL "a" "b"))'),
    (b"alice@example.org)bob@evil", b'((NIL NIL "alice" "example.org"))'),
]


class StringTests(SynchronousTestCase):
    """string and nstring."""

    def test_cases(self) -> None:
        """What can be quoted is; line ends and 8-bit are literals; NUL is in neither (RFC 3501 9)."""
        for value, expected in STRINGS:
            self.assertEqual(string(value), expected, value)

    def test_nil(self) -> None:
        """NIL is not the empty string."""
        self.assertEqual((nstring(None), nstring(b"")), (b"NIL", b'""'))


class EnvelopeTests(SynchronousTestCase):
    """render_envelope."""

    def test_nothing(self) -> None:
        """Missing fields are NIL."""
        self.assertEqual(render_envelope({}), b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)")

    def test_empty(self) -> None:
        """Empty texts are "", empty address lists NIL."""
        names = b"date subject from sender reply-to to cc bcc in-reply-to message-id".split()
        self.assertEqual(
            render_envelope(dict.fromkeys(names, b" \r\n")), b'("" "" NIL NIL NIL NIL NIL NIL "" "")')

    def test_lists(self) -> None:
        """Plain addresses take a short way and odd ones a long way to the same form."""
        for value, expected in LISTS:
            rendered = render_envelope({b"to": value})
            self.assertEqual(rendered, b"(NIL NIL NIL NIL NIL " + expected + b" NIL NIL NIL NIL)", value)

    def test_defaults(self) -> None:
        """Sender and Reply-To are From unless they say something (RFC 3501 7.4.2)."""
        self.assertEqual(
            render_envelope({b"from": b"a@b", b"sender": b"c@d", b"reply-to": b""}),
            b'(NIL NIL ((NIL NIL "a" "b")) ((NIL NIL "c" "d")) ((NIL NIL "a" "b")) NIL NIL NIL NIL NIL)')

    def test_texts(self) -> None:
        """A subject is on one line with single spaces; dates and identifiers keep theirs."""
        self.assertEqual(
            render_envelope({b"subject": b" a\r\n\t b ", b"date": b"x\r\n  y", b"message-id": b"\r\n <a@b>\r\n"}),
            b'("x  y" "a b" NIL NIL NIL NIL NIL NIL NIL "<a@b>")')

    def test_many_addresses(self) -> None:
        """A list ends after 1000 addresses, plain or odd."""
        for value in (b"a@b, " * 5000, b"A (x) <a@b>, " * 5000):
            self.assertEqual(render_envelope({b"to": value}).count(b'"a" "b"'), 1000)
