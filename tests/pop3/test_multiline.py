"""Dot-stuffing and the cut of TOP."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.pop3.multiline import Stuffing, Top, stuffed, top

STUFFED = [
    (b"", b".\r\n"),
    (b"a\r\n", b"a\r\n.\r\n"),
    (b"a", b"a\r\n.\r\n"),
    (b".", b"..\r\n.\r\n"),
    (b".\r\n", b"..\r\n.\r\n"),
    (b"..\r\n", b"...\r\n.\r\n"),
    (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
    (b"a.\r\nb.c\r\n", b"a.\r\nb.c\r\n.\r\n"),
    (b"\r\n\r\n", b"\r\n\r\n.\r\n"),
    (b"a\r\n.", b"a\r\n..\r\n.\r\n"),
    (b".\r\n.\r\n.\r\n", b"..\r\n..\r\n..\r\n.\r\n"),
    (b"a\n.\r\nb\r\n", b"a\n..\r\nb\r\n.\r\n"),
    (b"a\r", b"a\r\r\n.\r\n"),
    (b"a\n", b"a\n\r\n.\r\n"),
]

MAIL = b"Subject: x\r\nTo: y\r\n\r\none\r\ntwo\r\nthree"
TOPS = [
    (MAIL, 0, b"Subject: x\r\nTo: y\r\n\r\n"),
    (MAIL, 1, b"Subject: x\r\nTo: y\r\n\r\none\r\n"),
    (MAIL, 2, b"Subject: x\r\nTo: y\r\n\r\none\r\ntwo\r\n"),
    (MAIL, 3, MAIL),
    (MAIL, 9_999_999_999, MAIL),
    (b"Subject: no body\r\n", 5, b"Subject: no body\r\n"),
    (b"Subject: no body\r\n\r\n", 0, b"Subject: no body\r\n\r\n"),
    (b"\r\nno header\r\nline\r\n", 1, b"\r\nno header\r\n"),
    (b"a: b\n\nbare\nlines\n", 1, b"a: b\n\nbare\n"),
    (b"a: b\r\n\r\n\r\n\r\nx\r\n", 2, b"a: b\r\n\r\n\r\n\r\n"),
    (b"", 1, b""),
]


def in_pieces(data: bytes, size: int) -> list[bytes]:
    """The same octets, cut."""
    return [data[start : start + size] for start in range(0, len(data), size)]


def unstuffed(data: bytes) -> bytes:
    """What a strict client makes of a multi-line response (RFC 1939 3)."""
    lines = data.split(b"\r\n")
    end = lines.index(b".")
    assert lines[end + 1 :] == [b""]
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:end])


class StuffingTests(SynchronousTestCase):
    """Nothing in a message ends the response, nothing is lost."""

    def test_whole(self) -> None:
        """A table of awkward messages."""
        for data, expected in STUFFED:
            self.assertEqual(stuffed(data), expected, data)

    def test_in_pieces(self) -> None:
        """The same for any way to cut them."""
        for data, expected in STUFFED:
            for size in range(1, len(data) + 1):
                stuffing = Stuffing()
                result = b"".join(stuffing.feed(piece) for piece in [*in_pieces(data, size), b""]) + stuffing.end()
                self.assertEqual(result, expected, (data, size))

    def test_nothing(self) -> None:
        """A message without pieces is empty."""
        self.assertEqual(Stuffing().end(), stuffed(b""))

    @given(st.lists(st.sampled_from([b".", b"\r\n", b"a", b".a", b"..", b" "])).map(b"".join), st.integers(1, 9))
    def test_round_trip(self, data: bytes, size: int) -> None:
        """A strict client gets what we have, with CRLF at the end."""
        whole = data if not data or data.endswith(b"\r\n") else data + b"\r\n"
        self.assertEqual(unstuffed(stuffed(data)), whole)
        stuffing = Stuffing()
        self.assertEqual(b"".join(map(stuffing.feed, in_pieces(data, size))) + stuffing.end(), stuffed(data))

    @given(st.lists(st.sampled_from([b".", b"\r", b"\n", b"a", b"\0"])).map(b"".join))
    def test_no_early_end(self, data: bytes) -> None:
        """Not even a client that takes a bare LF for a line end sees the end before it is there."""
        lines = stuffed(data).split(b"\n")
        self.assertEqual(lines.index(b".\r"), len(lines) - 2)
        self.assertNotIn(b".", lines[:-2])

    def test_linear(self) -> None:
        """Four million dots take no time."""
        begun = time.process_time()
        stuffed(b".\r\n" * 4_000_000)
        self.assertLess(time.process_time() - begun, 2)


class TopTests(SynchronousTestCase):
    """RFC 1939 7: the header, the empty line, and so many lines."""

    def test_whole(self) -> None:
        """A table of messages and numbers."""
        for data, lines, expected in TOPS:
            self.assertEqual(top(data, lines), expected, (data, lines))

    def test_in_pieces(self) -> None:
        """The same for any way to cut them."""
        for data, lines, expected in TOPS:
            for size in range(1, len(data) + 1):
                cut = Top(lines)
                self.assertEqual(b"".join(map(cut.feed, in_pieces(data, size))), expected, (data, lines, size))

    def test_done(self) -> None:
        """It says when nothing more is needed, so that a big message is not read to its end."""
        cut = Top(1)
        cut.feed(b"a: b\r\n\r\n")
        self.assertFalse(cut.done)
        cut.feed(b"one\r\ntwo\r\n")
        self.assertTrue(cut.done)
        self.assertEqual(cut.feed(b"three\r\n"), b"")
