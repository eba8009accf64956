"""Rows of messages as plain tuples, with any of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

from sqlalchemy import ColumnElement, Connection, Row, bindparam, select

from quantummail.store.prepared import Prepared
from quantummail.store.tables import contents, messages
from quantummail.store.uids import IN_PAGE, IN_RANGE

AnyRow: TypeAlias = Row[*tuple[Any, ...]]
"""The type of rows with any columns."""

# So many rows are read for each that is wanted, rather than naming the wanted ones
_WASTE = 2

_IN_MAILBOX = (messages.c.account_id == bindparam("account")) & (messages.c.mailbox_id == bindparam("box"))
_WITH_CONTENTS = messages.outerjoin(
    contents, (contents.c.account_id == messages.c.account_id) & (contents.c.email_id == messages.c.email_id)
)
_BETWEEN: dict[tuple[str, ...], Prepared] = {}
_AMONG: dict[tuple[str, ...], Any] = {}


def rows_between(
    connection: Connection, account_id: int, mailbox_id: int, first: int, last: int, names: tuple[str, ...]
) -> list[tuple[Any, ...]]:
    """Columns of `messages` and `contents` by name, in the order of UIDs; None where a message has no contents."""
    prepared = _BETWEEN.get(names)
    if prepared is None:
        prepared = _BETWEEN[names] = Prepared(_statement(names, IN_RANGE))
    return prepared.tuples(
        connection, {"account": account_id, "box": mailbox_id, "first_uid": first, "last_uid": last})


def rows_among(
    connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int], names: tuple[str, ...]
) -> list[tuple[Any, ...]]:
    """The same for a page of UIDs, which ascend; `names` begins with ``uid``."""
    if uids[-1] - uids[0] < _WASTE * len(uids):
        rows = rows_between(connection, account_id, mailbox_id, uids[0], uids[-1], names)
        if uids[-1] - uids[0] < len(uids):
            return rows
        wanted = set(uids)
        return [row for row in rows if row[0] in wanted]
    statement = _AMONG.get(names)
    if statement is None:
        statement = _AMONG[names] = _statement(names, IN_PAGE)
    key = {"account": account_id, "box": mailbox_id, "uids": list(uids)}
    return cast("list[tuple[Any, ...]]", connection.execute(statement, key).all())


def _statement(names: Sequence[str], condition: ColumnElement[bool]) -> Any:
    chosen = [messages.c[name] if name in messages.c else contents.c[name] for name in names]
    statement = select(*chosen).where(_IN_MAILBOX, condition).order_by(messages.c.uid)
    if all(name in messages.c for name in names):
        return statement
    return statement.select_from(_WITH_CONTENTS)
