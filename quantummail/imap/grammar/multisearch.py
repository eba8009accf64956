"""Where ESEARCH is to search: names of mailboxes, and words for many (RFC 7377 section 2.2, RFC 5465 section 8)."""

from __future__ import annotations

from dataclasses import dataclass

from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.mailbox import mailbox

MAX_NAMES = 1000
_ALONE = frozenset(("SELECTED", "INBOXES", "PERSONAL", "SUBSCRIBED"))
_WITH_NAMES = frozenset(("MAILBOXES", "SUBTREE", "SUBTREE-ONE"))


@dataclass(frozen=True, slots=True)
class Source:
    """One of the places to search."""

    kind: str
    names: tuple[str, ...] = ()


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
    kind = cursor.word()
    if kind in _ALONE:
        return Source(kind)
    if kind not in _WITH_NAMES:
        raise BadSyntax("Unknown source of a search")
    cursor.space()
    # one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")"
    if not cursor.skip(b"("):
        return Source(kind, (mailbox(cursor),))
    names = [mailbox(cursor)]
    while cursor.skip(b" "):
        names.append(mailbox(cursor))
        if len(names) > MAX_NAMES:
            raise LimitExceeded(f"At most {MAX_NAMES} mailboxes")
    cursor.expect(b")")
    return Source(kind, tuple(names))
