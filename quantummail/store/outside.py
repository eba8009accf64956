"""Changes that other processes commit (`quantummail reindex`, `user delete`): looked for where somebody watches.

Our own commits are published at once. Those of commands are seen a few seconds later: one question for all watched
mailboxes and accounts, none while nobody watches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, func, select
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.store.account_changes import AccountNews
from quantummail.store.acls import mark_txn
from quantummail.store.errors import StoreError
from quantummail.store.tables import mailboxes
from quantummail.store.uids import PAGE

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from quantummail.store.account_changes import AccountHub
    from quantummail.store.changes import ChangeHub
    from quantummail.store.database import Database

INTERVAL = 5.0
# A mailbox that is gone has changed beyond everything that anybody has seen
_GONE = (1 << 63) - 1

_MODSEQS = (
    select(mailboxes.c.id, mailboxes.c.highestmodseq)
    .where(mailboxes.c.id.in_(bindparam("ids", expanding=True)))
)
# Other processes find mailboxes in the tree; they rename none, and those that they delete are seen to be gone
_NEWEST = (
    select(mailboxes.c.account_id, func.max(mailboxes.c.id))
    .where(mailboxes.c.account_id.in_(bindparam("ids", expanding=True)))
    .group_by(mailboxes.c.account_id)
)


class Outside:
    """Asks the database and tells the hub, again and again."""

    log = Logger(namespace="quantummail.store")

    def __init__(self, database: Database, hub: ChangeHub, accounts: AccountHub, clock: IReactorTime) -> None:
        self._database = database
        self._hub = hub
        self._accounts = accounts
        self._clock = clock
        self._known: dict[int, int] = {}
        self._newest: dict[int, int] = {}
        self._lists: tuple[int, int] | None = None
        self._timer: IDelayedCall | None = None
        self._looking: Deferred[None] | None = None
        self._stopped = False

    def start(self) -> None:
        """Begin to look."""
        self._timer = self._clock.callLater(INTERVAL, self._begin)

    async def stop(self) -> None:
        """End it."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._looking is not None:
            await self._looking

    def _begin(self) -> None:
        self._timer = None
        looking = self._looking = Deferred.fromCoroutine(self._look())
        looking.addCallback(self._looked)

    def _looked(self, _result: None) -> None:
        self._looking = None
        if not self._stopped:
            self.start()

    async def _look(self) -> None:
        accounts, of_accounts = self._accounts.watched()
        watched = list({*self._hub.watched(), *of_accounts})
        try:
            now = await self._database.run(_modseqs_txn, watched) if watched else {}
            newest = await self._database.run(_newest_txn, accounts) if accounts else {}
            lists = await self._database.run(mark_txn) if accounts else self._lists
        except StoreError as error:
            self.log.warn("changes by other processes cannot be seen: {reason}", reason=str(error))
            return
        except Exception:  # noqa: BLE001  # the edge of a background task
            self.log.failure("unexpected error while looking for changes by other processes")
            return
        # what a session has seen already is no news to it
        changed = {each: modseq for each, modseq in now.items() if modseq != self._known.get(each)}
        self._hub.publish(changed)
        self._accounts.publish(changed)
        for account_id, mailbox_id in newest.items():
            if mailbox_id > self._newest.get(account_id, mailbox_id):
                self._accounts.tell_tree(account_id)
        if self._lists not in (None, lists):
            self._accounts.tell_all(AccountNews(mailboxes=True))
        self._known, self._newest, self._lists = now, newest, lists


def _modseqs_txn(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    found = dict.fromkeys(ids, _GONE)
    for start in range(0, len(ids), PAGE):
        for row in connection.execute(_MODSEQS, {"ids": ids[start : start + PAGE]}):
            found[row.id] = row.highestmodseq
    return found


def _newest_txn(connection: Connection, account_ids: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for start in range(0, len(account_ids), PAGE):
        rows = connection.execute(_NEWEST, {"ids": account_ids[start : start + PAGE]})
        found.update((row[0], row[1]) for row in rows)
    return found
