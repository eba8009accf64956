"""Messages with binary parts (RFC 3516): which stretches have to be encoded so that every client can read them.

What is stored has lines that end in CRLF and no NUL, because that is what IMAP's literals and POP3 can carry. A part
that is binary becomes base64; BINARY gives its octets back as they were.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

from quantummail.message.headers import Headers
from quantummail.message.mime import Part, scan
from quantummail.message.parts import LEAF
from quantummail.message.transfer_encoding import IDENTITY

_bare = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the message that is to be stored: octets `start` to `end` of what came, or a text instead."""

    start: int
    end: int
    encode: bool = False
    """Whether they become base64."""
    text: bytes = b""


def pieces(data: bytes | mmap) -> list[Piece]:
    """What the message is made of, in its order; one piece where nothing has to be encoded."""
    size = len(data)
    found: list[Piece] = []
    position = 0
    for part in scan(data, size):
        if part.kind != LEAF or part.encoding.lower().decode("latin-1") not in IDENTITY or not _is_binary(data, part):
            continue
        for piece in _encoded(data, part):
            if piece.start > position:
                found.append(Piece(position, piece.start))
            found.append(piece)
            position = piece.end
    if position < size or not found:
        found.append(Piece(position, size))
    return found


def _is_binary(data: bytes | mmap, part: Part) -> bool:
    if data.find(b"\0", part.body_start, part.end) >= 0:
        return True
    # without NUL it is text for all that matters, unless line ends have to be kept that are none
    return part.encoding.lower() == b"binary" and _bare.search(data, part.body_start, part.end) is not None


def _encoded(data: bytes | mmap, part: Part) -> Iterator[Piece]:
    """The field that says so, and the body."""
    field = b"Content-Transfer-Encoding: base64\r\n"
    headers = Headers.scan(data[part.header_start : part.body_start])
    for one in headers.fields:
        if one.name == b"content-transfer-encoding":
            yield Piece(part.header_start + one.start, part.header_start + one.end, text=field)
            field = b""
    if field:
        yield Piece(part.header_start, part.header_start, text=field)
    yield Piece(part.body_start, part.end, encode=True)
