"""Messages by the range that a value of their row is in."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select

from quantummail.store.prepared import Prepared
from quantummail.store.tables import messages

# Numbers of 64 bits are what databases take
_LOWEST, _HIGHEST = -(1 << 63), (1 << 63) - 1
_IN_RANGE = {
    column.name: Prepared(
        select(messages.c.uid).where(
            messages.c.account_id == bindparam("account"), messages.c.mailbox_id == bindparam("box"),
            column.between(bindparam("lowest"), bindparam("highest"))))
    for column in (messages.c.internal_date, messages.c.save_date, messages.c.size)
}


def in_range_txn(
    connection: Connection, account_id: int, mailbox_id: int, column: str, first: int, last: int
) -> set[int]:
    """The UIDs of the messages whose column is between two values, both included."""
    return {uid for uid, in _IN_RANGE[column].tuples(connection, {
        "account": account_id, "box": mailbox_id, "lowest": max(first, _LOWEST), "highest": min(last, _HIGHEST)})}
