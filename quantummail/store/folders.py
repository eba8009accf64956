"""The folders of an account's tree against the rows of its mailboxes: half-done renames and deletions, new folders.

Folders are made, renamed and removed in transactions of the writer. What is looked at outside of them only tells
whether there may be something to mend; it is looked at again inside one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, update

from quantummail.store import uidfile, usefile
from quantummail.store.errors import InvalidName, StoreError
from quantummail.store.mailboxes import ASIDE, Mailboxes, find_txn, subscribe_txn
from quantummail.store.maildir import account_directory, folder, make_maildir, name_of_folder
from quantummail.store.rows import AnyRow
from quantummail.store.tables import mailboxes
from quantummail.store.transaction import Transaction

if TYPE_CHECKING:
    from quantummail.store.database import Database
    from quantummail.store.threads import Inline, Threads


@dataclass(slots=True)
class Mended:
    """What was found."""

    mailboxes: int = 0
    """Folders that are mailboxes now."""
    errors: list[str] = field(default_factory=list)
    doomed: list[str] = field(default_factory=list)
    """Directories of mailboxes whose deletion was not finished."""


@dataclass(frozen=True, slots=True)
class _Tree:
    """An account's part of the tree."""

    folders: frozenset[str]
    """Directories of mailboxes, relative to the mail root."""
    aside: tuple[str, ...]
    """Names of deleted mailboxes' directories."""


class Folders:
    """Mends one account after another."""

    def __init__(self, database: Database, root: str, threads: Inline | Threads, mailboxes_: Mailboxes) -> None:
        self._database = database
        self._root = root
        self._threads = threads
        self._mailboxes = mailboxes_

    async def mend(self, account_id: int, address: str) -> Mended:
        """Make tree and rows agree on which mailboxes there are."""
        base = account_directory(address)
        rows = await self._database.run(_rows_txn, account_id)
        tree = await self._threads.run(self._look, base)
        if not tree.aside and tree.folders == {row.directory for row in rows}:
            return Mended()
        mended = await self._database.write(self._mend_txn, account_id, base)
        for path in mended.doomed:
            await self._threads.run(shutil.rmtree, path, True)
        return mended

    def _look(self, base: str) -> _Tree:
        path = os.path.join(self._root, base)
        found: set[str] = set()
        aside: list[str] = []
        with contextlib.suppress(FileNotFoundError), os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith(".") and os.path.isdir(os.path.join(entry.path, "cur")):
                    found.add(f"{base}/{entry.name}")
                elif entry.name == "cur":
                    found.add(base)
        with contextlib.suppress(FileNotFoundError):
            aside += [
                name for name in os.listdir(os.path.join(path, "tmp"))
                if name.startswith(ASIDE) and name.removeprefix(ASIDE).isdecimal()
            ]
        return _Tree(frozenset(found), tuple(aside))

    def _mend_txn(self, transaction: Transaction, account_id: int, base: str) -> Mended:
        mended = Mended()
        rows = _rows_txn(transaction.connection, account_id)
        if not rows:
            # the account has just been deleted
            return mended
        self._finish_deletions(transaction, rows, base, mended)
        tree = self._look(base)
        known = {row.directory for row in rows}
        # those first that say what they are for, before one that only has the name for it
        strangers = sorted(
            tree.folders - known,
            key=lambda directory: (not usefile.read(os.path.join(self._root, directory)), directory))
        for row in rows:
            if row.directory in tree.folders:
                continue
            directory = self._same_mailbox(row, strangers)
            try:
                if directory is None:
                    make_maildir(os.path.join(self._root, row.directory))
                else:
                    self._relocate_txn(transaction, account_id, row, base, directory)
                    strangers.remove(directory)
            except (OSError, StoreError) as error:
                mended.errors.append(f"{row.directory}: {error}")
        for directory in strangers:
            try:
                self._adopt_txn(transaction, account_id, base, directory)
                mended.mailboxes += 1
            except (OSError, StoreError) as error:
                mended.errors.append(f"{directory}: {error}")
        return mended

    def _finish_deletions(
        self, transaction: Transaction, rows: Sequence[AnyRow], base: str, mended: Mended
    ) -> None:
        """A mailbox whose row is still there comes back, the files of the others go."""
        directories = {row.id: os.path.join(self._root, row.directory) for row in rows}
        for name in self._look(base).aside:
            aside = os.path.join(self._root, base, "tmp", name)
            target = directories.get(int(name.removeprefix(ASIDE)))
            if target is None:
                mended.doomed.append(aside)
            elif not os.path.exists(target):
                _rename(transaction, aside, target)

    def _same_mailbox(self, row: AnyRow, strangers: Sequence[str]) -> str | None:
        """A renamed mailbox whose row did not learn its new directory: its UIDVALIDITY tells."""
        for directory in strangers:
            promise = uidfile.read(os.path.join(self._root, directory))
            if promise is not None and promise.uidvalidity == row.uidvalidity:
                return directory
        return None

    def _relocate_txn(
        self, transaction: Transaction, account_id: int, row: AnyRow, base: str, directory: str
    ) -> None:
        name = name_of_folder(directory.removeprefix(base).lstrip("/"))
        if find_txn(transaction.connection, account_id, name) is not None:
            raise InvalidName(f"the mailbox {name} exists already")
        transaction.connection.execute(
            update(mailboxes).where(mailboxes.c.id == row.id)
            .values(name=name, directory=directory, scanned="")
        )

    def _adopt_txn(self, transaction: Transaction, account_id: int, base: str, directory: str) -> None:
        name = name_of_folder(directory.removeprefix(base).lstrip("/"))
        if find_txn(transaction.connection, account_id, name) is not None:
            raise InvalidName(f"two directories are the mailbox {name}")
        wanted = f"{base}/{folder(name)}"
        if wanted != directory:
            # the same name written in another way
            _rename(transaction, os.path.join(self._root, directory), os.path.join(self._root, wanted))
        use = usefile.read(os.path.join(self._root, wanted)) or usefile.STANDARD.get(name, "")
        if use and _is_taken_txn(transaction.connection, account_id, use):
            use = ""
        self._mailboxes.create_one_txn(transaction, account_id, name, use)
        subscribe_txn(transaction, account_id, name)


def _rename(transaction: Transaction, source: str, target: str) -> None:
    os.rename(source, target)
    transaction.undo.append(lambda: os.rename(target, source))


def _is_taken_txn(connection: Connection, account_id: int, use: str) -> bool:
    return connection.execute(
        select(mailboxes.c.id).where(mailboxes.c.account_id == account_id, mailboxes.c.special_use == use)
    ).first() is not None


def _rows_txn(connection: Connection, account_id: int) -> Sequence[AnyRow]:
    return connection.execute(
        select(mailboxes.c.id, mailboxes.c.directory, mailboxes.c.uidvalidity)
        .where(mailboxes.c.account_id == account_id)
    ).all()
