"""Tests of quantummail.imap.framing."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap.framing import (
    AFTER_LOGIN,
    BEFORE_LOGIN,
    Command,
    CommandReader,
    Continue,
    Event,
    FramingLimits,
    Hopeless,
    Refused,
    Upload,
)
from quantummail.wire.lines import LineBuffer

SMALL = FramingLimits(line=100, literal=20, literals=30, count=3, swallowed=1000)


def streams(text: bytes) -> bool:
    return text.startswith(b"a APPEND INBOX ")


def read(data: bytes, limits: FramingLimits = SMALL, piece: int = 1 << 30) -> list[Event]:
    """All events; the octets come in pieces. An upload ends it."""
    reader, buffer = CommandReader(limits, streams), LineBuffer()
    events: list[Event] = []
    for start in range(0, len(data), piece):
        buffer.feed(data[start : start + piece])
        while (event := reader.next(buffer)) is not None:
            events.append(event)
            if isinstance(event, Hopeless | Upload):
                return events
    return events


class CommandReaderTests(SynchronousTestCase):
    """Where commands end."""

    CASES: list[tuple[bytes, list[Event]]] = [
        (b"a NOOP\r\n", [Command(b"a NOOP")]),
        (b"a NOOP\n", [Command(b"a NOOP")]),
        (b"\r\n", [Command(b"")]),
        (b"a NOOP\r\nb NOOP\r\n", [Command(b"a NOOP"), Command(b"b NOOP")]),
        (b"a LOGIN {3}\r\nabc {2}\r\nde\r\n", [Continue(), Continue(), Command(b"a LOGIN {3}\r\nabc {2}\r\nde")]),
        (b"a LOGIN {3+}\r\na\r\n {0+}\r\n\r\nb NOOP\r\n",
         [Command(b"a LOGIN {3+}\r\na\r\n {0+}\r\n"), Command(b"b NOOP")]),
        (b"a X {21}\r\nb NOOP\r\n", [Refused("a", "BAD", "[TOOBIG] Literal too large"), Command(b"b NOOP")]),
        (b"a X {4294967295}\r\n", [Refused("a", "BAD", "[TOOBIG] Literal too large")]),
        (b"a X {21+}\r\n" + b"b NOOP\r\n" * 2 + b"12345 y\r\nc NOOP\r\n",
         [Refused("a", "BAD", "[TOOBIG] Literal too large"), Command(b"c NOOP")]),
        (b"a X {21+}\r\n" + b"x" * 21 + b" {5+}\r\nb NO\n {7}\r\nc NOOP\r\n",
         [Refused("a", "BAD", "[TOOBIG] Literal too large"), Command(b"c NOOP")]),
        (b"a X {4294967295+}\r\n", [Hopeless("Literal too large")]),
        (b"a X {20}\r\n" + b"y" * 20 + b" {11}\r\n",
         [Continue(), Refused("a", "BAD", "[TOOBIG] Literal too large")]),
        (b"a " + b"x" * 200 + b"\r\nb NOOP\r\n", [Refused("a", "BAD", "Command line too long"), Command(b"b NOOP")]),
        (b"a " + b"x" * 200 + b" {8+}\r\nb NOOP\r\n\r\nc NOOP\r\n",
         [Refused("a", "BAD", "Command line too long"), Command(b"c NOOP")]),
        (b"a X ~{3}\r\na\0b ~{1+}\r\n\n\r\n", [Continue(), Command(b"a X ~{3}\r\na\0b ~{1+}\r\n\n")]),
        (b"a APPEND INBOX ~{9}\r\n", [Upload(b"a APPEND INBOX ~{9}", 9, True)]),
        (b"a APPEND INBOX {9}\r\n", [Upload(b"a APPEND INBOX {9}", 9, True)]),
        (b"a APPEND INBOX {999999+}\r\n", [Upload(b"a APPEND INBOX {999999+}", 999999, False)]),
    ]

    def test_literal_minus(self) -> None:
        """Where it is announced that only small literals may come unasked, greater ones are refused (RFC 7888 5)."""
        refused = Refused("a", "BAD", "[TOOBIG] Literal has to be asked for")
        minus, neither = replace(SMALL, unasked=5), replace(SMALL, unasked=-1)
        self.assertEqual(read(b"a X {5+}\r\n12345\r\n", minus), [Command(b"a X {5+}\r\n12345")])
        self.assertEqual(read(b"a X {6}\r\n123456\r\n", minus), [Continue(), Command(b"a X {6}\r\n123456")])
        self.assertEqual(read(b"a X {6+}\r\n123456\r\nb NOOP\r\n", minus), [refused, Command(b"b NOOP")])
        self.assertEqual(read(b"a APPEND INBOX {6+}\r\n123456\r\nb NOOP\r\n", minus), [refused, Command(b"b NOOP")])
        self.assertEqual(read(b"a X {0+}\r\n\r\n", neither), [refused])

    def test_whole_and_in_pieces(self) -> None:
        """The same events come however the octets are cut."""
        for data, events in self.CASES:
            for piece in (1 << 30, 1, 2, 3, 7):
                self.assertEqual(read(data, piece=piece), events, (data, piece))

    def test_literals_are_counted(self) -> None:
        """A command has a limited number of literals."""
        self.assertIsInstance(read(b"a X" + b" {0+}\r\n" * 4 + b"\r\n")[0], Refused)
        self.assertIsInstance(read(b"a X" + b" {0+}\r\n" * 3 + b"\r\n")[0], Command)

    def test_lines_are_counted_together(self) -> None:
        """Literals between them do not make lines longer than one may be."""
        self.assertIsInstance(read(b"a X" + (b" " + b"x" * 40 + b" {1+}\r\ny") * 3 + b"\r\n")[0], Refused)

    def test_memory_before_login(self) -> None:
        """Before login nothing above 8 KB is kept or asked for (I1)."""
        for announced in (b"{8193}", b"{4294967295}", b"{99999999999999999999}"):
            self.assertIsInstance(read(b"a LOGIN " + announced + b"\r\n", BEFORE_LOGIN)[0], Refused)
        self.assertIsInstance(read(b"a LOGIN {4294967295+}\r\n", BEFORE_LOGIN)[0], Hopeless)

    def test_long_identification(self) -> None:
        """An ID may be as long as its limits are (RFC 2971 3.3), nothing else may."""
        pair = b' "' + b"n" * 30 + b'" "' + b"v" * 1024 + b'"'
        for command, allowed in ((b"a ID (" + pair * 30 + b")", True), (b"a id (" + pair * 31 + b")", False),
                                 (b"a LOGIN" + pair * 10, False), (b"a X {2+}\r\nID" + pair * 10, False)):
            for piece in (1 << 30, 100):
                events = read(command + b"\r\nb NOOP\r\n", BEFORE_LOGIN, piece)
                self.assertIsInstance(events[0], Command if allowed else Refused)
                self.assertEqual(events[1], Command(b"b NOOP"))

    def test_memory_after_login(self) -> None:
        """After login a command has at most 1 MB of literals, 100 KB each (I1)."""
        one = b" {100000+}\r\n" + b"x" * 100_000
        self.assertIsInstance(read(b"a X" + one * 10 + b"\r\n", AFTER_LOGIN)[0], Command)
        self.assertIsInstance(read(b"a X" + one * 11 + b"\r\n", AFTER_LOGIN)[0], Refused)

    def test_parentheses(self) -> None:
        """A megabyte on one line is one refusal (I2)."""
        self.assertEqual(read(b"a " + b"(" * 1_000_000 + b"\r\nb NOOP\r\n", BEFORE_LOGIN, piece=4096),
                         [Refused("a", "BAD", "Command line too long"), Command(b"b NOOP")])

    @given(st.binary(max_size=300), st.integers(1, 50))
    def test_pieces_do_not_matter(self, data: bytes, piece: int) -> None:
        """Whatever comes is cut into the same commands, at once or octet by octet."""
        self.assertEqual(read(data, piece=piece), read(data))

    @given(st.lists(st.binary(max_size=20), max_size=3))
    def test_literals_are_opaque(self, literals: list[bytes]) -> None:
        """Octets of literals never end a command."""
        data = b"a X" + b"".join(b" {%d+}\r\n%b" % (len(one), one) for one in literals if sum(map(len, literals)) <= 30)
        self.assertEqual(read(data + b"\r\nb NOOP\r\n"), [Command(data), Command(b"b NOOP")])
