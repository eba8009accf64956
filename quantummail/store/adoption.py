"""The tree is compared with the index: foreign files are taken in, vanished ones dropped, flags read from names.

The same scan recovers from a crash, follows other Maildir programs, migrates a tree, and rebuilds a lost index.
"Better to deliver twice than to lose": what has no row and is not known to be removed becomes a message.

A scan runs beside deliveries and sessions. What it saw may be over when it acts: each step looks again, inside of its
transaction, at what it takes for granted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, update
from twisted.logger import Logger

from quantummail.store import uidfile
from quantummail.store.additions import Addition, Additions, is_stale
from quantummail.store.errors import StoreError
from quantummail.store.flag_changes import set_flags_txn
from quantummail.store.folders import Folders
from quantummail.store.foreign import (
    ForeignFile,
    StrangeFile,
    Torn,
    dated,
    list_maildir,
    put_aside,
    read_foreign,
    sweep,
)
from quantummail.store.keywords import keyword_mask_txn
from quantummail.store.letters import Letters, letters_of
from quantummail.store.letters import read as read_letters
from quantummail.store.mailboxes import Mailboxes
from quantummail.store.maildir import DISK_MASK, IN_NEW, made_here
from quantummail.store.numbering import Numbering
from quantummail.store.removals import remove_txn
from quantummail.store.rows import AnyRow
from quantummail.store.tables import mailboxes, messages, removals
from quantummail.store.transaction import Transaction
from quantummail.store.uids import PAGE

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
        additions: Additions, numbering: Numbering,
    ) -> None:
        self._database = database
        self._root = root
        self._threads = threads
        self._mailboxes = mailboxes_
        self._folders = Folders(database, root, threads, mailboxes_)
        self._additions = additions
        self._numbering = numbering
        self._arrivals = arrivals

    async def scan(self, account_id: int, address: str, *, full: bool, min_age: float = 0) -> Findings:
        """Bring the index of an account in line with its tree.

        :param full: look into every Maildir, not only into those whose directories have changed since.
        :param min_age: leave files of our own making alone that are younger (seconds): another process, the server, may
            be about to index them.
        """
        findings = Findings()
        try:
            mended = await self._folders.mend(account_id, address)
            findings.mailboxes += mended.mailboxes
            if mended.mailboxes:
                self._mailboxes.tell_changed(account_id)
            findings.errors += mended.errors
        except (OSError, StoreError) as error:
            findings.errors.append(f"{address}: {error}")
        for row in await self._database.run(_boxes_txn, account_id):
            try:
                await self._scan_mailbox(row, full, min_age, findings)
            except (OSError, StoreError) as error:
                findings.errors.append(f"{address} {row.name}: {error}")
        for reason in findings.errors:
            self.log.error("scan of {address}: {reason}", address=address, reason=reason)
        if findings.adopted or findings.vanished or findings.flags or findings.mailboxes:
            self.log.info(
                "scan of {address}: {adopted} messages adopted, {vanished} vanished, {flags} with new flags, "
                "{mailboxes} mailboxes found", address=address, adopted=findings.adopted,
                vanished=findings.vanished, flags=findings.flags, mailboxes=findings.mailboxes,
            )
        return findings

    async def mailboxes(self, ids: Sequence[int]) -> list[AnyRow]:
        """What `follow` needs of these mailboxes, as far as they are there."""
        return await self._database.run(_some_boxes_txn, ids)

    async def follow(self, box: AnyRow) -> None:
        """Scan a mailbox that somebody else seems to have changed. Raises `StoreError` or OSError."""
        findings = Findings()
        await self._scan_mailbox(box, full=True, min_age=0, findings=findings)
        for reason in findings.errors:
            self.log.error("scan of {directory}: {reason}", directory=box.directory, reason=reason)
        if findings.adopted or findings.vanished or findings.flags:
            self.log.info(
                "another program has worked in {directory}: {adopted} messages adopted, {vanished} vanished, "
                "{flags} with new flags", directory=box.directory, adopted=findings.adopted,
                vanished=findings.vanished, flags=findings.flags,
            )

    async def _scan_mailbox(self, box: AnyRow, full: bool, min_age: float, findings: Findings) -> None:
        path = os.path.join(self._root, box.directory)
        promise = await self._threads.run(uidfile.read, path)
        if promise is not None and (
            promise.uidvalidity != box.uidvalidity or promise.reserved > box.uid_reserved
        ):
            await self._database.write(self._resume_txn, box)
        times = await self._threads.run(_directory_times, path)
        if not full and times and times == box.scanned:
            return
        listed = await self._threads.run(list_maildir, path)
        arriving = self._arrivals.snapshot(box.directory)
        indexed = await self._database.run(_indexed_txn, box)
        strange: list[StrangeFile] = await self._threads.run(dated, path, [
            file for name, file in listed.items()
            if name not in indexed.files and name not in indexed.doomed and name not in arriving
        ])
        gone = [name for name in indexed.files if name not in listed]
        if promise is None and gone and len(gone) == len(indexed.files):
            # not even the file with the numbers: another directory, or one that is not mounted
            findings.errors.append(f"{box.directory}: all messages are gone, they are kept in the index")
        else:
            if promise is None:
                await self._database.write(self._numbering.renew_txn, box)
            if gone:
                findings.vanished += await self._drop(box, path, indexed, gone)
        youngest = time.time() - min_age
        ready = [file for file in strange if not min_age or file.ctime < youngest or not made_here(file.name)]
        failed = len(findings.errors)
        findings.adopted += await self._adopt(box, path, ready, findings)
        findings.flags += await self._follow_files(box, path, listed, indexed)
        await self._threads.run(sweep, path)
        # times that are too young say nothing to the next scan, and the old ones will not come back
        if times not in ("", box.scanned) and len(ready) == len(strange) and len(findings.errors) == failed:
            await self._database.write(_scanned_txn, box, times)

    def _resume_txn(self, transaction: Transaction, box: AnyRow) -> None:
        """An older copy of the database: numbering goes on above everything that was ever promised."""
        current = transaction.connection.execute(_BOXES.where(mailboxes.c.id == box.id)).one_or_none()
        if current is not None and current.directory == box.directory:
            self._numbering.resume_txn(transaction, current)

    # Files without rows.

    async def _adopt(
        self, box: AnyRow, path: str, strange: Sequence[StrangeFile], findings: Findings
    ) -> int:
        letters: Letters = await self._threads.run(read_letters, path) if strange else Letters({})
        adopted = 0
        ordered = sorted(strange, key=lambda file: (file.mtime, file.name))
        for start in range(0, len(ordered), _PAGE):
            page = ordered[start : start + _PAGE]
            group, errors = await self._threads.run(self._read_page, box, path, page, letters)
            findings.errors += errors
            if group:
                adopted += await self._database.write(self._adopt_txn, box, group)
        return adopted

    def _read_page(
        self, box: AnyRow, path: str, page: Sequence[StrangeFile], letters: Letters
    ) -> tuple[list[Addition], list[str]]:
        group: list[Addition] = []
        errors: list[str] = []
        for file in page:
            try:
                try:
                    foreign = read_foreign(path, file)
                except Torn as torn:
                    put_aside(path, file)
                    self.log.warn("{file} in {directory} was never stored as a whole ({reason}) and is put into tmp/",
                                  file=file.path, directory=box.directory, reason=str(torn))
                    continue
            except FileNotFoundError:
                # ours after all, and taken away again meanwhile
                continue
            except (OSError, ValueError) as error:
                errors.append(f"{box.directory}/{file.path}: {error}")
                continue
            group.append(Addition(
                box.account_id, box.id, foreign.name, file.on_disk, foreign.size, foreign.email_id, file.mtime,
                0 if file.on_disk == IN_NEW else file.on_disk & DISK_MASK,
                letters.keywords(letters_of(file.on_disk)), foreign.bare_lf, foreign.rendered,
            ))
        return group, errors

    def _adopt_txn(self, transaction: Transaction, box: AnyRow, group: Sequence[Addition]) -> int:
        connection = transaction.connection
        if not _is_there_txn(connection, box):
            return 0
        names = [addition.file for addition in group]
        known = {*connection.execute(
            select(messages.c.file).where(
                messages.c.account_id == box.account_id, messages.c.mailbox_id == box.id, messages.c.file.in_(names)
            )
        ).scalars(), *connection.execute(
            select(removals.c.file).where(
                removals.c.account_id == box.account_id, removals.c.directory == box.directory,
                removals.c.file.in_(names),
            )
        ).scalars()}
        wanted = [
            replace(addition, keywords=(), flags=addition.flags | keyword_mask_txn(
                transaction, box.account_id, box.id, addition.keywords, as_many_as_fit=True
            ))
            for addition in group if addition.file not in known
        ]
        if wanted:
            (outcome,) = self._additions.add_txn(transaction, [wanted], within_quota=False)
            if isinstance(outcome, Exception):
                raise outcome
        return len(wanted)

    # Rows without files, and files that were renamed.

    async def _drop(self, box: AnyRow, path: str, indexed: _Indexed, gone: Sequence[str]) -> int:
        # a second look: some may have been renamed while the directory was listed
        listed = await self._threads.run(list_maildir, path)
        vanished = sorted(indexed.files[name].uid for name in gone if name not in listed)
        return await self._database.write(_drop_txn, box, vanished) if vanished else 0

    async def _follow_files(
        self, box: AnyRow, path: str, listed: dict[str, ForeignFile], indexed: _Indexed
    ) -> int:
        """Take over flags that other programs set, and where they moved files to."""
        moved = [
            (row, listed[name]) for name, row in indexed.files.items()
            if name in listed and not row.stale and listed[name].on_disk != row.on_disk
        ]
        if not moved:
            return 0
        # our own renames happen at the same time: only what is still there was done by others
        there: list[tuple[AnyRow, ForeignFile]] = await self._threads.run(
            lambda: [(row, file) for row, file in moved if os.path.exists(os.path.join(path, file.path))]
        )
        letters: Letters = await self._threads.run(read_letters, path)
        changed = 0
        for start in range(0, len(there), _PAGE):
            changed += await self._database.write(_follow_txn, box, there[start : start + _PAGE], letters)
        return changed


_BOXES = select(
    mailboxes.c.id, mailboxes.c.account_id, mailboxes.c.name, mailboxes.c.directory, mailboxes.c.uidvalidity,
    mailboxes.c.uidnext, mailboxes.c.uid_reserved, mailboxes.c.scanned,
)


def _boxes_txn(connection: Connection, account_id: int) -> Sequence[AnyRow]:
    return connection.execute(_BOXES.where(mailboxes.c.account_id == account_id)).all()


def _some_boxes_txn(connection: Connection, ids: Sequence[int]) -> list[AnyRow]:
    found: list[AnyRow] = []
    for start in range(0, len(ids), PAGE):
        found += connection.execute(_BOXES.where(mailboxes.c.id.in_(ids[start : start + PAGE])))
    return found


def _is_there_txn(connection: Connection, box: AnyRow) -> bool:
    """Whether the mailbox is still there, in the same directory."""
    directory = connection.execute(select(mailboxes.c.directory).where(mailboxes.c.id == box.id)).scalar()
    return bool(directory == box.directory)


def _indexed_txn(connection: Connection, box: AnyRow) -> _Indexed:
    rows = connection.execute(
        select(messages.c.uid, messages.c.file, messages.c.on_disk, messages.c.flags, messages.c.stale)
        .where(messages.c.account_id == box.account_id, messages.c.mailbox_id == box.id)
    )
    doomed = connection.execute(
        select(removals.c.file)
        .where(removals.c.account_id == box.account_id, removals.c.directory == box.directory)
    ).scalars()
    return _Indexed({row.file: row for row in rows}, frozenset(doomed))


def _scanned_txn(transaction: Transaction, box: AnyRow, times: str) -> None:
    transaction.connection.execute(
        update(mailboxes)
        .where(mailboxes.c.id == box.id, mailboxes.c.directory == box.directory)
        .values(scanned=times)
    )


def _drop_txn(transaction: Transaction, box: AnyRow, vanished: Sequence[int]) -> int:
    if not _is_there_txn(transaction.connection, box):
        return 0
    return len(remove_txn(transaction, box.account_id, box.id, vanished, keep_files=True))


def _follow_txn(
    transaction: Transaction, box: AnyRow, moved: Sequence[tuple[AnyRow, ForeignFile]], letters: Letters
) -> int:
    connection = transaction.connection
    here = (messages.c.account_id == box.account_id) & (messages.c.mailbox_id == box.id)
    current = {
        row.uid: row for row in connection.execute(
            select(messages.c.uid, messages.c.on_disk, messages.c.flags, messages.c.stale)
            .where(here, messages.c.uid.in_([row.uid for row, _ in moved]))
        )
    }
    changed = 0
    for row, file in moved:
        now = current.get(row.uid)
        if now is None or (now.on_disk, now.flags, now.stale) != (row.on_disk, row.flags, row.stale):
            continue
        flags = _told_flags_txn(transaction, box, row, file, letters)
        if flags != row.flags:
            set_flags_txn(transaction, box.account_id, box.id, [row.uid], "replace", flags, (), None)
            changed += 1
        connection.execute(
            update(messages).where(here, messages.c.uid == row.uid).values(
                on_disk=file.on_disk, stale=is_stale(flags, file.on_disk)
            )
        )
    return changed


def _told_flags_txn(
    transaction: Transaction, box: AnyRow, row: AnyRow, file: ForeignFile, letters: Letters
) -> int:
    """The flags that somebody has written into a file's name, with the keywords that have no letters."""
    if file.on_disk == IN_NEW:
        return int(row.flags)
    flags = int(row.flags & ~DISK_MASK | file.on_disk & DISK_MASK)
    before, now = letters_of(row.on_disk), letters_of(file.on_disk)
    if before == now:
        return flags
    lost = keyword_mask_txn(
        transaction, box.account_id, box.id, letters.keywords(before & ~now), create=False)
    gained = keyword_mask_txn(
        transaction, box.account_id, box.id, letters.keywords(now & ~before), as_many_as_fit=True)
    return flags & ~lost | gained


def _directory_times(path: str) -> str:
    """The modification times of new/ and cur/; empty while they are too young to tell of all changes."""
    times = [os.stat(os.path.join(path, part)).st_mtime_ns for part in ("new", "cur")]
    if max(times) > time.time_ns() - _SETTLED_AFTER_NS:
        return ""
    return ":".join(map(str, times))
