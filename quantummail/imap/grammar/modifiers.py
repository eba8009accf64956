"""The modifiers of FETCH and STORE (RFC 4466 2.4 and 2.5, RFC 7162 3.1.3, 3.1.4 and 3.2.6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from quantummail.imap.grammar.cursor import BadSyntax, Cursor
from quantummail.imap.grammar.results import Partial, partial_range
from quantummail.imap.grammar.select import MAX_MODSEQ


@dataclass(frozen=True, slots=True)
class FetchModifiers:
    """What narrows a FETCH."""

    changed_since: int | None = None
    """Only messages with a higher mod-sequence."""
    vanished: bool = False
    """Whether expunged messages are told too."""
    partial: Partial | None = None
    """A part of the messages only (RFC 9394 3.3)."""


def fetch_modifiers(cursor: Cursor) -> FetchModifiers:
    """Read ``[SP "(" fetch-modifier *(SP fetch-modifier) ")"]``, up to the end."""
    found = FetchModifiers()
    if cursor.at_end:
        return found
    cursor.space()
    cursor.expect(b"(")
    while True:
        reader = READERS.get(cursor.word())
        if reader is None:
            raise BadSyntax("Unknown modifier")
        found = reader(cursor, found)
        if not cursor.skip(b" "):
            break
    cursor.expect(b")")
    cursor.end()
    if found.vanished and found.changed_since is None:
        # RFC 7162 3.2.6
        raise BadSyntax("VANISHED needs CHANGEDSINCE")
    return found


def _changed_since(cursor: Cursor, found: FetchModifiers) -> FetchModifiers:
    cursor.space()
    return replace(found, changed_since=cursor.number(MAX_MODSEQ))


def _partial(cursor: Cursor, found: FetchModifiers) -> FetchModifiers:
    if found.partial is not None:
        raise BadSyntax("PARTIAL is for once")
    cursor.space()
    return replace(found, partial=partial_range(cursor))


READERS: dict[str, Callable[[Cursor, FetchModifiers], FetchModifiers]] = {
    "CHANGEDSINCE": _changed_since,
    "PARTIAL": _partial,
    "VANISHED": lambda _, found: replace(found, vanished=True),
}
"""Modifiers of FETCH by name. An extension adds its own."""


def unchanged_since(cursor: Cursor) -> int | None:
    """Read ``["(" "UNCHANGEDSINCE" SP mod-sequence-valzer ")" SP]``, what may stand before the item of STORE."""
    if not cursor.skip(b"("):
        return None
    if cursor.word() != "UNCHANGEDSINCE":
        raise BadSyntax("Unknown modifier")
    cursor.space()
    modseq = cursor.number(MAX_MODSEQ)
    cursor.expect(b")")
    cursor.space()
    return modseq
