"""Messages lose their rows: tombstones stay for QRESYNC, files are taken away after the commit."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, insert, select, update

from quantummail.store.bundles import drop_txn
from quantummail.store.errors import NoSuchMailbox
from quantummail.store.flags import DELETED, SEEN
from quantummail.store.prepared import Prepared
from quantummail.store.rows import AnyRow
from quantummail.store.tables import accounts, contents, mailboxes, messages, removals, tombstones
from quantummail.store.transaction import Transaction
from quantummail.store.uids import PAGE, conditions

# Clients that come back after more expunges than this compare all UIDs (RFC 7162 5.3 allows to forget)
KEPT_TOMBSTONES = 20_000

_BURY = Prepared(insert(tombstones), tombstones.c.keys())
_TAKE_AWAY = Prepared(insert(removals), ("account_id", "directory", "file", "on_disk"))


def remove_txn(
    transaction: Transaction,
    account_id: int,
    mailbox_id: int,
    uids: Sequence[int] | None,
    *,
    only_deleted: bool = False,
    keep_contents: bool = False,
    keep_files: bool = False,
) -> tuple[int, ...]:
    """Remove messages (all of the mailbox if `uids` is None), or only those flagged \\Deleted. The UIDs removed.

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
    query = select(
        messages.c.uid, messages.c.flags, messages.c.size, messages.c.email_id, messages.c.file, messages.c.on_disk
    ).where(messages.c.account_id == account_id, messages.c.mailbox_id == mailbox_id)
    if only_deleted:
        query = query.where(messages.c.flags.op("&")(DELETED) != 0)
    doomed: list[AnyRow] = []
    if uids is None:
        doomed += connection.execute(query.order_by(messages.c.uid))
    else:
        for condition, parameters in conditions(uids):
            doomed += connection.execute(query.where(condition).order_by(messages.c.uid), parameters)
    if not doomed:
        return ()
    modseq = box.highestmodseq + 1
    key = {"account_id": account_id, "mailbox_id": mailbox_id}
    _BURY.execute_many(connection, [{**key, "modseq": modseq, "uid": row.uid} for row in doomed])
    _bury_txn(transaction, key, modseq, box.tombstones + len(doomed))
    if not keep_files:
        _TAKE_AWAY.execute_many(connection, [
            {"account_id": account_id, "directory": box.directory, "file": row.file, "on_disk": row.on_disk}
            for row in doomed
        ])
    drop_txn(transaction, account_id, mailbox_id, [row.uid for row in doomed])
    for condition, parameters in conditions([row.uid for row in doomed]):
        connection.execute(
            delete(messages).where(
                messages.c.account_id == account_id, messages.c.mailbox_id == mailbox_id, condition
            ),
            parameters,
        )
    if not keep_contents:
        _forget_contents_txn(transaction, account_id, [row.email_id for row in doomed])
    _count_down_txn(transaction, account_id, mailbox_id, modseq, doomed)
    transaction.changed(mailbox_id, modseq)
    return tuple(row.uid for row in doomed)


def _forget_contents_txn(transaction: Transaction, account_id: int, email_ids: Sequence[str]) -> None:
    # a column that the index on e-mail ids has: asked for all columns, SQLite walks through the account's messages
    still_there = (
        select(messages.c.email_id)
        .where(messages.c.account_id == account_id, messages.c.email_id == contents.c.email_id)
        .exists()
    )
    for start in range(0, len(email_ids), PAGE):
        transaction.connection.execute(
            delete(contents).where(
                contents.c.account_id == account_id,
                contents.c.email_id.in_(email_ids[start : start + PAGE]),
                ~still_there,
            )
        )


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
    transaction: Transaction, account_id: int, mailbox_id: int, modseq: int, doomed: Sequence[AnyRow]
) -> None:
    size = sum(row.size for row in doomed)
    transaction.connection.execute(
        update(mailboxes).where(mailboxes.c.id == mailbox_id).values(
            highestmodseq=modseq,
            messages=mailboxes.c.messages - len(doomed),
            unseen=mailboxes.c.unseen - sum(not row.flags & SEEN for row in doomed),
            deleted=mailboxes.c.deleted - sum(bool(row.flags & DELETED) for row in doomed),
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
