"""The fields of a header that have a search key of their own, decoded and ready to be compared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantummail.message.address_list import parse_address_list
from quantummail.message.date import parse_date
from quantummail.message.encoded_word import decode_text
from quantummail.message.search_text import fold

if TYPE_CHECKING:
    from quantummail.message.headers import Headers

# What stands behind the time of a Date field: RFC 3501 6.4.4 disregards time and time zone
_zone = re.compile(rb"\s*(?:[+-]\d\d:?\d\d|[A-Za-z]{1,5})?\s*(?:\([^()]*\)\s*)?\Z")
# A leap second belongs to the day that it ends
_leap_second = re.compile(rb"(\d:\d\d):60\b")
# Comments, quotes, and white space beside the signs of an address (RFC 5322 3.4.1, 4.4)
_odd = re.compile(rb'[("\\]|\s[@.]|[@.]\s')
_DAY = 86400


@dataclass(frozen=True, slots=True)
class SearchFields:
    """Fields of one message, folded; None: there is no such field."""

    from_: str | None
    to: str | None
    cc: str | None
    bcc: str | None
    subject: str | None
    sent_day: int | None
    """The day that the Date field names, in days since the epoch."""


def search_fields(headers: Headers) -> SearchFields:
    """The fields of a header."""
    return SearchFields(
        _addresses(headers, b"from"), _addresses(headers, b"to"), _addresses(headers, b"cc"),
        _addresses(headers, b"bcc"), _folded(headers, b"subject"), _sent_day(headers),
    )


def _folded(headers: Headers, name: bytes) -> str | None:
    values = headers.get_all(name)
    if not values:
        return None
    # nothing is found across two fields of one name
    return "\n".join([fold(decode_text(value)) for value in values])


def _addresses(headers: Headers, name: bytes) -> str | None:
    """The field as it is written, and its addresses as ENVELOPE shows them, which is where RFC 3501 6.4.4 looks."""
    text = _folded(headers, name)
    if text is None:
        return None
    lines = [text]
    for value in headers.get_all(name):
        # an address with nothing between its pieces is in the text already
        if _odd.search(value):
            for entry in parse_address_list(value):
                if entry.local_part and entry.domain:
                    address = fold(decode_text(entry.local_part + b"@" + entry.domain))
                    if address not in text:
                        lines.append(address)
    return "\n".join(lines)


def _sent_day(headers: Headers) -> int | None:
    # of two fields the one that ENVELOPE shows
    value = next(reversed(headers.get_all(b"date")), None)
    if value is None:
        return None
    sent = parse_date(_leap_second.sub(rb"\1:59", _zone.sub(b"", value)))
    return None if sent is None else sent // _DAY
