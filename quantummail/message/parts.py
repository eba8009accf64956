"""Where the parts of a message are: a compact table that is stored with it, and the lookup of IMAP's part numbers."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.message.mime import Part

LEAF, MULTIPART, MESSAGE = range(3)

# The table: the number of parts, one record for each in the order of the text, then the names of media types.
# A record: header start, body start, end, number of parts below, index of the type's name, kind, encoding.
_COUNT = struct.Struct("<H")
_RECORD = struct.Struct("<IIIHHBB")
_ENCODINGS = ("7bit", "8bit", "binary", "quoted-printable", "base64", "")
_encoding_number = {name.encode(): number for number, name in enumerate(_ENCODINGS)}
_UNKNOWN_ENCODING = len(_ENCODINGS) - 1


@dataclass(frozen=True, slots=True)
class PartRange:
    """One part as offsets into the octets of the message. Slices that are not there are empty.

    ``BODY[n]`` is start:end, ``BODY[n.MIME]`` mime_start:start. If the part is a message (the whole message, or
    message/rfc822), ``BODY[n.HEADER]`` is header_start:body_start and ``BODY[n.TEXT]`` body_start:end.
    """

    mime_start: int
    start: int
    end: int
    is_message: bool
    header_start: int
    """Where the header of the message begins, the same as `start`; without a message the same as `body_start`."""
    body_start: int
    """Where the text of the message begins; without a message the same as `start`."""
    type: str
    """Media type in lower case, ``text/plain``."""
    encoding: str
    """Content-Transfer-Encoding in lower case: 7bit, 8bit, binary, quoted-printable, base64; empty: unknown."""


def pack(parts: Sequence[Part]) -> bytes:
    """Make the table of the parts that the scanner found. Offsets must be below 4 GB."""
    types: dict[bytes, int] = {}
    records = []
    for part in parts:
        media = part.media
        records.append(_RECORD.pack(
            part.header_start, part.body_start, part.end, part.descendants,
            types.setdefault(media, len(types)), part.kind,
            _encoding_number.get(part.encoding.lower(), _UNKNOWN_ENCODING)))
    return _COUNT.pack(len(records)) + b"".join(records) + b"\0".join(types)


def find(packed: bytes, path: tuple[int, ...]) -> PartRange | None:
    """Look a part up by its numbers (RFC 3501 6.4.5), ``()`` for the whole message; None when there is no such part."""
    count = _COUNT.unpack_from(packed)[0]
    index = 0
    whole = True
    for number in path:
        index_and_whole = _step(packed, index, whole, number)
        if index_and_whole is None:
            return None
        index, whole = index_and_whole
    header_start, body_start, end, _, type_index, kind, encoding = _record(packed, index)
    types = packed[_COUNT.size + count * _RECORD.size:].split(b"\0")
    media = types[type_index].decode("ascii", "replace")
    if whole:
        return PartRange(0, 0, end, True, 0, body_start, media, _ENCODINGS[encoding])
    if kind == MESSAGE:
        inner = _record(packed, index + 1)
        return PartRange(header_start, body_start, end, True, inner[0], inner[1], media, _ENCODINGS[encoding])
    return PartRange(header_start, body_start, end, False, body_start, body_start, media, _ENCODINGS[encoding])


def headers(packed: bytes) -> list[tuple[int, int]]:
    """Where the header blocks are, of the message and of all parts, in the order of the text: beginning and end."""
    count = _COUNT.unpack_from(packed)[0]
    records = (_record(packed, index) for index in range(count))
    return [(start, end) for start, end, *_ in records if start < end]


def leaves(packed: bytes) -> list[PartRange]:
    """Every part without parts below it, in the order of the text; a message has one at least.

    Multiparts, and messages in the message, are none of them, but their headers are: as empty parts whose MIME headers
    they are.
    """
    count = _COUNT.unpack_from(packed)[0]
    types = packed[_COUNT.size + count * _RECORD.size:].split(b"\0")
    found = []
    for index in range(count):
        header_start, body_start, end, _, type_index, kind, encoding = _record(packed, index)
        if kind != LEAF and index:
            found.append(PartRange(header_start, body_start, body_start, False, body_start, body_start, "", ""))
        elif kind == LEAF:
            media = types[type_index].decode("ascii", "replace")
            found.append(PartRange(
                header_start, body_start, end, False, body_start, body_start, media, _ENCODINGS[encoding]))
    return found


def _step(packed: bytes, index: int, whole: bool, number: int) -> tuple[int, bool] | None:
    """One number of a path: from a record to the one below it, with whether that means the message as a whole."""
    _, _, _, below, _, kind, _ = _record(packed, index)
    if not whole and kind == MESSAGE:
        # RFC 3501 6.4.5: numbers after a message/rfc822 part are those of the message in it
        index += 1
        _, _, _, below, _, kind, _ = _record(packed, index)
        whole = True
    if kind != MULTIPART:
        # RFC 3501 6.4.5: every message has at least one part, its body, which is part 1
        return (index, False) if whole and number == 1 else None
    child = index + 1
    last = index + below
    for _ in range(number - 1):
        if child > last:
            return None
        child += 1 + _record(packed, child)[3]
    return (child, False) if number > 0 and child <= last else None


def _record(packed: bytes, index: int) -> tuple[int, int, int, int, int, int, int]:
    header_start, body_start, end, below, type_index, kind, encoding = _RECORD.unpack_from(
        packed, _COUNT.size + index * _RECORD.size)
    return header_start, body_start, end, below, type_index, kind, encoding
