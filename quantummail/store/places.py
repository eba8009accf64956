"""Where messages are now, by the id that they came with: of all accounts, for whoever looks after the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from quantummail.store.flags import SEEN
from quantummail.store.tables import accounts, mailboxes, messages


@dataclass(frozen=True, slots=True)
class Place:
    """A message in a mailbox."""

    email_id: str
    account: str
    mailbox: str
    uid: int
    seen: bool


def places_txn(connection: Connection, email_ids: Sequence[str]) -> list[Place]:
    """All mailboxes that have messages with these EMAILIDs."""
    rows = connection.execute(
        select(messages.c.email_id, accounts.c.address, mailboxes.c.name, messages.c.uid, messages.c.flags)
        .join_from(messages, accounts, accounts.c.id == messages.c.account_id)
        .join(mailboxes, mailboxes.c.id == messages.c.mailbox_id)
        # the index begins with the account
        .where(messages.c.account_id.in_(select(accounts.c.id)), messages.c.email_id.in_(email_ids))
        .order_by(accounts.c.address, mailboxes.c.name, messages.c.uid))
    return [Place(row.email_id, row.address, row.name, row.uid, bool(row.flags & SEEN)) for row in rows]


def mailbox_names_txn(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """The account and the name of mailboxes, as far as they are there."""
    rows = connection.execute(
        select(mailboxes.c.id, accounts.c.address, mailboxes.c.name)
        .join_from(mailboxes, accounts, accounts.c.id == mailboxes.c.account_id)
        .where(mailboxes.c.id.in_(ids)))
    return {row.id: (row.address, row.name) for row in rows}
