"""Octets of a message as a multi-line response: dot-stuffing, and the cut of TOP (RFC 1939 3 and 7). Pure."""

from __future__ import annotations

END = b".\r\n"


def stuffed(data: bytes) -> bytes:
    """A whole message, stuffed, ended by CRLF, and followed by the terminating line.

    A dot is doubled after a bare LF too: a client that takes LF for a line end must not see an end there.
    """
    if b"\n." in data:
        data = data.replace(b"\n.", b"\n..")
    if data.startswith(b"."):
        data = b"." + data
    if data and not data.endswith(b"\r\n"):
        return data + b"\r\n" + END
    return data + END


class Stuffing:
    """The same for a message that comes in pieces."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b"\r\n"

    def feed(self, data: bytes) -> bytes:
        """One piece, stuffed."""
        if not data:
            return data
        stuffed_data = data.replace(b"\n.", b"\n..")
        if data.startswith(b".") and self._tail.endswith(b"\n"):
            stuffed_data = b"." + stuffed_data
        self._tail = (self._tail + data[-2:])[-2:]
        return stuffed_data

    def end(self) -> bytes:
        """What comes after the last piece."""
        return END if self._tail == b"\r\n" else b"\r\n" + END


class Top:
    """Takes a message in pieces and lets through its header, the empty line, and `lines` lines of text."""

    __slots__ = ("_in_body", "_lines", "_tail", "done")

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self._in_body = False
        self._tail = b"\n"
        self.done = False
        """Whether nothing of what follows would be let through."""

    def feed(self, data: bytes) -> bytes:
        """The part of this piece that belongs to the answer."""
        if self.done:
            return b""
        start = 0 if self._in_body else self._end_of_header(data)
        if not self._in_body:
            return data
        end = self._end_of_lines(data, start)
        return data if end == len(data) else data[:end]

    def _end_of_header(self, data: bytes) -> int:
        """Where the body begins in this piece, if it does: behind the first empty line."""
        text = self._tail + data
        ends = [at + len(mark) for mark in (b"\n\r\n", b"\n\n") if (at := text.find(mark)) >= 0]
        if not ends:
            self._tail = text[-2:]
            return 0
        self._in_body = True
        return min(ends) - len(self._tail)

    def _end_of_lines(self, data: bytes, start: int) -> int:
        count = data.count(b"\n", start)
        if count < self._lines:
            self._lines -= count
            return len(data)
        self.done = True
        while self._lines:
            start = data.index(b"\n", start) + 1
            self._lines -= 1
        return start


def top(data: bytes, lines: int) -> bytes:
    """Header and first lines of a whole message."""
    return Top(lines).feed(data)
