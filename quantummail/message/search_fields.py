"""The fields of a header that clients search and sort by, decoded and ready to be compared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantummail.message.address_list import parse_address_list
from quantummail.message.casemap import casemap
from quantummail.message.date import parse_date
from quantummail.message.encoded_word import decode_text
from quantummail.message.headers import compact
from quantummail.message.search_text import fold

if TYPE_CHECKING:
    from quantummail.message.address_list import ListedAddress
    from quantummail.message.headers import Headers

# What stands behind the time of a Date field: RFC 3501 6.4.4 disregards time and time zone
_zone = re.compile(rb"\s*(?:[+-]\d\d:?\d\d|[A-Za-z]{1,5})?\s*(?:\([^()]*\)\s*)?\Z")
_DAY = 86400


@dataclass(frozen=True, slots=True)
class SearchFields:
    """Fields of one message. Those to search are folded (None: there is no such field), those to sort casemapped."""

    from_: str | None
    to: str | None
    cc: str | None
    bcc: str | None
    subject: str | None
    sent_day: int | None
    """The day that the Date field names, in days since the epoch."""
    sort_from: str
    """The mailbox part (without domain) of the first address (RFC 5256 3)."""
    sort_to: str
    sort_cc: str
    display_from: str
    """The display name of the first address, its address if it has none (RFC 5957 3)."""
    display_to: str


def search_fields(headers: Headers) -> SearchFields:
    """The fields of a header."""
    from_, display_from = _first(headers, b"from")
    to, display_to = _first(headers, b"to")
    cc, _ = _first(headers, b"cc")
    return SearchFields(
        _folded(headers, b"from"), _folded(headers, b"to"), _folded(headers, b"cc"), _folded(headers, b"bcc"),
        _folded(headers, b"subject"), _sent_day(headers), from_, to, cc, display_from, display_to,
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


def _first(headers: Headers, name: bytes) -> tuple[str, str]:
    """The keys of the first address of a field, empty if there is none."""
    value = headers.get(name)
    addresses = parse_address_list(value, 1) if value else []
    if not addresses:
        return "", ""
    return _mailbox(addresses[0]), _display(addresses[0])


def _mailbox(address: ListedAddress) -> str:
    return casemap((address.local_part or b"").decode("utf-8", "replace"))


def _display(address: ListedAddress) -> str:
    if address.domain is None:
        # RFC 5957 3: a group is shown by its name
        return casemap(_text(address.local_part))
    if address.name:
        return casemap(_text(address.name))
    return casemap(b"@".join(filter(None, (address.local_part, address.domain))).decode("utf-8", "replace"))


def _text(value: bytes | None) -> str:
    return decode_text(compact(value)).strip() if value else ""
