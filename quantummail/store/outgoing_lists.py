"""What administrators see and change in the queue. Blocking; runs in transactions."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, func, literal_column, select, update

from quantummail.store.outgoing_records import (
    Attempt,
    OutgoingMessage,
    QueuedRecipient,
    Selection,
    State,
)
from quantummail.store.outgoing_rows import AT_ONCE, MESSAGE_COLUMNS, finish_txn
from quantummail.store.rows import AnyRow
from quantummail.store.tables import attempts, outgoing, outgoing_recipients
from quantummail.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Entry:
    """A recipient with its message."""

    recipient: QueuedRecipient
    message: OutgoingMessage


@dataclass(frozen=True, slots=True)
class DestinationCount:
    """How much waits for a destination."""

    destination: str
    due: int
    leased: int
    held: int
    oldest: int
    """When the oldest of these messages came."""


_ENTRY = select(
    outgoing_recipients, *[column.label(f"m_{column.name}") for column in MESSAGE_COLUMNS]
).join_from(outgoing_recipients, outgoing, outgoing.c.id == outgoing_recipients.c.message_id)


def entries_txn(connection: Connection, selection: Selection, limit: int, after: int) -> list[Entry]:
    """Recipients in the order of their coming, with ids above `after`."""
    found = connection.execute(
        _ENTRY.where(_condition(selection), outgoing_recipients.c.id > after)
        .order_by(outgoing_recipients.c.id).limit(limit))
    return [_entry(row) for row in found]


def latest_txn(connection: Connection, selection: Selection, limit: int, before: int | None) -> list[Entry]:
    """The same from the newest one back, with ids below `before`."""
    wanted = _condition(selection)
    if before is not None:
        wanted &= outgoing_recipients.c.id < before
    if selection.states == (State.FAILED,):
        # the index of bounces is a small one
        wanted &= outgoing_recipients.c.bounce != literal_column("''")
    found = connection.execute(_ENTRY.where(wanted).order_by(outgoing_recipients.c.id.desc()).limit(limit))
    return [_entry(row) for row in found]


def recipients_since_txn(connection: Connection, account_id: int, since: int) -> int:
    """How many recipients an account has written to since a time."""
    count: int = connection.execute(
        select(func.count()).select_from(outgoing_recipients)
        .join(outgoing, outgoing.c.id == outgoing_recipients.c.message_id)
        .where(outgoing.c.account_id == account_id, outgoing.c.created >= since)).scalar_one()
    return count


def _entry(row: AnyRow) -> Entry:
    recipient = QueuedRecipient(
        row.id, row.message_id, row.address, row.destination, State(row.state), row.due, row.attempts, row.changed,
        row.code, row.status, row.answer, row.bounce)
    return Entry(recipient, OutgoingMessage(
        **{column.name: getattr(row, f"m_{column.name}") for column in MESSAGE_COLUMNS}))


def history_txn(connection: Connection, recipient_id: int) -> list[Attempt]:
    """All attempts for a recipient, the first one first."""
    rows = connection.execute(
        select(attempts).where(attempts.c.recipient_id == recipient_id).order_by(attempts.c.id))
    return [
        Attempt(row.at, row.milliseconds, row.host, row.address, row.source, row.tls, row.step, row.code, row.status,
                row.answer, row.maybe_sent)
        for row in rows
    ]


def named_txn(connection: Connection, header_id: str, limit: int) -> list[str]:
    """Ids of messages with this Message-ID, the newest ones."""
    rows = connection.execute(
        select(outgoing.c.id).where(outgoing.c.header_id == header_id).order_by(outgoing.c.id.desc()).limit(limit))
    return list(rows.scalars())[::-1]


def counts_txn(connection: Connection, limit: int) -> list[DestinationCount]:
    """How much waits for each destination, the fullest first."""
    found = outgoing_recipients.c

    def number_of(state: State) -> ColumnElement[int]:
        return func.count().filter(found.state == state.value)

    rows = connection.execute(
        select(found.destination, number_of(State.DUE), number_of(State.LEASED), number_of(State.HELD),
               func.min(outgoing.c.created))
        .join_from(outgoing_recipients, outgoing, outgoing.c.id == found.message_id)
        .where(found.state.in_([State.DUE.value, State.LEASED.value, State.HELD.value]))
        .group_by(found.destination).order_by(func.count().desc(), found.destination).limit(limit))
    return [DestinationCount(*row) for row in rows]


def totals_txn(connection: Connection) -> dict[str, int]:
    """How many recipients are in each state, those that are remembered included."""
    found = outgoing_recipients.c
    rows = connection.execute(select(found.state, func.count()).group_by(found.state))
    counted = {state.value: 0 for state in State}
    return counted | dict(map(tuple, rows))


def change_txn(transaction: Transaction, selection: Selection, state: State) -> tuple[int, list[str]]:
    """Hold, release (`DUE`: at once) or delete what is selected, unless it is just being tried.

    How many recipients that were, and the ids of messages that have nobody left to go to.
    """
    connection = transaction.connection
    found = outgoing_recipients.c
    movable = [State.DUE.value, State.HELD.value]
    rows = connection.execute(
        select(found.id, found.message_id)
        .join_from(outgoing_recipients, outgoing, outgoing.c.id == found.message_id)
        .where(_condition(selection), found.state.in_(movable))
    ).all()
    now = int(time.time())
    for start in range(0, len(rows), 500):
        ids = [row.id for row in rows[start : start + 500]]
        connection.execute(
            update(outgoing_recipients).where(found.id.in_(ids))
            .values(state=state.value, due=AT_ONCE if state is State.DUE else outgoing_recipients.c.due, changed=now))
    if state.open:
        return len(rows), []
    counts = Counter(row.message_id for row in rows)
    return len(rows), [message_id for message_id, count in counts.items() if finish_txn(connection, message_id, count)]


def _condition(selection: Selection) -> ColumnElement[bool]:
    found = outgoing_recipients.c
    wanted: list[ColumnElement[bool]] = [found.state.in_([state.value for state in selection.states])]
    if selection.message_id:
        wanted.append(found.message_id == selection.message_id)
    if selection.sender:
        wanted.append(_address(outgoing.c.sender, selection.sender))
    if selection.recipient:
        wanted.append(_address(found.address, selection.recipient))
    if selection.destination:
        wanted.append(found.destination == selection.destination)
    if selection.created_before:
        wanted.append(outgoing.c.created < selection.created_before)
    if selection.account_id is not None:
        wanted.append(outgoing.c.account_id == selection.account_id)
    if selection.changed_since:
        wanted.append(found.changed >= selection.changed_since)
    if selection.bounce:
        wanted.append(found.bounce == selection.bounce)
    return and_(*wanted)


def _address(column: ColumnElement[str], wanted: str) -> ColumnElement[bool]:
    if wanted.startswith("@"):
        return func.lower(column).endswith(wanted.lower(), autoescape=True)
    return func.lower(column) == wanted.lower()
