"""The mailboxes of an account as a client that uses NOTIFY was told of them, and what is new to it (RFC 5465).

What the store says is compared with what the client knows. So nothing is told twice, however many hints there were, and
nothing is lost with a hint.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantummail.imap.grammar.notify import Event, EventGroup
from quantummail.imap.shared import is_below
from quantummail.message.mailbox_name import DELIMITER

if TYPE_CHECKING:
    from quantummail.store.records import Mailbox


@dataclass(slots=True)
class _Known:
    """A mailbox as the client knows it."""

    name: str
    events: Event
    uidvalidity: int
    uidnext: int
    messages: int
    unseen: int
    modseq: int


def _known(box: Mailbox, events: Event) -> _Known:
    return _Known(box.name, events, box.uidvalidity, box.uidnext, box.messages, box.unseen, box.highestmodseq)


class Watched:
    """What one client knows, and what it wants to hear."""

    __slots__ = ("_boxes", "_caused", "_groups", "_own", "_subscribed")

    def __init__(self, groups: Iterable[EventGroup]) -> None:
        self._groups = [group for group in groups if not group.filter.selected and group.events]
        self._boxes: dict[int, _Known] = {}
        self._subscribed: frozenset[str] = frozenset()
        self._caused: set[str] = set()
        self._own: dict[int, int] = {}

    @property
    def events(self) -> Event:
        """What may have to be told of some mailbox."""
        found = Event.NONE
        for group in self._groups:
            found |= group.events
        return found

    def begin(self, boxes: Sequence[Mailbox], subscribed: Collection[str]) -> None:
        """What is there now is known to the client, or it asks."""
        self._subscribed = frozenset(subscribed)
        self._boxes = {box.id: _known(box, self._events_in(box, self._subscribed)) for box in boxes}

    def events_of(self, mailbox_id: int) -> Event:
        """What is to be told of a mailbox."""
        known = self._boxes.get(mailbox_id)
        return Event.NONE if known is None else known.events

    def name_of(self, mailbox_id: int) -> str | None:
        """The name by which the client knows a mailbox."""
        known = self._boxes.get(mailbox_id)
        return None if known is None else known.name

    def caused(self, *names: str) -> None:
        """The client itself has created, deleted, renamed or subscribed to these: no news to it (RFC 5465 5)."""
        self._caused.update(names)

    def own(self, mailbox_id: int, count: int) -> None:
        """The client itself has put so many messages into a mailbox."""
        self._own[mailbox_id] = self._own.get(mailbox_id, 0) + count

    def learn(self, boxes: Sequence[Mailbox], subscribed: Collection[str]) -> dict[str, str]:
        """Take the mailboxes and subscriptions as they are now: the names to tell of, with their old names.

        RFC 5465 5.4, 5.5: created, deleted, the direct parents of both, renamed (without what is below), subscribed,
        unsubscribed.
        """
        subscriptions = frozenset(subscribed)
        # whoever matched by a subscription that is gone still matches
        either = subscriptions | self._subscribed
        changed, renamed = self._take(boxes, subscriptions)
        parents = {parent for name in changed if (parent := name.rpartition(DELIMITER)[0])}
        found = {name: "" for name in changed | parents if self._events(name, either) & Event.MAILBOX_NAME}
        found.update({
            new: old for old, new in renamed.items()
            if not _follows(old, new, renamed) and self._events(new, either) & Event.MAILBOX_NAME
        })
        for name in subscriptions ^ self._subscribed:
            if self._events(name, either) & Event.SUBSCRIPTION_CHANGE:
                found.setdefault(name, "")
        self._subscribed = subscriptions
        return self._others(found)

    def _take(self, boxes: Sequence[Mailbox], subscribed: Collection[str]) -> tuple[set[str], dict[str, str]]:
        """Know these mailboxes from now on: names that were created or deleted, and old names with the new ones."""
        before, self._boxes = self._boxes, {}
        ids = {box.id for box in boxes}
        gone = {known.name for mailbox_id, known in before.items() if mailbox_id not in ids}
        changed = set(gone)
        renamed: dict[str, str] = {}
        for box in boxes:
            known = before.get(box.id)
            events = self._events_in(box, subscribed)
            if known is None:
                changed.add(box.name)
                self._boxes[box.id] = _new(box, events, in_place_of_another=box.name in gone)
                continue
            if known.name != box.name:
                renamed[known.name] = box.name
            known.name, known.events = box.name, events
            self._boxes[box.id] = known
        return changed, renamed

    def status(self, box: Mailbox, *, condstore: bool) -> list[str]:
        """The items of the STATUS response that tells what is new in a mailbox; empty if there is nothing."""
        known = self._boxes.get(box.id)
        if known is None:
            return []
        own = self._own.pop(box.id, 0)
        events = known.events
        self._boxes[box.id] = _known(box, events)
        items: list[str] = []
        counted = box.messages != known.messages or box.uidnext != known.uidnext
        if own and (box.messages, box.uidnext) == (known.messages + own, known.uidnext + own):
            # RFC 5465 5: by this client, and by nobody else
            return []
        if box.uidvalidity != known.uidvalidity and events & Event.MESSAGES:
            # RFC 5465 5.1
            items = ["UIDVALIDITY", "UIDNEXT", "MESSAGES", "UNSEEN"]
        elif counted and events & Event.MESSAGE_NEW:
            # RFC 5465 5.2, 5.3
            items = ["UIDNEXT", "MESSAGES", "UNSEEN"]
        elif box.highestmodseq != known.modseq and events & Event.FLAG_CHANGE:
            if condstore:
                items = ["UIDVALIDITY", "UNSEEN"]
            elif box.unseen != known.unseen:
                items = ["UNSEEN"]
        return [*items, "HIGHESTMODSEQ"] if items and condstore else items

    def first_status(self, mailbox_id: int, *, condstore: bool) -> list[str]:
        """The items that NOTIFY SET STATUS tells of a mailbox (RFC 5465 3.1)."""
        events = self.events_of(mailbox_id)
        items = ["MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN"] if events & Event.MESSAGE_NEW else []
        return [*items, "HIGHESTMODSEQ"] if items and condstore and events & Event.FLAG_CHANGE else items

    def _events_in(self, box: Mailbox, subscribed: Collection[str]) -> Event:
        """What is to be told of a mailbox: of those that may only be seen, not what is in them (RFC 5465 section 7)."""
        events = self._events(box.name, subscribed, personal=not box.owner)
        return events if "r" in box.rights else events & ~(Event.MESSAGES | Event.MAILBOX_METADATA_CHANGE)

    def _events(self, name: str, subscribed: Collection[str], *, personal: bool | None = None) -> Event:
        found = Event.NONE
        personal = not is_below(name) if personal is None else personal
        for group in self._groups:
            if group.events & ~found and group.filter.matches(name, subscribed, personal=personal):
                found |= group.events
        return found

    def _others(self, found: dict[str, str]) -> dict[str, str]:
        """Without what the client has caused itself, and the parents of that."""
        caused, self._caused = self._caused, set()
        for name in caused:
            while name:
                found.pop(name, None)
                name = name.rpartition(DELIMITER)[0]
        return found


def _new(box: Mailbox, events: Event, *, in_place_of_another: bool) -> _Known:
    """A mailbox that the client has heard nothing of: it is empty to it."""
    return _Known(box.name, events, 0 if in_place_of_another else box.uidvalidity, 1, 0, 0, box.highestmodseq)


def _follows(old: str, new: str, renamed: dict[str, str]) -> bool:
    """Whether a mailbox was renamed only because one above it was (RFC 5465 5.4)."""
    above = old.rpartition(DELIMITER)[0]
    while above:
        if above in renamed and new == renamed[above] + old[len(above) :]:
            return True
        above = above.rpartition(DELIMITER)[0]
    return False
