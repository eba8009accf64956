"""Flags of messages change (STORE): rows, counters, and what the caller must know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import ColumnElement, Connection, bindparam, literal_column, select, update

from quantummail.store.errors import NoSuchMailbox
from quantummail.store.flags import DELETED, SEEN
from quantummail.store.keywords import keyword_mask_txn, keywords_txn
from quantummail.store.prepared import Prepared
from quantummail.store.records import FlagChange, FlagState
from quantummail.store.rights import may_set_keywords
from quantummail.store.rows import rows_among
from quantummail.store.tables import mailboxes, messages
from quantummail.store.transaction import Transaction
from quantummail.store.uids import IN_PAGE, IN_RANGE, conditions

Operation = Literal["add", "remove", "replace"]

_Row = tuple[int, int, int]
"""UID, mod-sequence, flags."""
_NEW_FLAGS: ColumnElement[int] = messages.c.flags.op("&")(bindparam("keep")).op("|")(bindparam("put"))
_IN_MAILBOX = (messages.c.account_id == bindparam("account")) & (messages.c.mailbox_id == bindparam("box"))
_MODSEQ = Prepared(
    select(mailboxes.c.highestmodseq)
    .where(mailboxes.c.id == bindparam("box"), mailboxes.c.account_id == bindparam("account"))
)
# whether the file's name has to change is for `store.mirror` to find out: it knows the letters of keywords
_UPDATE = update(messages).where(_IN_MAILBOX).values(
    flags=_NEW_FLAGS, modseq=bindparam("new_modseq"), stale=literal_column("TRUE"))
_UPDATE_RANGE, _UPDATE_PAGE = Prepared(_UPDATE.where(IN_RANGE)), _UPDATE.where(IN_PAGE)
_COUNT = Prepared(update(mailboxes).where(mailboxes.c.id == bindparam("box")).values(
    highestmodseq=bindparam("new_modseq"), unseen=mailboxes.c.unseen + bindparam("more_unseen"),
    deleted=mailboxes.c.deleted + bindparam("more_deleted"),
))
_COLUMNS = ("uid", "modseq", "flags")
# UIDs that are looked up at once
_MANY = 1000


def set_flags_txn(
    transaction: Transaction,
    account_id: int,
    mailbox_id: int,
    uids: Sequence[int],
    operation: Operation,
    flags: int,
    keywords: Sequence[str],
    unchanged_since: int | None,
    within: int = -1,
) -> FlagChange:
    """Change flags of messages, of these bits (`within`) only; one new mod-sequence for all that really change."""
    connection = transaction.connection
    key = {"account": account_id, "box": mailbox_id}
    modseq: int | None = _MODSEQ.execute(connection, key).scalar()
    if modseq is None:
        raise NoSuchMailbox("the mailbox does not exist (any more)")
    rows: list[_Row] = []
    for start in range(0, len(uids), _MANY):
        page = uids[start : start + _MANY]
        rows += [(row[0], row[1], row[2]) for row in rows_among(connection, account_id, mailbox_id, page, _COLUMNS)]
    modified: tuple[int, ...] = ()
    if unchanged_since is not None:
        modified = tuple(uid for uid, changed_at, _ in rows if changed_at > unchanged_since)
        rows = [row for row in rows if row[1] <= unchanged_since]
    mask = flags
    if keywords and may_set_keywords(within):
        # a keyword is made for messages that are there, not for a STORE that fails
        mask |= keyword_mask_txn(
            transaction, account_id, mailbox_id, keywords, create=operation != "remove" and bool(rows))
    mask &= within
    keep, put = {"add": (-1, mask), "remove": (~mask, 0), "replace": (~within, mask)}[operation]
    changing = [uid for uid, _, old in rows if old & keep | put != old]
    if changing:
        modseq += 1
        _update_txn(connection, key, changing, {"keep": keep, "put": put, "new_modseq": modseq})
        _count_txn(connection, mailbox_id, modseq, rows, keep, put)
        transaction.changed(mailbox_id, modseq)
    changed = tuple([
        FlagState(uid, modseq, new) if (new := old & keep | put) != old else FlagState(uid, changed_at, old)
        for uid, changed_at, old in rows
    ])
    return FlagChange(changed, modified, keywords_txn(connection, account_id, mailbox_id))


def _update_txn(connection: Connection, key: dict[str, int], uids: Sequence[int], values: dict[str, int]) -> None:
    for condition, parameters in conditions(uids):
        if condition is IN_RANGE:
            _UPDATE_RANGE.execute(connection, {**key, **values, **parameters})
        else:
            connection.execute(_UPDATE_PAGE, {**key, **values, **parameters})


def _count_txn(
    connection: Connection, mailbox_id: int, modseq: int, rows: Sequence[_Row], keep: int, put: int
) -> None:
    unseen = deleted = 0
    for _, _, old in rows:
        new = old & keep | put
        unseen += (not new & SEEN) - (not old & SEEN)
        deleted += bool(new & DELETED) - bool(old & DELETED)
    _COUNT.execute(connection, {
        "box": mailbox_id, "new_modseq": modseq, "more_unseen": unseen, "more_deleted": deleted})
