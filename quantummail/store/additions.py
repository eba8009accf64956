"""Messages get their rows: UIDs and mod-sequences are given out, counters and quotas kept, all in one transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, text, update

from quantummail.store.errors import NoSuchMailbox, OverQuota, StoreError, Unavailable
from quantummail.store.flags import DELETED, KEYWORD_SHIFT, SEEN
from quantummail.store.keywords import keyword_mask_txn
from quantummail.store.maildir import DISK_MASK, IN_NEW
from quantummail.store.numbering import Numbering
from quantummail.store.prepared import Prepared
from quantummail.store.records import Appended
from quantummail.store.rows import AnyRow
from quantummail.store.tables import accounts, mailboxes, messages
from quantummail.store.transaction import Transaction
from quantummail.store.webhook_records import NewEvent
from quantummail.store.webhooks import note_txn

MOST_UIDS = (1 << 32) - 1


@dataclass(frozen=True, slots=True)
class Rendered:
    """The columns of `contents` that a new message brings along."""

    envelope: bytes
    body: bytes
    bodystructure: bytes
    parts: bytes
    base_subject: str
    sent: int | None
    thread_ids: bytes


@dataclass(frozen=True, slots=True)
class Addition:
    """One message that is to appear in a mailbox. Its file is durable already."""

    account_id: int
    mailbox_id: int
    file: str
    on_disk: int
    size: int
    email_id: str
    internal_date: int
    flags: int = 0
    """System flags, and keyword bits if they are known."""
    keywords: Sequence[str] = ()
    bare_lf: bool = False
    rendered: Rendered | None = None
    """None where the account has the content already (a copy)."""
    news: tuple[NewEvent, ...] = ()
    """What webhooks are to be told of it."""


@dataclass(slots=True)
class _Box:
    """The counters of a mailbox while messages are added to it."""

    row: Any
    uidvalidity: int
    uidnext: int
    reserved: int
    highestmodseq: int
    messages: int = 0
    unseen: int = 0
    deleted: int = 0
    size: int = 0


@dataclass(slots=True)
class _Usage:
    """Use and limits of an account's quota while messages are added."""

    row: Any
    bytes: int = 0
    messages: int = 0

    def check(self, group: Sequence[Addition]) -> None:
        """Raise OverQuota unless the whole group fits."""
        check_room(self.row, self.bytes + sum(addition.size for addition in group), self.messages + len(group))


def check_room(account: AnyRow, octets: int, count: int) -> None:
    """Raise OverQuota unless so many more octets and messages fit; the row has use and limits."""
    if account.quota_bytes and account.used_bytes + octets > account.quota_bytes:
        raise OverQuota("the mailbox is full")
    if account.quota_messages and account.used_messages + count > account.quota_messages:
        raise OverQuota("the mailbox has too many messages")


@dataclass(slots=True)
class _Rows:
    """What the transaction will insert."""

    messages: list[dict[str, object]] = field(default_factory=list)
    contents: list[dict[str, object]] = field(default_factory=list)


_SELECT_BOXES = select(
    mailboxes.c.id, mailboxes.c.account_id, mailboxes.c.directory, mailboxes.c.uidvalidity, mailboxes.c.uidnext,
    mailboxes.c.uid_reserved, mailboxes.c.highestmodseq, accounts.c.quota_bytes, accounts.c.quota_messages,
    accounts.c.used_bytes, accounts.c.used_messages,
).join_from(mailboxes, accounts, mailboxes.c.account_id == accounts.c.id)
_MANY_BOXES = _SELECT_BOXES.where(mailboxes.c.id.in_(bindparam("ids", expanding=True)))
_UPDATE_BOX = (
    update(mailboxes)
    .where(mailboxes.c.id == bindparam("box_id"))
    .values(
        uidnext=bindparam("new_uidnext"),
        uid_reserved=bindparam("new_reserved"),
        highestmodseq=bindparam("new_modseq"),
        messages=mailboxes.c.messages + bindparam("more_messages"),
        unseen=mailboxes.c.unseen + bindparam("more_unseen"),
        deleted=mailboxes.c.deleted + bindparam("more_deleted"),
        size=mailboxes.c.size + bindparam("more_size"),
    )
)
_UPDATE_USAGE = (
    update(accounts)
    .where(accounts.c.id == bindparam("account"))
    .values(
        used_bytes=accounts.c.used_bytes + bindparam("more_bytes"),
        used_messages=accounts.c.used_messages + bindparam("more_messages"),
    )
)
_ONE_BOX = Prepared(_SELECT_BOXES.where(mailboxes.c.id == bindparam("box_id")))
_SET_BOX, _SET_USAGE = Prepared(_UPDATE_BOX), Prepared(_UPDATE_USAGE)
_NEW_MESSAGE = Prepared(insert(messages), messages.c.keys())
# Both dialects know this clause, SQLAlchemy's insert() only in dialect-specific forms. A message that comes to an
# account twice (alias and mailbox) has one row of contents.
_INSERT_CONTENTS = text(
    "INSERT INTO contents"
    " (account_id, email_id, envelope, body, bodystructure, parts, base_subject, sent, thread_ids) VALUES"
    " (:account_id, :email_id, :envelope, :body, :bodystructure, :parts, :base_subject, :sent, :thread_ids)"
    " ON CONFLICT (account_id, email_id) DO NOTHING"
)
_NEW_CONTENTS = Prepared(_INSERT_CONTENTS)


class Additions:
    """Adds messages."""

    def __init__(self, numbering: Numbering) -> None:
        self._numbering = numbering

    def add_txn(
        self, transaction: Transaction, groups: Sequence[Sequence[Addition]], *, within_quota: bool = True
    ) -> list[list[Appended] | StoreError]:
        """Add groups of messages, each group into one mailbox and wholly or not at all."""
        connection = transaction.connection
        boxes: dict[int, _Box] = {}
        usages: dict[int, _Usage] = {}
        for row in _boxes_txn(connection, {group[0].mailbox_id for group in groups}):
            boxes[row.id] = self._box_txn(transaction, row)
            usages.setdefault(row.account_id, _Usage(row))
        rows = _Rows()
        now = int(time.time())
        results: list[list[Appended] | StoreError] = []
        for group in groups:
            box, usage = boxes.get(group[0].mailbox_id), usages.get(group[0].account_id)
            try:
                if box is None or usage is None or box.row.account_id != group[0].account_id:
                    raise NoSuchMailbox("the mailbox does not exist (any more)")
                if within_quota:
                    usage.check(group)
                if box.uidnext + len(group) > MOST_UIDS:
                    raise Unavailable("the mailbox has no UIDs left")
                masks = [_flags_txn(transaction, one) for one in group]
                results.append([
                    _add_one(transaction, box, usage, one, flags, rows, now)
                    for one, flags in zip(group, masks, strict=True)
                ])
            except StoreError as error:
                results.append(error)
        self._write(transaction, boxes, usages, rows)
        for group, result in zip(groups, results, strict=True):
            if not isinstance(result, StoreError):
                for one in group:
                    if one.news:
                        note_txn(connection, one.news)
        return results

    def _write(
        self, transaction: Transaction, boxes: dict[int, _Box], usages: dict[int, _Usage], rows: _Rows
    ) -> None:
        if not rows.messages:
            return
        connection = transaction.connection
        if rows.contents:
            _NEW_CONTENTS.execute_many(connection, rows.contents)
        _NEW_MESSAGE.execute_many(connection, rows.messages)
        _SET_BOX.execute_many(connection, [
            {
                "box_id": box_id, "new_uidnext": box.uidnext,
                "new_reserved": self._numbering.reserve(
                    box.row.directory, box.uidvalidity, box.uidnext, box.reserved),
                "new_modseq": box.highestmodseq, "more_messages": box.messages, "more_unseen": box.unseen,
                "more_deleted": box.deleted, "more_size": box.size,
            }
            for box_id, box in boxes.items() if box.messages
        ])
        _SET_USAGE.execute_many(connection, [
            {"account": account_id, "more_bytes": usage.bytes, "more_messages": usage.messages}
            for account_id, usage in usages.items() if usage.messages
        ])

    def _box_txn(self, transaction: Transaction, row: AnyRow) -> _Box:
        numbers = self._numbering.resume_txn(transaction, row)
        if numbers is None:
            return _Box(row, row.uidvalidity, row.uidnext, row.uid_reserved, row.highestmodseq)
        return _Box(row, numbers.uidvalidity, numbers.uidnext, numbers.reserved, row.highestmodseq)


def _boxes_txn(connection: Connection, ids: set[int]) -> Sequence[AnyRow]:
    if len(ids) == 1:
        return _ONE_BOX.execute(connection, {"box_id": next(iter(ids))}).all()
    return connection.execute(_MANY_BOXES, {"ids": list(ids)}).all()


def _flags_txn(transaction: Transaction, one: Addition) -> int:
    if not one.keywords:
        return one.flags
    return one.flags | keyword_mask_txn(transaction, one.account_id, one.mailbox_id, one.keywords)


def _add_one(
    transaction: Transaction, box: _Box, usage: _Usage, one: Addition, flags: int, rows: _Rows, now: int
) -> Appended:
    uid = box.uidnext
    box.uidnext += 1
    box.highestmodseq += 1
    box.messages += 1
    box.unseen += not flags & SEEN
    box.deleted += bool(flags & DELETED)
    box.size += one.size
    usage.bytes += one.size
    usage.messages += 1
    rows.messages.append({
        "account_id": one.account_id, "mailbox_id": one.mailbox_id, "uid": uid, "modseq": box.highestmodseq,
        "flags": flags, "internal_date": one.internal_date, "save_date": now, "size": one.size,
        "email_id": one.email_id, "file": one.file, "on_disk": one.on_disk, "bare_lf": one.bare_lf,
        "stale": is_stale(flags, one.on_disk),
    })
    if one.rendered is not None:
        rendered = one.rendered
        rows.contents.append({
            "account_id": one.account_id, "email_id": one.email_id, "envelope": rendered.envelope,
            "body": rendered.body, "bodystructure": rendered.bodystructure, "parts": rendered.parts,
            "base_subject": rendered.base_subject, "sent": rendered.sent, "thread_ids": rendered.thread_ids,
        })
    transaction.changed(one.mailbox_id, box.highestmodseq)
    return Appended(one.mailbox_id, box.uidvalidity, uid)


def is_stale(flags: int, on_disk: int) -> bool:
    """Whether the name of a file may tell other flags than these. A file rests in new/ until it gets its first flag.

    What letters keywords have is for `store.mirror` to find out.
    """
    wanted = flags & DISK_MASK
    return flags >> KEYWORD_SHIFT != 0 or wanted != (0 if on_disk == IN_NEW else on_disk)
