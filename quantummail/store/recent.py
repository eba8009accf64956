r"""Which messages are \Recent: up to which UID some session of each mailbox has been told of them (RFC 3501 2.3.2).

The server's memory decides, so that neither a delivery nor a session that hears of it waits for a write. The rows
follow later; where a crash comes in between, messages are recent once more, as the RFC wants it when in doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, update
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.store.errors import StoreError
from quantummail.store.tables import mailboxes
from quantummail.store.transaction import Transaction

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from quantummail.store.database import Database

_DELAY = 5.0

_TOLD = (
    update(mailboxes)
    .where(mailboxes.c.id == bindparam("box"), mailboxes.c.recent_from < bindparam("told"))
    .values(recent_from=bindparam("told"))
)


class Recent:
    """Knows for each mailbox the first UID that nobody has been told of."""

    log = Logger(namespace="quantummail.store")

    def __init__(self, database: Database, clock: IReactorTime | None) -> None:
        self._database = database
        self._clock = clock
        self._told: dict[int, int] = {}
        self._unwritten: set[int] = set()
        self._timer: IDelayedCall | None = None

    def first(self, mailbox_id: int, stored: int = 0) -> int:
        """The first UID nobody was told of; `stored` is what the mailbox's row says, if it was read."""
        return max(stored, self._told.get(mailbox_id, 0))

    def claim(self, mailbox_id: int, uidnext: int, stored: int = 0) -> int:
        """A session is told of all messages below `uidnext`: those from here on are recent for it alone."""
        first = self.first(mailbox_id, stored)
        self._told[mailbox_id] = max(first, uidnext)
        if uidnext > first:
            self._unwritten.add(mailbox_id)
            if self._clock is not None and self._timer is None:
                self._timer = self._clock.callLater(_DELAY, self._write_later)
        return first

    async def write(self) -> None:
        """Bring the rows up to date."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        told = [{"box": mailbox_id, "told": self._told[mailbox_id]} for mailbox_id in sorted(self._unwritten)]
        self._unwritten.clear()
        if not told:
            return
        try:
            await self._database.write(_told_txn, told)
        except StoreError as error:
            # on a full disk mail can be read all the same
            self._unwritten.update(int(each["box"]) for each in told)
            self.log.warn("what sessions were told of is not noted: {reason}", reason=str(error))

    def _write_later(self) -> None:
        Deferred.fromCoroutine(self.write()).addErrback(
            lambda failure: self.log.failure("unexpected error while noting what sessions were told of", failure))


def _told_txn(transaction: Transaction, told: Sequence[dict[str, int]]) -> None:
    transaction.connection.execute(_TOLD, told)
