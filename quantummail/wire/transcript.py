"""What both sides of a dialogue say, cut into lines that are fit to be kept: secrets and contents are left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from quantummail.logs import visible

# Octets of a line that are kept, and of input that waits until it is known what it is
MAX_LINE = 1000
MAX_HELD = 65_536

Write = Callable[[str, str], None]
"""Keeps one line: who (``C`` or ``S``), and what."""


class Redaction(Protocol):
    """Knows a protocol well enough to leave out what nobody should read. Pure."""

    def __init__(self, write: Write) -> None:
        """`write` is given the lines."""

    def heard(self, data: bytes) -> None:
        """The client has sent this."""

    def said(self, data: bytes) -> None:
        """We have sent this."""


class Side:
    """The octets of one side, as lines and as octets that are only counted.

    :param line: called for each line, without its end; a long one is cut in the middle, and its whole length is told.
    :param skipped: called after octets that were left out.
    """

    __slots__ = ("_kept", "_length", "_line", "_remaining", "_skipped", "_total")

    def __init__(self, line: Callable[[bytes, int], None], skipped: Callable[[int], None]) -> None:
        self._line = line
        self._skipped = skipped
        self._kept = bytearray()
        self._length = 0
        self._remaining = 0
        self._total = 0

    def skip(self, octets: int) -> None:
        """So many octets come that are no lines."""
        self._remaining = self._total = octets
        if not octets:
            self._skipped(0)

    def feed(self, data: bytes, start: int = 0, stop: Callable[[], bool] | None = None) -> int:
        """Take octets from `start` on; how far it came, before a line after which `stop` says so."""
        position = start
        while position < len(data):
            if self._remaining:
                taken = min(self._remaining, len(data) - position)
                self._remaining -= taken
                position += taken
                if not self._remaining:
                    self._skipped(self._total)
                continue
            end = data.find(b"\n", position)
            piece = data[position : end + 1] if end >= 0 else data[position:]
            position += len(piece)
            self._length += len(piece)
            self._kept += piece[: MAX_LINE + 2 - len(self._kept)]
            if end >= 0:
                # how a long line ends tells whether a literal follows
                kept, length = bytes(self._kept), self._length
                tail = piece[-64:] if length > len(kept) else b""
                self._kept.clear()
                self._length = 0
                end_of_line = 2 if (tail or kept).endswith(b"\r\n") else 1
                self._line((kept + tail)[:-end_of_line], length - end_of_line)
                if stop is not None and stop():
                    break
        return position


def readable(line: bytes, length: int) -> str:
    """A line for readers: everything escaped that a terminal would obey."""
    text = visible(line[:MAX_LINE].decode("utf-8", "backslashreplace"))
    return text if length <= MAX_LINE else f"{text} <a line of {length} octets>"


def octets(count: int) -> str:
    """In the place of what was left out."""
    return f"<{count} octets>"
