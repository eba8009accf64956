"""What sessions read: snapshots of a mailbox, what has changed since, and rows of messages."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, literal_column, select

from quantummail.store.errors import NoSuchMailbox
from quantummail.store.flags import SEEN
from quantummail.store.keywords import keywords_txn
from quantummail.store.maildir import path_of
from quantummail.store.prepared import Prepared
from quantummail.store.records import Changes, Contents, FlagState, Location, Mailbox, Message, Snapshot
from quantummail.store.rows import AnyRow
from quantummail.store.tables import contents, mailboxes, messages, tombstones
from quantummail.store.uids import IN_PAGE, IN_RANGE, conditions

_IN_MAILBOX = (messages.c.account_id == bindparam("account")) & (messages.c.mailbox_id == bindparam("box"))
MAILBOX_COLUMNS = (
    mailboxes.c.id, mailboxes.c.account_id, mailboxes.c.name, mailboxes.c.special_use, mailboxes.c.object_id,
    mailboxes.c.uidvalidity, mailboxes.c.uidnext, mailboxes.c.highestmodseq, mailboxes.c.messages,
    mailboxes.c.unseen, mailboxes.c.deleted, mailboxes.c.size,
)
_MAILBOX = Prepared(
    select(*MAILBOX_COLUMNS, mailboxes.c.recent_from, mailboxes.c.directory, mailboxes.c.forgotten_modseq)
    .where(mailboxes.c.id == bindparam("box"), mailboxes.c.account_id == bindparam("account"))
)
_UIDS = Prepared(select(messages.c.uid).where(_IN_MAILBOX).order_by(messages.c.uid))
_COUNT_FROM = Prepared(select(func.count()).where(_IN_MAILBOX, messages.c.uid >= bindparam("first")))
_COUNT_BELOW = Prepared(select(func.count()).where(_IN_MAILBOX, messages.c.uid < bindparam("uid")))
_COUNT_BETWEEN = Prepared(
    select(func.count())
    .where(_IN_MAILBOX, messages.c.uid >= bindparam("first"), messages.c.uid < bindparam("uidnext"))
)
_UNSEEN = messages.c.flags.op("&")(literal_column(str(SEEN))) == literal_column("0")
_FIRST_UNSEEN = Prepared(select(func.min(messages.c.uid)).where(_IN_MAILBOX, _UNSEEN))
_CHANGED = Prepared(
    select(messages.c.uid, messages.c.modseq, messages.c.flags)
    # sorted by UID afterwards: asked for that order, SQLite reads all messages of the mailbox instead of the new ones
    .where(_IN_MAILBOX, messages.c.modseq > bindparam("since"))
)
_VANISHED = Prepared(
    select(tombstones.c.uid)
    .where(
        tombstones.c.account_id == bindparam("account"),
        tombstones.c.mailbox_id == bindparam("box"),
        tombstones.c.modseq > bindparam("since"),
    )
    .order_by(tombstones.c.uid)
)
_ROW = (
    messages.c.uid, messages.c.modseq, messages.c.flags, messages.c.internal_date, messages.c.save_date,
    messages.c.size, messages.c.email_id, messages.c.file, messages.c.on_disk, messages.c.bare_lf,
)
_WITH_CONTENTS = messages.outerjoin(
    contents, (contents.c.account_id == messages.c.account_id) & (contents.c.email_id == messages.c.email_id)
)
_SELECT_ROWS = select(*_ROW).where(_IN_MAILBOX).order_by(messages.c.uid)
_SELECT_WHOLE = (
    select(
        *_ROW, contents.c.envelope, contents.c.body, contents.c.bodystructure, contents.c.parts, contents.c.preview,
    )
    .select_from(_WITH_CONTENTS)
    .where(_IN_MAILBOX)
    .order_by(messages.c.uid)
)
# built once: composing a statement costs more than running it
_FETCHES = {
    (whole, condition): (_SELECT_WHOLE if whole else _SELECT_ROWS).where(condition)
    for whole in (False, True)
    for condition in (IN_RANGE, IN_PAGE)
}


class MailboxRow(NamedTuple):
    """`MAILBOX_COLUMNS`, and what only the store wants to know."""

    id: int
    account_id: int
    name: str
    special_use: str
    object_id: str
    uidvalidity: int
    uidnext: int
    highestmodseq: int
    messages: int
    unseen: int
    deleted: int
    size: int
    recent_from: int
    directory: str
    forgotten_modseq: int


def mailbox_of(row: AnyRow | MailboxRow) -> Mailbox:
    """The value of a row of `MAILBOX_COLUMNS`, which may have further columns behind."""
    return Mailbox(*row[: len(MAILBOX_COLUMNS)])


def mailbox_row_txn(connection: Connection, account_id: int, mailbox_id: int) -> MailboxRow | None:
    """The mailbox's row, None if it is gone."""
    rows = _MAILBOX.tuples(connection, {"account": account_id, "box": mailbox_id})
    return MailboxRow._make(rows[0]) if rows else None


def snapshot_txn(
    connection: Connection, account_id: int, mailbox_id: int, late_above: int | None = None, known: int = -1
) -> Snapshot:
    """A mailbox as it is now.

    UIDs are left out where there are more than `late_above` messages. The UIDs and the first unseen message are left
    out if the mailbox is still at the mod-sequence `known`.
    """
    row = mailbox_row_txn(connection, account_id, mailbox_id)
    if row is None:
        raise NoSuchMailbox("the mailbox does not exist (any more)")
    key = {"account": account_id, "box": mailbox_id}
    uids = array("I")
    late = row.highestmodseq == known or (late_above is not None and row.messages > late_above)
    if not late:
        uids.extend(uid for uid, in _UIDS.tuples(connection, key))
    first_unseen = 0
    if row.unseen and row.highestmodseq != known:
        first = _FIRST_UNSEEN.execute(connection, key).scalar()
        if first is not None:
            first_unseen = 1 + _COUNT_BELOW.execute(connection, {**key, "uid": first}).scalar_one()
    return Snapshot(
        mailbox_of(row), uids, first_unseen, row.recent_from, keywords_txn(connection, account_id, mailbox_id), late
    )


def count_between_txn(connection: Connection, account_id: int, mailbox_id: int, first: int, uidnext: int) -> int:
    """How many messages have a UID from `first` on, below `uidnext`."""
    count: int = _COUNT_BETWEEN.execute(
        connection, {"account": account_id, "box": mailbox_id, "first": first, "uidnext": uidnext}).scalar_one()
    return count


def count_recent_txn(connection: Connection, account_id: int, mailbox_id: int, told: int) -> int:
    """How many messages nobody was told of, by the row or by `told`, whichever is higher."""
    row = mailbox_row_txn(connection, account_id, mailbox_id)
    if row is None:
        raise NoSuchMailbox("the mailbox does not exist (any more)")
    first = max(row.recent_from, told)
    if not row.messages or first >= row.uidnext:
        return 0
    count: int = _COUNT_FROM.execute(
        connection, {"account": account_id, "box": mailbox_id, "first": first}).scalar_one()
    return count


def changes_txn(connection: Connection, account_id: int, mailbox_id: int, since: int) -> Changes | None:
    """What has happened since a mod-sequence; None if the mailbox is gone."""
    row = mailbox_row_txn(connection, account_id, mailbox_id)
    if row is None:
        return None
    key = {"account": account_id, "box": mailbox_id, "since": since}
    if row.highestmodseq <= since:
        return Changes(mailbox_of(row), keywords_txn(connection, account_id, mailbox_id), (), ())
    changed = tuple(
        FlagState(uid, modseq, flags) for uid, modseq, flags in sorted(_CHANGED.execute(connection, key).all())
    )
    keywords = keywords_txn(connection, account_id, mailbox_id)
    if since < row.forgotten_modseq:
        remaining = array("I", _UIDS.execute(connection, key).scalars())
        return Changes(mailbox_of(row), keywords, changed, (), remaining)
    return Changes(
        mailbox_of(row), keywords, changed, tuple(_VANISHED.execute(connection, key).scalars())
    )


def fetch_txn(
    connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int], whole: bool
) -> list[Message]:
    """Rows of messages, `whole` with their contents; those that are gone are missing."""
    row = mailbox_row_txn(connection, account_id, mailbox_id)
    if row is None:
        return []
    key = {"account": account_id, "box": mailbox_id}
    found: list[Message] = []
    for condition, parameters in conditions(uids):
        rows = connection.execute(_FETCHES[whole, condition], {**key, **parameters})
        found += [_message(message, row.directory, whole) for message in rows]
    return found


def _message(row: AnyRow, directory: str, whole: bool) -> Message:
    uid, modseq, flags, internal_date, save_date, size, email_id, file, on_disk, bare_lf = row[:10]
    # the outer join finds no contents only if a foreign hand deleted them: IMAP then shows an empty text message
    contents_ = Contents(*row[10:15]) if whole and row[10] is not None else None
    return Message(
        uid, modseq, flags, internal_date, save_date, size, email_id,
        Location(directory, path_of(file, on_disk), bare_lf), contents_,
    )
