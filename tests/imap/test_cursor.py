"""Tests of quantummail.imap.grammar.cursor."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap.grammar.cursor import BadSyntax, Cursor
from quantummail.message.imap_string import astring, string


class StringTests(SynchronousTestCase):
    """Atoms, quoted strings, literals."""

    GOOD = [
        (b"abc", b"abc"), (b"a]b", b"a]b"), (b'""', b""), (b'"a b"', b"a b"), (b'"a\\"b\\\\"', b'a"b\\'),
        (b"{3}\r\na b", b"a b"), (b"{3+}\r\na b", b"a b"), (b"{0}\r\n", b""), (b"{2}\na)", b"a)"),
        (b'"\xc3\xa9"', b"\xc3\xa9"),
    ]
    BAD = [
        b"", b" a", b"(", b")", b"%", b"*", b'"a', b'"a\\b"', b'"\r\n"', b"{4}\r\nabc", b"{x}\r\n", b"{3}abc", b"\x00",
        b'"\x00"', b"{1}\r\n\x00", b"\\", b"\xe9", b"{99999999999}\r\n",
    ]

    def test_read(self) -> None:
        """Every form of an astring gives its octets, and what follows is left."""
        for text, value in self.GOOD:
            for tail in (b"", b" x", b")"):
                cursor = Cursor(text + tail)
                self.assertEqual(cursor.astring(), value, text)
                self.assertEqual(cursor.data[cursor.position :], tail, text)

    def test_refused(self) -> None:
        """What is no astring is BadSyntax."""
        for text in self.BAD:
            self.assertRaises(BadSyntax, Cursor(text).astring)

    @given(st.binary(max_size=200).filter(lambda octets: b"\x00" not in octets))
    def test_round_trip(self, octets: bytes) -> None:
        """What we write as a string we read as the same octets."""
        for written in (string(octets), astring(octets)):
            cursor = Cursor(written)
            self.assertEqual(cursor.astring(), octets)
            self.assertTrue(cursor.at_end)

    @given(st.binary(max_size=100))
    def test_never_breaks(self, octets: bytes) -> None:
        """Whatever comes is a token or BadSyntax."""
        for token in ("tag", "atom", "word", "astring", "nstring", "number", "list_mailbox", "text"):
            try:
                getattr(Cursor(octets), token)()
            except BadSyntax:
                continue

    def test_linear(self) -> None:
        """A megabyte of backslashes or parentheses is refused at once (I2)."""
        for text in (b'"' + b"\\" * 1_000_000, b"(" * 1_000_000, b'"' + b"a" * 1_000_000):
            begin = time.process_time()
            self.assertRaises(BadSyntax, Cursor(text).astring)
            self.assertLess(time.process_time() - begin, 0.1)


class NumberTests(SynchronousTestCase):
    """Numbers."""

    def test_bounds(self) -> None:
        """Numbers have 32 bits."""
        self.assertEqual(Cursor(b"4294967295").number(), 4294967295)
        self.assertRaises(BadSyntax, Cursor(b"4294967296").number)
        self.assertRaises(BadSyntax, Cursor(b"-1").number)


class TagTests(SynchronousTestCase):
    """Tags."""

    def test_plus(self) -> None:
        """A tag has no "+", which begins a continuation (RFC 3501 section 9)."""
        self.assertEqual(Cursor(b"a.1]! NOOP").tag(), "a.1]!")
        self.assertRaises(BadSyntax, Cursor(b"+ NOOP").tag)
        self.assertRaises(BadSyntax, Cursor(b"a" * 300).tag)


class NilTests(SynchronousTestCase):
    """nstring."""

    def test_nil(self) -> None:
        """NIL in any case is None, quoted it is a text."""
        self.assertIsNone(Cursor(b"nil").nstring())
        self.assertEqual(Cursor(b'"NIL"').nstring(), b"NIL")


class BinaryTests(SynchronousTestCase):
    """literal8 (RFC 3516)."""

    def test_every_octet(self) -> None:
        """It may have a NUL; no other string may, and none is a literal8 where that is not asked for."""
        self.assertEqual(Cursor(b"~{3+}\r\na\0b x").string8(), b"a\0b")
        self.assertEqual(Cursor(b'"ab"').string8(), b"ab")
        self.assertRaises(BadSyntax, Cursor(b"{1}\r\n\0").string8)
        self.assertRaises(BadSyntax, Cursor(b"~{1}\r\na").string)
        self.assertRaises(BadSyntax, Cursor(b"~{2}\r\na").string8)
