"""Canonical forms of headers and bodies, as DKIM and ARC sign them (RFC 6376 3.4). Linear in their input."""

from __future__ import annotations

import hashlib
import re
from typing import Literal

Form = Literal["simple", "relaxed"]

_BLANKS = re.compile(rb"[ \t]+")
# RFC 6376 3.4.2: unfold, one blank for many, none around the colon or at the end
_FOLDED = re.compile(rb"\r\n(?=[ \t])")
_PIECE = 1 << 20


def header_field(field: bytes, form: Form) -> bytes:
    """One header field, with its name and its CRLF, in canonical form."""
    if form == "simple":
        return field
    name, _, value = field.partition(b":")
    value = _BLANKS.sub(b" ", _FOLDED.sub(b"", value.rstrip(b"\r\n"))).strip(b" ")
    return name.strip(b" \t").lower() + b":" + value + b"\r\n"


class BodyHash:
    """The hash of a body in canonical form, of octets that come in pieces."""

    __slots__ = ("_blank", "_empty_lines", "_form", "_hash", "_held", "_left", "_seen", "length")

    def __init__(self, form: Form, algorithm: str = "sha256", limit: int | None = None) -> None:
        """`limit`: only so many octets of the canonical body count (``l=``, which verifiers must look at)."""
        self._form = form
        self._hash = hashlib.new(algorithm)
        self._held = b""
        self._empty_lines = 0
        self._seen = False
        self._left = limit
        self._blank = form == "relaxed"
        self.length = 0
        """Octets of the canonical body."""

    def update(self, octets: bytes) -> None:
        """The next piece."""
        for start in range(0, len(octets), _PIECE):
            self._take(self._held + octets[start : start + _PIECE])

    def digest(self) -> bytes:
        """The hash; nothing may come afterwards."""
        if self._held:
            self._lines(self._held + b"\r\n")
            self._held = b""
        if self._form == "simple" and not self._seen:
            # RFC 6376 3.4.3: an empty body is one line end
            self._add(b"\r\n")
        return self._hash.digest()

    def _take(self, data: bytes) -> None:
        end = data.rfind(b"\r\n")
        if end < 0:
            # a line without end: what is certain of it is hashed, so that it is not copied again and again
            if len(data) > _PIECE and not self._blank:
                self._flush_empty()
                cut = len(data) - 1 if data.endswith(b"\r") else len(data)
                self._add(data[:cut])
                data = data[cut:]
                self._seen = True
            self._held = data
            return
        self._held = data[end + 2:]
        self._lines(data[: end + 2])

    def _lines(self, lines: bytes) -> None:
        """Whole lines. Empty ones at the end wait: they count only if something follows."""
        if self._blank:
            lines = _BLANKS.sub(b" ", lines).replace(b" \r\n", b"\r\n")
        kept = _last_line_end(lines)
        if kept:
            self._flush_empty()
            self._add(lines[:kept])
            self._seen = True
        self._empty_lines += (len(lines) - kept) // 2

    def _flush_empty(self) -> None:
        if self._empty_lines:
            self._add(b"\r\n" * self._empty_lines)
            self._empty_lines = 0

    def _add(self, octets: bytes) -> None:
        self.length += len(octets)
        if self._left is not None:
            octets = octets[: self._left]
            self._left -= len(octets)
        self._hash.update(octets)


def _last_line_end(lines: bytes) -> int:
    """Where the last line ends that is not empty; 0 if all are."""
    text = len(lines.rstrip(b"\r\n"))
    tail = lines[text:]
    if len(tail) == 2 * tail.count(b"\r\n"):
        return text + 2 if text else 0
    # CR and LF stand alone in it, which no line end of ours does
    end = len(lines)
    while end >= 2 and lines.endswith(b"\r\n", 0, end) and (end == 2 or lines.endswith(b"\r\n", 0, end - 2)):
        end -= 2
    return end
