"""Flags as clients write them: ``\\Seen``, ``$Forwarded`` (RFC 3501 section 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap.grammar.cursor import BadSyntax, LimitExceeded
from quantummail.store.flags import MAX_KEYWORD_LENGTH, SYSTEM_FLAGS

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor

_SETTABLE = {name.lower(): name for name in SYSTEM_FLAGS}
MAX_FLAGS = 128


def flag(cursor: Cursor) -> str:
    """One flag that a client may set.

    flag         = "\\Answered" / "\\Flagged" / "\\Deleted" / "\\Seen" / "\\Draft" / flag-keyword / flag-extension
    flag-keyword = atom
    """
    if cursor.skip(b"\\"):
        name = "\\" + cursor.atom()
        known = _SETTABLE.get(name.lower())
        if known is None:
            # \Recent cannot be set (RFC 3501 2.3.2), and PERMANENTFLAGS shows no flag-extension
            raise BadSyntax("No such flag can be set")
        return known
    return keyword(cursor)


def keyword(cursor: Cursor) -> str:
    """The name of a keyword."""
    name = cursor.atom()
    if len(name) > MAX_KEYWORD_LENGTH:
        raise LimitExceeded(f"A keyword has at most {MAX_KEYWORD_LENGTH} characters")
    return name


def flag_list(cursor: Cursor) -> tuple[str, ...]:
    """Flags in parentheses, perhaps none: ``flag-list = "(" [flag *(SP flag)] ")"``."""
    cursor.expect(b"(")
    if cursor.skip(b")"):
        return ()
    flags = _flags(cursor)
    cursor.expect(b")")
    return flags


def store_flags(cursor: Cursor) -> tuple[str, ...]:
    """The flags of STORE: ``flag-list / (flag *(SP flag))``."""
    return flag_list(cursor) if cursor.peek() == b"(" else _flags(cursor)


def _flags(cursor: Cursor) -> tuple[str, ...]:
    flags = [flag(cursor)]
    while cursor.skip(b" "):
        flags.append(flag(cursor))
    if len(flags) > MAX_FLAGS:
        raise LimitExceeded("Too many flags")
    return tuple(flags)
