"""Flags of messages change (STORE): rows, counters, and what the caller must know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import ColumnElement, bindparam, select, update

from quantummail.store.errors import NoSuchMailbox
from quantummail.store.flags import DELETED, SEEN
from quantummail.store.keywords import keyword_mask_txn, keywords_txn
from quantummail.store.records import FlagChange, FlagState
from quantummail.store.rows import AnyRow
from quantummail.store.tables import mailboxes, messages
from quantummail.store.transaction import Transaction
from quantummail.store.uids import conditions

Operation = Literal["add", "remove", "replace"]

_NEW_FLAGS: ColumnElement[int] = messages.c.flags.op("&")(bindparam("keep")).op("|")(bindparam("put"))


def set_flags_txn(
    transaction: Transaction,
    account_id: int,
    mailbox_id: int,
    uids: Sequence[int],
    operation: Operation,
    flags: int,
    keywords: Sequence[str],
    unchanged_since: int | None,
) -> FlagChange:
    """Change flags of messages; one new mod-sequence for all whose flags really change."""
    connection = transaction.connection
    box = connection.execute(
        select(mailboxes.c.highestmodseq)
        .where(mailboxes.c.id == mailbox_id, mailboxes.c.account_id == account_id)
    ).one_or_none()
    if box is None:
        raise NoSuchMailbox("the mailbox does not exist (any more)")
    rows: list[AnyRow] = []
    query = (
        select(messages.c.uid, messages.c.modseq, messages.c.flags)
        .where(messages.c.account_id == account_id, messages.c.mailbox_id == mailbox_id)
        .order_by(messages.c.uid)
    )
    for condition, parameters in conditions(uids):
        rows += connection.execute(query.where(condition), parameters)
    modified = tuple(
        row.uid for row in rows if unchanged_since is not None and row.modseq > unchanged_since
    )
    if modified:
        rows = [row for row in rows if row.modseq <= (unchanged_since or 0)]
    # a keyword is made for messages that are there, not for a STORE that fails
    mask = flags | keyword_mask_txn(
        transaction, account_id, mailbox_id, keywords, create=operation != "remove" and bool(rows)
    )
    keep, put = {"add": (-1, mask), "remove": (~mask, 0), "replace": (0, mask)}[operation]
    changing = [row.uid for row in rows if (row.flags & keep) | put != row.flags]
    modseq = box.highestmodseq
    if changing:
        modseq += 1
        _update_txn(transaction, account_id, mailbox_id, changing, keep, put, modseq)
        _count_txn(transaction, mailbox_id, modseq, rows, keep, put)
        transaction.changed(mailbox_id, modseq)
    changed = tuple(
        FlagState(row.uid, modseq, new) if (new := (row.flags & keep) | put) != row.flags
        else FlagState(row.uid, row.modseq, row.flags)
        for row in rows
    )
    return FlagChange(changed, modified, keywords_txn(connection, account_id, mailbox_id))


def _update_txn(
    transaction: Transaction, account_id: int, mailbox_id: int, uids: Sequence[int], keep: int, put: int, modseq: int
) -> None:
    statement = update(messages).where(
        messages.c.account_id == account_id, messages.c.mailbox_id == mailbox_id
    ).values(
        flags=_NEW_FLAGS, modseq=bindparam("new_modseq"),
        # whether the file's name has to change is for `store.mirror` to find out: it knows the letters of keywords
        stale=True,
    )
    for condition, parameters in conditions(uids):
        transaction.connection.execute(
            statement.where(condition), {**parameters, "keep": keep, "put": put, "new_modseq": modseq}
        )


def _count_txn(
    transaction: Transaction, mailbox_id: int, modseq: int, rows: Sequence[AnyRow], keep: int, put: int
) -> None:
    unseen = deleted = 0
    for row in rows:
        new = (row.flags & keep) | put
        unseen += (not new & SEEN) - (not row.flags & SEEN)
        deleted += bool(new & DELETED) - bool(row.flags & DELETED)
    transaction.connection.execute(
        update(mailboxes).where(mailboxes.c.id == mailbox_id).values(
            highestmodseq=modseq, unseen=mailboxes.c.unseen + unseen, deleted=mailboxes.c.deleted + deleted
        )
    )
