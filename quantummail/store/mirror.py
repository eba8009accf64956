"""Behind the commits: file names learn the flags of their rows, files without rows are taken away."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, select, text, update
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.store.errors import StoreError
from quantummail.store.maildir import DISK_MASK, locate, path_of
from quantummail.store.rows import AnyRow
from quantummail.store.tables import mailboxes, messages, removals
from quantummail.store.transaction import Transaction

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from quantummail.store.database import Database
    from quantummail.store.threads import Inline, Threads

_PAGE = 200
# Changes of flags come in bursts; the files may lag a little
_DELAY = 0.5

_STALE = (
    select(
        messages.c.account_id, messages.c.mailbox_id, messages.c.uid, messages.c.flags, messages.c.file,
        messages.c.on_disk, mailboxes.c.directory,
    )
    .join_from(messages, mailboxes, messages.c.mailbox_id == mailboxes.c.id)
    # as the partial index writes its condition: SQLAlchemy would compare with 1, and SQLite then scan the table
    .where(text("messages.stale"))
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
_REMOVALS = select(removals.c.id, removals.c.directory, removals.c.file, removals.c.on_disk).limit(_PAGE)


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
        """Do all there is to do."""
        while not self._stopped and (await self._mirror_page() + await self._remove_page()):
            pass

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

    async def _mirror_page(self) -> int:
        stale = await self._database.run(_page_txn, _STALE)
        if not stale:
            return 0
        renamed = await self._threads.run(self._rename, stale)
        await self._database.write(_mirrored_txn, renamed)
        return len(stale)

    def _rename(self, stale: Sequence[AnyRow]) -> list[dict[str, int]]:
        renamed = []
        for row in stale:
            directory = os.path.join(self._root, row.directory)
            flags = row.flags & DISK_MASK
            target = os.path.join(directory, path_of(row.file, flags))
            try:
                os.rename(os.path.join(directory, path_of(row.file, row.on_disk)), target)
            except FileNotFoundError:
                found = locate(directory, row.file)
                if found is not None and found != target:
                    with contextlib.suppress(FileNotFoundError):
                        os.rename(found, target)
            except OSError as error:
                # the name is only a mirror: nobody waits for it, and a scan reads the flags from the row
                self.log.warn("{file} cannot be renamed: {reason}", file=target, reason=error.strerror)
            renamed.append({
                "account": row.account_id, "box": row.mailbox_id, "number": row.uid,
                "now_on_disk": flags, "now_flags": flags,
            })
        return renamed

    async def _remove_page(self) -> int:
        doomed = await self._database.run(_page_txn, _REMOVALS)
        if not doomed:
            return 0
        await self._threads.run(self._unlink, doomed)
        await self._database.write(_removed_txn, [row.id for row in doomed])
        return len(doomed)

    def _unlink(self, doomed: Sequence[AnyRow]) -> None:
        for row in doomed:
            directory = os.path.join(self._root, row.directory)
            try:
                os.unlink(os.path.join(directory, path_of(row.file, row.on_disk)))
            except FileNotFoundError:
                found = locate(directory, row.file)
                if found is not None:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(found)
            except OSError as error:
                self.log.warn("{file} cannot be removed: {reason}", file=row.file, reason=error.strerror)


def _page_txn(connection: Connection, query: Any) -> Sequence[AnyRow]:
    return connection.execute(query).all()


def _mirrored_txn(transaction: Transaction, renamed: Sequence[dict[str, int]]) -> None:
    transaction.connection.execute(_MIRRORED, renamed)


def _removed_txn(transaction: Transaction, ids: Sequence[int]) -> None:
    transaction.connection.execute(delete(removals).where(removals.c.id.in_(ids)))


