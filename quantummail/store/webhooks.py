"""Webhooks, and the outbox of what they are to be told: at least once, each event under an id that stays."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, delete, insert, literal, select, update
from twisted.logger import Logger

from quantummail.store.errors import NoSuchDomain, NoSuchUser, StoreError
from quantummail.store.names import normal_address, normal_domain
from quantummail.store.rows import AnyRow
from quantummail.store.tables import accounts, domains, webhook_attempts, webhook_events, webhooks
from quantummail.store.transaction import Transaction
from quantummail.store.webhook_records import DueEvent, NewEvent, ToldEvent, Webhook, WebhookAttempt

if TYPE_CHECKING:
    from quantummail.store.database import Database
    from quantummail.store.sealed import Seal

_PAGE = 500


class NoSuchWebhook(StoreError):
    """There is no webhook with this number."""


_WEBHOOKS = (
    select(webhooks, accounts.c.address.label("account"), domains.c.name.label("domain"))
    .outerjoin(accounts, accounts.c.id == webhooks.c.account_id)
    .outerjoin(domains, domains.c.id == webhooks.c.domain_id)
    .order_by(webhooks.c.id)
)
# A webhook that was deleted meanwhile gets nothing, and spoils nothing
_NOTE = insert(webhook_events).from_select(
    ["webhook_id", "event_id", "type", "payload", "created", "state", "due", "attempts"],
    select(webhooks.c.id, bindparam("event"), bindparam("kind"), bindparam("words"), bindparam("now"),
           literal("due"), bindparam("now"), literal(0))
    .where(webhooks.c.id == bindparam("webhook")))


def note_txn(connection: Connection, events: Sequence[NewEvent]) -> None:
    """Keep events, in the transaction that makes them true."""
    now = int(time.time())
    for event in events:
        connection.execute(_NOTE, {
            "event": event.event_id, "kind": event.type, "words": event.payload, "now": now,
            "webhook": event.webhook_id})


class Webhooks:
    """Whom to tell what. What commands change in another process is known after `refresh`."""

    log = Logger(namespace="quantummail.store")

    def __init__(self, database: Database) -> None:
        self._database = database
        self.active: tuple[Webhook, ...] = ()
        """Those that are told now: empty on most servers, and then nothing is done for them."""

    async def refresh(self) -> None:
        """Look who wants to be told."""
        self.active = await self.all()

    async def all(self) -> tuple[Webhook, ...]:
        """All of them."""
        return await self._database.run(_all_txn)

    async def add(
        self, url: str, events: Sequence[str], secret: bytes, seal: Seal, *, account: str = "", domain: str = ""
    ) -> Webhook:
        """Tell `url` of events, of all mail or of one account's or domain's."""
        found = await self._database.write(
            _add_txn, url, ",".join(sorted(events)), normal_address(account) if account else "",
            normal_domain(domain) if domain else "", lambda webhook_id: seal.close(secret, _place(webhook_id)))
        return next(hook for hook in await self.all() if hook.id == found)

    async def secret(self, webhook_id: int, seal: Seal) -> bytes:
        """What requests to a webhook are signed with."""
        sealed = await self._database.run(_sealed_txn, webhook_id)
        return seal.open(sealed, _place(webhook_id))

    async def delete(self, webhook_id: int) -> None:
        """Forget a webhook, and what it was to be told."""
        await self._database.write(_delete_txn, webhook_id)

    async def due(self, webhook_ids: Sequence[int], limit: int) -> Sequence[DueEvent]:
        """Events to be told now, of each of these webhooks the oldest ones."""
        return await self._database.run(_due_txn, webhook_ids, int(time.time()), limit)

    async def told(self, event: DueEvent, attempt: WebhookAttempt, state: str, due: int) -> None:
        """Note what a request has brought: the event is `delivered`, `failed`, or `due` again."""
        await self._database.write(_told_txn, event.id, attempt, state, due)

    async def history(self, webhook_id: int | None, limit: int) -> Sequence[ToldEvent]:
        """Events with their attempts, the latest first."""
        return await self._database.run(_history_txn, webhook_id, limit)

    async def purge(self, keep_for: float) -> None:
        """Forget events that came long ago."""
        before = int(time.time() - keep_for)
        while await self._database.write(_purge_txn, before) == _PAGE:
            pass


def _place(webhook_id: int) -> str:
    return f"webhooks/{webhook_id}"


def _all_txn(connection: Connection) -> tuple[Webhook, ...]:
    return tuple(
        Webhook(row.id, row.url, frozenset(row.events.split(",")), row.account_id, row.account or "",
                row.domain or "", row.created)
        for row in connection.execute(_WEBHOOKS))


def _add_txn(
    transaction: Transaction, url: str, events: str, account: str, domain: str, sealed: Callable[[int], bytes]
) -> int:
    connection = transaction.connection
    account_id = domain_id = None
    if account:
        account_id = connection.execute(select(accounts.c.id).where(accounts.c.address == account)).scalar()
        if account_id is None:
            raise NoSuchUser(f"there is no user {account}")
    if domain:
        domain_id = connection.execute(select(domains.c.id).where(domains.c.name == domain)).scalar()
        if domain_id is None:
            raise NoSuchDomain(f"{domain} is not one of our domains")
    webhook_id = int(connection.execute(
        insert(webhooks).values(url=url, events=events, account_id=account_id, domain_id=domain_id, sealed=b"",
                                created=int(time.time())).returning(webhooks.c.id)).scalar_one())
    # the secret is bound to the number, which is known only now
    connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(sealed=sealed(webhook_id)))
    return webhook_id


def _sealed_txn(connection: Connection, webhook_id: int) -> bytes:
    sealed = connection.execute(select(webhooks.c.sealed).where(webhooks.c.id == webhook_id)).scalar()
    if sealed is None:
        raise NoSuchWebhook(f"there is no webhook {webhook_id}")
    return bytes(sealed)


def _delete_txn(transaction: Transaction, webhook_id: int) -> None:
    if not transaction.connection.execute(delete(webhooks).where(webhooks.c.id == webhook_id)).rowcount:
        raise NoSuchWebhook(f"there is no webhook {webhook_id}")


def _due_txn(connection: Connection, webhook_ids: Sequence[int], now: int, limit: int) -> Sequence[DueEvent]:
    found = webhook_events.c
    # one after the other: a thousand events that one webhook does not take are not in the way of another's
    return [
        DueEvent(row.id, row.webhook_id, row.event_id, row.payload, row.attempts)
        for webhook_id in webhook_ids
        for row in connection.execute(
            select(webhook_events)
            .where(found.webhook_id == webhook_id, found.state == "due", found.due <= now)
            .order_by(found.id).limit(limit))
    ]


def _told_txn(transaction: Transaction, row_id: int, attempt: WebhookAttempt, state: str, due: int) -> None:
    connection = transaction.connection
    changed = connection.execute(
        update(webhook_events).where(webhook_events.c.id == row_id)
        .values(state=state, due=due, attempts=webhook_events.c.attempts + 1)).rowcount
    if changed:
        connection.execute(insert(webhook_attempts).values(
            webhook_event_id=row_id, at=attempt.at, milliseconds=attempt.milliseconds, code=attempt.code,
            answer=attempt.answer))


def _history_txn(connection: Connection, webhook_id: int | None, limit: int) -> Sequence[ToldEvent]:
    query = select(webhook_events).order_by(webhook_events.c.id.desc()).limit(limit)
    rows = connection.execute(
        query if webhook_id is None else query.where(webhook_events.c.webhook_id == webhook_id)).all()
    return [_told(connection, row) for row in rows]


def _told(connection: Connection, row: AnyRow) -> ToldEvent:
    tries = connection.execute(
        select(webhook_attempts).where(webhook_attempts.c.webhook_event_id == row.id).order_by(webhook_attempts.c.id))
    return ToldEvent(
        row.event_id, row.webhook_id, row.type, row.created, row.state, row.due,
        tuple(WebhookAttempt(one.at, one.milliseconds, one.code, one.answer) for one in tries), row.payload)


def _purge_txn(transaction: Transaction, before: int) -> int:
    connection = transaction.connection
    ids = connection.execute(
        select(webhook_events.c.id).where(webhook_events.c.created < before).limit(_PAGE)).scalars().all()
    if ids:
        connection.execute(delete(webhook_events).where(webhook_events.c.id.in_(ids)))
    return len(ids)
