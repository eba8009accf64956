"""UIDs and UIDVALIDITY of mailboxes: where numbering begins, and how it goes on after a loss.

Every UID given out is below the promise in the mailbox's own file (`store.uidfile`). The first time that a mailbox
gets a message after a start its row is compared with that file: a row from an older copy of the database must not
give numbers again that clients have seen.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select, update
from twisted.logger import Logger

from quantummail.store import uidfile
from quantummail.store.errors import Unavailable
from quantummail.store.tables import accounts, mailboxes
from quantummail.store.uidfile import UidPromise

if TYPE_CHECKING:
    from quantummail.store.rows import AnyRow
    from quantummail.store.transaction import Transaction

_log = Logger(namespace="quantummail.store")


@dataclass(frozen=True, slots=True)
class Numbers:
    """Where the numbering of a mailbox stands."""

    uidvalidity: int
    uidnext: int
    reserved: int


class Numbering:
    """Knows the mail root; its methods run in the writer's thread."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._resumed: set[int] = set()
        self.interrupted = False
        """The last run did not end in order, or the database is another copy: UIDs may have been given that it does
        not know of. Set before the first message comes."""

    def begin_txn(self, transaction: Transaction, account_id: int, directory: str) -> Numbers:
        """For a new row: on with the numbers that its directory knows (its row was lost), or from 1."""
        path = os.path.join(self._root, directory)
        promise = uidfile.read(path)
        if promise is not None:
            _raise_account_txn(transaction.connection, account_id, promise.uidvalidity)
            return Numbers(promise.uidvalidity, promise.reserved, promise.reserved)
        uidvalidity = next_uidvalidity_txn(transaction.connection, account_id)
        uidfile.write(path, UidPromise(uidvalidity, uidfile.BLOCK + 1))
        transaction.undo.append(lambda: _forget(path))
        return Numbers(uidvalidity, 1, uidfile.BLOCK + 1)

    def trust(self, transaction: Transaction, mailbox_id: int) -> None:
        """A mailbox that was made in this transaction needs no comparison."""
        self._resumed.add(mailbox_id)
        transaction.undo.append(lambda: self._resumed.discard(mailbox_id))

    def resume_txn(self, transaction: Transaction, row: AnyRow) -> Numbers | None:
        """Compare a row of `mailboxes` with its file and put right what a loss has left; None if all is well.

        The row needs id, account_id, directory, uidvalidity, uidnext and uid_reserved. Done once for a mailbox.
        """
        if row.id in self._resumed:
            return None
        path = os.path.join(self._root, row.directory)
        try:
            promise = uidfile.read(path)
            numbers = self._compared_txn(transaction, row, promise)
            if promise is not None and numbers.uidvalidity != promise.uidvalidity:
                uidfile.write(path, UidPromise(numbers.uidvalidity, numbers.reserved))
        except OSError as error:
            raise Unavailable("the disk cannot be read or written") from error
        self.trust(transaction, row.id)
        if numbers == Numbers(row.uidvalidity, row.uidnext, row.uid_reserved):
            return None
        transaction.connection.execute(
            update(mailboxes).where(mailboxes.c.id == row.id).values(
                uidvalidity=numbers.uidvalidity, uidnext=numbers.uidnext, uid_reserved=numbers.reserved
            )
        )
        return numbers

    def _compared_txn(self, transaction: Transaction, row: AnyRow, promise: UidPromise | None) -> Numbers:
        if promise is not None and promise.uidvalidity != row.uidvalidity:
            # the mailbox was deleted and made again, one of the two copies does not know: a third identity
            fresh = next_uidvalidity_txn(transaction.connection, row.account_id, promise.uidvalidity)
            _log.warn("{directory} gets a new UIDVALIDITY: its file and the database have different ones",
                      directory=row.directory)
            return Numbers(fresh, row.uidnext, max(row.uid_reserved, row.uidnext))
        reserved = row.uid_reserved if promise is None else max(promise.reserved, row.uid_reserved)
        if self.interrupted or reserved > row.uid_reserved:
            return Numbers(row.uidvalidity, max(row.uidnext, reserved), reserved)
        return Numbers(row.uidvalidity, row.uidnext, row.uid_reserved)

    def renew_txn(self, transaction: Transaction, row: AnyRow) -> None:
        """Write the file of a mailbox again, that has lost it; `row` as for `resume_txn`."""
        current = transaction.connection.execute(
            select(mailboxes.c.uidvalidity, mailboxes.c.uid_reserved)
            .where(mailboxes.c.id == row.id, mailboxes.c.directory == row.directory)
        ).one_or_none()
        path = os.path.join(self._root, row.directory)
        if current is not None and uidfile.read(path) is None:
            uidfile.write(path, UidPromise(current.uidvalidity, current.uid_reserved))

    def reserve(self, directory: str, uidvalidity: int, uidnext: int, reserved: int) -> int:
        """Make the promise that covers UIDs below `uidnext`, if it is not made yet; what is promised now."""
        if uidnext <= reserved:
            return reserved
        reserved = uidnext + uidfile.BLOCK
        try:
            uidfile.write(os.path.join(self._root, directory), UidPromise(uidvalidity, reserved))
        except OSError as error:
            raise Unavailable("the disk cannot be written") from error
        return reserved


def next_uidvalidity_txn(connection: Connection, account_id: int, above: int = 0) -> int:
    """One that no mailbox of the account ever had: one deleted and made again is another one (RFC 3501 2.3.1.1)."""
    highest: int = connection.execute(select(accounts.c.uidvalidity).where(accounts.c.id == account_id)).scalar_one()
    value: int = max(int(time.time()), highest + 1, above + 1)
    _raise_account_txn(connection, account_id, value)
    return value


def _raise_account_txn(connection: Connection, account_id: int, uidvalidity: int) -> None:
    connection.execute(
        update(accounts)
        .where(accounts.c.id == account_id, accounts.c.uidvalidity < uidvalidity)
        .values(uidvalidity=uidvalidity)
    )


def _forget(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(os.path.join(path, uidfile.FILE))
