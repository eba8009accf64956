"""Everything about a message that is known from its octets alone, found in one pass when it is stored."""

from __future__ import annotations

from dataclasses import dataclass
from mmap import mmap
from typing import TYPE_CHECKING

from quantummail.message import parts as part_table
from quantummail.message.date import parse_date
from quantummail.message.encoded_word import decode_text
from quantummail.message.headers import Headers, compact
from quantummail.message.imap_envelope import render_envelope
from quantummail.message.message_id import message_id, message_ids
from quantummail.message.mime import scan
from quantummail.message.structure import render_structures
from quantummail.message.subject import base_subject
from quantummail.message.thread_ids import thread_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

# RFC 3501 9: sizes and offsets in IMAP are numbers of 32 bits
_MAX_OCTETS = (1 << 32) - 1
_THREADING = (b"message-id", b"references", b"in-reply-to")


@dataclass(frozen=True, slots=True)
class Description:
    """What the store keeps of a message, and what else its header says, worked out when it is asked for."""

    envelope: bytes
    """ENVELOPE, with the parentheses (RFC 3501 7.4.2)."""
    body: bytes
    """BODY: the structure without extension data."""
    bodystructure: bytes
    """BODYSTRUCTURE: the structure with extension data."""
    parts: bytes
    """Offsets of the parts, packed: see `quantummail.message.parts`."""
    fields: Mapping[bytes, bytes]
    """The header fields of the envelope by their names in lower case, raw and folded."""

    @property
    def subject(self) -> str:
        """The subject, decoded, on one line; empty when there is none."""
        return self._text(b"subject")

    @property
    def base_subject(self) -> str:
        """The subject without "Re:" and the like, in the case in which it is written (RFC 5256 2.1)."""
        return base_subject(self._text(b"subject"))

    @property
    def from_(self) -> str:
        """The From field, decoded, on one line. For people and for searching: never to decide anything."""
        return self._text(b"from")

    @property
    def to(self) -> str:
        """The To field, like `from_`."""
        return self._text(b"to")

    @property
    def cc(self) -> str:
        """The Cc field, like `from_`."""
        return self._text(b"cc")

    @property
    def sent(self) -> int | None:
        """The Date field in seconds since the epoch; None when it is missing or no date."""
        value = self.fields.get(b"date")
        return None if value is None else parse_date(value)

    @property
    def message_id(self) -> str:
        """The message's identifier with its angle brackets; empty when there is none."""
        return message_id(self.fields.get(b"message-id", b""))

    @property
    def in_reply_to(self) -> tuple[str, ...]:
        """The identifiers of In-Reply-To, with angle brackets."""
        return message_ids(self.fields.get(b"in-reply-to", b""))

    @property
    def references(self) -> tuple[str, ...]:
        """The identifiers of References, with angle brackets."""
        return message_ids(self.fields.get(b"references", b""))

    @property
    def thread_ids(self) -> bytes:
        """What threads the message: see `quantummail.message.thread_ids`."""
        return thread_ids(self.fields, self._text(b"subject"))

    def _text(self, name: bytes) -> str:
        value = self.fields.get(name)
        return "" if value is None else decode_text(compact(value)).strip()


def thread_ids_of(header: bytes) -> bytes:
    """What threads a message whose header this is: see `quantummail.message.thread_ids`."""
    headers = Headers.scan(header)
    # of several fields of one name the last, which ENVELOPE shows
    fields = {name: values[-1] for name in _THREADING if (values := headers.get_all(name))}
    return thread_ids(fields, decode_text(compact(next(reversed(headers.get_all(b"subject")), b""))).strip())


def describe(data: bytes | memoryview | mmap, size: int | None = None) -> Description:
    """Describe a message, of which `size` octets count (all of them by default). Never raises on any octets.

    Lines should end in CRLF: offsets are those of the octets given. A memoryview is copied.
    """
    octets = data.tobytes() if isinstance(data, memoryview) else data
    length = min(len(octets), _MAX_OCTETS if size is None else min(size, _MAX_OCTETS))
    if length < len(octets):
        octets = octets[:length]
    found = scan(octets, length)
    fields = found[0].fields
    body, bodystructure = render_structures(found)
    return Description(render_envelope(fields), body, bodystructure, part_table.pack(found), fields)
