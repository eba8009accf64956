"""Rows of outgoing mail: made, claimed, settled, purged. Blocking; runs in transactions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, literal_column, or_, select, update

from quantummail.store.outgoing_records import (
    Attempt,
    Claimed,
    OutgoingMessage,
    OutgoingRecipient,
    Settlement,
    State,
)
from quantummail.store.prepared import Prepared
from quantummail.store.rows import AnyRow
from quantummail.store.suppressions import suppress_txn
from quantummail.store.tables import attempts, outgoing, outgoing_recipients
from quantummail.store.transaction import Transaction
from quantummail.store.webhook_records import Webhook, events_of_settlement
from quantummail.store.webhooks import note_txn

AT_ONCE = 0
"""A `due` time that says more than now: an administrator wants it tried, even where nobody answered lately."""
LEASE = 3600
"""Seconds for which a claim holds if nobody renews it."""

MESSAGE_COLUMNS = tuple(column for column in outgoing.c if column.name != "unfinished")
_NEW_MESSAGE = Prepared(insert(outgoing), outgoing.c.keys())
_NEW_RECIPIENT = insert(outgoing_recipients).returning(outgoing_recipients.c.id)
_RECIPIENT_KEYS = [key for key in outgoing_recipients.c.keys() if key != "id"]  # noqa: SIM118  # a collection of columns, by position
_ADD_RECIPIENT = Prepared(_NEW_RECIPIENT, _RECIPIENT_KEYS)
_NEW_ATTEMPT = Prepared(insert(attempts), [key for key in attempts.c.keys() if key != "id"])  # noqa: SIM118  # as above
# written into the statements: a prepared one takes only values that are given to it
_NOBODY: ColumnElement[str] = literal_column("''")
_NEVER: ColumnElement[int] = literal_column("0")
_SETTLE = Prepared(
    update(outgoing_recipients)
    .where(outgoing_recipients.c.id == bindparam("which"), outgoing_recipients.c.leased_by == bindparam("owner"),
           outgoing_recipients.c.state == bindparam("was"))
    .values(
        state=bindparam("new_state"), due=bindparam("new_due"), leased_by=_NOBODY, leased_until=_NEVER,
        attempts=outgoing_recipients.c.attempts + bindparam("tried"), delay_told=bindparam("told"),
        changed=bindparam("now"), code=bindparam("new_code"), status=bindparam("new_status"),
        answer=bindparam("new_answer"), bounce=bindparam("new_bounce"),
    )
)
_WAIT = Prepared(
    update(outgoing_recipients)
    .where(outgoing_recipients.c.id == bindparam("which"), outgoing_recipients.c.leased_by == bindparam("owner"),
           outgoing_recipients.c.state == bindparam("was"))
    .values(state=bindparam("new_state"), due=bindparam("new_due"), leased_by=_NOBODY,
            leased_until=_NEVER)
)
_FINISHED = Prepared(
    update(outgoing)
    .where(outgoing.c.id == bindparam("which"))
    .values(unfinished=outgoing.c.unfinished - bindparam("count"))
    .returning(outgoing.c.unfinished)
)


@dataclass(frozen=True, slots=True)
class NewOutgoing:
    """A message whose file is durable, or is about to be."""

    message: OutgoingMessage
    recipients: tuple[OutgoingRecipient, ...]
    leased_by: str
    """Who tries at once; empty: it waits for somebody to claim it."""
    state: State = State.DUE


def add_txn(transaction: Transaction, news: Sequence[NewOutgoing]) -> list[tuple[Claimed, ...]]:
    """Rows for messages; with the ids of their recipients, one `Claimed` for each destination."""
    connection = transaction.connection
    now = int(time.time())
    _NEW_MESSAGE.execute_many(connection, [_message_row(new) for new in news])
    return [_recipients_txn(connection, new, now) for new in news]


def _message_row(new: NewOutgoing) -> dict[str, object]:
    message = new.message
    return {
        "id": message.id, "account_id": message.account_id, "lane": message.lane, "source": message.source,
        "sender": message.sender, "size": message.size, "body": message.body, "smtputf8": message.smtputf8,
        "require_tls": message.require_tls, "tls_optional": message.tls_optional, "ret": message.ret,
        "envid": message.envid, "header_id": message.header_id, "priority": message.priority,
        "created": message.created, "unfinished": len(new.recipients),
    }


def _recipients_txn(connection: Connection, new: NewOutgoing, now: int) -> tuple[Claimed, ...]:
    state = State.LEASED if new.leased_by else new.state
    together: dict[str, list[OutgoingRecipient]] = {}
    for one in new.recipients:
        row_id = _ADD_RECIPIENT.execute(connection, {
            "message_id": new.message.id, "address": one.address, "notify": ",".join(sorted(one.notify)),
            "orcpt": one.orcpt, "destination": one.destination, "lane": new.message.lane, "state": state.value,
            "due": now, "leased_by": new.leased_by, "leased_until": now + LEASE if new.leased_by else 0,
            "attempts": one.attempts, "delay_told": one.delay_told, "changed": now, "code": 0, "status": "",
            "answer": "", "bounce": "",
        }).scalar_one()
        together.setdefault(one.destination, []).append(OutgoingRecipient(
            row_id, one.address, one.destination, one.notify, one.orcpt, one.attempts, one.delay_told))
    return tuple(Claimed(new.message, tuple(recipients)) for recipients in together.values())


@dataclass(frozen=True, slots=True)
class Settled:
    """What has become of the recipients of a `Claimed`."""

    owner: str
    message: OutgoingMessage
    settlements: tuple[Settlement, ...]
    webhooks: tuple[Webhook, ...] = ()
    """Who wants to be told."""


def settle_txn(transaction: Transaction, settled: Settled) -> bool:
    """Note what became of recipients; whether the message needs its octets no more.

    Recipients that somebody else has claimed meanwhile, or an administrator has taken away, keep what they have.
    """
    connection = transaction.connection
    now = int(time.time())
    finished = 0
    for one in settled.settlements:
        key = {"which": one.recipient.id, "owner": settled.owner, "was": State.LEASED.value,
               "new_state": one.state.value, "new_due": one.due}
        if one.attempt is None:
            changed = _WAIT.execute(connection, key).rowcount
        else:
            changed = _SETTLE.execute(connection, {
                **key, "tried": 1, "told": one.delay_told, "now": now, "new_code": one.attempt.code,
                "new_status": one.attempt.status, "new_answer": one.attempt.answer, "new_bounce": one.bounce,
            }).rowcount
            if changed and one.suppress:
                suppress_txn(connection, one.recipient.address, _words(one.attempt), settled.message.id)
        finished += bool(changed) and not one.state.open
        if changed and settled.webhooks:
            note_txn(connection, events_of_settlement(settled.webhooks, settled.message, one))
    tried = [one for one in settled.settlements if one.attempt is not None]
    if tried:
        _NEW_ATTEMPT.execute_many(connection, [_attempt_row(one) for one in tried])
    if not finished:
        return False
    return finish_txn(connection, settled.message.id, finished)


def _words(attempt: Attempt) -> str:
    return " ".join(filter(None, (str(attempt.code), attempt.status, attempt.answer)))


def finish_txn(connection: Connection, message_id: str, count: int) -> bool:
    """So many recipients have found their end; whether they were the last ones."""
    return _FINISHED.execute(connection, {"which": message_id, "count": count}).scalar_one_or_none() == 0


def _attempt_row(one: Settlement) -> dict[str, object]:
    attempt = one.attempt
    assert attempt is not None
    return {
        "recipient_id": one.recipient.id, "at": attempt.at, "milliseconds": attempt.milliseconds,
        "host": attempt.host, "address": attempt.address, "source": attempt.source, "tls": attempt.tls,
        "step": attempt.step, "code": attempt.code, "status": attempt.status, "answer": attempt.answer,
        "maybe_sent": attempt.maybe_sent,
    }


def destinations_txn(connection: Connection, now: int, horizon: int, limit: int) -> list[tuple[str, bool]]:
    """Destinations with recipients that are due, the longest due first; whether somebody wants one tried at once."""
    found = outgoing_recipients.c
    first = func.min(found.due)
    rows = connection.execute(
        select(found.destination, first).where(found.state == State.DUE.value, _is_due(now, horizon))
        .group_by(found.destination).order_by(first).limit(limit))
    return [(destination, due == AT_ONCE) for destination, due in rows]


def claim_txn(
    transaction: Transaction, owner: str, destination: str, now: int, horizon: int, limit: int
) -> list[Claimed]:
    """Take recipients of one destination that are due: lanes take turns, what goes first goes first.

    :param horizon: nothing can be due later than so many seconds from now; what says so was written by a clock that
        went wrong.
    """
    connection = transaction.connection
    found = outgoing_recipients.c
    turn = func.row_number().over(
        partition_by=found.lane, order_by=(outgoing.c.priority, found.due, found.id)).label("turn")
    candidates = (
        select(found.id, turn)
        .join_from(outgoing_recipients, outgoing, outgoing.c.id == found.message_id)
        .where(found.state == State.DUE.value, found.destination == destination, _is_due(now, horizon))
        .subquery()
    )
    ids = connection.execute(select(candidates.c.id).order_by(candidates.c.turn).limit(limit)).scalars().all()
    if not ids:
        return []
    connection.execute(
        update(outgoing_recipients).where(found.id.in_(ids))
        .values(state=State.LEASED.value, leased_by=owner, leased_until=now + LEASE))
    rows = connection.execute(
        select(outgoing_recipients, *[column.label(f"m_{column.name}") for column in MESSAGE_COLUMNS])
        .join_from(outgoing_recipients, outgoing, outgoing.c.id == found.message_id)
        .where(found.id.in_(ids))
    ).all()
    order = {row_id: place for place, row_id in enumerate(ids)}
    return _claimed(sorted(rows, key=lambda row: order[row.id]))


def _is_due(now: int, horizon: int) -> ColumnElement[bool]:
    return or_(outgoing_recipients.c.due <= now, outgoing_recipients.c.due > now + horizon)


def _claimed(rows: Sequence[AnyRow]) -> list[Claimed]:
    messages: dict[str, OutgoingMessage] = {}
    recipients: dict[str, list[OutgoingRecipient]] = {}
    for row in rows:
        if row.message_id not in messages:
            messages[row.message_id] = OutgoingMessage(
                **{column.name: getattr(row, f"m_{column.name}") for column in MESSAGE_COLUMNS})
        recipients.setdefault(row.message_id, []).append(recipient_of(row))
    return [Claimed(message, tuple(recipients[key])) for key, message in messages.items()]


def recipient_of(row: AnyRow) -> OutgoingRecipient:
    """The value of a row."""
    return OutgoingRecipient(
        row.id, row.address, row.destination, frozenset(filter(None, row.notify.split(","))), row.orcpt, row.attempts,
        row.delay_told)


def renew_txn(transaction: Transaction, owner: str, now: int) -> None:
    """Whoever holds leases is alive."""
    transaction.connection.execute(
        update(outgoing_recipients)
        .where(outgoing_recipients.c.state == State.LEASED.value, outgoing_recipients.c.leased_by == owner)
        .values(leased_until=now + LEASE))


def release_txn(transaction: Transaction, now: int, alone: bool) -> int:
    """Make what nobody tries any more due again: leases that are over, or all, if nobody else can hold any."""
    leased = outgoing_recipients.c.state == State.LEASED.value
    # a lease that ends later than any that is given now comes from a clock that went wrong
    over = or_(outgoing_recipients.c.leased_until < now, outgoing_recipients.c.leased_until > now + LEASE)
    return transaction.connection.execute(
        update(outgoing_recipients).where(leased if alone else leased & over)
        .values(state=State.DUE.value, due=now, leased_by="", leased_until=0)
    ).rowcount


def redirect_txn(
    transaction: Transaction, owner: str, destinations: Sequence[tuple[OutgoingRecipient, str]], now: int
) -> None:
    """Recipients that their owner gives back, because they have to go another way: due there at once."""
    found = outgoing_recipients.c
    for recipient, destination in destinations:
        transaction.connection.execute(
            update(outgoing_recipients)
            .where(found.id == recipient.id, found.leased_by == owner, found.state == State.LEASED.value)
            .values(destination=destination, state=State.DUE.value, due=now, leased_by="", leased_until=0))


def purge_txn(transaction: Transaction, before: int, limit: int) -> int:
    """Forget messages that were finished before a time, with their history; how many."""
    ids = transaction.connection.execute(
        select(outgoing.c.id).where(outgoing.c.unfinished == 0, outgoing.c.created < before).limit(limit)
    ).scalars().all()
    if ids:
        transaction.connection.execute(delete(outgoing).where(outgoing.c.id.in_(ids)))
    return len(ids)


def ended_txn(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of the ids that are messages without open recipients."""
    return set(connection.execute(
        select(outgoing.c.id).where(outgoing.c.id.in_(ids), outgoing.c.unfinished == 0)).scalars())


def known_txn(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of the ids that are messages with open recipients."""
    return set(connection.execute(
        select(outgoing.c.id).where(outgoing.c.id.in_(ids), outgoing.c.unfinished > 0)).scalars())
