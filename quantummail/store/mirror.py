"""Behind the commits: file names learn the flags of their rows, files without rows are taken away."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, select, text, tuple_, update
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.store.errors import StoreError
from quantummail.store.maildir import DISK_MASK, locate, path_of, sync_directory
from quantummail.store.rows import AnyRow
from quantummail.store.tables import mailboxes, messages, removals
from quantummail.store.transaction import Transaction

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from quantummail.store.database import Database
    from quantummail.store.threads import Inline, Threads

_PAGE = 200
# Changes of flags come in bursts; the files may lag a little
_DELAY = 0.1

_STALE = (
    select(
        messages.c.account_id, messages.c.mailbox_id, messages.c.uid, messages.c.flags, messages.c.file,
        messages.c.on_disk, mailboxes.c.directory,
    )
    .join_from(messages, mailboxes, messages.c.mailbox_id == mailboxes.c.id)
    # as the partial index writes its condition: SQLAlchemy would compare with 1, and SQLite then scan the table
    .where(
        text("messages.stale"),
        tuple_(messages.c.account_id, messages.c.mailbox_id, messages.c.uid)
        > tuple_(bindparam("account"), bindparam("box"), bindparam("number")),
    )
    .order_by(messages.c.account_id, messages.c.mailbox_id, messages.c.uid)
    .limit(_PAGE)
)
_MIRRORED = (
    update(messages)
    .where(
        messages.c.account_id == bindparam("account"),
        messages.c.mailbox_id == bindparam("box"),
        messages.c.uid == bindparam("number"),
    )
    # flags may have changed again meanwhile: then the row stays stale, but knows its file's name
    .values(on_disk=bindparam("now_on_disk"), stale=messages.c.flags.op("&")(DISK_MASK) != bindparam("now_flags"))
)
_REMOVALS = (
    select(removals.c.id, removals.c.directory, removals.c.file, removals.c.on_disk)
    .where(removals.c.id > bindparam("after"))
    .order_by(removals.c.id)
    .limit(_PAGE)
)
# a mailbox may have been renamed since its page was read: then its files were not found, and are still there
_REMOVED = delete(removals).where(removals.c.id == bindparam("number"), removals.c.directory == bindparam("where"))


class Mirror:
    """Works in the background, in pages, after changes and once at start."""

    log = Logger(namespace="quantummail.store")

    def __init__(self, database: Database, root: str, threads: Inline | Threads, clock: IReactorTime | None) -> None:
        self._database = database
        self._root = root
        self._threads = threads
        self._clock = clock
        self._timer: IDelayedCall | None = None
        self._running: Deferred[None] | None = None
        self._again = False
        self._stopped = False

    def wake(self) -> None:
        """Something has changed: look soon. Without a reactor nothing happens, commands call `catch_up`."""
        if self._clock is None or self._stopped:
            return
        if self._running is not None:
            self._again = True
        elif self._timer is None:
            self._timer = self._clock.callLater(_DELAY, self._begin)

    async def stop(self) -> None:
        """Finish the page at hand; what is left is done after the next start."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._running is not None:
            await self._running

    async def catch_up(self) -> None:
        """Do all there is to do, once: what cannot be done now is tried again after the next change."""
        last = (0, 0, 0)
        while not self._stopped and (stale := await self._database.run(_stale_txn, *last)):
            renamed = await self._threads.run(self._rename, stale)
            if renamed:
                await self._database.write(_mirrored_txn, renamed)
            last = (stale[-1].account_id, stale[-1].mailbox_id, stale[-1].uid)
        after = 0
        while not self._stopped and (doomed := await self._database.run(_removals_txn, after)):
            removed = await self._threads.run(self._unlink, doomed)
            if removed:
                await self._database.write(_removed_txn, removed)
            after = doomed[-1].id

    def _begin(self) -> None:
        self._timer = None
        self._again = False
        done: Deferred[None] = Deferred.fromCoroutine(self.catch_up())
        self._running = done
        done.addErrback(self._failed)
        done.addCallback(self._finished)

    def _failed(self, failure: Any) -> None:
        if failure.check(StoreError):
            self.log.warn("file names could not follow their flags: {reason}", reason=failure.getErrorMessage())
        else:
            self.log.failure("unexpected error while file names follow their flags", failure=failure)

    def _finished(self, _result: None) -> None:
        self._running = None
        if self._again:
            self.wake()

    def _rename(self, stale: Sequence[AnyRow]) -> list[dict[str, int]]:
        """Rename files; what the rows may say now. The renames are durable: a scan must not read old flags."""
        renamed: list[dict[str, int]] = []
        touched: set[str] = set()
        for row in stale:
            directory = os.path.join(self._root, row.directory)
            flags = row.flags & DISK_MASK
            now_on_disk = flags
            target = os.path.join(directory, path_of(row.file, flags))
            try:
                touched |= _rename(directory, row, target)
            except FileNotFoundError:
                # taken away, or its mailbox has just been renamed
                now_on_disk = row.on_disk
            except OSError as error:
                # the name is only a mirror: nobody waits for it
                self.log.warn("{file} cannot be renamed: {reason}", file=target, reason=error.strerror)
                continue
            renamed.append({
                "account": row.account_id, "box": row.mailbox_id, "number": row.uid,
                "now_on_disk": now_on_disk, "now_flags": flags,
            })
        return renamed if self._synced(touched) else []

    def _unlink(self, doomed: Sequence[AnyRow]) -> list[dict[str, object]]:
        """Take files away, durably; which removals are done."""
        removed: list[dict[str, object]] = []
        touched: set[str] = set()
        for row in doomed:
            directory = os.path.join(self._root, row.directory)
            path = os.path.join(directory, path_of(row.file, row.on_disk))
            try:
                try:
                    os.unlink(path)
                except FileNotFoundError:
                    found = locate(directory, row.file)
                    if found is not None:
                        os.unlink(found)
                        touched.add(os.path.dirname(found))
                touched.add(os.path.dirname(path))
            except FileNotFoundError:
                pass
            except OSError as error:
                self.log.warn("{file} cannot be removed: {reason}", file=path, reason=error.strerror)
                continue
            removed.append({"number": row.id, "where": row.directory})
        return removed if self._synced(touched) else []

    def _synced(self, directories: Iterable[str]) -> bool:
        """Make what happened in directories durable: before that a power cut could bring removed messages back."""
        for directory in directories:
            try:
                sync_directory(directory)
            except FileNotFoundError:
                continue
            except OSError as error:
                self.log.error("{directory} cannot be synced: {reason}", directory=directory, reason=error.strerror)
                return False
        return True


def _rename(directory: str, row: AnyRow, target: str) -> set[str]:
    """Rename one file, wherever it is; the directories this has changed."""
    source = os.path.join(directory, path_of(row.file, row.on_disk))
    try:
        os.rename(source, target)
    except FileNotFoundError:
        found = locate(directory, row.file)
        if found is None:
            raise
        if found == target:
            return {os.path.dirname(target)}
        source = found
        os.rename(source, target)
    return {os.path.dirname(source), os.path.dirname(target)}


def _stale_txn(connection: Connection, account: int, box: int, number: int) -> Sequence[AnyRow]:
    return connection.execute(_STALE, {"account": account, "box": box, "number": number}).all()


def _removals_txn(connection: Connection, after: int) -> Sequence[AnyRow]:
    return connection.execute(_REMOVALS, {"after": after}).all()


def _mirrored_txn(transaction: Transaction, renamed: Sequence[dict[str, int]]) -> None:
    transaction.connection.execute(_MIRRORED, renamed)


def _removed_txn(transaction: Transaction, removed: Sequence[dict[str, object]]) -> None:
    transaction.connection.execute(_REMOVED, removed)
