"""Names of mailboxes: modified UTF-7 on the wire, checked after decoding (RFC 3501 5.1, 5.1.3).

UTF-8 for clients that have enabled it (RFC 9755 section 3, RFC 9051 5.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.message import mailbox_name, modified_utf7

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor


class InvalidMailbox(Exception):
    """No mailbox can have this name. The text is for the client, after NO [CANNOT]."""


def mailbox(cursor: Cursor) -> str:
    """A mailbox argument: decoded, in NFC, INBOX in capitals, safe to look up."""
    return checked(decode(cursor.astring(), utf8=cursor.utf8))


def decode(octets: bytes, *, utf8: bool = False) -> str:
    """Modified UTF-7 to text. Only the one canonical spelling is taken, so that no name has two forms."""
    if utf8:
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidMailbox("Mailbox names are written in UTF-8") from None
    try:
        encoded = octets.decode("ascii")
        text = modified_utf7.decode(encoded)
    except ValueError:
        raise InvalidMailbox("Mailbox names are written in modified UTF-7") from None
    # RFC 3501 5.1.3: no printable ASCII in base64 ("&AC8-" is not a slash), no superfluous shift
    if "&" in encoded and modified_utf7.encode(text) != encoded:
        raise InvalidMailbox("Invalid modified UTF-7")
    return text


def encode(text: str, *, utf8: bool = False) -> bytes:
    """Text to modified UTF-7, or to UTF-8."""
    if utf8:
        return text.encode("utf-8")
    return modified_utf7.encode(text).encode("ascii")


def checked(name: str) -> str:
    """The name as we keep it; `InvalidMailbox` if it cannot be one."""
    try:
        return mailbox_name.normal(name)
    except ValueError as error:
        text = str(error)
        raise InvalidMailbox(text[0].upper() + text[1:]) from None
