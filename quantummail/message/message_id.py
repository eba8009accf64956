"""Message identifiers as they stand in Message-ID, In-Reply-To and References (RFC 5322 3.6.4)."""

from __future__ import annotations

import re

from quantummail.message.encoded_word import decode_raw
from quantummail.message.headers import unfold

_MAX_IDS = 1000
_MAX_LENGTH = 998

# RFC 5322 3.6.4:  msg-id = [CFWS] "<" id-left "@" id-right ">" [CFWS]
# Many identifiers have no "@" or odd characters: whatever stands between the angle brackets is the identifier.
_msg_id = re.compile(rb"<([^<>]*+)>")
_white_space = re.compile(rb"\s+")


def message_ids(value: bytes) -> tuple[str, ...]:
    """All identifiers of a field with their angle brackets, at most 1000; white space of broken folding removed."""
    found = []
    for match in _msg_id.finditer(value):
        identifier = _white_space.sub(b"", match[1])
        if 0 < len(identifier) <= _MAX_LENGTH:
            found.append(f"<{decode_raw(identifier)}>")
            if len(found) == _MAX_IDS:
                break
    return tuple(found)


def message_id(value: bytes) -> str:
    """The identifier of a Message-ID field with its angle brackets; without any, the value as it is."""
    ids = message_ids(value)
    return ids[0] if ids else decode_raw(unfold(value)[:_MAX_LENGTH])
