"""The tree is compared with the index: foreign files are taken in, vanished ones dropped, flags read from names.

The same scan recovers from a crash, follows other Maildir programs, migrates a tree, and rebuilds a lost index.
"Better to deliver twice than to lose": what has no row and is not known to be removed becomes a message.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, update
from twisted.logger import Logger

from quantummail.store import uidfile
from quantummail.store.additions import Addition, Additions
from quantummail.store.errors import InvalidName, StoreError
from quantummail.store.flag_changes import set_flags_txn
from quantummail.store.foreign import ForeignFile, TornFile, dovecot_keywords, list_maildir, read_foreign
from quantummail.store.mailboxes import ASIDE, Mailboxes, find_txn, subscribe_txn
from quantummail.store.maildir import (
    DISK_MASK,
    IN_NEW,
    account_directory,
    folder,
    locate,
    make_maildir,
    name_of_folder,
)
from quantummail.store.removals import remove_txn
from quantummail.store.rows import AnyRow
from quantummail.store.tables import mailboxes, messages, removals
from quantummail.store.transaction import Transaction

if TYPE_CHECKING:
    from quantummail.store.database import Database
    from quantummail.store.files import Arrivals
    from quantummail.store.threads import Inline, Threads

_PAGE = 100
# Directory times have a coarse grain: a directory touched this recently is looked at again next time
_SETTLED_AFTER_NS = 2_000_000_000


@dataclass(slots=True)
class Findings:
    """What a scan did."""

    mailboxes: int = 0
    adopted: int = 0
    vanished: int = 0
    flags: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, other: Findings) -> None:
        """Sum up."""
        self.mailboxes += other.mailboxes
        self.adopted += other.adopted
        self.vanished += other.vanished
        self.flags += other.flags
        self.errors += other.errors


@dataclass(frozen=True, slots=True)
class _Indexed:
    """What the index knows of one mailbox."""

    files: dict[str, AnyRow]
    doomed: frozenset[str]


class Adoption:
    """Scans accounts one after another."""

    log = Logger(namespace="quantummail.store")

    def __init__(
        self, database: Database, root: str, threads: Inline | Threads, mailboxes_: Mailboxes, arrivals: Arrivals,
        additions: Additions,
    ) -> None:
        self._database = database
        self._root = root
        self._threads = threads
        self._mailboxes = mailboxes_
        self._additions = additions
        self._arrivals = arrivals

    async def scan(self, account_id: int, address: str, *, full: bool, min_age: float = 0) -> Findings:
        """Bring the index of an account in line with its tree.

        :param full: look into every Maildir, not only into those whose directories have changed since.
        :param min_age: leave files alone that are younger (seconds): another process may be about to index them.
        """
        findings = Findings()
        await self._find_folders(account_id, address, findings)
        for row in await self._database.run(_boxes_txn, account_id):
            try:
                await self._scan_mailbox(account_id, row, full, min_age, findings)
            except (OSError, StoreError) as error:
                findings.errors.append(f"{address} {row.name}: {error}")
                self.log.error("scan of {address} {mailbox} failed: {reason}", address=address, mailbox=row.name,
                               reason=str(error))
        if findings.adopted or findings.vanished or findings.flags or findings.mailboxes:
            self.log.info(
                "scan of {address}: {adopted} messages adopted, {vanished} vanished, {flags} with new flags, "
                "{mailboxes} mailboxes found", address=address, adopted=findings.adopted,
                vanished=findings.vanished, flags=findings.flags, mailboxes=findings.mailboxes,
            )
        return findings

    # Folders.

    async def _find_folders(self, account_id: int, address: str, findings: Findings) -> None:
        base = account_directory(address)
        rows = await self._database.run(_boxes_txn, account_id)
        folders = await self._threads.run(self._tidy_folders, base, rows)
        known = {row.directory for row in rows}
        missing = [row for row in rows if row.directory not in folders]
        strangers = [directory for directory in folders if directory not in known]
        for row in missing:
            directory = await self._threads.run(self._same_mailbox, row, strangers)
            if directory is not None:
                strangers.remove(directory)
                await self._database.write(_relocate_txn, row.id, base, directory)
            else:
                await self._threads.run(make_maildir, os.path.join(self._root, row.directory))
        for directory in strangers:
            try:
                name = name_of_folder(directory.removeprefix(base).lstrip("/"))
                await self._database.write(self._adopt_folder_txn, account_id, name, base, directory)
                findings.mailboxes += 1
            except (InvalidName, OSError) as error:
                findings.errors.append(f"{directory}: {error}")

    def _tidy_folders(self, base: str, rows: Sequence[AnyRow]) -> set[str]:
        """The directories that are mailboxes, after those of half-done deletions are dealt with."""
        path = os.path.join(self._root, base)
        make_maildir(path)
        directories = {row.id: row.directory for row in rows}
        for name in os.listdir(os.path.join(path, "tmp")):
            if name.startswith(ASIDE):
                aside = os.path.join(path, "tmp", name)
                directory = directories.get(int(name.removeprefix(ASIDE) or 0))
                if directory is None:
                    shutil.rmtree(aside, ignore_errors=True)
                elif not os.path.exists(os.path.join(self._root, directory)):
                    os.rename(aside, os.path.join(self._root, directory))
        found = {base}
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith(".") and os.path.isdir(os.path.join(entry.path, "cur")):
                    found.add(f"{base}/{entry.name}")
        return found

    def _same_mailbox(self, row: AnyRow, strangers: Sequence[str]) -> str | None:
        """A renamed mailbox whose row did not learn its new directory: its UIDVALIDITY tells."""
        for directory in strangers:
            promise = uidfile.read(os.path.join(self._root, directory))
            if promise is not None and promise.uidvalidity == row.uidvalidity:
                return directory
        return None

    def _adopt_folder_txn(
        self, transaction: Transaction, account_id: int, name: str, base: str, directory: str
    ) -> None:
        if find_txn(transaction.connection, account_id, name) is not None:
            raise InvalidName(f"two directories are the mailbox {name}")
        wanted = f"{base}/{folder(name)}"
        if wanted != directory:
            os.rename(os.path.join(self._root, directory), os.path.join(self._root, wanted))
        self._mailboxes.create_one_txn(transaction, account_id, name, "")
        subscribe_txn(transaction, account_id, name)

    # Messages.

    async def _scan_mailbox(
        self, account_id: int, box: AnyRow, full: bool, min_age: float, findings: Findings
    ) -> None:
        path = os.path.join(self._root, box.directory)
        promise = await self._threads.run(uidfile.read, path)
        if promise is not None and promise.uidvalidity == box.uidvalidity and promise.reserved > box.uid_reserved:
            # an older copy of the database: numbering goes on above everything that was ever promised
            await self._database.write(_skip_uids_txn, box.id, promise.reserved)
        times = await self._threads.run(_directory_times, path)
        if not full and times and times == box.scanned:
            return
        listed = await self._threads.run(list_maildir, path)
        arriving = self._arrivals.snapshot(box.directory)
        indexed = await self._database.run(_indexed_txn, account_id, box.id, box.directory)
        strange = [
            file for name, file in listed.items()
            if name not in indexed.files and name not in indexed.doomed and name not in arriving
        ]
        findings.adopted += await self._adopt(account_id, box, path, strange, min_age)
        gone = [row for name, row in indexed.files.items() if name not in listed]
        if gone and promise is not None and promise.uidvalidity == box.uidvalidity:
            # without the promise this may be the wrong directory, a mail root that is not mounted
            findings.vanished += await self._drop(account_id, box.id, path, gone)
        findings.flags += await self._follow_flags(account_id, box.id, listed, indexed)
        await self._database.write(_scanned_txn, box.id, times)

    async def _adopt(
        self, account_id: int, box: AnyRow, path: str, strange: Sequence[ForeignFile], min_age: float
    ) -> int:
        keywords = await self._threads.run(dovecot_keywords, path)
        adopted = 0
        ordered = sorted(strange, key=lambda file: (file.mtime, file.name))
        youngest = time.time() - min_age
        for start in range(0, len(ordered), _PAGE):
            page = [file for file in ordered[start : start + _PAGE] if not min_age or file.ctime < youngest]
            group = await self._threads.run(self._read_page, account_id, box, path, page, keywords)
            if group:
                await self._database.write(self._adopt_txn, group)
                adopted += len(group)
        return adopted

    def _adopt_txn(self, transaction: Transaction, group: Sequence[Addition]) -> None:
        (outcome,) = self._additions.add_txn(transaction, [group], within_quota=False)
        if isinstance(outcome, Exception):
            raise outcome

    def _read_page(
        self, account_id: int, box: AnyRow, path: str, page: Sequence[ForeignFile], keywords: Sequence[str]
    ) -> list[Addition]:
        group = []
        for file in page:
            try:
                foreign = read_foreign(path, file)
            except FileNotFoundError:
                # ours after all, and taken away again meanwhile
                continue
            except TornFile as torn:
                self._set_aside(path, file, torn)
                continue
            except OSError as error:
                self.log.error("{file} cannot be adopted: {reason}", file=file.path, reason=error.strerror)
                continue
            group.append(Addition(
                account_id, box.id, foreign.name, file.on_disk, foreign.size, foreign.email_id, file.mtime,
                0 if file.on_disk == IN_NEW else file.on_disk,
                [keywords[letter] for letter in file.letters if letter < len(keywords) and keywords[letter]],
                foreign.bare_lf, foreign.rendered,
            ))
        return group

    def _set_aside(self, path: str, file: ForeignFile, torn: TornFile) -> None:
        # tmp/ is where unfinished deliveries are: no Maildir program reads there, and some tidy up
        with contextlib.suppress(OSError):
            os.rename(os.path.join(path, file.path), os.path.join(path, "tmp", file.name))
        self.log.warn("{file} is a delivery that a crash interrupted ({torn}): moved to tmp/",
                      file=os.path.join(path, file.path), torn=str(torn))

    async def _drop(self, account_id: int, mailbox_id: int, path: str, gone: Sequence[AnyRow]) -> int:
        # a second look: it may have been renamed while the directory was listed
        vanished = await self._threads.run(lambda: [row.uid for row in gone if locate(path, row.file) is None])
        if vanished:
            await self._database.write(remove_txn, account_id, mailbox_id, sorted(vanished))
        return len(vanished)

    async def _follow_flags(
        self, account_id: int, mailbox_id: int, listed: dict[str, ForeignFile], indexed: _Indexed
    ) -> int:
        by_flags: dict[int, list[int]] = {}
        for name, row in indexed.files.items():
            file = listed.get(name)
            if file is None or row.stale or file.on_disk in (row.on_disk, IN_NEW):
                continue
            if file.on_disk != row.flags & DISK_MASK:
                by_flags.setdefault(file.on_disk, []).append(row.uid)
        for flags, uids in by_flags.items():
            await self._database.write(_foreign_flags_txn, account_id, mailbox_id, sorted(uids), flags)
        return sum(map(len, by_flags.values()))


def _boxes_txn(connection: Connection, account_id: int) -> Sequence[AnyRow]:
    return connection.execute(
        select(
            mailboxes.c.id, mailboxes.c.name, mailboxes.c.directory, mailboxes.c.uidvalidity,
            mailboxes.c.uid_reserved, mailboxes.c.scanned,
        ).where(mailboxes.c.account_id == account_id)
    ).all()


def _indexed_txn(connection: Connection, account_id: int, mailbox_id: int, directory: str) -> _Indexed:
    rows = connection.execute(
        select(messages.c.uid, messages.c.file, messages.c.on_disk, messages.c.flags, messages.c.stale)
        .where(messages.c.account_id == account_id, messages.c.mailbox_id == mailbox_id)
    )
    doomed = connection.execute(
        select(removals.c.file).where(removals.c.account_id == account_id, removals.c.directory == directory)
    ).scalars()
    return _Indexed({row.file: row for row in rows}, frozenset(doomed))


def _relocate_txn(transaction: Transaction, mailbox_id: int, base: str, directory: str) -> None:
    name = name_of_folder(directory.removeprefix(base).lstrip("/"))
    transaction.connection.execute(
        update(mailboxes).where(mailboxes.c.id == mailbox_id).values(name=name, directory=directory)
    )


def _skip_uids_txn(transaction: Transaction, mailbox_id: int, reserved: int) -> None:
    transaction.connection.execute(
        update(mailboxes).where(mailboxes.c.id == mailbox_id).values(uidnext=reserved, uid_reserved=reserved)
    )


def _scanned_txn(transaction: Transaction, mailbox_id: int, times: str) -> None:
    transaction.connection.execute(update(mailboxes).where(mailboxes.c.id == mailbox_id).values(scanned=times))


def _foreign_flags_txn(
    transaction: Transaction, account_id: int, mailbox_id: int, uids: Sequence[int], flags: int
) -> None:
    for operation, mask in (("add", flags), ("remove", DISK_MASK & ~flags)):
        set_flags_txn(transaction, account_id, mailbox_id, uids, operation, mask, (), None)  # type: ignore[arg-type]  # mypy widens the tuple's literals
    transaction.connection.execute(
        update(messages)
        .where(messages.c.account_id == account_id, messages.c.mailbox_id == mailbox_id, messages.c.uid.in_(uids))
        .values(on_disk=flags, stale=False)
    )


def _directory_times(path: str) -> str:
    """The modification times of new/ and cur/; empty while they are too young to tell of all changes."""
    times = [os.stat(os.path.join(path, part)).st_mtime_ns for part in ("new", "cur")]
    if max(times) > time.time_ns() - _SETTLED_AFTER_NS:
        return ""
    return ":".join(map(str, times))
