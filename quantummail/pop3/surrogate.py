"""A message for a client that has not said UTF8: no header, of the message or a part, has UTF-8 (RFC 6856 4). Pure."""

from __future__ import annotations

from collections.abc import Sequence

from quantummail.message.downgrade import downgraded
from quantummail.message.headers import MAX_OCTETS


class Surrogate:
    """Takes a message in pieces. What is no header passes as it is, and so do headers of more than 256 KB.

    :param headers: where the headers are, in their order: beginning and end.
    """

    __slots__ = ("_header", "_headers", "_position")

    def __init__(self, headers: Sequence[tuple[int, int]]) -> None:
        self._headers = [(start, end) for start, end in reversed(headers) if end - start <= MAX_OCTETS]
        self._position = 0
        self._header: list[bytes] = []

    def feed(self, data: bytes) -> bytes:
        """What can be given of this piece and of those before."""
        given: list[bytes] = []
        while data:
            if not self._headers:
                given.append(data)
                break
            start, end = self._headers[-1]
            passing = data[: (start if self._position < start else end) - self._position]
            (given if self._position < start else self._header).append(passing)
            self._position += len(passing)
            data = data[len(passing) :]
            if self._position == end:
                self._headers.pop()
                given.append(self.end())
        return b"".join(given)

    def end(self) -> bytes:
        """What is still held, at the end of a header or of the message."""
        header = b"".join(self._header)
        self._header.clear()
        return downgraded(header)
