"""A header block: its fields with their offsets, and what is cut out of it or looked up in it (RFC 5322 2.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

MAX_OCTETS = 256 * 1024
"""What is parsed of a header block; the rest is kept, and served, as it is."""
MAX_FIELDS = 1000

# More names than this in one request are looked up one by one instead of by a pattern made for them
_MAX_PATTERN_NAMES = 50

# RFC 5322 2.2, 2.2.3:  field = field-name ":" body CRLF, where a line that begins with WSP continues the field.
# RFC 5322 4.5: white space may stand before the colon. Bare LF is taken for a line end too (adopted files).
# One match is one field with all its lines, or a line without colon, which is no field but does not end the header.
_field = re.compile(rb"([^\n:]*+)(:?)[ \t]*+(.*(?:\n[ \t].*)*+)\n?")
_spaces = re.compile(rb"[ \t]{2,}|\t")
# a header block ends at the first empty line
_empty_line = re.compile(rb"\n\r?\n")


@dataclass(frozen=True, slots=True)
class Field:
    """One field; offsets are those in the header block. `name` is in lower case."""

    name: bytes
    start: int
    value_start: int
    end: int
    """After the line end of its last line."""


@dataclass(frozen=True, slots=True)
class Headers:
    """The fields of a header block in their order: at most 1000 of the first 256 KB."""

    octets: bytes
    fields: tuple[Field, ...]
    complete: bool = True
    """Whether no limit was met. Who decides by a header must refuse one that is not: a second From may be behind."""

    @classmethod
    def scan(cls, octets: bytes) -> Headers:
        """Find the fields. `octets` begins with the header and may go on with the body."""
        end = header_end(octets)
        octets = octets[:min(end, MAX_OCTETS)]
        fields: list[Field] = []
        for match in _field.finditer(octets):
            name = match[1].rstrip(b" \t").lower()
            if match[2] and name and name[:1] not in b" \t":
                if len(fields) == MAX_FIELDS:
                    return cls(octets, tuple(fields), complete=False)
                fields.append(Field(name, match.start(), match.start(3), match.end()))
        return cls(octets, tuple(fields), complete=end <= MAX_OCTETS)

    def get(self, name: bytes) -> bytes | None:
        """The value of the first field of that name (any case), unfolded and stripped; None when there is none."""
        name = name.lower()
        for field in self.fields:
            if field.name == name:
                return self.value(field)
        return None

    def get_all(self, name: bytes) -> list[bytes]:
        """The values of all fields of that name (any case), unfolded and stripped."""
        name = name.lower()
        return [self.value(field) for field in self.fields if field.name == name]

    def value(self, field: Field) -> bytes:
        """The value of one of the fields, unfolded and stripped."""
        return unfold(self.octets[field.value_start:field.end])

    def __contains__(self, name: object) -> bool:
        return isinstance(name, bytes) and self.get(name) is not None


def header_end(octets: bytes) -> int:
    """Where the body begins: after the first empty line, or at the end when there is none."""
    if octets[:2] == b"\r\n":
        return 2
    if octets[:1] == b"\n":
        return 1
    match = _empty_line.search(octets)
    return match.end() if match else len(octets)


def unfold(value: bytes) -> bytes:
    """Take the line ends out of a field's value (RFC 5322 2.2.3) and strip it. A stray CR becomes a space."""
    value = value.strip(b" \t\r\n")
    if b"\n" in value or b"\r" in value:
        value = value.replace(b"\r\n", b"").replace(b"\r", b" ").replace(b"\n", b"")
    return value


def compact(value: bytes) -> bytes:
    """Unfold, strip, and make one space of every run of white space: a text for people."""
    value = unfold(value)
    if b"  " in value or b"\t" in value:
        value = _spaces.sub(b" ", value)
    return value


def only_fields(header: bytes, names: Iterable[bytes]) -> bytes:
    """HEADER.FIELDS (RFC 3501 6.4.5): the fields of these names as they stand there, then an empty line.

    `header` is a whole header block with its empty line.
    """
    wanted = frozenset(name.lower() for name in names)
    if len(wanted) <= _MAX_PATTERN_NAMES and header.endswith(b"\n"):
        # every match begins with the line end before its field: put right by moving one LF from front to back
        found = b"".join(_pattern_of(wanted).findall(b"\n" + header))
        return found[1:] + b"\n\r\n" if found else b"\r\n"
    found = b"".join(text for text, name in _logical_lines(header) if name in wanted)
    return found + (b"\r\n" if found.endswith(b"\n") or not found else b"\r\n\r\n")


def without_fields(header: bytes, names: Iterable[bytes]) -> bytes:
    """HEADER.FIELDS.NOT (RFC 3501 6.4.5), and stripping Bcc: everything else as it stands there.

    What follows an empty line is left alone, so that a whole message may be given too.
    """
    unwanted = frozenset(name.lower() for name in names)
    end = header_end(header)
    head, rest = header[:end], header[end:]
    if len(unwanted) <= _MAX_PATTERN_NAMES and head.endswith(b"\n"):
        return _pattern_of(unwanted).sub(b"", b"\n" + head)[1:] + rest
    return b"".join(text for text, name in _logical_lines(head) if name not in unwanted) + rest


def _logical_lines(header: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (match[0], match[1].rstrip(b" \t").lower() if match[2] else b"")
        for match in _field.finditer(header)
    ]


@lru_cache(maxsize=256)
def _pattern_of(names: frozenset[bytes]) -> re.Pattern[bytes]:
    # clients ask for the same few sets again and again; no name at all matches nothing
    alternatives = b"|".join(re.escape(name) for name in sorted(names)) or b"(?!)"
    return re.compile(rb"\n(?:" + alternatives + rb")[ \t]*+:.*(?:\n[ \t].*)*+", re.IGNORECASE)
