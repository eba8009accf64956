"""Which octets of a message a section of FETCH means (RFC 3501 6.4.5, 7.4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantummail.message.headers import only_fields, without_fields
from quantummail.message.parts import find

if TYPE_CHECKING:
    from quantummail.imap.grammar.fetch import Section
    from quantummail.store.records import Message

MAX_HEADER = 1024 * 1024
"""What is read of one header block to choose fields from it."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A range of the message's octets."""

    start: int
    end: int


def cut(section: Section, message: Message) -> Cut | None:
    """Where the section is, its partial range not yet applied; None when there is no such part.

    For HEADER.FIELDS it is the whole header, of which `chosen` makes the answer.
    """
    if not section.path and not section.text:
        return Cut(0, message.size)
    if message.contents is None:
        return None
    part = find(message.contents.parts, section.path)
    if part is None:
        return None
    if section.text == "MIME":
        return Cut(part.mime_start, part.start)
    if not section.text:
        return Cut(part.start, part.end)
    if not part.is_message:
        # RFC 3501 6.4.5: HEADER and TEXT are for the message and for message/rfc822 parts
        return None
    if section.text == "TEXT":
        return Cut(part.body_start, part.end)
    end = part.body_start
    if section.fields:
        end = min(end, part.header_start + MAX_HEADER)
    return Cut(part.header_start, end)


def chosen(section: Section, header: bytes) -> bytes:
    """The fields of a header that HEADER.FIELDS or HEADER.FIELDS.NOT asks for."""
    if section.text == "HEADER.FIELDS":
        fields = only_fields(header, section.fields)
        return fields if _is_ended(header) else fields.removesuffix(b"\r\n")
    kept = without_fields(header, section.fields)
    if kept.endswith(b"\r\n\r\n") or kept == b"\r\n" or not _is_ended(header):
        return kept
    return kept + (b"\r\n" if kept.endswith(b"\n") or not kept else b"\r\n\r\n")


def _is_ended(header: bytes) -> bool:
    """Whether an empty line belongs to the fields of a header.

    RFC 3501 6.4.5: always, except for a message that has no body and no empty line. What is cut off has one.
    """
    return len(header) >= MAX_HEADER or header.endswith((b"\n\r\n", b"\n\n")) or header in (b"\r\n", b"\n")


def limited(section: Section, whole: Cut) -> Cut:
    """The cut with the partial range applied; beyond the end it is empty (RFC 3501 6.4.5)."""
    if section.partial is None:
        return whole
    first, count = section.partial
    start = min(whole.start + first, whole.end)
    return Cut(start, min(start + count, whole.end))


def from_memory(section: Section, message: Message, octets: bytes) -> bytes | None:
    """The octets of a section of a message that is there as a whole."""
    where = cut(section, message)
    if where is None:
        return None
    if section.fields:
        found = chosen(section, octets[where.start : where.end])
        if section.partial is None:
            return found
        within = limited(section, Cut(0, len(found)))
        return found[within.start : within.end]
    where = limited(section, Cut(where.start, min(where.end, len(octets))))
    return octets[where.start : where.end]
