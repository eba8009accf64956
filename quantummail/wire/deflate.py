"""Raw deflate in both directions of a connection (RFC 1951), with little memory for those that are silent.

The peer decides how much its octets become: they are inflated piece by piece, as they are read.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from typing import Any

# Level 1 is 1.7 times as fast and makes 3 % more octets of envelopes than level 3; level 6 is half as fast, 10 % less
_LEVEL = 3
_COMPRESSOR_BITS = -14
_MEMORY_LEVEL = 7
_INFLATER_BITS = -15
# Compressors of one listener, of about 130 KB each. Who gets none for the moment begins anew, without what was before.
MOST_COMPRESSORS = 64
# A client that has said no more than this since it began to compress costs only that while it is silent
_REMEMBERED = 4096
# What a sync flush ends with, and an empty stored block
_FLUSHED = b"\0\0\xff\xff"
_NOTHING = b"\0\0\0\xff\xff"


class Garbled(Exception):
    """What the peer sends is not compressed, or not as it should be."""


class Compressors:
    """The compressors of many connections, of which only the last ones that spoke have one."""

    def __init__(self, most: int = MOST_COMPRESSORS) -> None:
        self._most = most
        self._held: OrderedDict[int, Any] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def compress(self, owner: int, data: bytes) -> bytes:
        """The next octets of a connection, up to a point from where the peer can read all of it."""
        compressor = self._held.get(owner)
        if compressor is None:
            # behind a flush another compressor may go on: it refers to nothing that was before
            compressor = self._held[owner] = zlib.compressobj(_LEVEL, zlib.DEFLATED, _COMPRESSOR_BITS, _MEMORY_LEVEL)
            if len(self._held) > self._most:
                self._held.popitem(last=False)
        else:
            self._held.move_to_end(owner)
        return compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)

    def release(self, owner: int) -> None:
        """A connection is gone."""
        self._held.pop(owner, None)


class Deflate:
    """What one connection needs."""

    __slots__ = ("_compressors", "_ended", "_history", "_inflater", "_last", "_more", "_unread")

    def __init__(self, compressors: Compressors) -> None:
        self._compressors = compressors
        self._unread = b""
        self._more = False
        self._inflater: Any = None
        self._history: bytes | None = b""
        self._last = b""
        self._ended = False

    def deflated(self, data: bytes) -> bytes:
        """Octets for the peer."""
        return self._compressors.compress(id(self), data)

    def feed(self, data: bytes) -> None:
        """Octets of the peer have come."""
        self._unread += data
        self._more = True

    @property
    def unread(self) -> int:
        """How many of them have not been looked at."""
        return len(self._unread)

    @property
    def more(self) -> bool:
        """Whether `inflate` may have something."""
        return self._more

    def inflate(self, most: int) -> bytes:
        """What the peer has said, at most so many octets. Raises `Garbled`."""
        if not self._more:
            return b""
        if self._ended:
            # RFC 4978 section 3: the stream goes on for as long as the connection does
            raise Garbled("octets behind the end of the compressed stream")
        if self._inflater is None:
            self._inflater = zlib.decompressobj(_INFLATER_BITS, zdict=self._history or b"")
        inflater, unread = self._inflater, self._unread
        try:
            data: bytes = inflater.decompress(unread, most)
        except zlib.error as error:
            self._unread, self._more = b"", False
            raise Garbled(str(error)) from None
        self._unread = inflater.unconsumed_tail
        self._ended = inflater.eof
        self._more = bool(self._unread) or (self._ended and bool(inflater.unused_data))
        # what the inflater holds back for want of room comes before it takes new octets
        self._more = self._more or len(data) == most
        if self._history is not None:
            self._remember(data, (self._last + unread)[-len(_FLUSHED) :])
        return data

    def _remember(self, data: bytes, last: bytes) -> None:
        """Let go of the inflater and its 40 KB if what it knows is short, and can be told to the next one."""
        assert self._history is not None
        self._last = last
        self._history += data
        if len(self._history) > _REMEMBERED:
            self._history = None
        elif not self._more and last == _FLUSHED and self._between_blocks():
            self._inflater = None

    def _between_blocks(self) -> bool:
        """Whether the octets that look like a flush are one, and not the data of a block."""
        try:
            return not self._inflater.copy().decompress(_NOTHING)
        except zlib.error:
            return False

    def close(self) -> None:
        """The connection is gone, or goes on without compression."""
        self._compressors.release(id(self))
        self._inflater = None
        self._unread = b""
        self._more = False
