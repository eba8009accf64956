"""How TLS went on our connections to other domains, counted by day (UTC) for their reports (RFC 8460)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, exists, func, insert, select, update

from quantummail.store.tables import tls_reports, tls_results
from quantummail.store.transaction import Transaction

if TYPE_CHECKING:
    from quantummail.store.database import Database

# Rows of one domain and day; more say nothing new, and whoever wants to fill our disk gets no further
_MOST_ROWS = 500
_FINISHED = ""


@dataclass(frozen=True, slots=True)
class TlsResult:
    """What a connection was like. Successes of a policy are all alike, and have no more than that."""

    day: int
    """Days since 1970-01-01, UTC."""
    domain: str
    policy_type: str
    """``sts``, ``tlsa`` or ``no-policy-found`` (RFC 8460 4.2)."""
    policy: str = ""
    """The policy, as it was published, in lines."""
    result: str = ""
    """A result type (RFC 8460 4.3); empty for success."""
    host: str = ""
    address: str = ""
    source: str = ""
    """The address that we came from."""
    reason: str = ""


class TlsResults:
    """The counters, and which reports are made of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, counts: Sequence[tuple[TlsResult, int]]) -> None:
        """Add to the counters."""
        await self._database.write(_add_txn, counts)

    async def due(self, before: int) -> list[tuple[int, str]]:
        """Days before this one, and domains, whose reports are not finished."""
        return await self._database.run(_due_txn, before)

    async def of(self, day: int, domain: str) -> list[tuple[TlsResult, int]]:
        """The counters of a domain and day."""
        return await self._database.run(_of_txn, day, domain)

    async def sent(self, day: int, domain: str) -> dict[str, tuple[bool, int]]:
        """Where that report should have gone so far: whether it did, and after how many attempts."""
        return await self._database.run(_sent_txn, day, domain)

    async def note(self, day: int, domain: str, uri: str, *, sent: bool) -> None:
        """An attempt to send a report."""
        await self._database.write(_note_txn, day, domain, uri, sent)

    async def finish(self, day: int, domain: str) -> None:
        """Nothing more is done about this report."""
        await self._database.write(_note_txn, day, domain, _FINISHED, True)

    async def purge(self, before: int) -> None:
        """Forget the days before this one."""
        await self._database.write(_purge_txn, before)


def _add_txn(transaction: Transaction, counts: Sequence[tuple[TlsResult, int]]) -> None:
    connection = transaction.connection
    columns = tls_results.c
    for one, count in counts:
        digest = hashlib.sha256(one.policy.encode()).hexdigest()
        changed = connection.execute(update(tls_results).where(
            columns.day == one.day, columns.domain == one.domain, columns.policy_type == one.policy_type,
            columns.policy_digest == digest, columns.result == one.result, columns.host == one.host,
            columns.address == one.address, columns.source == one.source, columns.reason == one.reason,
        ).values(sessions=columns.sessions + count)).rowcount
        if changed or _is_full(connection, one):
            continue
        connection.execute(insert(tls_results).values(
            day=one.day, domain=one.domain, policy_type=one.policy_type, policy_digest=digest, policy=one.policy,
            result=one.result, host=one.host, address=one.address, source=one.source, reason=one.reason,
            sessions=count))


def _is_full(connection: Connection, one: TlsResult) -> bool:
    count = connection.execute(select(func.count()).select_from(tls_results).where(
        tls_results.c.day == one.day, tls_results.c.domain == one.domain)).scalar_one()
    return bool(count >= _MOST_ROWS)


def _due_txn(connection: Connection, before: int) -> list[tuple[int, str]]:
    finished = exists().where(
        tls_reports.c.day == tls_results.c.day, tls_reports.c.domain == tls_results.c.domain,
        tls_reports.c.uri == _FINISHED)
    rows = connection.execute(
        select(tls_results.c.day, tls_results.c.domain).distinct()
        .where(tls_results.c.day < before, ~finished)
        .order_by(tls_results.c.day, tls_results.c.domain))
    return [(row.day, row.domain) for row in rows]


def _of_txn(connection: Connection, day: int, domain: str) -> list[tuple[TlsResult, int]]:
    rows = connection.execute(
        select(tls_results).where(tls_results.c.day == day, tls_results.c.domain == domain)
        .order_by(tls_results.c.id))
    return [
        (TlsResult(row.day, row.domain, row.policy_type, row.policy, row.result, row.host, row.address, row.source,
                   row.reason), row.sessions)
        for row in rows
    ]


def _sent_txn(connection: Connection, day: int, domain: str) -> dict[str, tuple[bool, int]]:
    rows = connection.execute(
        select(tls_reports).where(tls_reports.c.day == day, tls_reports.c.domain == domain))
    return {row.uri: (row.sent, row.attempts) for row in rows if row.uri != _FINISHED}


def _note_txn(transaction: Transaction, day: int, domain: str, uri: str, sent: bool) -> None:
    connection, now = transaction.connection, int(time.time())
    changed = connection.execute(update(tls_reports).where(
        tls_reports.c.day == day, tls_reports.c.domain == domain, tls_reports.c.uri == uri,
    ).values(sent=sent, attempts=tls_reports.c.attempts + 1, changed=now)).rowcount
    if not changed:
        connection.execute(insert(tls_reports).values(
            day=day, domain=domain, uri=uri, sent=sent, attempts=1, changed=now))


def _purge_txn(transaction: Transaction, before: int) -> None:
    for table in (tls_results, tls_reports):
        transaction.connection.execute(delete(table).where(table.c.day < before))
