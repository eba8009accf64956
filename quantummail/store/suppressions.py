"""Addresses elsewhere that do not exist, as their servers have said: our users are told at once, not by a bounce."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, bindparam, delete, or_, select, text

from quantummail.store.prepared import Prepared
from quantummail.store.rows import AnyRow
from quantummail.store.tables import suppressions
from quantummail.store.transaction import Transaction

if TYPE_CHECKING:
    from quantummail.store.database import Database
    from quantummail.store.other_commits import OtherCommits

_FIND = Prepared(select(suppressions).where(suppressions.c.address == bindparam("wanted")))
_MOST_REMEMBERED = 100_000
# both dialects know this clause, SQLAlchemy's insert() only in dialect-specific forms
_NOTE = text(
    "INSERT INTO suppressions (address, reason, message_id, since, last, count, stays)"
    " VALUES (:address, :reason, :message_id, :now, :now, 1, :stays)"
    " ON CONFLICT (address) DO UPDATE SET reason = excluded.reason, message_id = excluded.message_id,"
    " last = excluded.last, count = suppressions.count + 1,"
    " stays = suppressions.stays OR excluded.stays"
)


@dataclass(frozen=True, slots=True)
class Suppression:
    """One address."""

    address: str
    reason: str
    """The words of the server that refused it, or an administrator's."""
    message_id: str
    """The message that was refused last."""
    since: int
    last: int
    count: int
    stays: bool
    """Until somebody deletes it: an administrator has put it here."""


class Suppressions:
    """The list. An address stays for so long after its last bounce."""

    def __init__(self, database: Database, others: OtherCommits) -> None:
        """`others`: whether commands may have changed the list."""
        self._database = database
        self._others = others
        self._known: set[str] | None = None
        self._known_at = -1
        self._latest: deque[str] = deque(maxlen=1000)
        self.keep = 0.0
        """Seconds; 0: nothing is suppressed but what administrators have added."""

    async def find(self, address: str) -> Suppression | None:
        """Whether an address is not to be written to, and why. Nearly none is: for most no database is asked."""
        count = self._others.count()
        if count != self._known_at:
            await self._look(count)
        if self._known is not None and address.lower() not in self._known:
            return None
        return await self._database.run(_find_txn, address.lower(), self._horizon)

    def noted(self, address: str) -> None:
        """An address was put on the list by an outcome."""
        self._latest.append(address.lower())
        if self._known is not None:
            self._known.add(address.lower())

    async def _look(self, count: int) -> None:
        """Learn which addresses there are, unless they are very many."""
        found = await self._database.run(_addresses_txn, _MOST_REMEMBERED)
        # what came meanwhile may not be in what was read; one too many here costs a question
        self._known = found.union(self._latest) if len(found) < _MOST_REMEMBERED else None
        self._known_at = count

    async def list(self, *, after: str = "", limit: int = 1000) -> list[Suppression]:
        """Those that count, by address, behind one."""
        return await self._database.run(_list_txn, self._horizon, after, limit)

    async def add(self, address: str, reason: str) -> None:
        """An administrator wants nobody to write there."""
        await self._database.write(_add_txn, address, reason)

    async def delete(self, address: str) -> bool:
        """Let mail pass again; whether it was suppressed."""
        return await self._database.write(_delete_txn, address.lower())

    async def purge(self) -> int:
        """Forget those that do not count any more; how many."""
        return await self._database.write(_purge_txn, self._horizon)

    @property
    def _horizon(self) -> int:
        return int(time.time() - self.keep)


def suppress_txn(connection: Connection, address: str, reason: str, message_id: str, *, stays: bool = False) -> None:
    """Note that an address was refused."""
    connection.execute(_NOTE, {
        "address": address.lower(), "reason": reason, "message_id": message_id, "now": int(time.time()),
        "stays": stays})


def _counts(horizon: int) -> ColumnElement[bool]:
    return or_(suppressions.c.stays, suppressions.c.last > horizon)


def _find_txn(connection: Connection, address: str, horizon: int) -> Suppression | None:
    row = _FIND.execute(connection, {"wanted": address}).one_or_none()
    return None if row is None or not (row.stays or row.last > horizon) else _suppression(row)


def _addresses_txn(connection: Connection, limit: int) -> set[str]:
    return set(connection.execute(select(suppressions.c.address).limit(limit)).scalars())


def _list_txn(connection: Connection, horizon: int, after: str, limit: int) -> list[Suppression]:
    rows = connection.execute(
        select(suppressions).where(_counts(horizon), suppressions.c.address > after)
        .order_by(suppressions.c.address).limit(limit))
    return [_suppression(row) for row in rows]


def _add_txn(transaction: Transaction, address: str, reason: str) -> None:
    suppress_txn(transaction.connection, address, reason, "", stays=True)


def _delete_txn(transaction: Transaction, address: str) -> bool:
    return bool(transaction.connection.execute(
        delete(suppressions).where(suppressions.c.address == address)).rowcount)


def _purge_txn(transaction: Transaction, horizon: int) -> int:
    return transaction.connection.execute(delete(suppressions).where(~_counts(horizon))).rowcount


def _suppression(row: AnyRow) -> Suppression:
    # a row is a tuple, whose `count` is a method
    address, reason, message_id, since, last, count, stays = row
    return Suppression(address, reason, message_id, since, last, count, bool(stays))
