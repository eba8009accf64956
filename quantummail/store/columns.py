"""Some columns of many messages, as plain sequences: what FETCH shows of thousands is not made into values first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, bindparam, select

from quantummail.store.prepared import Prepared
from quantummail.store.tables import contents, messages
from quantummail.store.uids import IN_PAGE, IN_RANGE

Columns = dict[str, Sequence[Any]]
"""Values by column name, in the order of UIDs. ``uid`` is always there."""

# So many rows are read for each that is wanted, rather than naming the wanted ones
_WASTE = 2

_IN_MAILBOX = (messages.c.account_id == bindparam("account")) & (messages.c.mailbox_id == bindparam("box"))
_WITH_CONTENTS = messages.outerjoin(
    contents, (contents.c.account_id == messages.c.account_id) & (contents.c.email_id == messages.c.email_id)
)
_RANGES: dict[tuple[str, ...], Prepared] = {}
_PAGES: dict[tuple[str, ...], Any] = {}


def columns_txn(
    connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int], names: tuple[str, ...]
) -> Columns:
    """Columns of `messages` and `contents` for at most 500 UIDs, which ascend; messages that are gone are missing.

    A message without contents has None in their columns.
    """
    names = ("uid", *[name for name in names if name != "uid"])
    key = {"account": account_id, "box": mailbox_id}
    if uids[-1] - uids[0] < _WASTE * len(uids):
        prepared = _RANGES.get(names)
        if prepared is None:
            prepared = _RANGES[names] = Prepared(_statement(names, IN_RANGE))
        rows = prepared.tuples(connection, {**key, "first_uid": uids[0], "last_uid": uids[-1]})
        if len(rows) > len(uids) or uids[-1] - uids[0] >= len(uids):
            wanted = set(uids)
            rows = [row for row in rows if row[0] in wanted]
    else:
        statement = _PAGES.get(names)
        if statement is None:
            statement = _PAGES[names] = _statement(names, IN_PAGE)
        rows = cast("list[tuple[Any, ...]]", connection.execute(statement, {**key, "uids": list(uids)}).all())
    return dict(zip(names, cast("Iterable[Sequence[Any]]", zip(*rows, strict=True)) if rows else [()] * len(names),
                    strict=True))


def _statement(names: Sequence[str], condition: ColumnElement[bool]) -> Any:
    chosen = [messages.c[name] if name in messages.c else contents.c[name] for name in names]
    statement = select(*chosen).where(_IN_MAILBOX, condition).order_by(messages.c.uid)
    if all(name in messages.c for name in names):
        return statement
    return statement.select_from(_WITH_CONTENTS)
