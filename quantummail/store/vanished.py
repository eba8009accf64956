"""Messages whose files somebody took away: looked for once more, then expunged, so that sessions stop offering them.

What is not there may be somewhere else: a mail root that is not mounted, a mailbox that is being renamed. A row is
dropped only from a Maildir that is the mailbox's own, by the file with its numbers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.store import uidfile
from quantummail.store.errors import StoreError
from quantummail.store.foreign import list_maildir
from quantummail.store.removals import remove_txn
from quantummail.store.rows import AnyRow
from quantummail.store.tables import mailboxes, messages
from quantummail.store.transaction import Transaction
from quantummail.store.uids import conditions

if TYPE_CHECKING:
    from quantummail.store.database import Database
    from quantummail.store.threads import Inline, Threads


class Vanished:
    """Works in the background, a mailbox at a time; its methods are called on the reactor."""

    log = Logger(namespace="quantummail.store")

    def __init__(self, database: Database, root: str, threads: Inline | Threads) -> None:
        self._database = database
        self._root = root
        self._threads = threads
        self._missed: dict[tuple[int, int], set[int]] = {}
        self._running: Deferred[None] | None = None
        self._stopped = False

    def missed(self, account_id: int, mailbox_id: int, uids: Sequence[int]) -> None:
        """The files of these messages were not found. Whether they are gone is found out later."""
        if self._stopped:
            return
        self._missed.setdefault((account_id, mailbox_id), set()).update(uids)
        if self._running is None:
            running = self._running = Deferred.fromCoroutine(self._work())
            if running.called:
                self._running = None

    async def stop(self) -> None:
        """Finish the mailbox at hand; what is left is missed again."""
        self._stopped = True
        if self._running is not None:
            await self._running

    async def _work(self) -> None:
        while self._missed and not self._stopped:
            (account_id, mailbox_id), uids = self._missed.popitem()
            try:
                await self._look(account_id, mailbox_id, sorted(uids))
            except StoreError as error:
                self.log.error("messages whose files are gone stay in the index: {reason}", reason=str(error))
            except Exception:  # noqa: BLE001  # the edge of a background task
                self.log.failure("unexpected error while looking for files")
        self._running = None

    async def _look(self, account_id: int, mailbox_id: int, uids: Sequence[int]) -> None:
        rows = await self._database.run(_rows_txn, account_id, mailbox_id, uids)
        if not rows:
            return
        gone = await self._threads.run(self._gone, rows)
        if not gone:
            return
        count = await self._database.write(_drop_txn, account_id, mailbox_id, rows[0].directory, gone)
        self.log.warn("the files of {count} messages in {directory} are gone: they are expunged",
                      count=count, directory=rows[0].directory)

    def _gone(self, rows: Sequence[AnyRow]) -> list[int]:
        """The UIDs of messages that are not in the mailbox's Maildir, if that is there."""
        path = os.path.join(self._root, rows[0].directory)
        files = {row.file: row.uid for row in rows}
        # a file that is renamed meanwhile may be missed once
        for _ in range(2):
            if uidfile.read(path) is None:
                self.log.error("{directory} is not there, or not the mailbox's: its messages stay in the index",
                               directory=rows[0].directory)
                return []
            try:
                listed = list_maildir(path)
            except OSError as error:
                self.log.error("{directory} cannot be read: {reason}", directory=path, reason=error.strerror)
                return []
            files = {file: uid for file, uid in files.items() if file not in listed}
        return sorted(files.values())


def _rows_txn(connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int]) -> list[AnyRow]:
    query = (
        select(messages.c.uid, messages.c.file, mailboxes.c.directory)
        .join_from(messages, mailboxes, messages.c.mailbox_id == mailboxes.c.id)
        .where(messages.c.account_id == account_id, messages.c.mailbox_id == mailbox_id)
    )
    rows: list[AnyRow] = []
    for condition, parameters in conditions(uids):
        rows += connection.execute(query.where(condition), parameters)
    return rows


def _drop_txn(
    transaction: Transaction, account_id: int, mailbox_id: int, directory: str, uids: Sequence[int]
) -> int:
    current = transaction.connection.execute(
        select(mailboxes.c.directory).where(mailboxes.c.id == mailbox_id, mailboxes.c.account_id == account_id)
    ).scalar()
    if current != directory:
        return 0
    return len(remove_txn(transaction, account_id, mailbox_id, uids, keep_files=True))
