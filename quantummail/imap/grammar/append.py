"""The arguments of APPEND before the message itself (RFC 3501 6.3.11)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from quantummail.imap.grammar import dates
from quantummail.imap.grammar.cursor import BadSyntax, Cursor
from quantummail.imap.grammar.flags import flag_list
from quantummail.imap.grammar.mailbox import mailbox

_MESSAGE = re.compile(rb"\{(\d{1,20})(\+?)\}")


@dataclass(frozen=True, slots=True)
class AppendOptions:
    """Flags and date of the message to come."""

    flags: tuple[str, ...]
    internal_date: int | None
    """Seconds since the epoch."""


def append_mailbox(cursor: Cursor) -> str:
    """Read the mailbox, with the spaces around it."""
    cursor.space()
    name = mailbox(cursor)
    cursor.space()
    return name


def append_options(cursor: Cursor) -> AppendOptions:
    """Read ``[flag-list SP] [date-time SP] literal``: what stands before the octets of the literal."""
    flags: tuple[str, ...] = ()
    internal_date = None
    if cursor.peek() == b"(":
        flags = flag_list(cursor)
        cursor.space()
    if cursor.peek() == b'"':
        internal_date = dates.date_time(cursor)
        cursor.space()
    cursor.matching(_MESSAGE, "Expected the message as a literal")
    if not cursor.at_end:
        raise BadSyntax("Expected the message as a literal")
    return AppendOptions(flags, internal_date)
