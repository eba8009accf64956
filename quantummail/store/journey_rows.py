"""Rows of the journey: written in batches, found by id, by Message-ID, by sender. Blocking; runs in transactions."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from quantummail.store.prepared import Prepared
from quantummail.store.rows import AnyRow
from quantummail.store.tables import journey
from quantummail.store.transaction import Transaction

NOBODY = "<>"
"""The null reverse-path, where an empty sender means that the stage has none."""
_DAY = 86400
# Days that are looked into; the newest ones
_MOST_DAYS = 400
ARRIVALS = ("received", "appended")
"""Stages by which mail comes to us."""
_NEW = Prepared(insert(journey), [key for key in journey.c.keys() if key != "id"])  # noqa: SIM118  # a collection of columns


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a message's life."""

    at: int
    message_id: str
    """Our own id: of the transaction, the queue, EMAILID."""
    stage: str
    """What happened: received, appended, read, removed, made, handed on, told, reported ... Others may come."""
    verdict: str
    """How it went: accepted, refused, deferred ...; empty where nothing was decided."""
    detail: Mapping[str, Any]
    """What else is known, fit for JSON."""
    sender: str = ""
    header_id: str = ""
    """Message-ID, with its angle brackets."""
    id: int = field(default=0, compare=False)


def write_txn(transaction: Transaction, batches: Sequence[Sequence[Step]]) -> list[int]:
    """Add batches of steps; how many each had."""
    rows = [
        {
            "at": one.at, "message_id": one.message_id, "stage": one.stage, "verdict": one.verdict,
            "sender": one.sender, "header_id": one.header_id, "sender_key": _key(one.sender, one.at // _DAY),
            "header_key": _key(one.header_id, one.at // _DAY),
            "detail": json.dumps(one.detail, ensure_ascii=False, separators=(",", ":")),
        }
        for batch in batches for one in batch
    ]
    if rows:
        _NEW.execute_many(transaction.connection, rows)
    return [len(batch) for batch in batches]


def _key(value: str, day: int) -> int | None:
    return day << 32 | crc32(value.encode("utf-8", "surrogatepass")) if value else None


def _is(value: ColumnElement[str], key: ColumnElement[int], wanted: str, days: range) -> ColumnElement[bool]:
    """Whether a column has a value, on one of these days."""
    return key.in_([_key(wanted, day) for day in days]) & (value == wanted)


def _days(since: int, until: int) -> range:
    return range(max(since // _DAY, until // _DAY - _MOST_DAYS), until // _DAY + 1)


def _first_since_txn(connection: Connection, since: int) -> int:
    """The id from which on steps are from a time on: steps are noted in the order of time."""
    low, high = 0, (connection.execute(select(func.max(journey.c.id))).scalar() or 0) + 1
    while low < high:
        middle = (low + high) // 2
        found = connection.execute(
            select(journey.c.id, journey.c.at).where(journey.c.id >= middle).order_by(journey.c.id).limit(1)).first()
        if found is None or found.at >= since:
            high = middle
        else:
            low = found.id + 1
    return low


def steps_txn(connection: Connection, message_ids: Sequence[str]) -> list[Step]:
    """Everything about these messages, in the order in which it was noted."""
    return _steps(connection, journey.c.message_id.in_(message_ids), 10_000)


def named_txn(connection: Connection, header_id: str, limit: int) -> list[str]:
    """Messages that came with this Message-ID, the newest ones."""
    first, last = [
        connection.execute(select(journey.c.at).order_by(order).limit(1)).scalar()
        for order in (journey.c.id, journey.c.id.desc())
    ]
    if first is None or last is None:
        return []
    # a day on both sides: the clock may have been set meanwhile
    days = _days(min(first, last) - _DAY, max(first, last) + _DAY)
    return _ids(connection, _is(journey.c.header_id, journey.c.header_key, header_id, days), limit)


def between_txn(
    connection: Connection, sender: str, recipient: str, since: int, until: int, limit: int
) -> list[str]:
    """Messages that came from a sender to a recipient; ``*`` for anybody. The newest ones.

    Recipients are looked for in the details of rows of the sender, or of the time.
    """
    found = journey.c
    until = min(until, int(time.time()) + _DAY)
    wanted: list[ColumnElement[bool]] = [found.at >= since, found.at < until, found.sender != ""]
    if sender != "*":
        wanted.append(_is(found.sender, found.sender_key, sender or NOBODY, _days(since, until)))
    else:
        wanted.append(found.id >= _first_since_txn(connection, since))
    if recipient != "*":
        quoted = json.dumps(recipient, ensure_ascii=False)
        wanted.append(func.lower(found.detail).contains(quoted.lower(), autoescape=True))
    condition = wanted[0]
    for one in wanted[1:]:
        condition = condition & one
    return _ids(connection, condition, limit)


def _ids(connection: Connection, condition: ColumnElement[bool], limit: int) -> list[str]:
    rows = connection.execute(
        select(journey.c.message_id).where(condition).order_by(journey.c.id.desc()).limit(limit)).scalars()
    return list(dict.fromkeys(rows))[::-1]


def arrivals_txn(connection: Connection, since: int, after: int, limit: int) -> list[Step]:
    """What came, in the order of its coming, from a time on and with ids above `after`."""
    found = journey.c
    if since:
        after = max(after, _first_since_txn(connection, since) - 1)
    return _steps(
        connection, found.stage.in_(ARRIVALS) & (found.at >= since) & (found.id > after), limit)


def _steps(connection: Connection, condition: ColumnElement[bool], limit: int) -> list[Step]:
    rows = connection.execute(select(journey).where(condition).order_by(journey.c.id).limit(limit))
    return [_step(row) for row in rows]


def _step(row: AnyRow) -> Step:
    return Step(row.at, row.message_id, row.stage, row.verdict, json.loads(row.detail), row.sender, row.header_id,
                row.id)


def purge_txn(transaction: Transaction, before: int, limit: int) -> int:
    """Forget the oldest steps, as far as they are from before a time; how many."""
    connection = transaction.connection
    # in the order in which they were noted: no index on the time for this alone
    oldest = select(journey.c.id, journey.c.at).order_by(journey.c.id).limit(limit).subquery()
    last = connection.execute(select(func.max(oldest.c.id)).where(oldest.c.at < before)).scalar()
    if last is None:
        return 0
    return connection.execute(delete(journey).where(journey.c.id <= last)).rowcount
