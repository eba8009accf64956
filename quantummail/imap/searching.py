"""Answering SEARCH: first what UIDs and flags tell, then the index, and only for what is still open rows and messages.

Each step looks only at messages of which the steps before have not decided whether they are found.
"""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from quantummail.imap.grammar import search as keys
from quantummail.imap.message_sets import NONE, Universe, Value, evaluated, of_values
from quantummail.imap.responses import Farewell, Refusal
from quantummail.message.search_text import fold
from quantummail.store.flags import KEYWORD_SHIFT, system_flag
from quantummail.store.steps import finished
from quantummail.store.text_conditions import FIELDS, Anywhere, Condition, InBody, InField, InHeader, OfFields, SentOn
from quantummail.store.text_lookup import Stopped

if TYPE_CHECKING:
    from quantummail.imap.session import Session
    from quantummail.imap.view import View
    from quantummail.store.records import Message

PAGE = 500
# Simple things that are done before others have their turn
SLICE = 5000

Test = Callable[["Message"], bool | None]
"""Says whether a message is found; None: its row does not tell."""
_DAY = 86400


class Search:
    """One SEARCH command."""

    __slots__ = ("_deadline", "_everything", "_present", "_program", "_session", "_universe", "_values", "_view")

    def __init__(self, session: Session, query: keys.Query) -> None:
        self._session = session
        self._program = query.program
        self._deadline = time.monotonic() + session.settings.search_timeout
        self._values: list[Value | None] = [None] * len(self._program)

    async def run(self) -> array[int]:
        """The UIDs that match, ascending."""
        await self._session.know_messages()
        self._view = self._session.selected
        self._universe = Universe(self._view.uids)
        self._everything = self._present = self._universe.everything
        for step in (
            self._by_uid, self._by_lookup, self._by_flags, self._by_range, self._by_row, self._by_fields,
            self._by_texts,
        ):
            await step()
            if not self._outcome().undecided:
                break
        else:
            await self._by_reading()
        found = self._universe.uids_of(self._outcome().found & self._present)
        if self._view.expunges_wait and not all(isinstance(key, _FROM_UID) for key in self._program):
            # a message that is gone has no flags and no text, nor does it lack them
            found = array("I", [uid for uid in found if not self._view.vanished((uid,))])
        return found

    def _outcome(self) -> Value:
        return evaluated(self._program, self._values, self._everything)

    def _undecided(self) -> array[int]:
        return self._universe.uids_of(self._outcome().undecided)

    def _open(self, *kinds: type) -> list[int]:
        """The places in the program of keys of these kinds whose value is not known."""
        return [
            place for place, key in enumerate(self._program)
            if self._values[place] is None and isinstance(key, kinds)
        ]

    async def _having(self, uids: set[int]) -> int:
        return await finished(self._universe.having(uids), self._pause)

    async def _known(self, place: int, uids: set[int]) -> None:
        """The key at this place finds exactly these, of those that were undecided."""
        found = await self._having(uids)
        self._values[place] = Value(found, found)

    def _pause(self) -> Awaitable[None]:
        if self._session.closed:
            raise Farewell("The connection is gone")
        return self._session.wire.pause(0)

    async def _by_uid(self) -> None:
        for place, key in enumerate(self._program):
            found = _by_uid(self._view, self._universe, key)
            if found is not None:
                self._values[place] = Value(found, found)

    async def _by_lookup(self) -> None:
        """Keys whose messages the store knows how to find."""
        for place in self._open(*LOOKUPS):
            key = self._program[place]
            await self._known(place, set(await LOOKUPS[type(key)](self._session, key)))

    async def _by_flags(self) -> None:
        """Keys that the picture of the mailbox answers."""
        places = self._open(*PICTURE_TESTS)
        if not places:
            return
        session = self._session
        picture = await session.store.messages.pictures.get(self._view.account_id, self._view.mailbox_id)
        # what is read in several turns must be ours alone
        uids, columns = picture.uids, {"flags": picture.flags[:], "modseqs": picture.modseqs[:]}
        same = uids is self._universe.uids or uids == self._universe.uids
        for place in places:
            key = self._program[place]
            name, test = PICTURE_TESTS[type(key)](self._view, key)
            values: list[bool] = []
            for start in range(0, len(uids), SLICE):
                if start:
                    await self._pause()
                values += map(test, columns[name][start : start + SLICE])
            if same:
                found = of_values(values)
                self._values[place] = Value(found, found)
            else:
                await self._known(place, {uid for uid, value in zip(uids, values, strict=True) if value})

    async def _by_range(self) -> None:
        """Keys that ask for a range of a column, where it pays to ask the database for all of them at once."""
        places = self._open(*ROW_RANGES)
        undecided = self._undecided() if places else ()
        if len(undecided) <= PAGE:
            return
        session = self._session
        for place in places:
            column, first, last = ROW_RANGES[type(self._program[place])](self._program[place])
            uids = await session.store.messages.in_range(
                self._view.account_id, self._view.mailbox_id, column, first, last)
            await self._known(place, set(uids))

    async def _by_row(self) -> None:
        """Keys that are answered from rows, one by one."""
        places = self._open(*ROW_TESTS)
        undecided = self._undecided() if places else array("I")
        tests = {place: ROW_TESTS[type(self._program[place])](self._view, self._program[place]) for place in places}
        found: dict[int, set[int]] = {place: set() for place in places}
        session = self._session
        for start in range(0, len(undecided), PAGE):
            page = await session.store.messages.fetch(
                self._view.account_id, self._view.mailbox_id, undecided[start : start + PAGE])
            for message in page:
                for place, test in tests.items():
                    if test(message):
                        found[place].add(message.uid)
        for place, uids in found.items():
            await self._known(place, uids)

    async def _by_fields(self) -> None:
        await self._by_index(lambda condition: isinstance(condition, OfFields))

    async def _by_texts(self) -> None:
        await self._by_index(lambda condition: not isinstance(condition, OfFields))

    async def _by_index(self, chosen: Callable[[Condition], bool]) -> None:
        conditions = {
            place: condition for place, condition in self._conditions().items()
            if self._values[place] is None and chosen(condition)
        }
        if not conditions:
            return
        session = self._session
        try:
            answers = await session.store.texts.find(
                self._view.account_id, self._view.mailbox_id, self._undecided(), len(self._universe.uids),
                list(conditions.values()), self._late)
        except Stopped:
            raise self._too_long() from None
        for place, answer in zip(conditions, answers, strict=True):
            found = await self._having(answer.uids)
            self._values[place] = Value(found, found | await self._having(answer.undecided))

    async def _by_reading(self) -> None:
        """Look into the messages that the index does not know, or not whole."""
        undecided = self._undecided()
        conditions = self._conditions()
        matching: dict[int, set[int]] = {place: set() for place in conditions}
        read: set[int] = set()
        session = self._session
        async for uid, values in session.store.texts.read(
                self._view.account_id, self._view.mailbox_id, undecided, list(conditions.values()), self._late):
            read.add(uid)
            if session.progress is not None:
                session.progress.done, session.progress.goal = len(read), len(undecided)
            for place, value in zip(conditions, values, strict=True):
                if value:
                    matching[place].add(uid)
        if self._late():
            raise self._too_long()
        looked_at = await self._having(set(undecided))
        others = self._everything ^ looked_at
        for place, uids in matching.items():
            before = self._values[place]
            found = await self._having(uids) | (before.found & others if before is not None else NONE)
            self._values[place] = Value(found, found)
        # those that are gone are not found, whatever was asked
        self._present = others | await self._having(read)

    def _conditions(self) -> Mapping[int, Condition]:
        """What is asked of the texts of messages, by the place of its key."""
        found = {place: _condition(key) for place, key in enumerate(self._program)}
        return {place: condition for place, condition in found.items() if condition is not None}

    def _late(self) -> bool:
        """Whether to give up. Asked in threads too."""
        return self._session.closed or time.monotonic() > self._deadline

    def _too_long(self) -> Exception:
        if self._session.closed:
            return Farewell("The connection is gone")
        return Refusal("The search takes too long", "LIMIT")


def _by_uid(view: View, universe: Universe, key: object) -> int | None:
    """The messages that a key finds by their UIDs or numbers alone; None for other keys."""
    if isinstance(key, keys.All) or (isinstance(key, keys.Text | keys.Body) and not key.text):
        return universe.everything
    if isinstance(key, keys.Recent):
        return universe.between(_numbers(universe, view.recent_uids.ranges))
    if isinstance(key, keys.Uids):
        last = universe.uids[-1] if universe.uids else 0
        return universe.between(_numbers(universe, key.set.within(last)))
    if isinstance(key, keys.Numbers):
        return universe.between(key.set.within(view.exists))
    return None


def _numbers(universe: Universe, ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ranges of UIDs as ranges of message numbers."""
    for low, high in ranges:
        first, last = bisect_left(universe.uids, low) + 1, bisect_right(universe.uids, high)
        if first <= last:
            yield first, last


def _condition(key: object) -> Condition | None:
    if isinstance(key, keys.Header):
        name = fold(key.name).strip()
        return InField(name, fold(key.text)) if name in FIELDS else InHeader(name, fold(key.text))
    if isinstance(key, keys.SentDate):
        return SentOn(key.first, key.last)
    if isinstance(key, keys.Text | keys.Body) and key.text:
        return (Anywhere if isinstance(key, keys.Text) else InBody)(fold(key.text))
    return None


def _flagged(view: View, key: keys.Flagged) -> tuple[str, Callable[[int], bool]]:
    mask = system_flag(key.name)
    if not mask:
        name = key.name.lower()
        for bit, keyword in enumerate(view.keywords):
            if keyword.lower() == name:
                mask = 1 << (KEYWORD_SHIFT + bit)
    return "flags", lambda flags: flags & mask != 0


def _internal_date(key: keys.InternalDate) -> tuple[str, int, int]:
    # in UTC, as INTERNALDATE shows it
    return "internal_date", key.first * _DAY, (key.last + 1) * _DAY - 1


def _size(key: keys.Size) -> tuple[str, int, int]:
    return "size", key.smallest, key.largest


def within(column: str, first: int, last: int) -> Test:
    """The test of a row for a range."""
    return lambda message: first <= getattr(message, column) <= last


LOOKUPS: dict[type, Callable[..., Awaitable[Iterable[int]]]] = {}
"""Keys for which the store is asked once: called with the session, the UIDs of all messages found. Extensions add."""
PICTURE_TESTS: dict[type, Callable[..., tuple[str, Callable[[int], bool]]]] = {keys.Flagged: _flagged}
"""Keys that are answered from one column of `store.pictures.Picture`. An extension adds its own."""
ROW_RANGES: dict[type, Callable[..., tuple[str, int, int]]] = {
    keys.InternalDate: _internal_date,
    keys.Size: _size,
}
"""Keys that ask for a column of `Message` between two values. An extension adds its own."""
ROW_TESTS: dict[type, Callable[..., Test]] = {
    keys.InternalDate: lambda _view, key: within(*_internal_date(key)),
    keys.Size: lambda _view, key: within(*_size(key)),
}
"""Keys that a row answers. An extension adds its own."""

_OPERATORS = (keys.And, keys.Or, keys.Not)
_FROM_UID = (*_OPERATORS, keys.All, keys.Recent, keys.Uids, keys.Numbers)
