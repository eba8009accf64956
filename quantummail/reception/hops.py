"""Mail that goes round in circles is stopped (RFC 5321 6.3)."""

from __future__ import annotations

import re

from quantummail.message.headers import header_end
from quantummail.smtp.reply import Reply

TOO_MANY_HOPS = Reply(554, "5.4.6", "Too many hops: this message is looping")
_DELIVERED_TO = re.compile(rb"^delivered-to[ \t]*:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)


def has_looped(head: bytes, max_hops: int) -> bool:
    """Whether the header at the beginning of a message has more than `max_hops` Received fields."""
    return len(_RECEIVED.findall(head, 0, header_end(head))) > max_hops


def was_delivered_to(head: bytes, address: str) -> bool:
    """Whether an address of ours had the message before: handing it on again would go round in circles (RFC 9228)."""
    wanted = address.lower().encode("utf-8")
    return any(found.strip().lower() == wanted for found in _DELIVERED_TO.findall(head, 0, header_end(head)))
