"""Where ESEARCH is to search: names of mailboxes, and words for many (RFC 7377 section 2.2, RFC 5465 section 8)."""

from __future__ import annotations

from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.filters import MAX_NAMES, mailbox_filter
from quantummail.imap.grammar.filters import MailboxFilter as Source

SELECTED = Source("SELECTED")


def sources(cursor: Cursor) -> tuple[Source, ...]:
    """Read ``["IN" SP "(" filter *(SP filter) ")" SP]``; the selected mailbox when it is not there."""
    if cursor.data[cursor.position : cursor.position + 3].upper() != b"IN ":
        return (SELECTED,)
    cursor.position += 3
    cursor.expect(b"(")
    found = [_source(cursor)]
    while cursor.skip(b" "):
        if cursor.peek() == b"(":
            # RFC 7377 2.2: scope-options, of which there are none
            raise BadSyntax("Unknown scope option")
        found.append(_source(cursor))
        if sum(len(source.names) + 1 for source in found) > MAX_NAMES:
            raise LimitExceeded(f"At most {MAX_NAMES} mailboxes")
    cursor.expect(b")")
    cursor.space()
    return tuple(found)


def _source(cursor: Cursor) -> Source:
    found = mailbox_filter(cursor, subtree_one=True)
    if found.kind == "SELECTED-DELAYED":
        # RFC 7377 2.2: it says when something is told, not where it is
        raise BadSyntax("Unknown source of a search")
    return found


__all__ = ["SELECTED", "Source", "sources"]
