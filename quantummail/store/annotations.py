"""Annotations of mailboxes and of the server (RFC 5464). Names of entries are kept in lower case.

What is below ``/private`` belongs to its reader alone, what is below ``/shared`` to everybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, delete, func, insert, or_, select, update

from quantummail.store.account_changes import AccountNews
from quantummail.store.errors import LimitReached, NoSuchMailbox
from quantummail.store.rows import AnyRow
from quantummail.store.special_uses import set_special_use_txn
from quantummail.store.tables import mailbox_annotations, mailboxes, server_annotations
from quantummail.store.transaction import Transaction
from quantummail.store.uids import PAGE

if TYPE_CHECKING:
    from quantummail.store.account_changes import AccountHub
    from quantummail.store.database import Database

PRIVATE, SHARED = "/private", "/shared"
# RFC 6154 section 4: this one is a column of the mailbox
SPECIAL_USE = "/private/specialuse"
# Of all annotations of an account's mailboxes, of those that one user gives the server: they are in no quota
MOST_OCTETS = 16 * 1024 * 1024
# The reader of shared annotations
_EVERYBODY = 0

_IN_MAILBOX = and_(
    mailbox_annotations.c.account_id == bindparam("account"), mailbox_annotations.c.mailbox_id == bindparam("box")
)


class TooManyAnnotations(LimitReached):
    """The mailbox, or the server, has as many annotations of this kind as it may have."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What GETMETADATA asks for."""

    entries: Sequence[str]
    """In lower case."""
    depth: int | None = 0
    """How many levels below these; None: all."""
    max_size: int | None = None
    """Longer values are left out."""

    def wants(self, entry: str) -> bool:
        """Whether an entry is one of them, or as little below one as it may be."""
        for asked in self.entries:
            if entry == asked:
                return True
            if self.depth != 0 and entry.startswith(asked + "/") and (
                self.depth is None or "/" not in entry[len(asked) + 1 :]
            ):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Annotated:
    """What was found."""

    values: Mapping[str, bytes]
    left_out: Mapping[str, int]
    """Entries whose values are too long, with their sizes."""


class Annotations:
    """The annotations of all mailboxes, and those of the server."""

    def __init__(self, database: Database, hub: AccountHub, root: str) -> None:
        self._database = database
        self._hub = hub
        self._root = root

    async def of_mailbox(self, account_id: int, mailbox_id: int, reader_id: int, asked: Asked) -> Annotated:
        """Annotations of one mailbox that a reader may see."""
        return await self._database.run(_of_mailbox_txn, account_id, mailbox_id, reader_id, asked)

    async def of_mailboxes(
        self, account_id: int, reader_id: int, entries: Sequence[str]
    ) -> dict[int, dict[str, bytes]]:
        """These entries of all mailboxes of an account, by the mailboxes' ids."""
        return await self._database.run(_of_mailboxes_txn, account_id, reader_id, entries)

    async def of_server(self, reader_id: int, asked: Asked) -> Annotated:
        """Annotations of the server that a reader may see."""
        return await self._database.run(_of_server_txn, reader_id, asked)

    async def annotate_mailbox(
        self, account_id: int, mailbox_id: int, reader_id: int, values: Mapping[str, bytes | None], most: int
    ) -> None:
        """Set entries, remove those that are None; all or nothing.

        `TooManyAnnotations` if there would be more than `most` of one kind (private or shared), `NoSuchMailbox`,
        `NotAllowed` for a special use that cannot be.
        """
        moved = await self._database.write(
            self._annotate_mailbox_txn, account_id, mailbox_id, reader_id, values, most)
        # what somebody says of the mailbox for himself is nobody else's business
        self._hub.tell(reader_id, AccountNews(annotated=tuple((mailbox_id, entry) for entry in values)))
        shared = tuple((mailbox_id, entry) for entry in values if not entry.startswith(PRIVATE))
        if shared:
            self._hub.tell_of(account_id, mailbox_id, AccountNews(annotated=shared), but=reader_id)
        if moved:
            self._hub.tell(account_id, AccountNews(annotated=tuple((other, SPECIAL_USE) for other in moved)))

    async def annotate_server(self, reader_id: int, values: Mapping[str, bytes | None], most: int) -> None:
        """The same for the server; private entries are told to their reader, shared ones to everybody."""
        await self._database.write(_annotate_server_txn, reader_id, values, most)
        private = tuple((0, entry) for entry in values if entry.startswith(PRIVATE))
        shared = tuple((0, entry) for entry in values if not entry.startswith(PRIVATE))
        if private:
            self._hub.tell(reader_id, AccountNews(annotated=private))
        if shared:
            self._hub.tell_all(AccountNews(annotated=shared))

    def _annotate_mailbox_txn(
        self, transaction: Transaction, account_id: int, mailbox_id: int, reader_id: int,
        values: Mapping[str, bytes | None], most: int,
    ) -> list[int]:
        _use_txn(transaction.connection, account_id, mailbox_id)
        moved: list[int] = []
        if SPECIAL_USE in values:
            use = (values[SPECIAL_USE] or b"").decode("ascii", "replace")
            moved = set_special_use_txn(transaction, self._root, account_id, mailbox_id, use)
        key = {"account_id": account_id, "mailbox_id": mailbox_id}
        _set_txn(transaction.connection, mailbox_annotations, key, reader_id,
                 {entry: value for entry, value in values.items() if entry != SPECIAL_USE}, most)
        return moved


def _seen_by(table: Table, reader_id: int) -> ColumnElement[bool]:
    return or_(table.c.reader_id == reader_id, table.c.reader_id == _EVERYBODY)


def _use_txn(connection: Connection, account_id: int, mailbox_id: int) -> str:
    use = connection.execute(
        select(mailboxes.c.special_use).where(mailboxes.c.id == mailbox_id, mailboxes.c.account_id == account_id)
    ).scalar()
    if use is None:
        raise NoSuchMailbox("the mailbox does not exist (any more)")
    return str(use)


def _of_mailbox_txn(
    connection: Connection, account_id: int, mailbox_id: int, reader_id: int, asked: Asked
) -> Annotated:
    use = _use_txn(connection, account_id, mailbox_id).encode("ascii")
    if reader_id != account_id:
        # what the owner's mailboxes are for says nothing to others (RFC 6154 section 2)
        use = b""
    condition = and_(_IN_MAILBOX, _seen_by(mailbox_annotations, reader_id))
    found = _found_txn(
        connection, mailbox_annotations, condition, {"account": account_id, "box": mailbox_id}, asked)
    if not use or not asked.wants(SPECIAL_USE):
        return found
    if asked.max_size is not None and len(use) > asked.max_size:
        return Annotated(found.values, {**found.left_out, SPECIAL_USE: len(use)})
    return Annotated({**found.values, SPECIAL_USE: use}, found.left_out)


def _of_server_txn(connection: Connection, reader_id: int, asked: Asked) -> Annotated:
    return _found_txn(connection, server_annotations, _seen_by(server_annotations, reader_id), {}, asked)


def _found_txn(
    connection: Connection, table: Table, condition: ColumnElement[bool], key: dict[str, Any], asked: Asked
) -> Annotated:
    # first the names: what is not asked for, or too long, is never read
    rows = connection.execute(
        select(table.c.entry, func.length(table.c.value).label("size")).where(condition).order_by(table.c.entry), key
    ).all()
    wanted = [row for row in rows if asked.wants(row.entry)]
    limit = asked.max_size
    entries = [row.entry for row in wanted if limit is None or row.size <= limit]
    values: dict[str, bytes] = {}
    for start in range(0, len(entries), PAGE):
        page = table.c.entry.in_(entries[start : start + PAGE])
        for row in connection.execute(
            select(table.c.entry, table.c.value).where(condition, page).order_by(table.c.entry), key
        ):
            values[row.entry] = row.value
    return Annotated(values, {row.entry: row.size for row in wanted if limit is not None and row.size > limit})


def _of_mailboxes_txn(
    connection: Connection, account_id: int, reader_id: int, entries: Sequence[str]
) -> dict[int, dict[str, bytes]]:
    found: dict[int, dict[str, bytes]] = {}
    rows: list[AnyRow] = list(connection.execute(
        select(mailbox_annotations.c.mailbox_id, mailbox_annotations.c.entry, mailbox_annotations.c.value)
        .where(
            mailbox_annotations.c.account_id == account_id, _seen_by(mailbox_annotations, reader_id),
            mailbox_annotations.c.entry.in_(entries),
        )
    ))
    for row in rows:
        found.setdefault(row.mailbox_id, {})[row.entry] = row.value
    return found


def _annotate_server_txn(
    transaction: Transaction, reader_id: int, values: Mapping[str, bytes | None], most: int
) -> None:
    _set_txn(transaction.connection, server_annotations, {}, reader_id, values, most)


def _set_txn(
    connection: Connection, table: Table, key: Mapping[str, int], reader_id: int,
    values: Mapping[str, bytes | None], most: int,
) -> None:
    for reader, prefix in ((reader_id, PRIVATE), (_EVERYBODY, SHARED)):
        chosen = {entry: value for entry, value in values.items() if entry.startswith(prefix + "/")}
        if not chosen:
            continue
        here = and_(table.c.reader_id == reader, *(table.c[name] == value for name, value in key.items()))
        there = set(connection.execute(select(table.c.entry).where(here)).scalars())
        gone = [entry for entry, value in chosen.items() if value is None and entry in there]
        new = [entry for entry, value in chosen.items() if value is not None and entry not in there]
        if new and len(there) + len(new) - len(gone) > most:
            raise TooManyAnnotations(f"at most {most} annotations can be kept")
        for start in range(0, len(gone), PAGE):
            connection.execute(delete(table).where(here, table.c.entry.in_(gone[start : start + PAGE])))
        for entry, value in chosen.items():
            if value is not None and entry in there:
                _check_octets_txn(connection, table, key, reader, len(value))
                connection.execute(update(table).where(here, table.c.entry == entry).values(value=value))
        if new:
            _check_octets_txn(connection, table, key, reader, sum(len(chosen[entry] or b"") for entry in new))
            connection.execute(
                insert(table), [{**key, "reader_id": reader, "entry": entry, "value": chosen[entry]} for entry in new])


def _check_octets_txn(
    connection: Connection, table: Table, key: Mapping[str, int], reader_id: int, more: int
) -> None:
    """Raise TooManyAnnotations if so many octets more are too many."""
    if not more:
        return
    condition = table.c.reader_id == reader_id
    if key and reader_id in (_EVERYBODY, key["account_id"]):
        # what guests say for themselves takes none of the owner's room
        condition = and_(
            table.c.account_id == key["account_id"], table.c.reader_id.in_([_EVERYBODY, key["account_id"]]))
    octets = connection.execute(select(func.sum(func.length(table.c.value))).where(condition)).scalar()
    if int(octets or 0) + more > MOST_OCTETS:
        raise TooManyAnnotations("there is no room for more annotations")
