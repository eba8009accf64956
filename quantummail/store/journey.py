"""What happened to each message, for whoever asks why: noted in memory, written in batches behind the answers.

A crash loses what was noted in the last second. That is no loss of mail: what was delivered is in its mailbox and what
was queued is in the queue, with ids that lead there; only refusals and readings of that second are forgotten.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.store import journey_rows as rows
from quantummail.store.errors import StoreError
from quantummail.store.journey_rows import Step
from quantummail.store.transaction import Work

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from quantummail.store.additions import Addition
    from quantummail.store.database import Database
    from quantummail.store.records import Appended

_DELAY = 1.0
_BATCH = 250
"""Steps in one piece of the group commit: who commits with it waits for a millisecond, not more."""
_FULL = 1000
_MOST = 20_000
"""Steps in memory; while the database takes nothing the rest is lost."""
_READINGS = 10_000
_REMOVED_APART = 200
"""Messages of one expunge that have a row each."""
_PURGE_PAGE = 2000
_PURGE_AFTER, _PURGE_AGAIN = 3600.0, 2.0
# ENVELOPE ends with the Message-ID (RFC 3501 7.4.2)
_MESSAGE_ID = re.compile(rb'"(<[^"<>]*>)"\)?$')


class Journey:
    """Notes steps. Off until `begin`: commands note nothing."""

    log = Logger(namespace="quantummail.store")

    def __init__(
        self, database: Database, clock: IReactorTime | None, has_room: Callable[[], bool] = lambda: True
    ) -> None:
        """`has_room`: whether the disk has room for what can be done without."""
        self._database = database
        self._clock = clock
        self._has_room = has_room
        self._on = False
        self._keep = 0.0
        self._waiting: list[Step] = []
        self._writing = 0
        self._lost = 0
        self._read: OrderedDict[tuple[int, str], None] = OrderedDict()
        self._timer: IDelayedCall | None = None
        self._idle: Deferred[None] | None = None
        self._purging: IDelayedCall | None = None

    def begin(self, keep: float) -> None:
        """Note steps from now on, and keep them so many seconds."""
        self._on = True
        self._keep = keep
        if self._clock is not None:
            self._purging = self._clock.callLater(_PURGE_AFTER, self._purge_later)

    @property
    def on(self) -> bool:
        """Whether steps are noted: who has to gather much for one asks first."""
        return self._on

    def note(
        self, message_id: str, stage: str, verdict: str, detail: Mapping[str, Any], *, sender: str = "",
        header_id: str = "",
    ) -> None:
        """Note a step; it is written within a second or so."""
        if not self._on:
            return
        if len(self._waiting) + self._writing >= _MOST:
            self._lost += 1
            return
        self._waiting.append(Step(int(time.time()), message_id, stage, verdict, detail, sender, header_id))
        if self._clock is None:
            return
        if len(self._waiting) >= _FULL and not self._writing:
            self._write()
        elif self._timer is None:
            self._timer = self._clock.callLater(_DELAY, self._write)

    def read(self, account_id: int, address: str, email_ids: Sequence[str], by: str) -> None:
        """Somebody was given these messages; noted once for each."""
        if not self._on:
            return
        for email_id in email_ids:
            if (account_id, email_id) in self._read:
                continue
            self._read[account_id, email_id] = None
            if len(self._read) > _READINGS:
                self._read.popitem(last=False)
            self.note(email_id, "read", "", {"account": address, "by": by})

    def appended(self, addition: Addition, appended: Appended) -> None:
        """A client of IMAP has put a message into a mailbox."""
        if not self._on or addition.rendered is None:
            return
        found = _MESSAGE_ID.search(addition.rendered.envelope)
        self.note(
            addition.email_id, "appended", "accepted",
            {"source": "imap", "account": addition.account_id, "mailbox": appended.mailbox_id, "uid": appended.uid,
             "size": addition.size},
            header_id="" if found is None else found[1].decode("utf-8", "replace"))

    def removed(self, account_id: int, mailbox_id: int, email_ids: Sequence[str]) -> None:
        """Messages have left an account for good. Of very many only the number is noted."""
        if len(email_ids) > _REMOVED_APART:
            self.note("", "removed", "", {"account": account_id, "mailbox": mailbox_id, "count": len(email_ids)})
            return
        for email_id in email_ids:
            self.note(email_id, "removed", "", {"account": account_id, "mailbox": mailbox_id})

    def made(self, of: str, new: str, stage: str, detail: Mapping[str, Any]) -> None:
        """A message of ours was made of another: both know of each other."""
        self.note(of, stage, "", {**detail, "id": new})
        self.note(new, "made", stage, {"of": of})

    def _write(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if not self._waiting:
            return
        if not self._has_room():
            # what is left of the disk is for mail
            self._again()
            return
        steps, self._waiting = self._waiting, []
        for start in range(0, len(steps), _BATCH):
            batch = steps[start : start + _BATCH]
            self._writing += len(batch)
            self._database.submit(Work(rows.write_txn, batch, partial(self._written, batch)))
        if self._lost:
            self.log.warn("{count} steps of the journey of messages were not noted: the database was too slow",
                          count=self._lost)
            self._lost = 0

    def _written(self, batch: Sequence[Step], result: Any) -> None:
        self._writing -= len(batch)
        if isinstance(result, Exception):
            self.log.warn("{count} steps of the journey of messages are lost: {reason}", count=len(batch),
                          reason=str(result))
        if not self._writing and self._idle is not None:
            idle, self._idle = self._idle, None
            idle.callback(None)
        if len(self._waiting) >= _FULL and not self._writing:
            self._write()

    def _again(self) -> None:
        if self._clock is not None:
            self._timer = self._clock.callLater(_DELAY, self._write)

    async def flush(self) -> None:
        """Write what waits, if the disk has room for it."""
        self._write()
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if self._purging is not None and self._purging.active():
            self._purging.cancel()
        if self._writing:
            self._idle = Deferred()
            await self._idle

    async def purge(self) -> int:
        """Forget what is too old, a page at most; how much it was."""
        if not self._on:
            return 0
        return await self._database.write(rows.purge_txn, int(time.time() - self._keep), _PURGE_PAGE)

    def _purge_later(self) -> None:
        Deferred.fromCoroutine(self._purge_page()).addErrback(
            lambda failure: self.log.failure("old steps of the journey of messages cannot be forgotten", failure))

    async def _purge_page(self) -> None:
        try:
            more = await self.purge() >= _PURGE_PAGE
        except StoreError:
            # the database has told it
            more = False
        assert self._clock is not None
        # the rest soon, but not at the expense of mail
        self._purging = self._clock.callLater(_PURGE_AGAIN if more else _PURGE_AFTER, self._purge_later)

    # What is asked.

    async def steps(self, message_ids: Sequence[str]) -> list[Step]:
        """Everything about these messages, in its order."""
        return await self._database.run(rows.steps_txn, message_ids)

    async def named(self, header_id: str, *, limit: int = 50) -> list[str]:
        """Our ids of messages with this Message-ID, the newest ones in the order of their coming."""
        return await self._database.run(rows.named_txn, header_id, limit)

    async def between(
        self, sender: str, recipient: str, since: int, until: int, *, limit: int = 50
    ) -> list[str]:
        """Our ids of messages that came, or tried to, from one address to another (``*``: any) in a time."""
        return await self._database.run(rows.between_txn, sender, recipient, since, until, limit)

    async def arrivals(self, *, since: int = 0, after: int = 0, limit: int = 100) -> list[Step]:
        """What came by SMTP, LMTP, submission and IMAP, the oldest first; `after`: the id of the last one seen."""
        return await self._database.run(rows.arrivals_txn, since, after, limit)
