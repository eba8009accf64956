"""Bundles: one rendered column of a whole block of messages in one row, so that FETCH reads ten rows, not ten thousand.

What is rendered of a message never changes. A block is complete once UIDNEXT is above it, and its bundle is true until
one of its messages is removed: then it is dropped in the same transaction, and made again when it is missed.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, delete, literal_column, select, text
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.store.errors import StoreError
from quantummail.store.prepared import Prepared
from quantummail.store.rows import rows_between
from quantummail.store.tables import bundles
from quantummail.store.transaction import Transaction
from quantummail.store.views import mailbox_row_txn

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from quantummail.store.database import Database

BLOCK = 1024
"""UIDs in a block: block n begins with UID n * BLOCK."""
BUNDLED = frozenset(("body", "bodystructure", "envelope"))
PICTURE = "picture"
"""The name under which `quantummail.store.pictures` keeps a mailbox's picture, as block 0."""
# Who has just asked may ask for more
_DELAY = 0.1

_READ = Prepared(
    select(bundles.c.data)
    .where(
        bundles.c.account_id == bindparam("account"), bundles.c.mailbox_id == bindparam("box"),
        bundles.c.name == bindparam("name"), bundles.c.block == bindparam("block"),
    )
)
_READ_PICTURE = Prepared(
    select(bundles.c.modseq, bundles.c.data)
    .where(
        bundles.c.account_id == bindparam("account"), bundles.c.mailbox_id == bindparam("box"),
        bundles.c.name == literal_column(f"'{PICTURE}'"), bundles.c.block == literal_column("0"),
    )
)
_WRITE = Prepared(text(
    "INSERT INTO bundles (account_id, mailbox_id, name, block, modseq, data)"
    " VALUES (:account, :box, :name, :block, :modseq, :data)"
    " ON CONFLICT (account_id, mailbox_id, name, block) DO UPDATE SET modseq = :modseq, data = :data"
))
_DROP = Prepared(
    delete(bundles)
    .where(
        bundles.c.account_id == bindparam("account"), bundles.c.mailbox_id == bindparam("box"),
        bundles.c.name != literal_column(f"'{PICTURE}'"), bundles.c.block == bindparam("number"),
    )
)


def block_of(uid: int) -> int:
    """The block that a message belongs to."""
    return uid // BLOCK


def packed(uids: Sequence[int], texts: Sequence[bytes]) -> bytes:
    """The octets of a bundle: how many there are, the UIDs, the texts with NUL between them."""
    return len(uids).to_bytes(4, "little") + octets_of(array("I", uids)) + b"\0".join(texts)


def unpacked(data: bytes) -> tuple[array[int], list[bytes]]:
    """UIDs and texts of a bundle."""
    end = 4 + 4 * int.from_bytes(data[:4], "little")
    return numbers_of("I", data[4:end]), data[end:].split(b"\0") if end > 4 else []


def octets_of(numbers: array[int]) -> bytes:
    """An array as it is kept: little-endian."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def numbers_of(typecode: str, octets: bytes) -> array[int]:
    """The array of kept octets."""
    numbers: array[int] = array(typecode)
    numbers.frombytes(octets)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def bundle_txn(
    connection: Connection, account_id: int, mailbox_id: int, name: str, block: int
) -> tuple[array[int], list[bytes]] | None:
    """UIDs and texts of a block, None if it has not been bundled."""
    data = _READ.execute(
        connection, {"account": account_id, "box": mailbox_id, "name": name, "block": block}).scalar()
    return None if data is None else unpacked(data)


def picture_txn(connection: Connection, account_id: int, mailbox_id: int) -> tuple[int, bytes] | None:
    """The picture that was kept, and its mod-sequence."""
    rows = _READ_PICTURE.tuples(connection, {"account": account_id, "box": mailbox_id})
    return (rows[0][0], rows[0][1]) if rows else None


def make_txn(
    transaction: Transaction, account_id: int, mailbox_id: int, block: int, names: Sequence[str]
) -> None:
    """Bundle a block, if it is complete, nothing is lost, and there is something in it."""
    connection = transaction.connection
    box = mailbox_row_txn(connection, account_id, mailbox_id)
    first, end = block * BLOCK, (block + 1) * BLOCK
    if box is None or box.uidnext < end:
        return
    rows = rows_between(connection, account_id, mailbox_id, first, end - 1, ("uid", *names))
    if not rows:
        return
    uids, *columns = zip(*rows, strict=True)
    for name, texts in zip(names, columns, strict=True):
        if None in texts or any(b"\0" in each for each in texts):
            continue
        write_txn(transaction, account_id, mailbox_id, name, block, box.highestmodseq, packed(uids, texts))


def write_txn(
    transaction: Transaction, account_id: int, mailbox_id: int, name: str, block: int, modseq: int, data: bytes
) -> None:
    """Keep octets that were true at a mod-sequence."""
    _WRITE.execute(transaction.connection, {
        "account": account_id, "box": mailbox_id, "name": name, "block": block, "modseq": modseq, "data": data})


def drop_txn(transaction: Transaction, account_id: int, mailbox_id: int, uids: Iterable[int]) -> None:
    """Messages are removed: their blocks are not what they were."""
    _DROP.execute_many(transaction.connection, [
        {"account": account_id, "box": mailbox_id, "number": number} for number in sorted(set(map(block_of, uids)))
    ])


def _picture_txn(transaction: Transaction, account_id: int, mailbox_id: int, modseq: int, octets: bytes) -> None:
    if mailbox_row_txn(transaction.connection, account_id, mailbox_id) is not None:
        write_txn(transaction, account_id, mailbox_id, PICTURE, 0, modseq, octets)


class Bundles:
    """Makes bundles behind the FETCHes that missed them; its methods are called on the reactor."""

    log = Logger(namespace="quantummail.store")

    def __init__(self, database: Database, clock: IReactorTime | None) -> None:
        self._database = database
        self._clock = clock
        self._missed: dict[tuple[int, int, int], set[str]] = {}
        self._pictures: dict[tuple[int, int], tuple[int, bytes]] = {}
        self._timer: IDelayedCall | None = None
        self._running: Deferred[None] | None = None
        self._stopped = False

    def missed(self, account_id: int, mailbox_id: int, block: int, names: Iterable[str]) -> None:
        """These columns of a block had to be read row by row."""
        if self._stopped:
            return
        self._missed.setdefault((account_id, mailbox_id, block), set()).update(names)
        self._wake()

    def keep_picture(self, account_id: int, mailbox_id: int, modseq: int, octets: bytes) -> None:
        """A mailbox was read from its rows: this is its picture at a mod-sequence."""
        if self._stopped:
            return
        self._pictures[account_id, mailbox_id] = modseq, octets
        self._wake()

    def _wake(self) -> None:
        if self._clock is None:
            self._begin()
        elif self._timer is None and self._running is None:
            self._timer = self._clock.callLater(_DELAY, self._begin)

    async def stop(self) -> None:
        """Keep the pictures that wait, finish the block at hand; other blocks are missed again."""
        self._missed.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._running is not None:
            await self._running
        await self._work()
        self._stopped = True

    def _begin(self) -> None:
        self._timer = None
        running = self._running = Deferred.fromCoroutine(self._work())
        if running.called:
            self._running = None

    async def _work(self) -> None:
        while (self._missed or self._pictures) and not self._stopped:
            try:
                if self._pictures:
                    mailbox, picture = self._pictures.popitem()
                    await self._database.write(_picture_txn, *mailbox, *picture)
                else:
                    block, names = self._missed.popitem()
                    await self._database.write(make_txn, *block, sorted(names))
            except StoreError as error:
                # the rows are there all the same
                self._missed.clear()
                self._pictures.clear()
                self.log.warn("messages could not be bundled: {reason}", reason=str(error))
            except Exception:  # noqa: BLE001  # the edge of a background task
                self.log.failure("unexpected error while bundling messages")
        self._running = None
