"""The parts of a message: one pass over its octets that only notes where each begins and ends (RFC 2045, RFC 2046).

Work is linear in the size of the message, whatever is in it, and nothing recurses.
"""

from __future__ import annotations

import re
from itertools import pairwise
from mmap import mmap

from quantummail.message.content_type import (
    MESSAGE_RFC822,
    OCTET_STREAM,
    TEXT_PLAIN,
    ContentType,
    parse_content_type,
    parse_token,
)
from quantummail.message.headers import MAX_FIELDS, MAX_OCTETS
from quantummail.message.parts import LEAF, MESSAGE, MULTIPART

MAX_DEPTH = 100
"""Multiparts and messages in each other; what is deeper is one part without a structure."""
MAX_PARTS = 10_000
# RFC 2046 5.1.1 allows 70; a much longer one is compared as far as this
_MAX_BOUNDARY = 200
_PIECE = 1 << 20

_CONTENT = rb"Content-(?:Type|Transfer-Encoding|ID|Description|Disposition|Language|Location|MD5)"
_ENVELOPE = rb"Date|Subject|From|Sender|Reply-To|To|Cc|Bcc|In-Reply-To|Message-ID|References|"
# The look-ahead keeps the engine from trying all names at every line
_FIELD = rb"[ \t]*+:(.*(?:\n[ \t].*)*+)"
_part_field = re.compile(rb"\n(" + _CONTENT + rb")" + _FIELD, re.IGNORECASE)
_message_field = re.compile(rb"\n(?=[DSFRTCBIM])(" + _ENVELOPE + _CONTENT + rb")" + _FIELD, re.IGNORECASE)

_ADDRESSES = frozenset((b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"))


class Part:
    """One part: offsets into the message, and the header fields that describe it."""

    __slots__ = (
        "body_start", "children", "content_type", "depth", "descendants", "encoding", "end", "fields",
        "header_start", "kind", "lines", "media", "parent",
    )

    header_start: int
    body_start: int
    end: int
    """Without the line end before the delimiter."""
    kind: int
    """LEAF, MULTIPART or MESSAGE of `quantummail.message.parts`."""
    content_type: ContentType
    media: bytes
    """Media type in lower case."""
    encoding: bytes
    """Content-Transfer-Encoding as it is written; 7bit by default."""
    fields: dict[bytes, bytes]
    """Raw values by name in lower case."""
    lines: int
    """Of a text or a message: its line ends."""

    def __init__(self, parent: Part | None, header_start: int, depth: int) -> None:
        self.parent = parent
        self.header_start = header_start
        self.depth = depth
        self.children: list[Part] = []
        self.descendants = 0
        self.lines = 0


class _Level:
    """A multipart whose delimiters are being looked for."""

    __slots__ = ("boundary", "needle", "part", "shadowed")

    def __init__(self, part: Part, boundary: bytes, needle: bytes, shadowed: int | None) -> None:
        self.part = part
        self.boundary = boundary
        self.needle = needle
        """What a line must begin with to be a delimiter of this or any outer multipart, with the LF before it."""
        self.shadowed = shadowed
        """The outer level that has the same boundary."""


def scan(data: bytes | mmap, size: int) -> list[Part]:
    """The parts in the order of the text; the message itself comes first. Expects CRLF, does not break on LF."""
    scanner = _Scanner(data, size)
    scanner.run()
    parts = scanner.parts
    if len(parts) > 1:
        for part in reversed(parts):
            if part.parent is not None:
                part.parent.descendants += part.descendants + 1
    _count_lines(data, parts)
    return parts


class _Scanner:
    def __init__(self, data: bytes | mmap, size: int) -> None:
        self.data = data
        self.size = size
        self.parts: list[Part] = []
        self.levels: list[_Level] = []
        self.level_of: dict[bytes, int] = {}
        self.lengths: list[int] = []
        # the next empty lines, kept so that no stretch is searched twice
        self.crlf_line = self.lf_line = self.lf_from = -1

    def run(self) -> None:
        part = self._open(None, 0, is_message=True)
        while True:
            if part.kind == MESSAGE:
                part = self._open(part, part.body_start, is_message=True)
                continue
            if part.kind == MULTIPART and part.content_type.boundary:
                self._enter(part)
            following = self._next_part(part) if self.levels else None
            if following is None:
                return
            part = following

    def _next_part(self, part: Part) -> Part | None:
        """From inside of `part` to the part after the next delimiter; None at the end of the message."""
        position = max(part.body_start - 1, 0)
        while len(self.parts) < MAX_PARTS:
            found = self._delimiter(position, self.size)
            if found is None:
                break
            start, level, closing, line_end = found
            multipart = self.levels[level].part
            self._close(part, multipart, start)
            self._leave(level + 1)
            part = multipart
            if line_end >= self.size:
                # a delimiter that is the end of the message begins no part
                break
            if not closing:
                return self._open(multipart, line_end + 1, is_message=False)
            # RFC 2046 5.1.1: the epilogue belongs to the multipart and ends with an outer delimiter
            self._leave(level)
            if not self.levels:
                break
            position = line_end
        self._close(part, None, self.size)
        return None

    def _close(self, part: Part, until: Part | None, start: int) -> None:
        """All parts from `part` outwards up to `until` end where the delimiter's line begins."""
        end = start
        if until is not None and end > 0:
            # RFC 2046 5.1.1: the line end before the delimiter belongs to it
            end -= 2 if self.data[end - 2:end] == b"\r\n" else 1
        current: Part | None = part
        while current is not None and current is not until:
            # a line end that is also the end of a header stays there
            current.end = end = max(end, current.body_start)
            current = current.parent

    def _open(self, parent: Part | None, start: int, *, is_message: bool) -> Part:
        part = Part(parent, start, 0 if parent is None else parent.depth + 1)
        self.parts.append(part)
        if parent is not None:
            parent.children.append(part)
        part.body_start, header = self._header(start)
        part.end = self.size
        part.fields = fields = _fields(header, _message_field if is_message else _part_field)
        default = TEXT_PLAIN
        if parent is not None and parent.media == b"multipart/digest":
            # RFC 2046 5.1.5
            default = MESSAGE_RFC822
        value = fields.get(b"content-type")
        content_type = default if value is None else parse_content_type(value)
        encoding = fields.get(b"content-transfer-encoding")
        part.encoding = (encoding and parse_token(encoding)) or b"7bit"
        media = content_type.media
        part.kind = LEAF
        if media[:1] == b"m":
            if media[:10] == b"multipart/":
                part.kind = MULTIPART
            elif media in (b"message/rfc822", b"message/global"):
                part.kind = MESSAGE
            if part.kind != LEAF and (part.depth >= MAX_DEPTH or len(self.parts) >= MAX_PARTS):
                part.kind = LEAF
                content_type = OCTET_STREAM
        part.content_type = content_type
        part.media = content_type.media
        return part

    def _header(self, start: int) -> tuple[int, bytes]:
        """Where the body begins, and the header with the LF before it, as far as it is parsed."""
        data = self.data
        empty = self._empty_line(start)
        if self.levels and empty > start:
            # a delimiter ends a header too
            found = self._delimiter(start - 1, empty)
            if found is not None:
                return found[0], data[start - 1:min(found[0], start + MAX_OCTETS)]
        last = min(empty, start + MAX_OCTETS)
        header = data[start - 1:last] if start else b"\n" + data[:last]
        if empty < self.size:
            empty += 2 if data[empty:empty + 1] == b"\r" else 1
        return empty, header

    def _empty_line(self, start: int) -> int:
        """The offset of the first empty line at or after `start`, which begins a line; the size if there is none."""
        data = self.data
        if data[start:start + 2] == b"\r\n" or data[start:start + 1] == b"\n":
            return start
        if self.crlf_line < start:
            found = data.find(b"\n\r\n", start)
            self.crlf_line = self.size if found < 0 else found + 1
        if not self.lf_from <= start <= self.lf_line:
            found = data.find(b"\n\n", start, self.crlf_line)
            self.lf_line = self.crlf_line if found < 0 else found + 1
            self.lf_from = start
        return min(self.crlf_line, self.lf_line)

    def _delimiter(self, position: int, end: int) -> tuple[int, int, bool, int] | None:
        """The next delimiter between position + 1 and end: its offset, level, whether it closes, its line end."""
        data = self.data
        needle = self.levels[-1].needle
        while True:
            found = data.find(needle, position, end)
            if found < 0:
                return None
            start = found + 3
            line_end = data.find(b"\n", start)
            if line_end < 0:
                line_end = self.size
            line = data[start:min(line_end, start + _MAX_BOUNDARY + 2)]
            # RFC 2046 5.1.1: the boundary must be at the beginning of the line, the rest of the line does not count.
            # If several boundaries are, the longest is meant (a and ab), and the innermost of the same.
            for length in self.lengths:
                level = self.level_of.get(line[:length])
                if level is not None:
                    return found + 1, level, line[length:length + 2] == b"--", line_end
            position = line_end

    def _enter(self, part: Part) -> None:
        boundary = part.content_type.boundary[:_MAX_BOUNDARY]
        needle = b"\n--" + boundary
        if self.levels:
            needle = _common_prefix(self.levels[-1].needle, needle)
        self.levels.append(_Level(part, boundary, needle, self.level_of.get(boundary)))
        self.level_of[boundary] = len(self.levels) - 1
        self._measure()

    def _leave(self, count: int) -> None:
        """Forget all levels but the outermost `count`."""
        if len(self.levels) == count:
            return
        while len(self.levels) > count:
            level = self.levels.pop()
            if level.shadowed is None:
                del self.level_of[level.boundary]
            else:
                self.level_of[level.boundary] = level.shadowed
        self._measure()

    def _measure(self) -> None:
        self.lengths = sorted(set(map(len, self.level_of)), reverse=True)


def _common_prefix(one: bytes, other: bytes) -> bytes:
    length = min(len(one), len(other))
    while one[:length] != other[:length]:
        length -= 1
    return one[:length]


def _fields(header: bytes, pattern: re.Pattern[bytes]) -> dict[bytes, bytes]:
    """The wanted fields. Of content fields the first counts, of others the last, as in Dovecot.

    Address fields are put together, so that no address can hide in the second of two From fields.
    """
    found = pattern.findall(header)
    fields: dict[bytes, bytes] = {}
    for name, value in found[:MAX_FIELDS]:
        name = name.lower()
        if name not in fields:
            fields[name] = value
        elif name in _ADDRESSES:
            fields[name] = fields[name].rstrip() + b"," + value
        elif name[:8] != b"content-":
            fields[name] = value
    return fields


def _count_lines(data: bytes | mmap, parts: list[Part]) -> None:
    """Line ends of the parts whose structure tells them; no octet is counted twice, however the messages nest."""
    wanted = [part for part in parts if part.kind == MESSAGE or part.media[:5] == b"text/"]
    if all(part.kind == LEAF for part in wanted):
        for part in wanted:
            part.lines = count_lines(data, part.body_start, part.end)
        return
    marks = sorted({mark for part in wanted for mark in (part.body_start, part.end)})
    before = {marks[0]: 0}
    for low, high in pairwise(marks):
        before[high] = before[low] + count_lines(data, low, high)
    for part in wanted:
        part.lines = before[part.end] - before[part.body_start]


def count_lines(data: bytes | mmap, start: int, end: int) -> int:
    """The line ends between two offsets."""
    if isinstance(data, bytes):
        return data.count(b"\n", start, end)
    return sum(data[at:min(at + _PIECE, end)].count(b"\n") for at in range(start, end, _PIECE))
