"""The fields of a header that have a search key of their own, decoded and ready to be compared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantummail.message.date import parse_date
from quantummail.message.encoded_word import decode_text
from quantummail.message.search_text import fold

if TYPE_CHECKING:
    from quantummail.message.headers import Headers

# What stands behind the time of a Date field: RFC 3501 6.4.4 disregards time and time zone
_zone = re.compile(rb"\s*(?:[+-]\d\d:?\d\d|[A-Za-z]{1,5})?\s*(?:\([^()]*\)\s*)?\Z")
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
        _folded(headers, b"from"), _folded(headers, b"to"), _folded(headers, b"cc"), _folded(headers, b"bcc"),
        _folded(headers, b"subject"), _sent_day(headers),
    )


def _folded(headers: Headers, name: bytes) -> str | None:
    values = headers.get_all(name)
    if not values:
        return None
    # nothing is found across two fields of one name
    return "\n".join([fold(decode_text(value)) for value in values])


def _sent_day(headers: Headers) -> int | None:
    value = headers.get(b"date")
    sent = parse_date(_zone.sub(b"", value)) if value is not None else None
    return None if sent is None else sent // _DAY
