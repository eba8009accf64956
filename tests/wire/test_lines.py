"""The buffer of unread bytes."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.wire.lines import LineBuffer, LineTooLong

LIMIT = 10


def lines(pieces: list[bytes], limit: int = LIMIT) -> list[bytes | None]:
    """All lines; None for one that is too long."""
    buffer = LineBuffer()
    found: list[bytes | None] = []
    for piece in pieces:
        buffer.feed(piece)
        while True:
            try:
                line = buffer.take_line(limit)
            except LineTooLong:
                found.append(None)
                continue
            if line is None:
                break
            found.append(line)
    return found


class LineTests(SynchronousTestCase):
    """take_line"""

    TABLE = {
        b"": [], b"a": [], b"a\r\n": [b"a\r\n"], b"a\n": [b"a\n"], b"\n\r\n": [b"\n", b"\r\n"],
        b"a\rb\r\n": [b"a\rb\r\n"],
        b"12345678\r\nb\n": [b"12345678\r\n", b"b\n"], b"123456789\r\nb\n": [None, b"b\n"],
        b"x" * 1000 + b"\r\nb\n" + b"x" * 11 + b"\n\n": [None, b"b\n", None, b"\n"],
    }

    def test_whole(self) -> None:
        """The table in one piece."""
        for stream, expected in self.TABLE.items():
            self.assertEqual(lines([stream]), expected, stream[:20])

    def test_byte_by_byte(self) -> None:
        """The table octet by octet."""
        for stream, expected in self.TABLE.items():
            self.assertEqual(lines([stream[at:at + 1] for at in range(len(stream))]), expected, stream[:20])

    @given(st.lists(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"xxxxxxx", b"\r\n"]), max_size=6).map(b"".join),
                    max_size=12))
    def test_any_cut(self, pieces: list[bytes]) -> None:
        """How the stream is cut does not matter."""
        whole = b"".join(pieces)
        expected = [None if len(line) + 1 > LIMIT else line + b"\n" for line in whole.split(b"\n")[:-1]]
        self.assertEqual(lines(pieces), expected)

    def test_tail_stays(self) -> None:
        """What is behind a line stays, for lines and for octets."""
        buffer = LineBuffer()
        buffer.feed(b"a\r\nbcdef\r\n")
        self.assertEqual(buffer.take_line(LIMIT), b"a\r\n")
        self.assertEqual(buffer.take(2), b"bc")
        self.assertEqual(len(buffer), 5)
        self.assertEqual(buffer.take_line(LIMIT), b"def\r\n")
        self.assertEqual(buffer.take(5), b"")

    def test_take(self) -> None:
        """take gives what is there; take_all everything."""
        buffer = LineBuffer()
        buffer.feed(b"abc")
        self.assertEqual(buffer.take(10), b"abc")
        buffer.feed(b"d")
        buffer.feed(b"e")
        self.assertEqual(buffer.take_all(), b"de")
        self.assertEqual(len(buffer), 0)

    def test_octets_between_lines(self) -> None:
        """Octets taken after an incomplete look for a line do not hide the next line end."""
        buffer = LineBuffer()
        buffer.feed(b"abc")
        self.assertIsNone(buffer.take_line(LIMIT))
        self.assertEqual(buffer.take(1), b"a")
        buffer.feed(b"\n")
        self.assertEqual(buffer.take_line(LIMIT), b"bc\n")

    def test_cleared(self) -> None:
        """clear forgets the buffer, and that a line was being skipped."""
        buffer = LineBuffer()
        buffer.feed(b"x" * 100)
        self.assertIsNone(buffer.take_line(LIMIT))
        buffer.clear()
        buffer.feed(b"a\n")
        self.assertEqual(buffer.take_line(LIMIT), b"a\n")

    def test_skipping_costs_no_memory(self) -> None:
        """A line without end is not kept."""
        buffer = LineBuffer()
        for _ in range(1000):
            buffer.feed(b"x" * 1000)
            self.assertIsNone(buffer.take_line(100))
            self.assertLessEqual(len(buffer), 1100)

    def test_linear(self) -> None:
        """A long line that drips in, and many lines at once, cost time in proportion."""
        buffer = LineBuffer()
        begun = time.process_time()
        for _ in range(100_000):
            buffer.feed(b"x")
            buffer.take_line(10**6)
        buffer.clear()
        buffer.feed(b"NOOP\r\n" * 100_000)
        while buffer.take_line(100) is not None:
            pass
        self.assertLess(time.process_time() - begun, 5)
