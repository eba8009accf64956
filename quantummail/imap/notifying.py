"""What NOTIFY has asked for, told between the commands of a session (RFC 5465).

News of the account come as hints. They are told when no command runs: the store is asked then, once for all hints that
have come meanwhile, so a busy account costs one question at a time.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING

from twisted.logger import Logger

from quantummail.imap import responses, shared
from quantummail.imap.commands.status import status_line
from quantummail.imap.fetching import PAGE, Fetch, plan
from quantummail.imap.grammar.notify import Event
from quantummail.imap.hierarchy import Hierarchy, Shown, in_order
from quantummail.imap.responses import Farewell
from quantummail.imap.watched import Watched
from quantummail.message.imap_string import astring
from quantummail.store.errors import StoreError
from quantummail.store.records import FlagState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from quantummail.imap.grammar.notify import EventGroup
    from quantummail.imap.session import Session
    from quantummail.store.account_changes import AccountNews
    from quantummail.store.records import Mailbox

_SHOWN = Shown(children=True, subscribed=True, special_use=True)
_OF_MAILBOXES = ~Event.SERVER_METADATA_CHANGE
# STATUS responses that are made before others have their turn
_SLICE = 200


class Notification:
    """The event groups of one session. Without any, nothing is told but what commands bring."""

    log = Logger(namespace="quantummail.imap")

    __slots__ = (
        "_annotated", "_begun", "_changed", "_events", "_items", "_own_entries", "_own_uids", "_session", "_stop",
        "_tree", "_watched", "immediate", "selected",
    )

    def __init__(self, session: Session, groups: Sequence[EventGroup]) -> None:
        self._session = session
        self._watched = Watched(groups)
        self._events = self._watched.events
        self.selected = Event.NONE
        """What is told of the selected mailbox."""
        self.immediate = False
        """Whether EXPUNGE is told at any time (RFC 5465 6.1.1)."""
        self._items: EventGroup | None = None
        for group in groups:
            if group.filter.selected:
                self.selected = group.events
                self.immediate = group.filter.kind == "SELECTED"
                self._items = group if group.items else None
        self._stop: Callable[[], None] | None = None
        self._begun = self._tree = False
        self._changed: set[int] = set()
        self._annotated: dict[tuple[int, str], None] = {}
        self._own_entries: set[tuple[int, str]] = set()
        self._own_uids: set[tuple[int, int]] = set()

    async def begin(self, *, status: bool) -> None:
        """Listen from now on; with `status`, tell the state of what is watched (RFC 5465 3.1)."""
        session = self._session
        if not self._events:
            return
        hub = session.store.account_changes
        self._stop = hub.watch(session.account_id, self._hear)
        try:
            # commits speak of mailboxes: whose they are must be known before their counters are read
            own, others = await session.store.mailboxes.ids(session.account_id), await shared.others(session)
            hub.belong(session.account_id, [*own, *(box.id for box in others)], {box.account_id for box in others})
            boxes, subscribed = await self._read()
        except BaseException:
            self.stop()
            raise
        if session.closed:
            self.stop()
            raise Farewell("The connection is gone")
        self._watched.begin(boxes, subscribed)
        self._begun = True
        if status:
            await self._tell_first(boxes)

    def stop(self) -> None:
        """Listen no more."""
        if self._stop is not None:
            self._stop()
            self._stop = None

    # What the session's own commands have caused is no news to it (RFC 5465 section 5).

    def caused(self, *names: str) -> None:
        """Mailboxes that the client has created, deleted, renamed, subscribed to."""
        self._watched.caused(*names)

    def own_messages(self, mailbox_id: int, uids: Sequence[int]) -> None:
        """Messages that the client has put into a mailbox."""
        view = self._session.view
        if view is not None and view.mailbox_id == mailbox_id:
            if self._items is not None:
                self._own_uids.update((mailbox_id, uid) for uid in uids)
        elif self._watched.events_of(mailbox_id) & Event.MESSAGES:
            self._watched.own(mailbox_id, len(uids))

    def own_entries(self, mailbox_id: int, entries: Iterable[str]) -> None:
        """Annotations that the client is setting just now; none when that is over."""
        self._own_entries = {(mailbox_id, entry) for entry in entries}

    # News.

    def _hear(self, news: AccountNews) -> None:
        heard = False
        if news.changed:
            relevant = [
                box for box in news.changed if not self._begun or self._watched.events_of(box) & Event.MESSAGES
            ]
            self._changed.update(relevant)
            heard = bool(relevant)
        if news.mailboxes and self._events & _OF_MAILBOXES:
            self._tree = heard = True
        for place in news.annotated:
            if place not in self._own_entries and self._wants(place[0]):
                self._annotated[place] = None
                heard = True
        dialogue = self._session.dialogue
        if heard and (dialogue is None or dialogue.pushes):
            self._session.wire.wake()

    def _wants(self, mailbox_id: int) -> bool:
        if not mailbox_id:
            return bool(self._events & Event.SERVER_METADATA_CHANGE)
        return bool(self._watched.events_of(mailbox_id) & Event.MAILBOX_METADATA_CHANGE)

    # Telling.

    async def tell(self, *, idle: bool) -> bool:
        """Tell what is new, if anything is; whether to look again.

        `idle`: the client waits in IDLE, where EXPUNGE may be told in any case.
        """
        session = self._session
        expunges = idle or self.immediate
        view = session.view
        selected = bool(self.selected) and view is not None and (view.behind or (expunges and view.expunges_wait))
        if not (selected or self._tree or self._changed or self._annotated):
            return False
        try:
            if selected:
                await session.sync(expunges=expunges, flags=bool(self.selected & Event.FLAG_CHANGE))
            if self._tree:
                await self._tell_tree()
            if self._changed:
                await self._tell_counters()
            if self._annotated:
                self._tell_entries()
            await session.wire.drained()
        except StoreError as error:
            if session.midway:
                raise
            self.log.warn("news cannot be told: {reason}", reason=str(error), connection=session.wire.connection_id)
            self._overflow()
        return True

    async def tell_new(self, highest_uid: int) -> None:
        """Show what was asked for of messages that have just appeared in the selected mailbox (RFC 5465 5.2)."""
        session, group = self._session, self._items
        view = session.view
        if group is None or view is None:
            return
        uids = view.uids[bisect_right(view.uids, highest_uid) :]
        own, self._own_uids = self._own_uids, set()
        if own:
            uids = array("I", [uid for uid in uids if (view.mailbox_id, uid) not in own])
        if uids:
            # whatever the items are, \Seen stays as it is
            await Fetch(session, plan(group.items, uid=False, marks=False)).run(uids)

    async def unsaid_flags(self) -> list[bytes]:
        """The flags of messages whose changes the client did not want to hear of at once."""
        session, view = self._session, self._session.selected
        uids = sorted(view.unsaid)
        view.unsaid.clear()
        lines: list[bytes] = []
        for start in range(0, len(uids), PAGE):
            page = await session.store.messages.fetch(
                view.account_id, view.mailbox_id, uids[start : start + PAGE])
            lines += [
                view.flags_line(number, FlagState(message.uid, message.modseq, message.flags))
                for message in page if (number := view.number(message.uid))
            ]
        return lines

    async def _read(self) -> tuple[Sequence[Mailbox], Sequence[str]]:
        session = self._session
        mailboxes = session.store.mailboxes
        boxes = await shared.every(session)
        session.store.account_changes.belong(
            session.account_id, [box.id for box in boxes], {box.account_id for box in boxes if box.owner})
        return boxes, await mailboxes.subscriptions(session.account_id)

    async def _tell_first(self, boxes: Sequence[Mailbox]) -> None:
        session = self._session
        condstore = session.settings.offers("CONDSTORE")
        selected = 0 if session.view is None else session.view.mailbox_id
        wanted = [
            (box, items) for box in boxes
            if box.id != selected and (items := self._watched.first_status(box.id, condstore=condstore))
        ]
        for start in range(0, len(wanted), _SLICE):
            if start:
                await session.wire.pause(0)
            session.write(b"".join([
                await _status_line(session, box, items) for box, items in wanted[start : start + _SLICE]
            ]))
            await session.wire.drained()

    async def _tell_tree(self) -> None:
        session = self._session
        self._tree = False
        boxes, subscribed = await self._read()
        new = [box.id for box in boxes if self._watched.name_of(box.id) is None]
        found = self._watched.learn(boxes, subscribed)
        hierarchy = Hierarchy({box.name: box for box in boxes}, subscribed)
        lines = [
            responses.list_line(
                b"LIST", hierarchy.attributes(name, _SHOWN), responses.mailbox_name(name, utf8=session.utf8),
                old=responses.mailbox_name(found[name], utf8=session.utf8) if found[name] else b"")
            for name in in_order(found)
        ]
        session.write(b"".join(lines))
        # until now nobody knew whose they are, so what came into them was not told
        self._changed.update(box for box in new if self._watched.events_of(box) & Event.MESSAGES)

    async def _tell_counters(self) -> None:
        session = self._session
        changed, self._changed = self._changed, set()
        if session.view is not None:
            changed.discard(session.view.mailbox_id)
        if not changed:
            return
        condstore = session.modes.condstore
        boxes = list(await session.store.mailboxes.some(session.account_id, sorted(changed)))
        if len(boxes) < len(changed):
            boxes += [box for box in await shared.others(session) if box.id in changed]
        if len(boxes) < len(changed):
            # some are gone
            self._tree = bool(self._events & _OF_MAILBOXES)
        session.write(b"".join([
            await _status_line(session, box, items)
            for box in boxes if "r" in box.rights and (items := self._watched.status(box, condstore=condstore))
        ]))

    def _tell_entries(self) -> None:
        session = self._session
        annotated, self._annotated = self._annotated, {}
        found: dict[int, list[bytes]] = {}
        for mailbox_id, entry in annotated:
            found.setdefault(mailbox_id, []).append(astring(entry.encode("ascii")))
        for mailbox_id, entries in found.items():
            name = self._watched.name_of(mailbox_id) if mailbox_id else ""
            if name is not None:
                # RFC 5464 4.4.2
                session.write(b"* METADATA %s %s\r\n" % (
                    responses.mailbox_name(name, utf8=session.utf8), b" ".join(entries)))

    def _overflow(self) -> None:
        """RFC 5465 5.8: tell that there is no more to come, and go on as after NOTIFY NONE."""
        session = self._session
        self.stop()
        session.notification = Notification(session, ())
        session.untagged("OK [NOTIFICATIONOVERFLOW] Nothing more can be told, ask again")


async def _status_line(session: Session, box: Mailbox, items: Sequence[str]) -> bytes:
    # the client has not asked for it: this does not switch CONDSTORE on (RFC 7162 3.1)
    return await status_line(session, box, items, known={"HIGHESTMODSEQ": box.highestmodseq})
