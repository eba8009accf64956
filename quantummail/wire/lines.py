"""The bytes a peer has sent and nobody has read yet. Knows no transport: the sessions use it as it is."""

from __future__ import annotations

import re

_REMEMBERED = 64


class LineTooLong(Exception):
    """The peer sent a line longer than its state allows. The whole line is skipped, the next one reads as usual."""

    def __init__(self, head: bytes = b"", tail: bytes = b"") -> None:
        super().__init__("line too long")
        self.head = head
        """How the line began: IMAP finds the tag here."""
        self.tail = tail
        """How it ended: IMAP sees here whether a literal follows."""


class LineBuffer:
    """Collects bytes and gives back lines or counted octets, in time linear to what came in."""

    __slots__ = ("_data", "_head", "_scanned")

    def __init__(self) -> None:
        self._data = bytearray()
        self._scanned = 0
        self._head: bytes | None = None

    def __len__(self) -> int:
        return len(self._data)

    def feed(self, data: bytes) -> None:
        """Append what the transport brought."""
        self._data += data

    def match(self, pattern: re.Pattern[bytes]) -> bool:
        """Whether what is there begins so; it stays there."""
        return pattern.match(self._data) is not None

    def take_line(self, limit: int) -> bytes | None:
        """The next line with its end (LF, preceded by CR if the peer is correct), or None when it is incomplete.

        :param limit: octets, the end of the line included. `LineTooLong` is raised once for a longer line, at the
            moment when its end has come, so that the answer never overtakes the line.
        """
        end = self._data.find(b"\n", self._scanned)
        if end < 0:
            if len(self._data) > limit:
                if self._head is None:
                    self._head = bytes(self._data[:_REMEMBERED])
                del self._data[:-_REMEMBERED]
            self._scanned = len(self._data)
            return None
        line = bytes(self._data[: end + 1])
        del self._data[: end + 1]
        self._scanned = 0
        head, self._head = self._head, None
        if head is not None or len(line) > limit:
            raise LineTooLong(line[:_REMEMBERED] if head is None else head, line[-_REMEMBERED:])
        return line

    def take(self, size: int) -> bytes:
        """Up to `size` octets, as many as are there."""
        data = bytes(self._data[:size])
        del self._data[:size]
        self._scanned = 0
        return data

    def take_all(self) -> bytes:
        """Everything that is there."""
        data = bytes(self._data)
        self.clear()
        return data

    def clear(self) -> None:
        """Forget what is buffered."""
        self._data.clear()
        self._scanned = 0
        self._head = None
