"""Messages are copied and moved between mailboxes, also of two accounts: hard links first, then rows, all at once."""

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
from quantummail.store.additions import Addition, Additions, Rendered
from quantummail.store.errors import NoSuchMailbox, NoSuchMessage, Unavailable
from quantummail.store.flags import KEYWORD_SHIFT, SYSTEM_MASK
from quantummail.store.keywords import keyword_mask_txn, keywords_txn
from quantummail.store.maildir import DISK_MASK, IN_NEW, file_name, locate, path_of, sync_directory
from quantummail.store.records import Copied
from quantummail.store.removals import remove_txn
from quantummail.store.rights import may_set_keywords
from quantummail.store.rows import rows_among
from quantummail.store.tables import contents, mailboxes
from quantummail.store.transaction import Transaction
from quantummail.store.uids import PAGE

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


class Place(NamedTuple):
    """A mailbox, and whose it is."""

    account_id: int
    mailbox_id: int


@dataclass(frozen=True, slots=True)
class _Source:
    """What is to be copied: rows of messages, and the Maildirs it goes between."""

    here: Place
    there: Place
    rows: Sequence[_Row]
    directory: str
    destination: str
    within: int
    """The flags that come along."""

    def on_disk(self, row: _Row) -> int:
        """The flags that the name of the copy tells."""
        return row.flags & self.within & DISK_MASK or IN_NEW


class Copier:
    """Copies and moves."""

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
        self, here: Place, uids: Sequence[int], there: Place, within: int, *, move: bool
    ) -> Copied:
        """Copy (or move) those of `uids` that are there; all of them or, when something fails, none.

        Flags that are not `within` stay behind. Raises `NoSuchMessage` when a file is not there.
        """
        source = await self._database.run(_source_txn, here, there, uids, within)
        now = int(time.time())
        names = [
            (row.uid, file_name(now, f"C{new_id()}", None if row.bare_lf else row.size)) for row in source.rows
        ]
        arriving = [(source.destination, name) for _, name in names]
        self._arrivals.expect(arriving)
        done = False
        note = self._unfinished.note(*there, source.destination, _links(source, names).values())
        try:
            linked = await self._threads.run(self._link, source, dict(names), note)
            missed = [row.uid for row in source.rows if row.uid not in linked]
            if missed:
                await self._explain(missed, source)
            result: Copied = await self._database.write(self._copy_txn, source, linked, move)
            done = True
        finally:
            if not done:
                await self._threads.run(self._unlink, source, names)
            self._unfinished.settle(note)
            self._arrivals.settled(arriving)
        return result

    async def _explain(self, missed: Sequence[int], before: _Source) -> None:
        """Files were not found: nothing is said if their messages have been expunged meanwhile."""
        source = await self._database.run(_source_txn, before.here, before.there, missed, before.within)
        if (source.directory, source.destination) != (before.directory, before.destination):
            raise Unavailable("the mailbox has just been renamed")
        if source.rows:
            self._vanished.missed(*before.here, [row.uid for row in source.rows])
            raise NoSuchMessage("some of the messages are gone")

    def _link(self, source: _Source, names: dict[int, str], note: Note) -> dict[int, tuple[str, int]]:
        """Make the links; UID to (name, flags on disk) for those whose files are there."""
        linked: dict[int, tuple[str, int]] = {}
        where = os.path.join(self._root, source.directory)
        touched: set[str] = set()
        note.write()
        try:
            for row in source.rows:
                on_disk = source.on_disk(row)
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
        self, transaction: Transaction, source: _Source, linked: dict[int, tuple[str, int]], move: bool
    ) -> Copied:
        here, there, within = source.here, source.there, source.within
        # flags may have changed while the links were made, messages may be gone: what counts is now
        flags = dict(_flags_txn(transaction.connection, *here, sorted(linked)))
        left_out = linked.keys() - flags.keys()
        uids = sorted(linked.keys() & flags.keys())
        if not uids:
            self._drop(source, linked, left_out)
            return Copied(_uidvalidity_txn(transaction.connection, there.mailbox_id), (), ())
        if not may_set_keywords(within):
            flags = {uid: each & SYSTEM_MASK for uid, each in flags.items()}
        translate = _keyword_translation_txn(
            transaction, here, there, {flags[uid] >> KEYWORD_SHIFT for uid in uids})
        same_account = here.account_id == there.account_id
        # another account has to have the contents, too
        contents = {} if same_account else _contents_txn(
            transaction.connection, here.account_id, [row.email_id for row in source.rows if row.uid in flags])
        group = [
            Addition(
                *there, *linked[uid], size, email_id, internal_date,
                (flags[uid] & SYSTEM_MASK | translate[flags[uid] >> KEYWORD_SHIFT]) & within, bare_lf=bare_lf,
                rendered=contents.get(email_id),
            )
            for uid, _, size, email_id, internal_date, _, _, bare_lf in source.rows if uid in linked and uid in flags
        ]
        if move:
            remove_txn(transaction, *here, uids, keep_contents=same_account)
        # a move within an account is no addition, however full it is
        (outcome,) = self._additions.add_txn(transaction, [group], within_quota=not (move and same_account))
        if isinstance(outcome, Exception):
            raise outcome
        self._drop(source, linked, left_out)
        return Copied(outcome[0].uidvalidity, tuple(uids), tuple(one.uid for one in outcome))

    def _drop(self, source: _Source, linked: dict[int, tuple[str, int]], uids: AbstractSet[int]) -> None:
        files.remove(self._root, [(source.destination, path_of(*linked[uid])) for uid in uids])


def _links(source: _Source, names: Sequence[tuple[int, str]]) -> dict[int, str]:
    """UID to the path of its link, below the destination."""
    flags = {row.uid: source.on_disk(row) for row in source.rows}
    return {uid: path_of(name, flags[uid]) for uid, name in names}


def _source_txn(connection: Connection, here: Place, there: Place, uids: Sequence[int], within: int) -> _Source:
    directories = {
        Place(row.account_id, row.id): row.directory
        for row in connection.execute(
            select(mailboxes.c.account_id, mailboxes.c.id, mailboxes.c.directory)
            .where(mailboxes.c.account_id.in_([here.account_id, there.account_id]),
                   mailboxes.c.id.in_([here.mailbox_id, there.mailbox_id]))
        )
    }
    if here not in directories or there not in directories:
        raise NoSuchMailbox("the mailbox does not exist (any more)")
    rows = _rows_txn(connection, *here, uids)
    return _Source(here, there, rows, directories[here], directories[there], within)


def _contents_txn(connection: Connection, account_id: int, email_ids: Sequence[str]) -> dict[str, Rendered]:
    found: dict[str, Rendered] = {}
    for start in range(0, len(email_ids), PAGE):
        for row in connection.execute(
            select(
                contents.c.email_id, contents.c.envelope, contents.c.body, contents.c.bodystructure,
                contents.c.parts, contents.c.base_subject, contents.c.sent, contents.c.thread_ids,
            ).where(contents.c.account_id == account_id, contents.c.email_id.in_(email_ids[start : start + PAGE]))
        ):
            found[row.email_id] = Rendered(*row[1:])
    return found


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
    transaction: Transaction, here: Place, there: Place, used: set[int]
) -> dict[int, int]:
    """Keyword bits mean different names in different mailboxes: source bits (shifted down) to destination flags."""
    names = keywords_txn(transaction.connection, *here)
    translated: dict[int, int] = {0: 0}
    for bits in used - {0}:
        wanted = [name for bit, name in enumerate(names) if bits >> bit & 1]
        translated[bits] = keyword_mask_txn(
            transaction, *there, wanted, as_many_as_fit=True
        )
    return translated
