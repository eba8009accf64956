"""Keys of domains for DKIM, and their life: published in DNS, active, retired."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, select, update

from quantummail.store.errors import AlreadyExists, NoSuchDomain, StoreError
from quantummail.store.names import normal_domain
from quantummail.store.rows import AnyRow
from quantummail.store.tables import dkim_keys, domains
from quantummail.store.transaction import Transaction

if TYPE_CHECKING:
    from quantummail.store.database import Database
    from quantummail.store.sealed import Seal


class KeyState(Enum):
    """Of a key."""

    PUBLISHED = "published"
    """It may stand in DNS, but nothing is signed with it yet: other servers learn of it before."""
    ACTIVE = "active"
    RETIRED = "retired"
    """Nothing new is signed with it; its record stays until mail that is on its way has arrived."""


class NoSuchKey(StoreError):
    """The domain has no key with this selector."""


@dataclass(frozen=True, slots=True)
class DkimKey:
    """One key, without its secret."""

    domain: str
    selector: str
    algorithm: str
    record: str
    state: KeyState
    created: int
    changed: int

    @property
    def name(self) -> str:
        """Where its record stands."""
        return f"{self.selector}._domainkey.{self.domain}"


_KEYS = select(
    domains.c.name, dkim_keys.c.selector, dkim_keys.c.algorithm, dkim_keys.c.record, dkim_keys.c.state,
    dkim_keys.c.created, dkim_keys.c.changed, dkim_keys.c.sealed,
).join_from(dkim_keys, domains, domains.c.id == dkim_keys.c.domain_id)


class DkimKeys:
    """The keys of all domains."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, domain: str, selector: str, algorithm: str, private_key: bytes, record: str, state: KeyState, seal: Seal
    ) -> DkimKey:
        """Keep a key; `private_key` in PKCS #8, DER."""
        name = normal_domain(domain)
        sealed = seal.close(private_key, _place(name, selector))
        return await self._database.write(_add_txn, name, selector, algorithm, sealed, record, state)

    async def of(self, domain: str | None = None) -> tuple[DkimKey, ...]:
        """The keys of a domain, or of all."""
        return await self._database.run(_list_txn, normal_domain(domain) if domain else None)

    async def active(self, seal: Seal) -> tuple[tuple[DkimKey, bytes], ...]:
        """All keys to sign with, and their secrets."""
        rows = await self._database.run(_active_txn)
        return tuple((key, seal.open(sealed, _place(key.domain, key.selector))) for key, sealed in rows)

    async def change(self, domain: str, selector: str, state: KeyState) -> None:
        """Activate or retire a key."""
        await self._database.write(_change_txn, normal_domain(domain), selector, state)

    async def delete(self, domain: str, selector: str) -> None:
        """Forget a key."""
        await self._database.write(_delete_txn, normal_domain(domain), selector)


def _place(domain: str, selector: str) -> str:
    return f"dkim_keys/{domain}/{selector}"


def _add_txn(
    transaction: Transaction, domain: str, selector: str, algorithm: str, sealed: bytes, record: str, state: KeyState
) -> DkimKey:
    connection = transaction.connection
    domain_id = connection.execute(select(domains.c.id).where(domains.c.name == domain)).scalar()
    if domain_id is None:
        raise NoSuchDomain(f"{domain} is not one of our domains")
    known = select(dkim_keys.c.id).where(dkim_keys.c.domain_id == domain_id, dkim_keys.c.selector == selector)
    if connection.execute(known).first() is not None:
        raise AlreadyExists(f"{domain} has a key with the selector {selector}")
    now = int(time.time())
    connection.execute(insert(dkim_keys).values(
        domain_id=domain_id, selector=selector, algorithm=algorithm, sealed=sealed, record=record, state=state.value,
        created=now, changed=now))
    return DkimKey(domain, selector, algorithm, record, state, now, now)


def _list_txn(connection: Connection, domain: str | None) -> tuple[DkimKey, ...]:
    query = _KEYS.order_by(domains.c.name, dkim_keys.c.id)
    rows = connection.execute(query if domain is None else query.where(domains.c.name == domain))
    return tuple(map(_key, rows))


def _active_txn(connection: Connection) -> Sequence[tuple[DkimKey, bytes]]:
    rows = connection.execute(_KEYS.where(dkim_keys.c.state == KeyState.ACTIVE.value).order_by(dkim_keys.c.id))
    return [(_key(row), row.sealed) for row in rows]


def _key(row: AnyRow) -> DkimKey:
    return DkimKey(row.name, row.selector, row.algorithm, row.record, KeyState(row.state), row.created, row.changed)


def _id_txn(connection: Connection, domain: str, selector: str) -> int:
    found = connection.execute(
        select(dkim_keys.c.id).join_from(dkim_keys, domains, domains.c.id == dkim_keys.c.domain_id)
        .where(domains.c.name == domain, dkim_keys.c.selector == selector)).scalar()
    if found is None:
        raise NoSuchKey(f"{domain} has no key with the selector {selector}")
    return int(found)


def _change_txn(transaction: Transaction, domain: str, selector: str, state: KeyState) -> None:
    connection = transaction.connection
    connection.execute(
        update(dkim_keys).where(dkim_keys.c.id == _id_txn(connection, domain, selector))
        .values(state=state.value, changed=int(time.time())))


def _delete_txn(transaction: Transaction, domain: str, selector: str) -> None:
    connection = transaction.connection
    connection.execute(delete(dkim_keys).where(dkim_keys.c.id == _id_txn(connection, domain, selector)))
