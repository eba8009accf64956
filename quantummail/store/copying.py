"""Messages are copied and moved between mailboxes of an account: hard links first, then rows, in one transaction."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, select

from quantummail.message.ids import new_id
from quantummail.store import files
from quantummail.store.additions import Addition, Additions
from quantummail.store.errors import NoSuchMailbox, NoSuchMessage, Unavailable
from quantummail.store.flags import KEYWORD_SHIFT, SYSTEM_MASK
from quantummail.store.keywords import keyword_mask_txn, keywords_txn
from quantummail.store.maildir import DISK_MASK, IN_NEW, file_name, locate, path_of, sync_directory
from quantummail.store.records import Copied
from quantummail.store.removals import remove_txn
from quantummail.store.rows import rows_among
from quantummail.store.tables import mailboxes
from quantummail.store.transaction import Transaction

if TYPE_CHECKING:
    from quantummail.store.database import Database
    from quantummail.store.files import Arrivals
    from quantummail.store.threads import Inline, Threads
    from quantummail.store.unfinished import Note, Unfinished
    from quantummail.store.vanished import Vanished

_PAGE = 1000


class _Row(NamedTuple):
    """A message that is to be copied. Nothing of it but its flags can change."""

    uid: int
    flags: int
    size: int
    email_id: str
    internal_date: int
    file: str
    on_disk: int
    bare_lf: bool


@dataclass(frozen=True, slots=True)
class _Source:
    """What is to be copied: rows of messages, and the Maildirs it goes between."""

    rows: Sequence[_Row]
    directory: str
    destination: str


class Copier:
    """Copies and moves within one account."""

    def __init__(
        self, database: Database, root: str, threads: Inline | Threads, additions: Additions, arrivals: Arrivals,
        vanished: Vanished, unfinished: Unfinished,
    ) -> None:
        self._database = database
        self._root = root
        self._threads = threads
        self._additions = additions
        self._arrivals = arrivals
        self._vanished = vanished
        self._unfinished = unfinished

    async def copy(
        self, account_id: int, mailbox_id: int, uids: Sequence[int], destination_id: int, *, move: bool
    ) -> Copied:
        """Copy (or move) those of `uids` that are there; all of them or, when something fails, none.

        Raises `NoSuchMessage` when a file is not there.
        """
        source = await self._database.run(_source_txn, account_id, mailbox_id, uids, destination_id)
        now = int(time.time())
        names = [
            (row.uid, file_name(now, f"C{new_id()}", None if row.bare_lf else row.size)) for row in source.rows
        ]
        arriving = [(source.destination, name) for _, name in names]
        self._arrivals.expect(arriving)
        done = False
        note = self._unfinished.note(account_id, destination_id, source.destination, _links(source, names).values())
        try:
            linked = await self._threads.run(self._link, source, dict(names), note)
            missed = [row.uid for row in source.rows if row.uid not in linked]
            if missed:
                await self._explain(account_id, mailbox_id, missed, destination_id, source)
            result: Copied = await self._database.write(
                self._copy_txn, account_id, mailbox_id, destination_id, source, linked, move
            )
            done = True
        finally:
            if not done:
                await self._threads.run(self._unlink, source, names)
            self._unfinished.settle(note)
            self._arrivals.settled(arriving)
        return result

    async def _explain(
        self, account_id: int, mailbox_id: int, missed: Sequence[int], destination_id: int, before: _Source
    ) -> None:
        """Files were not found: nothing is said if their messages have been expunged meanwhile."""
        source = await self._database.run(_source_txn, account_id, mailbox_id, missed, destination_id)
        if (source.directory, source.destination) != (before.directory, before.destination):
            raise Unavailable("the mailbox has just been renamed")
        if source.rows:
            self._vanished.missed(account_id, mailbox_id, [row.uid for row in source.rows])
            raise NoSuchMessage("some of the messages are gone")

    def _link(self, source: _Source, names: dict[int, str], note: Note) -> dict[int, tuple[str, int]]:
        """Make the links; UID to (name, flags on disk) for those whose files are there."""
        linked: dict[int, tuple[str, int]] = {}
        where = os.path.join(self._root, source.directory)
        touched: set[str] = set()
        note.write()
        try:
            for row in source.rows:
                on_disk = row.flags & DISK_MASK or IN_NEW
                path = path_of(names[row.uid], on_disk)
                origin = os.path.join(where, path_of(row.file, row.on_disk))
                try:
                    files.link(self._root, origin, source.destination, path)
                except FileNotFoundError:
                    # a file that is renamed meanwhile may be missed once
                    found = locate(where, row.file) or locate(where, row.file)
                    if found is None:
                        continue
                    files.link(self._root, found, source.destination, path)
                linked[row.uid] = (names[row.uid], on_disk)
                touched.add(path[:3])
            for part in touched:
                sync_directory(os.path.join(self._root, source.destination, part))
        except OSError as error:
            raise Unavailable(f"the disk does not take the copy: {error.strerror}") from error
        return linked

    def _unlink(self, source: _Source, names: Sequence[tuple[int, str]]) -> None:
        files.remove(self._root, [(source.destination, path) for path in _links(source, names).values()])

    def _copy_txn(
        self,
        transaction: Transaction,
        account_id: int,
        mailbox_id: int,
        destination_id: int,
        source: _Source,
        linked: dict[int, tuple[str, int]],
        move: bool,
    ) -> Copied:
        # flags may have changed while the links were made, messages may be gone: what counts is now
        flags = dict(_flags_txn(transaction.connection, account_id, mailbox_id, sorted(linked)))
        left_out = linked.keys() - flags.keys()
        uids = sorted(linked.keys() & flags.keys())
        if not uids:
            self._drop(source, linked, left_out)
            return Copied(_uidvalidity_txn(transaction.connection, destination_id), (), ())
        translate = _keyword_translation_txn(
            transaction, account_id, mailbox_id, destination_id, {flags[uid] >> KEYWORD_SHIFT for uid in uids})
        group = [
            Addition(
                account_id, destination_id, *linked[uid], size, email_id, internal_date,
                flags[uid] & SYSTEM_MASK | translate[flags[uid] >> KEYWORD_SHIFT], bare_lf=bare_lf,
            )
            for uid, _, size, email_id, internal_date, _, _, bare_lf in source.rows if uid in linked and uid in flags
        ]
        if move:
            remove_txn(transaction, account_id, mailbox_id, uids, keep_contents=True)
        # a move within an account is no addition, however full it is
        (outcome,) = self._additions.add_txn(transaction, [group], within_quota=not move)
        if isinstance(outcome, Exception):
            raise outcome
        self._drop(source, linked, left_out)
        return Copied(outcome[0].uidvalidity, tuple(uids), tuple(one.uid for one in outcome))

    def _drop(self, source: _Source, linked: dict[int, tuple[str, int]], uids: AbstractSet[int]) -> None:
        files.remove(self._root, [(source.destination, path_of(*linked[uid])) for uid in uids])


def _links(source: _Source, names: Sequence[tuple[int, str]]) -> dict[int, str]:
    """UID to the path of its link, below the destination."""
    flags = {row.uid: row.flags & DISK_MASK or IN_NEW for row in source.rows}
    return {uid: path_of(name, flags[uid]) for uid, name in names}


def _source_txn(
    connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int], destination_id: int
) -> _Source:
    directories = {
        row.id: row.directory
        for row in connection.execute(
            select(mailboxes.c.id, mailboxes.c.directory)
            .where(mailboxes.c.account_id == account_id, mailboxes.c.id.in_([mailbox_id, destination_id]))
        )
    }
    if mailbox_id not in directories or destination_id not in directories:
        raise NoSuchMailbox("the mailbox does not exist (any more)")
    rows = _rows_txn(connection, account_id, mailbox_id, uids)
    return _Source(rows, directories[mailbox_id], directories[destination_id])


def _rows_txn(connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int]) -> list[_Row]:
    rows: list[_Row] = []
    for start in range(0, len(uids), _PAGE):
        page = uids[start : start + _PAGE]
        rows += [_Row(*row) for row in rows_among(connection, account_id, mailbox_id, page, _Row._fields)]
    return rows


def _flags_txn(
    connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """UIDs and flags of those that are there."""
    for start in range(0, len(uids), _PAGE):
        page = uids[start : start + _PAGE]
        yield from rows_among(connection, account_id, mailbox_id, page, ("uid", "flags"))


def _uidvalidity_txn(connection: Connection, mailbox_id: int) -> int:
    value = connection.execute(select(mailboxes.c.uidvalidity).where(mailboxes.c.id == mailbox_id)).scalar()
    return int(value or 0)


def _keyword_translation_txn(
    transaction: Transaction, account_id: int, mailbox_id: int, destination_id: int, used: set[int]
) -> dict[int, int]:
    """Keyword bits mean different names in different mailboxes: source bits (shifted down) to destination flags."""
    names = keywords_txn(transaction.connection, account_id, mailbox_id)
    translated: dict[int, int] = {0: 0}
    for bits in used - {0}:
        wanted = [name for bit, name in enumerate(names) if bits >> bit & 1]
        translated[bits] = keyword_mask_txn(
            transaction, account_id, destination_id, wanted, as_many_as_fit=True
        )
    return translated
