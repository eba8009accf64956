"""What other Maildir programs do while the server runs: looked for in mailboxes that are open.

The times of a mailbox's directories are looked at when somebody opens it, and every few seconds while somebody watches
it. Where they are not those that our own changes have left (`store.own_changes`), the mailbox is scanned, in the
background, one at a time, and not more than a small part of the time.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.store import own_changes
from quantummail.store.errors import StoreError

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from quantummail.store.adoption import Adoption
    from quantummail.store.changes import ChangeHub
    from quantummail.store.rows import AnyRow
    from quantummail.store.threads import Inline, Threads

INTERVAL = 5.0
# Who opens a mailbox has his answer first
_SOON = 0.1
# What was done in the same moment as a change of ours is found by this scan, if by no other before
AGAIN_AFTER = 600.0
# A scan that took a second is followed by twenty without one
PAUSE = 20.0
REMEMBERED = 10_000


@dataclass(slots=True)
class _Followed:
    """A mailbox whose directories are known."""

    directories: tuple[str, ...]
    times: tuple[int, ...]
    scanned: float


class Following:
    """Works in the background; its methods are called on the reactor."""

    log = Logger(namespace="quantummail.store")

    def __init__(
        self, adoption: Adoption, hub: ChangeHub, root: str, threads: Inline | Threads, clock: IReactorTime
    ) -> None:
        self._adoption = adoption
        self._hub = hub
        self._root = root
        self._threads = threads
        self._clock = clock
        self._followed: OrderedDict[int, _Followed] = OrderedDict()
        self._looked: dict[int, float] = {}
        self._due: dict[int, None] = {}
        self._timer: IDelayedCall | None = None
        self._working: Deferred[None] | None = None
        self._not_before = self._next_round = 0.0
        self._stopped = False

    def start(self) -> None:
        """Begin to look at what is watched, and at what is opened from now on."""
        self._hub.opened = self.opened
        self._next_round = self._clock.seconds() + INTERVAL
        self._wait()

    async def stop(self) -> None:
        """Finish the mailbox at hand."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._working is not None:
            await self._working
        for followed in self._followed.values():
            own_changes.forget(followed.directories)

    def opened(self, mailbox_id: int) -> None:
        """Somebody opens a mailbox: look soon, unless that has just been done."""
        if self._clock.seconds() - self._looked.get(mailbox_id, -INTERVAL) >= INTERVAL:
            self._due[mailbox_id] = None
            self._wait()

    def _wait(self) -> None:
        """Set the timer: for what is due as soon as may be, otherwise for the next round."""
        if self._stopped or self._working is not None:
            return
        now = self._clock.seconds()
        when = max(self._not_before, now + _SOON if self._due else self._next_round)
        if self._timer is None:
            self._timer = self._clock.callLater(max(0.0, when - now), self._begin)
        elif self._timer.getTime() > when:
            self._timer.reset(when - now)

    def _begin(self) -> None:
        self._timer = None
        working = self._working = Deferred.fromCoroutine(self._work())
        working.addCallback(self._worked)

    def _worked(self, _result: None) -> None:
        self._working = None
        self._wait()

    async def _work(self) -> None:
        """Look at all that is due, scan the first that is strange; the others stay due."""
        now = self._clock.seconds()
        self._looked = {each: when for each, when in self._looked.items() if now - when < INTERVAL}
        if now >= self._next_round:
            self._next_round = now + INTERVAL
            self._due.update(dict.fromkeys(self._hub.watched()))
        due = list(self._due)
        self._due.clear()
        try:
            rows = await self._adoption.mailboxes(due) if due else []
            strange: list[AnyRow] = await self._threads.run(self._strange, rows, now)
            self._looked.update(dict.fromkeys(due, now))
            self._due.update(dict.fromkeys(row.id for row in strange[1:]))
            for row in strange[:1]:
                await self._scan(row)
        except (OSError, StoreError) as error:
            self.log.warn("changes by other Maildir programs cannot be seen: {reason}", reason=str(error))
        except Exception:  # noqa: BLE001  # the edge of a background task
            self.log.failure("unexpected error while looking for changes by other Maildir programs")

    def _strange(self, rows: Iterable[AnyRow], now: float) -> list[AnyRow]:
        """Those mailboxes that may hold something that the index does not know. In a thread; nothing else runs then."""
        return [row for row in rows if self._is_strange(row, now)]

    def _is_strange(self, row: AnyRow, now: float) -> bool:
        directories = self._directories(row)
        followed = self._followed.get(row.id)
        if followed is None or followed.directories != directories:
            times = own_changes.begin(directories)
            if ":".join(map(str, times)) != row.scanned:
                return True
            self._follow(row, _Followed(directories, times, now))
            return False
        if own_changes.unknown(directories):
            return True
        changed = own_changes.times(directories) != followed.times
        return changed and now - followed.scanned >= AGAIN_AFTER

    def _directories(self, row: AnyRow) -> tuple[str, ...]:
        return tuple(os.path.join(self._root, row.directory, part) for part in ("new", "cur"))

    async def _scan(self, row: AnyRow) -> None:
        directories = self._directories(row)
        times: tuple[int, ...] = await self._threads.run(own_changes.begin, directories)
        began = self._clock.seconds()
        # whatever comes of it: it would come again
        self._follow(row, _Followed(directories, times, began))
        await self._adoption.follow(row)
        now = self._clock.seconds()
        self._not_before = now + (now - began) * PAUSE

    def _follow(self, row: AnyRow, followed: _Followed) -> None:
        self._followed[row.id] = followed
        self._followed.move_to_end(row.id)
        if len(self._followed) > REMEMBERED:
            _, oldest = self._followed.popitem(last=False)
            own_changes.forget(oldest.directories)
