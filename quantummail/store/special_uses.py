"""What mailboxes are for (RFC 6154), given to mailboxes that are there."""

from __future__ import annotations

import os

from sqlalchemy import select, update

from quantummail.store import usefile
from quantummail.store.errors import NoSuchMailbox, Unavailable
from quantummail.store.rows import AnyRow
from quantummail.store.tables import mailboxes
from quantummail.store.transaction import Transaction


def set_special_use_txn(
    transaction: Transaction, root: str, account_id: int, mailbox_id: int, use: str
) -> list[int]:
    """Give a mailbox a special use, or none; the mailboxes that have lost it to this one (RFC 6154 5.4)."""
    connection = transaction.connection
    of_account = select(
        mailboxes.c.id, mailboxes.c.name, mailboxes.c.directory, mailboxes.c.special_use
    ).where(mailboxes.c.account_id == account_id)
    box = connection.execute(of_account.where(mailboxes.c.id == mailbox_id)).one_or_none()
    if box is None:
        raise NoSuchMailbox("the mailbox does not exist (any more)")
    losers: list[AnyRow] = []
    if use:
        losers += connection.execute(
            of_account.where(mailboxes.c.special_use == use, mailboxes.c.id != mailbox_id))
    for loser in losers:
        _set_txn(transaction, root, loser, "")
    if box.special_use != use:
        _set_txn(transaction, root, box, use)
    return [loser.id for loser in losers]


def _set_txn(transaction: Transaction, root: str, box: AnyRow, use: str) -> None:
    directory = os.path.join(root, box.directory)
    try:
        before = usefile.change(directory, box.name, use)
    except OSError as error:
        raise Unavailable(f"the use of the mailbox cannot be kept: {error.strerror}") from error
    transaction.undo.append(lambda: usefile.put(directory, before))
    transaction.connection.execute(
        update(mailboxes).where(mailboxes.c.id == box.id).values(special_use=use))


