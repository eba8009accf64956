"""The replies that exceptions mean, and the response codes of the store's (RFC 5530)."""

from __future__ import annotations

from quantummail.imap.grammar.charsets import OFFERED, BadCharset
from quantummail.imap.grammar.cursor import BadSyntax, LimitExceeded
from quantummail.imap.grammar.mailbox import InvalidMailbox
from quantummail.imap.responses import Refusal
from quantummail.store import errors

# RFC 5530, RFC 9208 for OVERQUOTA
_CODES: dict[type[errors.StoreError], str] = {
    errors.NoSuchMailbox: "NONEXISTENT",
    errors.NoSuchUser: "UNAVAILABLE",
    errors.NoSuchMessage: "EXPUNGEISSUED",
    errors.AlreadyExists: "ALREADYEXISTS",
    errors.InvalidName: "CANNOT",
    errors.NotAllowed: "CANNOT",
    errors.OverQuota: "OVERQUOTA",
    errors.LimitReached: "LIMIT",
    errors.Unavailable: "UNAVAILABLE",
}


def refusal_of(error: Exception) -> Refusal | None:
    """The reply that an exception means; None for those that nobody foresaw."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, BadSyntax):
        return Refusal(str(error), response="BAD")
    if isinstance(error, InvalidMailbox):
        return Refusal(str(error), "CANNOT")
    if isinstance(error, LimitExceeded):
        return Refusal(str(error), "LIMIT")
    if isinstance(error, BadCharset):
        return Refusal("Unknown character set", f"BADCHARSET ({' '.join(OFFERED)})")
    if isinstance(error, errors.StoreError):
        return Refusal(str(error), _CODES.get(type(error), "UNAVAILABLE"))
    return None
