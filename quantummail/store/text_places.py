"""Where the messages are whose texts are indexed: UIDs and EMAILIDs, in both directions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from quantummail.store.prepared import Prepared
from quantummail.store.tables import accounts, contents, mailboxes, messages, tombstones
from quantummail.store.uids import PAGE, conditions

_IN_MAILBOX = (messages.c.account_id == bindparam("account")) & (messages.c.mailbox_id == bindparam("box"))
_PLACES = select(messages.c.uid, messages.c.email_id).where(_IN_MAILBOX).order_by(messages.c.uid)
_ALL_PLACES = Prepared(_PLACES)
_PLACES_BETWEEN = Prepared(_PLACES.where(messages.c.uid.between(bindparam("first"), bindparam("last"))))
_BY_EMAIL_ID = select(messages.c.uid, messages.c.email_id).where(
    _IN_MAILBOX, messages.c.email_id.in_(bindparam("email_ids", expanding=True)))
# Each lookup by EMAILID costs as much as walking over so many messages
LOOKUP = 8


@dataclass(frozen=True, slots=True)
class Page:
    """Some messages of a mailbox, from a UID on."""

    account_id: int
    uidnext: int
    uids: list[int]
    email_ids: list[str]


@dataclass(frozen=True, slots=True)
class Box:
    """What tells whether a mailbox has changed."""

    id: int
    account_id: int
    uidnext: int
    buried: int
    """The mod-sequence of the last removal that is remembered."""


def accounts_txn(connection: Connection) -> list[int]:
    """All accounts."""
    return list(connection.execute(select(accounts.c.id)).scalars())


def boxes_txn(connection: Connection) -> list[Box]:
    """All mailboxes."""
    buried = (
        select(func.max(tombstones.c.modseq))
        .where(tombstones.c.account_id == mailboxes.c.account_id, tombstones.c.mailbox_id == mailboxes.c.id)
        .scalar_subquery()
    )
    rows = connection.execute(select(mailboxes.c.id, mailboxes.c.account_id, mailboxes.c.uidnext, buried))
    return [Box(box, account, uidnext, last or 0) for box, account, uidnext, last in rows]


def page_txn(connection: Connection, mailbox_id: int, first: int, limit: int) -> Page | None:
    """The messages of a mailbox from a UID on; None if it is gone."""
    box = connection.execute(
        select(mailboxes.c.account_id, mailboxes.c.uidnext).where(mailboxes.c.id == mailbox_id)).one_or_none()
    if box is None:
        return None
    rows = connection.execute(
        _PLACES.where(messages.c.uid >= first).limit(limit), {"account": box.account_id, "box": mailbox_id}).all()
    return Page(box.account_id, box.uidnext, [row[0] for row in rows], [row[1] for row in rows])


def contents_txn(connection: Connection, account_id: int, email_ids: Sequence[str]) -> set[str]:
    """Those of the messages that the account still has."""
    return set(connection.execute(
        select(contents.c.email_id).where(contents.c.account_id == account_id, contents.c.email_id.in_(email_ids))
    ).scalars())


def email_ids_txn(
    connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int]
) -> dict[int, str]:
    """UIDs with their EMAILIDs."""
    key = {"account": account_id, "box": mailbox_id}
    if uids and uids[-1] - uids[0] < len(uids) * LOOKUP:
        # a walk over all that is between
        wanted = set(uids)
        places = _PLACES_BETWEEN.each(connection, {**key, "first": uids[0], "last": uids[-1]})
        return {uid: email_id for uid, email_id in places if uid in wanted}
    found: dict[int, str] = {}
    for condition, parameters in conditions(uids):
        found.update((uid, email_id) for uid, email_id in
                     connection.execute(_PLACES.where(condition), {**key, **parameters}))
    return found


def uids_txn(
    connection: Connection, account_id: int, mailbox_id: int, email_ids: Collection[str], exists: int
) -> set[int]:
    """The UIDs of messages in a mailbox, which has about `exists`."""
    key = {"account": account_id, "box": mailbox_id}
    if len(email_ids) * LOOKUP > exists:
        wanted = set(email_ids)
        return {uid for uid, email_id in _ALL_PLACES.each(connection, key) if email_id in wanted}
    ids = list(email_ids)
    found: set[int] = set()
    for start in range(0, len(ids), PAGE):
        found.update(uid for uid, _ in connection.execute(
            _BY_EMAIL_ID, {**key, "email_ids": ids[start : start + PAGE]}))
    return found
