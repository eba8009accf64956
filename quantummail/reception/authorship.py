"""In whose name a user may write, and what a submitted header must have (RFC 6409 6 and 8)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quantummail.message.address_list import strict_addresses
from quantummail.message.date import rfc5322_date
from quantummail.message.headers import MAX_FIELDS, Headers, without_fields
from quantummail.smtp.reply import Refusal

if TYPE_CHECKING:
    from quantummail.message.address import Address
    from quantummail.message.envelope import Envelope
    from quantummail.store.directory import Directory

# RFC 5322 3.6: once at most. Two of them show one person to the filter and another to the reader.
_SINGLE = (b"From", b"Sender", b"Reply-To", b"To", b"Cc", b"Date", b"Subject", b"Message-ID", b"In-Reply-To",
           b"References")


# RFC 5322 2.2, 4.5: field-name *WSP ":"; a line that begins with WSP continues the field before
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:.*(?:\n[ \t].*)*\n?")


def fields_end(header: bytes) -> int:
    """Where the fields of a submitted header end: with its empty line, or before a line that is no field.

    What comes behind is text, as other servers see it too: mail programs of shell scripts forget the empty line, and
    whoever hides a field behind such a line has not written one.
    """
    position = 0
    while match := _FIELD.match(header, position):
        position = match.end()
    if header.startswith(b"\r\n", position):
        position += 2
    return position


class Authorship:
    """Knows which addresses are a user's: the account, its subaddresses, and aliases that lead to it."""

    def __init__(self, directory: Directory, hostname: str) -> None:
        self._directory = directory
        self._hostname = hostname

    async def owns(self, user: str, address: Address) -> bool:
        """Whether mail to `address` reaches `user`. The catch-all makes nobody an owner of what it catches."""
        found = await self._directory.resolve(address.local_part, address.domain)
        return user in found.local and found.owned

    async def completed(self, header: bytes, envelope: Envelope, seconds: float) -> bytes:
        """The header with what is missing, without what must not be seen. Raises `Refusal`."""
        headers = Headers.scan(header)
        if not headers.complete:
            # a second From may be behind
            raise Refusal(552, "5.6.0", f"The message has more than {MAX_FIELDS} header fields")
        for name in _SINGLE:
            if len(headers.get_all(name)) > 1:
                raise Refusal(550, "5.6.0", f"The message has more than one {name.decode()} field")
        user = envelope.client.user
        for name in (b"From", b"Sender"):
            value = headers.get(name)
            if value is not None:
                await self._check_author(user, name.decode(), value)
        # RFC 5322 3.6.3: Bcc is for the sender's eyes
        kept = without_fields(header, (b"Bcc", b"Resent-Bcc", b"Return-Path"))
        added = []
        if b"From" not in headers:
            added.append(f"From: <{envelope.sender.address or user}>\r\n")
        if b"Date" not in headers:
            added.append(f"Date: {rfc5322_date(seconds)}\r\n")
        if b"Message-ID" not in headers:
            added.append(f"Message-ID: <{envelope.id}@{self._hostname}>\r\n")
        if not kept.endswith(b"\r\n\r\n") and kept != b"\r\n":
            kept += b"\r\n" if kept.endswith(b"\r\n") or not kept else b"\r\n\r\n"
        return "".join(added).encode("utf-8") + kept

    async def _check_author(self, user: str, field: str, value: bytes) -> None:
        try:
            addresses = strict_addresses(value)
        except ValueError as error:
            raise Refusal(550, "5.6.0", f"The {field} field cannot be understood: {error}") from error
        if not addresses:
            raise Refusal(550, "5.6.0", f"The {field} field has no address")
        for address in addresses:
            if not await self.owns(user, address):
                raise Refusal(553, "5.7.1", f"The {field} address <{address}> does not belong to you")
