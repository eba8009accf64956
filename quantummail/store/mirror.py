"""Behind the commits: file names learn the flags of their rows, files without rows are taken away."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, delete, exists, select, text, tuple_, update
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.store.errors import StoreError
from quantummail.store.flags import KEYWORD_SHIFT
from quantummail.store.keywords import keywords_txn
from quantummail.store.letters import Lettering, Letters, letters_of
from quantummail.store.maildir import DISK_MASK, IN_NEW, LETTER_SHIFT, locate, path_of, sync_directory
from quantummail.store.own_changes import Change
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
        messages.c.account_id, messages.c.mailbox_id, messages.c.uid, messages.c.modseq, messages.c.flags,
        messages.c.file, messages.c.on_disk, mailboxes.c.directory,
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
        # a mailbox that was renamed meanwhile: its files may not have been found for that
        exists().where(mailboxes.c.id == bindparam("box"), mailboxes.c.directory == bindparam("where")),
    )
    # flags may have changed again meanwhile: then the row stays stale, but knows its file's name
    .values(on_disk=bindparam("now_on_disk"), stale=messages.c.modseq != bindparam("mirrored"))
)
_REMOVALS = (
    select(removals.c.id, removals.c.directory, removals.c.file, removals.c.on_disk)
    .where(removals.c.id > bindparam("after"))
    .order_by(removals.c.id)
    .limit(_PAGE)
)
# a mailbox may have been renamed since its page was read: then its files were not found, and are still there
_REMOVED = delete(removals).where(removals.c.id == bindparam("number"), removals.c.directory == bindparam("where"))


@dataclass(frozen=True, slots=True)
class _Page:
    """Rows that may be stale, and the keywords of their mailboxes in the order of their bits."""

    rows: Sequence[AnyRow]
    keywords: dict[int, tuple[str, ...]]

    def carried(self, row: AnyRow) -> list[str]:
        """The keywords of a message."""
        bits = row.flags >> KEYWORD_SHIFT
        return [name for bit, name in enumerate(self.keywords.get(row.mailbox_id, ())) if bits >> bit & 1]


@dataclass(frozen=True, slots=True)
class _Renaming:
    """A row, and what the name of its file is to tell."""

    row: AnyRow
    on_disk: int


class Mirror:
    """Works in the background, in pages, after changes and once at start."""

    log = Logger(namespace="quantummail.store")

    def __init__(self, database: Database, root: str, threads: Inline | Threads, clock: IReactorTime | None) -> None:
        self._database = database
        self._root = root
        self._threads = threads
        self._lettering = Lettering(database, root, threads)
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
        while not self._stopped and (page := await self._database.run(_stale_txn, *last)).rows:
            renamed = await self._threads.run(self._rename, await self._renamings(page))
            if renamed:
                await self._database.write(_mirrored_txn, renamed)
            last = (page.rows[-1].account_id, page.rows[-1].mailbox_id, page.rows[-1].uid)
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

    async def _renamings(self, page: _Page) -> list[_Renaming]:
        """What the names of files are to tell. Every letter in them has its keyword, durably."""
        renamings: list[_Renaming] = []
        for box, rows in groupby(page.rows, attrgetter("account_id", "mailbox_id", "directory")):
            here = list(rows)
            wanted = dict.fromkeys(name for row in here for name in page.carried(row))
            letters: Letters | None = Letters({})
            if wanted or any(letters_of(row.on_disk) for row in here):
                letters = await self._lettering.letters(*box, list(wanted))
            if letters is not None:
                renamings += [_Renaming(row, _told(row, letters, page.carried(row))) for row in here]
        return renamings

    def _rename(self, renamings: Sequence[_Renaming]) -> list[dict[str, object]]:
        """Rename files; what the rows may say now. The renames are durable: a scan must not read old flags."""
        renamed: list[dict[str, object]] = []
        touched: set[str] = set()
        for renaming in renamings:
            row, now_on_disk = renaming.row, renaming.on_disk
            directory = os.path.join(self._root, row.directory)
            target = os.path.join(directory, path_of(row.file, now_on_disk))
            try:
                if now_on_disk != row.on_disk:
                    touched |= _rename(directory, row, target)
            except FileNotFoundError:
                # taken away; or its mailbox has just been renamed, then this counts for nothing
                now_on_disk = row.on_disk
            except OSError as error:
                # the name is only a mirror: nobody waits for it
                self.log.warn("{file} cannot be renamed: {reason}", file=target, reason=error.strerror)
                continue
            renamed.append({
                "account": row.account_id, "box": row.mailbox_id, "number": row.uid,
                "where": row.directory, "now_on_disk": now_on_disk, "mirrored": row.modseq,
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
                    with Change(path):
                        os.unlink(path)
                except FileNotFoundError:
                    found = locate(directory, row.file)
                    if found is not None:
                        with Change(found):
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


def _told(row: AnyRow, letters: Letters, keywords: Sequence[str]) -> int:
    """What a file's name is to tell: letters that mean nothing to us are left alone."""
    told = letters.of(keywords) | letters_of(row.on_disk) & ~letters.known
    on_disk: int = row.flags & DISK_MASK | told << LETTER_SHIFT
    return IN_NEW if not on_disk and row.on_disk == IN_NEW else on_disk


def _rename(directory: str, row: AnyRow, target: str) -> set[str]:
    """Rename one file, wherever it is; the directories this has changed."""
    source = os.path.join(directory, path_of(row.file, row.on_disk))
    try:
        with Change(source), Change(target):
            os.rename(source, target)
    except FileNotFoundError:
        found = locate(directory, row.file)
        if found is None:
            raise
        if found == target:
            return {os.path.dirname(target)}
        source = found
        with Change(source), Change(target):
            os.rename(source, target)
    return {os.path.dirname(source), os.path.dirname(target)}


def _stale_txn(connection: Connection, account: int, box: int, number: int) -> _Page:
    rows = connection.execute(_STALE, {"account": account, "box": box, "number": number}).all()
    boxes = {(row.account_id, row.mailbox_id) for row in rows if row.flags >> KEYWORD_SHIFT}
    return _Page(rows, {mailbox_id: keywords_txn(connection, account_id, mailbox_id)
                        for account_id, mailbox_id in boxes})


def _removals_txn(connection: Connection, after: int) -> Sequence[AnyRow]:
    return connection.execute(_REMOVALS, {"after": after}).all()


def _mirrored_txn(transaction: Transaction, renamed: Sequence[dict[str, object]]) -> None:
    transaction.connection.execute(_MIRRORED, renamed)


def _removed_txn(transaction: Transaction, removed: Sequence[dict[str, object]]) -> None:
    transaction.connection.execute(_REMOVED, removed)
