"""IMAP URLs of messages and their parts, as CATENATE writes them (RFC 5092, RFC 4469): relative to this server.

A URL with a scheme and a server is not taken, nor one with URLAUTH: whose server that would be is not ours to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from quantummail.imap.grammar.cursor import MAX_NUMBER, BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.fetch import Section, section_specification
from quantummail.imap.grammar.mailbox import InvalidMailbox, checked, decode

# iabsolute-path = "/" enc-mailbox [";UIDVALIDITY=" nz-number] "/;UID=" nz-number
#                  ["/;SECTION=" enc-section] ["/;PARTIAL=" partial-range]
# A message of the selected mailbox may be named from ";UID=" on.
_URL = re.compile(
    rb"(?:/(?P<mailbox>[^;]+?)(?:;UIDVALIDITY=(?P<uidvalidity>[1-9]\d{0,9}))?/)?"
    rb";UID=(?P<uid>[1-9]\d{0,9})"
    rb"(?:/;SECTION=(?P<section>[^;]+?))?"
    rb"(?:/;PARTIAL=(?P<first>\d{1,10})(?:\.(?P<count>[1-9]\d{0,9}))?)?",
    re.IGNORECASE,
)
# url-resp-text of RFC 4469: any TEXT-CHAR but "]"; what is no printable ASCII is encoded, so that it fits in a line
_UNPRINTABLE = re.compile(rb"[^\x20-\x5c\x5e-\x7e]")
_MOST_SHOWN = 500


class BadUrl(Exception):
    """The URL is none that we take."""


@dataclass(frozen=True, slots=True)
class MessageUrl:
    """A message, or octets of it."""

    mailbox: str | None
    """None for the selected one."""
    uidvalidity: int | None
    uid: int
    section: Section


def message_url(octets: bytes) -> MessageUrl:
    """Read a URL; `BadUrl` if it is not of the form above."""
    found = _URL.fullmatch(octets)
    if found is None:
        raise BadUrl
    try:
        # RFC 5092 section 7: names are UTF-8, percent-encoded
        name = None if found["mailbox"] is None else checked(decode(unquote_to_bytes(found["mailbox"]), utf8=True))
        section = _section(unquote_to_bytes(found["section"] or b""), found["first"], found["count"])
    except (BadSyntax, LimitExceeded, InvalidMailbox):
        raise BadUrl from None
    return MessageUrl(name, int(found["uidvalidity"]) if found["uidvalidity"] else None, int(found["uid"]), section)


def _section(octets: bytes, first: bytes | None, count: bytes | None) -> Section:
    cursor = Cursor(octets + b"]")
    path, text, fields = section_specification(cursor)
    cursor.expect(b"]")
    cursor.end()
    partial = None
    if first is not None:
        partial = (int(first), MAX_NUMBER if count is None else int(count))
    return Section(path, text, fields, True, partial, b"")


def shown(octets: bytes) -> str:
    """The URL in the response code BADURL."""
    return _UNPRINTABLE.sub(lambda found: b"%%%02X" % found[0][0], octets[:_MOST_SHOWN]).decode("ascii")
