"""The arguments of NOTIFY (RFC 5465 section 8)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag

from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.fetch import MAX_ITEMS, Item, fetch_item
from quantummail.imap.grammar.filters import MailboxFilter, mailbox_filter

MAX_GROUPS = 100


class Event(Flag):
    """What may happen (RFC 5465 section 5)."""

    NONE = 0
    MESSAGE_NEW = 1
    MESSAGE_EXPUNGE = 2
    FLAG_CHANGE = 4
    MAILBOX_NAME = 8
    SUBSCRIPTION_CHANGE = 16
    MAILBOX_METADATA_CHANGE = 32
    SERVER_METADATA_CHANGE = 64
    MESSAGES = MESSAGE_NEW | MESSAGE_EXPUNGE | FLAG_CHANGE


EVENTS = {
    "FlagChange": Event.FLAG_CHANGE,
    "MailboxMetadataChange": Event.MAILBOX_METADATA_CHANGE,
    "MailboxName": Event.MAILBOX_NAME,
    "MessageExpunge": Event.MESSAGE_EXPUNGE,
    "MessageNew": Event.MESSAGE_NEW,
    "ServerMetadataChange": Event.SERVER_METADATA_CHANGE,
    "SubscriptionChange": Event.SUBSCRIPTION_CHANGE,
}
"""Those that we tell of. AnnotationChange is not among them: messages have no annotations (RFC 5257)."""
_BY_WORD = {name.upper(): event for name, event in EVENTS.items()}


class BadEvent(Exception):
    """The client asked for an event that we do not tell of."""


@dataclass(frozen=True, slots=True)
class EventGroup:
    """Some mailboxes, and what is to be told of them."""

    filter: MailboxFilter
    events: Event
    items: tuple[Item, ...] = ()
    """What to fetch of new messages in the selected mailbox."""


@dataclass(frozen=True, slots=True)
class NotifyRequest:
    """What NOTIFY asks for; without groups it is NOTIFY NONE."""

    groups: tuple[EventGroup, ...]
    status: bool = False
    """Whether the state of the mailboxes is to be told at once."""


def notify_request(cursor: Cursor) -> NotifyRequest:
    """Read ``SP ("NONE" / "SET" [SP "STATUS"] SP event-group *(SP event-group))``."""
    cursor.space()
    word = cursor.word()
    if word == "NONE":
        cursor.end()
        return NotifyRequest(())
    if word != "SET":
        raise BadSyntax("Expected SET or NONE")
    cursor.space()
    status = cursor.peek() != b"("
    if status:
        if cursor.word() != "STATUS":
            raise BadSyntax("Expected STATUS")
        cursor.space()
    groups: list[EventGroup] = []
    unknown = False
    while True:
        group, known = _group(cursor)
        groups.append(group)
        unknown = unknown or not known
        if cursor.at_end:
            break
        if len(groups) == MAX_GROUPS:
            raise LimitExceeded(f"At most {MAX_GROUPS} groups")
        cursor.space()
    if sum(group.filter.selected for group in groups) > 1:
        # RFC 5465 6.1
        raise BadSyntax("Only one of SELECTED and SELECTED-DELAYED")
    if unknown:
        raise BadEvent
    return NotifyRequest(tuple(groups), status)


def _group(cursor: Cursor) -> tuple[EventGroup, bool]:
    """Read ``"(" filter-mailboxes SP events ")"``; False with it if some event is unknown."""
    cursor.expect(b"(")
    mailboxes = mailbox_filter(cursor)
    cursor.space()
    events, known = Event.NONE, True
    items: tuple[Item, ...] = ()
    if cursor.peek() != b"(":
        if cursor.word() != "NONE":
            raise BadSyntax("Expected events")
    else:
        events, items, known = _events(cursor, with_items=mailboxes.selected)
    cursor.expect(b")")
    if mailboxes.selected and events & ~Event.MESSAGES:
        # RFC 5465 6.1
        raise BadSyntax("Only events of messages can be told of the selected mailbox")
    return EventGroup(mailboxes, events, items), known


def _events(cursor: Cursor, *, with_items: bool) -> tuple[Event, tuple[Item, ...], bool]:
    """Read ``"(" event *(SP event) ")"``."""
    cursor.expect(b"(")
    events, known = Event.NONE, True
    annotations = False
    items: tuple[Item, ...] = ()
    while True:
        name = cursor.word()
        found = _BY_WORD.get(name, Event.NONE)
        events |= found
        known = known and bool(found)
        annotations = annotations or name == "ANNOTATIONCHANGE"
        if found is Event.MESSAGE_NEW and cursor.data.startswith(b" (", cursor.position):
            if not with_items:
                # RFC 5465 section 8: a fetch-att list only for the selected mailbox
                raise BadSyntax("Nothing is fetched from other mailboxes than the selected one")
            cursor.space()
            items = _items(cursor)
        if cursor.skip(b")"):
            break
        cursor.space()
    # RFC 5465 section 5: both or none, and nothing of messages without them
    counted = events & (Event.MESSAGE_NEW | Event.MESSAGE_EXPUNGE)
    both = counted == Event.MESSAGE_NEW | Event.MESSAGE_EXPUNGE
    if (counted or annotations or events & Event.FLAG_CHANGE) and not both:
        raise BadSyntax("MessageNew and MessageExpunge belong together, and to FlagChange")
    return events, items, known


def _items(cursor: Cursor) -> tuple[Item, ...]:
    """Read ``"(" fetch-att *(SP fetch-att) ")"``."""
    cursor.expect(b"(")
    items = {fetch_item(cursor): None}
    while cursor.skip(b" "):
        items[fetch_item(cursor)] = None
        if len(items) > MAX_ITEMS:
            raise LimitExceeded("Too many data items")
    cursor.expect(b")")
    return tuple(items)
