"""MTA-STS policies of other domains that we have seen: they hold until they expire, over restarts too (RFC 8461 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, select

from quantummail.store.tables import sts_policies
from quantummail.store.transaction import Transaction

if TYPE_CHECKING:
    from quantummail.store.database import Database


@dataclass(frozen=True, slots=True)
class KnownPolicy:
    """One domain's policy, as it was published."""

    domain: str
    policy_id: str
    text: str
    fetched: int
    expires: int


class StsPolicies:
    """The policies by domain."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, domain: str) -> KnownPolicy | None:
        """A domain's policy; it may have expired."""
        return await self._database.run(_get_txn, domain)

    async def put(self, known: KnownPolicy) -> None:
        """Keep a policy instead of what was known before."""
        await self._database.write(_put_txn, known)

    async def purge(self, expired_before: int) -> int:
        """Forget what expired before; how many."""
        return await self._database.write(_purge_txn, expired_before)


def _get_txn(connection: Connection, domain: str) -> KnownPolicy | None:
    row = connection.execute(select(sts_policies).where(sts_policies.c.domain == domain)).first()
    return None if row is None else KnownPolicy(row.domain, row.policy_id, row.text, row.fetched, row.expires)


def _put_txn(transaction: Transaction, known: KnownPolicy) -> None:
    transaction.connection.execute(delete(sts_policies).where(sts_policies.c.domain == known.domain))
    transaction.connection.execute(insert(sts_policies).values(
        domain=known.domain, policy_id=known.policy_id, text=known.text, fetched=known.fetched,
        expires=known.expires))


def _purge_txn(transaction: Transaction, expired_before: int) -> int:
    return transaction.connection.execute(delete(sts_policies).where(sts_policies.c.expires < expired_before)).rowcount
