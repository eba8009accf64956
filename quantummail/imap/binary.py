"""BINARY: parts of messages without their transfer encoding (RFC 3516)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.message.parts import find
from quantummail.message.transfer_encoding import TransferDecoder
from quantummail.store.decoded import EncodedPart

if TYPE_CHECKING:
    from quantummail.imap.grammar.fetch import Binary
    from quantummail.imap.session import Session
    from quantummail.store.records import Message


def encoded_part(section: Binary, message: Message) -> EncodedPart | None:
    """The part that is asked for; None when there is no such part. Of what kind it is tells `knows`."""
    if not section.path:
        # RFC 3516 4.2: the whole message is no part, and not encoded
        return EncodedPart(message, 0, message.size, "binary")
    part = find(message.contents.parts, section.path) if message.contents is not None else None
    if part is None:
        return None
    # RFC 2045 6.4: what is made of parts is never encoded itself, whatever its header says
    composite = part.is_message or part.type.startswith("multipart/")
    return EncodedPart(message, part.start, part.end, "binary" if composite else part.encoding)


def unknown_encoding(section: Binary, message: Message) -> bool:
    """Whether it is a part whose encoding we do not know (RFC 3516 4.3: UNKNOWN-CTE)."""
    part = encoded_part(section, message)
    return part is not None and not TransferDecoder.knows(part.encoding)


def window(section: Binary) -> tuple[int, int | None]:
    """The first octet that is wanted, and the one behind the last."""
    if section.partial is None:
        return 0, None
    first, count = section.partial
    return first, first + count


def announced(octets: int, *, binary: bool) -> bytes:
    """How the octets begin. RFC 3516 4.2: literal8 for those that a literal cannot have."""
    return b" ~{%d}\r\n" % octets if binary else b" {%d}\r\n" % octets


def from_memory(section: Binary, message: Message, octets: bytes) -> bytes:
    """What stands behind the name of the item, from a message that is there as a whole."""
    part = encoded_part(section, message)
    if part is None:
        return b" 0" if section.size_only else b" NIL"
    decoded = TransferDecoder(part.encoding).decode(octets[part.start : part.end], final=True)
    if section.size_only:
        return b" %d" % len(decoded)
    first, last = window(section)
    decoded = decoded[first:last]
    return announced(len(decoded), binary=b"\0" in decoded) + decoded


async def measured(session: Session, part: EncodedPart, first: int, last: int | None) -> tuple[int, bool]:
    """How many octets come, and whether there is a NUL among them. What is not encoded is not read for that."""
    if part.encoding in ("binary", "8bit", "7bit"):
        size = part.end - part.start
        return max(0, (size if last is None else min(size, last)) - first), True
    size, binary = 0, False
    async for octets in session.store.decoded.read(part, first, last):
        size += len(octets)
        binary = binary or b"\0" in octets
    return size, binary
