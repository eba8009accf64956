"""LIST and LSUB: names of mailboxes (RFC 3501 6.3.8, 6.3.9), with the attributes of RFC 3348 and RFC 6154."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities, responses
from quantummail.imap.grammar.mailbox import InvalidMailbox, decode
from quantummail.imap.grammar.patterns import ListPattern
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.message.mailbox_name import DELIMITER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session
    from quantummail.store.records import Mailbox

CHILDREN = capabilities.offer("CHILDREN")
SPECIAL_USE = capabilities.offer("SPECIAL-USE")
# Names that are looked at before others have their turn
_SLICE = 1000


@command("LIST", AUTHENTICATED)
async def list_mailboxes(session: Session, arguments: Cursor) -> str:
    """LIST (RFC 3501 6.3.8)."""
    pattern = _pattern(arguments)
    if pattern is None:
        return "LIST completed"
    if not pattern.text:
        # RFC 3501 6.3.8: an empty pattern asks for the hierarchy delimiter
        session.write(responses.list_line(b"LIST", ("\\Noselect",), b'""'))
        return "LIST completed"
    boxes = {box.name: box for box in await session.store.mailboxes.list(session.account_id)}
    parents = parents_of(boxes)
    await _write(session, b"LIST", [
        (name, _attributes(session, boxes.get(name), has_children=name in parents))
        for name in in_order({*boxes, *parents})
    ], pattern)
    return "LIST completed"


@command("LSUB", AUTHENTICATED)
async def lsub(session: Session, arguments: Cursor) -> str:
    """LSUB (RFC 3501 6.3.9)."""
    pattern = _pattern(arguments)
    if pattern is None:
        return "LSUB completed"
    if not pattern.text:
        session.write(responses.list_line(b"LSUB", ("\\Noselect",), b'""'))
        return "LSUB completed"
    subscribed = set(await session.store.mailboxes.subscriptions(session.account_id))
    boxes = {box.name for box in await session.store.mailboxes.list(session.account_id)}
    # RFC 3501 6.3.9: with "%", the parents of what is subscribed are shown as \Noselect
    names = subscribed | parents_of(subscribed) if pattern.text.endswith("%") else subscribed
    await _write(session, b"LSUB", [
        (name, () if name in subscribed and name in boxes else ("\\Noselect",)) for name in in_order(names)
    ], pattern)
    return "LSUB completed"


def _pattern(arguments: Cursor) -> ListPattern | None:
    """Reference and pattern as one pattern; None if no mailbox can have such a name."""
    arguments.space()
    reference = arguments.astring()
    arguments.space()
    pattern = arguments.list_mailbox()
    arguments.end()
    if not pattern:
        return ListPattern("")
    try:
        # The reference is what the name begins with; a pattern does not break out of it
        return ListPattern(decode(reference, utf8=arguments.utf8) + decode(pattern, utf8=arguments.utf8))
    except InvalidMailbox:
        return None


def parents_of(names: Iterable[str]) -> set[str]:
    """Every name that has one of these below it."""
    parents: set[str] = set()
    for name in names:
        end = name.rfind(DELIMITER)
        while end > 0 and name[:end] not in parents:
            parents.add(name[:end])
            end = name.rfind(DELIMITER, 0, end)
    return parents


def in_order(names: Iterable[str]) -> list[str]:
    """INBOX and what is below it, then the others as they sort, children behind their parents."""
    return sorted(names, key=lambda name: (
        name != "INBOX" and not name.startswith("INBOX" + DELIMITER), name.split(DELIMITER)
    ))


def _attributes(session: Session, box: Mailbox | None, *, has_children: bool) -> tuple[str, ...]:
    attributes = []
    if box is None:
        # RFC 3501 6.3.4: a deleted mailbox whose children are there
        attributes.append("\\Noselect")
    if session.settings.offers(CHILDREN):
        attributes.append("\\HasChildren" if has_children else "\\HasNoChildren")
    if box is not None and box.special_use and session.settings.offers(SPECIAL_USE):
        attributes.append(box.special_use)
    return tuple(attributes)


async def _write(
    session: Session, response: bytes, entries: list[tuple[str, tuple[str, ...]]], pattern: ListPattern
) -> None:
    for start in range(0, len(entries), _SLICE):
        if start:
            await session.wire.pause(0)
        session.write(b"".join(
            responses.list_line(response, attributes, responses.mailbox_name(name, utf8=session.utf8))
            for name, attributes in entries[start : start + _SLICE]
            if pattern.matches(name)
        ))
        await session.wire.drained()
