"""Keys of SORT and THREAD in memory, for the mailboxes whose messages were sorted lately.

A value is kept once; of each message only its rank among them: that is all that sorting asks for. New messages are
read when somebody asks, messages that are gone do no harm: who asks says which ones are wanted.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import DeferredLock

from quantummail.message.description import thread_ids_of
from quantummail.message.thread_ids import NO_ID, unpacked
from quantummail.store.errors import NoSuchMessage
from quantummail.store.sort_keys import THREAD, few_txn, keep_thread_ids_txn, page_txn
from quantummail.store.steps import STEP, Pause, Steps, finished

if TYPE_CHECKING:
    from quantummail.store.bodies import Bodies
    from quantummail.store.database import Database
    from quantummail.store.messages import Messages

# Octets, about, that all mailboxes together take
MOST_OCTETS = 96 << 20
# So few messages are read for themselves, rather than all of a mailbox that was not sorted yet
FEW = 500
_HEADER = 32 * 1024
_LATEST = (1 << 32) - 1


class Ranks:
    """One key of messages: the different values in their order, and the place of each message's among them."""

    __slots__ = ("ranks", "values")

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.ranks = array("I")

    @property
    def octets(self) -> int:
        """About how much memory it takes."""
        values = self.values
        # of long lists a sample
        sample = values[:: max(1, len(values) // 100)]
        size = sum(50 + len(value) if isinstance(value, str) else 32 for value in sample)
        return 4 * len(self.ranks) + (size * len(values) // len(sample) if sample else 0)

    def extend(self, values: Sequence[Any]) -> Steps[None]:
        """Take the values of further messages."""
        fresh: set[Any] = set()
        for start in range(0, len(values), STEP):
            if start:
                yield
            part = values[start : start + STEP]
            fresh.update(part if not self.values else [value for value in part if not self._known(value)])
        if fresh:
            added = yield from _sorted(fresh)
            yield from self._insert(added)
        places: dict[Any, int] = {}
        if len(values) > STEP:
            for start in range(0, len(self.values), STEP):
                yield
                places.update(zip(self.values[start : start + STEP], range(start, start + STEP), strict=False))
        for start in range(0, len(values), STEP):
            if start:
                yield
            part = values[start : start + STEP]
            self.ranks.extend(
                [places[value] for value in part] if places else [bisect_left(self.values, value) for value in part])

    def _known(self, value: Any) -> bool:
        place = bisect_left(self.values, value)
        return place < len(self.values) and self.values[place] == value

    def _insert(self, added: list[Any]) -> Steps[None]:
        """New values in between move those behind them."""
        old = self.values
        if not old:
            self.values = added
            return
        merged = old + added
        # two runs: merged in one walk
        merged.sort()
        if added[0] < old[-1]:
            moved = array("I", bytes(4 * len(old)))
            begin = 0
            for count, value in enumerate(added):
                end = bisect_left(old, value, begin)
                moved[begin:end] = array("I", range(begin + count, end + count))
                begin = end
            moved[begin:] = array("I", range(begin + len(added), len(old) + len(added)))
            ranks = array("I")
            for start in range(0, len(self.ranks), STEP * 4):
                if start:
                    yield
                ranks.extend([moved[rank] for rank in self.ranks[start : start + STEP * 4]])
            self.ranks = ranks
        self.values = merged


def _sorted(values: set[Any]) -> Steps[list[Any]]:
    """In order: runs first, which are then merged two by two, so that no step takes long."""
    every = list(values)
    runs = []
    for start in range(0, len(every), STEP):
        runs.append(sorted(every[start : start + STEP]))
        if len(every) > STEP:
            yield
    while len(runs) > 1:
        merged = []
        for place in range(0, len(runs), 2):
            yield
            both = [value for run in runs[place : place + 2] for value in run]
            both.sort()
            merged.append(both)
        runs = merged
    return runs[0] if runs else []


class ThreadIds:
    """What threads messages: one after the other."""

    __slots__ = ("answers", "begins", "ends", "numbers")

    def __init__(self) -> None:
        self.answers = bytearray()
        """Whether each one's subject says that it is a reply or forward."""
        self.numbers = array("q", [NO_ID])
        """Identifiers: for messages of which nothing is known that at 0."""
        self.begins = array("I")
        """Where the identifier of each message is, followed by those that it refers to."""
        self.ends = array("I")

    @property
    def octets(self) -> int:
        """About how much memory it takes."""
        return 8 * len(self.numbers) + 9 * len(self.answers)

    def extend(self, values: Sequence[bytes]) -> Steps[None]:
        """Take those of further messages."""
        for done, packed in enumerate(values):
            if done % STEP == STEP - 1:
                yield
            answers, numbers = unpacked(packed)
            self.answers.append(answers)
            self.begins.append(len(self.numbers))
            self.numbers.extend(numbers)
            self.ends.append(len(self.numbers))


class SortKeys:
    """The keys of messages, in the order of `uids`."""

    __slots__ = ("account_id", "columns", "lock", "remembered", "threads", "uids")

    def __init__(self, account_id: int) -> None:
        self.account_id = account_id
        self.lock = DeferredLock()
        self.uids = array("I")
        """Ascending."""
        self.columns: dict[str, Ranks] = {}
        self.threads: ThreadIds | None = None
        self.remembered: dict[object, tuple[array[int], array[int]]] = {}
        """Results: which messages, and what came of them. For whoever made them; few, the latest at the end."""

    @property
    def octets(self) -> int:
        """About how much memory it takes."""
        threads = self.threads.octets if self.threads is not None else 0
        return (
            4 * len(self.uids) + threads + sum(column.octets for column in self.columns.values())
            + sum(4 * (len(found) + len(result)) for found, result in self.remembered.values())
        )

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are here."""
        return (*self.columns, THREAD) if self.threads is not None else tuple(self.columns)

    @property
    def last(self) -> int:
        """The highest UID that is here."""
        return self.uids[-1] if self.uids else 0

    def places(self, uids: array[int]) -> Steps[Sequence[int]]:
        """Where these messages are, which ascend; -1 for those that are not here."""
        known = self.uids
        if uids == known:
            return range(len(uids))
        found = array("i")
        place = 0
        for done, uid in enumerate(uids):
            if done % STEP == STEP - 1:
                yield
            place = bisect_left(known, uid, place)
            found.append(place if place < len(known) and known[place] == uid else -1)
        return found

    def extend(self, uids: Sequence[int], keys: Sequence[str], values: Sequence[Sequence[Any]]) -> Steps[None]:
        """Take further messages: with all keys that are here, or (of no messages) with further ones."""
        for key, column in zip(keys, values, strict=True):
            if key == THREAD:
                self.threads = self.threads or ThreadIds()
                yield from self.threads.extend(column)
            else:
                yield from self.columns.setdefault(key, Ranks()).extend(column)
        self.uids = self.uids + array("I", uids)
        self.remembered.clear()

    def remember(self, what: object, found: array[int], result: array[int]) -> None:
        """Keep a result."""
        self.remembered.pop(what, None)
        self.remembered[what] = (found, result)
        if len(self.remembered) > 6:
            del self.remembered[next(iter(self.remembered))]

    def recall(self, what: object, found: array[int]) -> array[int] | None:
        """A result that is kept, if it was made of the same messages."""
        known = self.remembered.get(what)
        return known[1] if known is not None and known[0] == found else None


class Orders:
    """The keys of the mailboxes that were used last."""

    def __init__(self, database: Database, messages: Messages, bodies: Bodies) -> None:
        self._database = database
        self._messages = messages
        self._bodies = bodies
        # the one that was not used for the longest time comes first
        self._kept: dict[int, SortKeys] = {}

    async def get(
        self, account_id: int, mailbox_id: int, keys: Sequence[str], uids: array[int], pause: Pause
    ) -> SortKeys:
        """Keys of (at least) these messages, which ascend; those that are gone may be missing."""
        kept = self._kept.pop(mailbox_id, None)
        if kept is not None and (kept.account_id != account_id or len(kept.uids) > 2 * len(uids) + 10_000):
            # most of them are gone
            kept = None
        if kept is None and len(uids) <= FEW:
            few = SortKeys(account_id)
            found, values = await self._database.run(few_txn, account_id, mailbox_id, tuple(keys), uids)
            await self._complete(account_id, mailbox_id, found, keys, values)
            await finished(few.extend(found, keys, values), pause)
            return few
        kept = self._kept[mailbox_id] = kept or SortKeys(account_id)
        await kept.lock.acquire()
        try:
            await self._fill(kept, mailbox_id, keys, uids, pause)
        except BaseException:
            # it may be filled in part
            if self._kept.get(mailbox_id) is kept:
                del self._kept[mailbox_id]
            raise
        finally:
            kept.lock.release()
        self._trim(mailbox_id)
        return kept

    async def _fill(
        self, kept: SortKeys, mailbox_id: int, keys: Sequence[str], uids: array[int], pause: Pause
    ) -> None:
        missing = tuple(key for key in keys if key not in kept.keys)
        if missing and kept.uids:
            found, values = await self._read(kept.account_id, mailbox_id, missing, 0, kept.last)
            aligned = [_aligned(kept.uids, found, column, key) for key, column in zip(missing, values, strict=True)]
            await finished(kept.extend((), missing, aligned), pause)
        if uids and uids[-1] > kept.last:
            wanted = tuple(dict.fromkeys((*kept.keys, *missing)))
            found, values = await self._read(kept.account_id, mailbox_id, wanted, kept.last, _LATEST)
            await finished(kept.extend(found, wanted, values), pause)

    async def _read(
        self, account_id: int, mailbox_id: int, keys: tuple[str, ...], after: int, last: int
    ) -> tuple[list[int], list[list[Any]]]:
        uids: list[int] = []
        values: list[list[Any]] = [[] for _ in keys]
        while after < last:
            found, page = await self._database.run(page_txn, account_id, mailbox_id, keys, after, last)
            if not found:
                break
            await self._complete(account_id, mailbox_id, found, keys, page)
            uids += found
            for column, more in zip(values, page, strict=True):
                column += more
            after = found[-1]
        return uids, values

    async def _complete(
        self, account_id: int, mailbox_id: int, uids: Sequence[int], keys: Sequence[str], values: list[list[Any]]
    ) -> None:
        """Read the headers of messages that came before anybody kept what threads them."""
        if THREAD not in keys:
            return
        column = values[list(keys).index(THREAD)]
        unknown = [uid for uid, packed in zip(uids, column, strict=True) if packed is None]
        if not unknown:
            return
        read: dict[int, bytes] = {}
        noted: dict[str, bytes] = {}
        for message in await self._messages.fetch(account_id, mailbox_id, unknown):
            try:
                read[message.uid] = thread_ids_of(await self._bodies.read(message, 0, _HEADER))
            except NoSuchMessage:
                continue
            noted[message.email_id] = read[message.uid]
        if noted:
            await self._database.write(keep_thread_ids_txn, account_id, list(noted.items()))
        for place, uid in enumerate(uids):
            if column[place] is None:
                column[place] = read.get(uid, thread_ids_of(b""))

    def _trim(self, used: int) -> None:
        total = sum(kept.octets for kept in self._kept.values())
        for mailbox_id in list(self._kept):
            if total <= MOST_OCTETS:
                return
            if mailbox_id != used:
                total -= self._kept.pop(mailbox_id).octets


def _aligned(uids: Sequence[int], found: Sequence[int], values: Sequence[Any], key: str) -> Sequence[Any]:
    """Values for all of `uids`; those that are gone meanwhile get any."""
    if len(uids) == len(found):
        return values
    known = dict(zip(found, values, strict=True))
    anything = thread_ids_of(b"") if key == THREAD else values[0] if values else 0
    return [known.get(uid, anything) for uid in uids]
