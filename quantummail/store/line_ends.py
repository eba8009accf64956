"""Foreign files end their lines with LF; messages have CRLF. Pieces of large files are converted without the rest."""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections import OrderedDict

_BLOCK = 256 * 1024
_REMEMBERED = 64


def with_crlf(octets: bytes) -> bytes:
    """The same text with every line end as CRLF. A bare CR stays."""
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


class Incoming:
    """Converts a text that comes in pieces, such as what a client appends."""

    __slots__ = ("_after_cr",)

    def __init__(self) -> None:
        self._after_cr = False

    def converted(self, data: bytes) -> bytes:
        """The next piece, with CRLF at the ends of its lines."""
        if not data:
            return data
        other_half = data[:1] if self._after_cr and data[:1] == b"\n" else b""
        self._after_cr = data[-1:] == b"\r"
        rest = data[len(other_half) :]
        if rest.count(b"\n") == rest.count(b"\r\n"):
            return data
        return other_half + with_crlf(rest)


    def passed(self, data: bytes) -> None:
        """A piece of the text that has its line ends already, and was not converted here."""
        if data:
            self._after_cr = data[-1:] == b"\r"


def next_block(descriptor: int, position: int, after_cr: bool) -> tuple[bytes, int, bool]:
    """Convert what stands at an offset of a file: the text, the offset behind it, and whether that is after a CR."""
    block = os.pread(descriptor, _BLOCK, position)
    if not block:
        return b"", position, after_cr
    if after_cr and block[:1] == b"\n":
        # the other half of a CRLF
        return b"\n" + with_crlf(block[1:]), position + len(block), block[-1:] == b"\r"
    return with_crlf(block), position + len(block), block[-1:] == b"\r"


class Places:
    """Remembers where in the converted text the blocks of large files are, so that reading on costs no reading over."""

    def __init__(self) -> None:
        self._files: OrderedDict[tuple[int, ...], list[tuple[int, int, bool]]] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, descriptor: int, start: int, end: int) -> bytes:
        """Octets `start` to `end` of the converted text; fewer if it ends before."""
        known = self._known(descriptor)
        with self._lock:
            text, position, after_cr = known[bisect_right(known, (start, 1 << 62, True)) - 1]
        pieces: list[bytes] = []
        while text < end:
            block, position, after_cr = next_block(descriptor, position, after_cr)
            if not block:
                break
            if text + len(block) > start:
                pieces.append(block[max(0, start - text) : end - text])
            text += len(block)
            with self._lock:
                if known[-1][0] < text:
                    known.append((text, position, after_cr))
        return b"".join(pieces)

    def _known(self, descriptor: int) -> list[tuple[int, int, bool]]:
        """Where blocks begin: offset in the text, offset in the file, and whether a CR is before it."""
        status = os.fstat(descriptor)
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        with self._lock:
            known = self._files.setdefault(key, [(0, 0, False)])
            self._files.move_to_end(key)
            if len(self._files) > _REMEMBERED:
                self._files.popitem(last=False)
        return known
