"""Messages lose their rows: tombstones stay for QRESYNC, files are taken away after the commit."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, Connection, bindparam, delete, insert, literal_column, select, update

from quantummail.store.bundles import drop_txn
from quantummail.store.errors import NoSuchMailbox
from quantummail.store.flags import DELETED, SEEN
from quantummail.store.prepared import Prepared
from quantummail.store.tables import accounts, contents, mailboxes, messages, removals, tombstones
from quantummail.store.transaction import Transaction
from quantummail.store.uids import IN_PAGE, IN_RANGE, PAGE, conditions

# Clients that come back after more expunges than this compare all UIDs (RFC 7162 5.3 allows to forget)
KEPT_TOMBSTONES = 20_000

_Doomed = tuple[int, int, int, str]
"""UID, flags, size, e-mail id."""
_IN_MAILBOX = (messages.c.account_id == bindparam("account")) & (messages.c.mailbox_id == bindparam("box"))
_CHOSEN = (
    select(messages.c.uid, messages.c.flags, messages.c.size, messages.c.email_id)
    .where(_IN_MAILBOX)
    .order_by(messages.c.uid)
)
_ALL = Prepared(_CHOSEN)
_ALL_DELETED = Prepared(_CHOSEN.where(
    messages.c.flags.op("&")(literal_column(str(DELETED))) != literal_column("0")))
# built once: composing a statement costs more than running it
_FIND = {condition: _CHOSEN.where(condition) for condition in (IN_RANGE, IN_PAGE)}
_BURY = {
    condition: insert(tombstones).from_select(
        ["account_id", "mailbox_id", "modseq", "uid"],
        select(
            messages.c.account_id, messages.c.mailbox_id, bindparam("new_modseq", type_=BigInteger), messages.c.uid
        ).where(_IN_MAILBOX, condition),
    )
    for condition in (IN_RANGE, IN_PAGE)
}
_TAKE_AWAY = {
    condition: insert(removals).from_select(
        ["account_id", "directory", "file", "on_disk"],
        select(messages.c.account_id, mailboxes.c.directory, messages.c.file, messages.c.on_disk)
        .join_from(messages, mailboxes, messages.c.mailbox_id == mailboxes.c.id)
        .where(_IN_MAILBOX, condition),
    )
    for condition in (IN_RANGE, IN_PAGE)
}
_FORGET = delete(contents).where(
    contents.c.account_id == bindparam("account"),
    contents.c.email_id.in_(bindparam("email_ids", expanding=True)),
    # a column that the index on e-mail ids has: asked for all columns, SQLite walks through the account's messages
    ~select(messages.c.email_id)
    .where(messages.c.account_id == bindparam("account"), messages.c.email_id == contents.c.email_id)
    .exists(),
)
_DELETE = {condition: delete(messages).where(_IN_MAILBOX, condition) for condition in (IN_RANGE, IN_PAGE)}


def remove_txn(
    transaction: Transaction,
    account_id: int,
    mailbox_id: int,
    uids: Sequence[int] | None,
    *,
    only_deleted: bool = False,
    keep_contents: bool = False,
    keep_files: bool = False,
    email_ids: list[str] | None = None,
) -> tuple[int, ...]:
    """Remove messages (all of the mailbox if `uids` is None), or only those flagged \\Deleted. The UIDs removed.

    Their EMAILIDs are put into `email_ids`, if it is given.

    A move keeps the contents: their new rows come in the same transaction. Files that are gone already are not to be
    taken away should they come back.
    """
    connection = transaction.connection
    box = connection.execute(
        select(mailboxes.c.directory, mailboxes.c.highestmodseq, mailboxes.c.deleted, mailboxes.c.tombstones)
        .where(mailboxes.c.id == mailbox_id, mailboxes.c.account_id == account_id)
    ).one_or_none()
    if box is None:
        raise NoSuchMailbox("the mailbox does not exist (any more)")
    if only_deleted and not box.deleted:
        # CLOSE and EXPUNGE are said often, and rarely find something
        return ()
    doomed = _doomed_txn(connection, account_id, mailbox_id, uids, only_deleted)
    if not doomed:
        return ()
    modseq = box.highestmodseq + 1
    key = {"account_id": account_id, "mailbox_id": mailbox_id}
    gone = [one[0] for one in doomed]
    if email_ids is not None:
        email_ids[:] = [one[3] for one in doomed]
    drop_txn(transaction, account_id, mailbox_id, gone)
    for condition, parameters in conditions(gone):
        values = {**parameters, "account": account_id, "box": mailbox_id, "new_modseq": modseq}
        connection.execute(_BURY[condition], values)
        if not keep_files:
            connection.execute(_TAKE_AWAY[condition], values)
        connection.execute(_DELETE[condition], values)
    _bury_txn(transaction, key, modseq, box.tombstones + len(doomed))
    if not keep_contents:
        _forget_contents_txn(transaction, account_id, [one[3] for one in doomed])
    _count_down_txn(transaction, account_id, mailbox_id, modseq, doomed)
    transaction.changed(mailbox_id, modseq)
    return tuple(gone)


def _doomed_txn(
    connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int] | None, only_deleted: bool
) -> list[_Doomed]:
    key = {"account": account_id, "box": mailbox_id}
    if uids is None:
        return (_ALL_DELETED if only_deleted else _ALL).tuples(connection, key)
    doomed: list[_Doomed] = []
    for condition, parameters in conditions(uids):
        doomed += [
            (one[0], one[1], one[2], one[3]) for one in connection.execute(_FIND[condition], {**key, **parameters})
            if not only_deleted or one[1] & DELETED
        ]
    return doomed


def _forget_contents_txn(transaction: Transaction, account_id: int, email_ids: Sequence[str]) -> None:
    for start in range(0, len(email_ids), PAGE):
        page = email_ids[start : start + PAGE]
        transaction.connection.execute(_FORGET, {"account": account_id, "email_ids": page})


def _bury_txn(transaction: Transaction, key: dict[str, int], modseq: int, count: int) -> None:
    """Count tombstones, and give the oldest up when there are too many; never those of this mod-sequence."""
    connection = transaction.connection
    here = (tombstones.c.account_id == key["account_id"]) & (tombstones.c.mailbox_id == key["mailbox_id"])
    values = {"tombstones": count}
    if count > 2 * KEPT_TOMBSTONES:
        oldest_kept = connection.execute(
            select(tombstones.c.modseq).where(here).order_by(tombstones.c.modseq.desc())
            .offset(KEPT_TOMBSTONES - 1).limit(1)
        ).scalar_one()
        forgotten = min(oldest_kept, modseq) - 1
        gone = connection.execute(delete(tombstones).where(here, tombstones.c.modseq <= forgotten)).rowcount
        values = {"tombstones": count - gone}
        if gone:
            values["forgotten_modseq"] = forgotten
    connection.execute(update(mailboxes).where(mailboxes.c.id == key["mailbox_id"]).values(values))


def _count_down_txn(
    transaction: Transaction, account_id: int, mailbox_id: int, modseq: int, doomed: Sequence[_Doomed]
) -> None:
    flags = [one[1] for one in doomed]
    size = sum([one[2] for one in doomed])
    transaction.connection.execute(
        update(mailboxes).where(mailboxes.c.id == mailbox_id).values(
            highestmodseq=modseq,
            messages=mailboxes.c.messages - len(doomed),
            unseen=mailboxes.c.unseen - sum([not each & SEEN for each in flags]),
            deleted=mailboxes.c.deleted - sum([bool(each & DELETED) for each in flags]),
            size=mailboxes.c.size - size,
        )
    )
    transaction.connection.execute(
        update(accounts).where(accounts.c.id == account_id).values(
            used_bytes=accounts.c.used_bytes - size, used_messages=accounts.c.used_messages - len(doomed)
        )
    )


def remove_all_txn(transaction: Transaction, account_id: int, mailbox_id: int) -> None:
    """Remove all messages of a mailbox that is about to be deleted, and what the account counts for them."""
    connection = transaction.connection
    here = (messages.c.account_id == account_id) & (messages.c.mailbox_id == mailbox_id)
    rows = connection.execute(select(messages.c.email_id, messages.c.size).where(here)).all()
    connection.execute(delete(messages).where(here))
    _forget_contents_txn(transaction, account_id, [row.email_id for row in rows])
    connection.execute(
        update(accounts).where(accounts.c.id == account_id).values(
            used_bytes=accounts.c.used_bytes - sum(row.size for row in rows),
            used_messages=accounts.c.used_messages - len(rows),
        )
    )
