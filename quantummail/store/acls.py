"""Who else may do what with a mailbox: access control lists (RFC 4314).

An entry gives rights to one account, or to everybody (``anyone``), or takes them away (``-`` before the identifier).
Whose mailbox it is has all rights, whatever the list says, so nobody locks himself out. Entries know accounts by their
ids: who gets the address of a deleted account gets none of its rights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, delete, func, insert, literal_column, select, update

from quantummail.message.mailbox_name import DELIMITER
from quantummail.store.account_changes import AccountNews
from quantummail.store.errors import InvalidName, LimitReached, NoSuchMailbox, NoSuchUser, NotAllowed
from quantummail.store.names import normal_address
from quantummail.store.prepared import Prepared
from quantummail.store.rights import ALL, ordered
from quantummail.store.tables import accounts, acls, mailboxes
from quantummail.store.transaction import Transaction
from quantummail.store.views import MAILBOX_COLUMNS, mailbox_of

if TYPE_CHECKING:
    from quantummail.store.account_changes import AccountHub
    from quantummail.store.database import Database
    from quantummail.store.records import Mailbox
    from quantummail.store.rows import AnyRow

ANYONE = "anyone"
MOST_ENTRIES = 1000
"""Of one mailbox."""
# Whom an entry for everybody is for
_EVERYBODY = 0

_OF_MAILBOX = (acls.c.account_id == bindparam("account")) & (acls.c.mailbox_id == bindparam("box"))
_OF_READER = acls.c.grantee_id.in_([literal_column(str(_EVERYBODY)), bindparam("reader")])
_RIGHTS = Prepared(select(acls.c.rights, acls.c.negative).where(_OF_MAILBOX, _OF_READER))
_FIND = Prepared(
    select(*MAILBOX_COLUMNS, accounts.c.address)
    .join_from(mailboxes, accounts, mailboxes.c.account_id == accounts.c.id)
    .where(accounts.c.address == bindparam("address"), mailboxes.c.name == bindparam("name"))
)
_SHARED = Prepared(
    select(*MAILBOX_COLUMNS, accounts.c.address, acls.c.rights, acls.c.negative)
    .join_from(acls, mailboxes, (mailboxes.c.account_id == acls.c.account_id) & (mailboxes.c.id == acls.c.mailbox_id))
    .join(accounts, accounts.c.id == acls.c.account_id)
    .where(_OF_READER, acls.c.account_id != bindparam("reader"))
    .order_by(accounts.c.address, mailboxes.c.name)
)
_ENTRIES = (
    select(acls.c.grantee_id, acls.c.negative, acls.c.rights, accounts.c.address)
    .join_from(acls, accounts, accounts.c.id == acls.c.grantee_id, isouter=True)
    .where(_OF_MAILBOX)
)
_ADDRESS = select(accounts.c.address).where(accounts.c.id == bindparam("account"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list."""

    identifier: str
    """An address or ``anyone``, with ``-`` before it where the rights are taken away."""
    rights: str


class Acls:
    """The lists of all mailboxes. What a reader may see of others' mailboxes is asked here, and nowhere else."""

    def __init__(self, database: Database, hub: AccountHub) -> None:
        self._database = database
        self._hub = hub

    async def find(self, reader_id: int, owner: str, name: str) -> Mailbox | None:
        """A mailbox of the account with this address, with the reader's rights on it; None if he has none."""
        try:
            address = normal_address(owner)
        except InvalidName:
            return None
        return await self._database.run(_find_txn, reader_id, address, name)

    async def parent(self, reader_id: int, owner: str, name: str) -> Mailbox | None:
        """The nearest mailbox above a name, with the reader's rights on it, perhaps none; None if there is no such."""
        try:
            address = normal_address(owner)
        except InvalidName:
            return None
        return await self._database.run(_parent_txn, reader_id, address, name)

    async def shared(self, reader_id: int) -> Sequence[Mailbox]:
        """All mailboxes of others on which a reader has any right."""
        return await self._database.run(_shared_txn, reader_id)

    async def rights(self, reader_id: int, account_id: int, mailbox_id: int) -> str:
        """What a reader may do with a mailbox now; empty also if it is gone."""
        if reader_id == account_id:
            return ALL
        return await self._database.run(_rights_txn, reader_id, account_id, mailbox_id)

    async def entries(self, account_id: int, mailbox_id: int) -> Sequence[Entry]:
        """The list of a mailbox, beginning with its owner. `NoSuchMailbox`."""
        return await self._database.run(_entries_txn, account_id, mailbox_id)

    async def change(
        self, account_id: int, mailbox_id: int, identifier: str, rights: str, *, sign: str = ""
    ) -> None:
        """Give rights, or take some (`sign` ``-``), or add some (``+``); an entry without any is none.

        `NoSuchUser`, `NoSuchMailbox`, `LimitReached`; `NotAllowed` if it would take something from the owner.
        """
        told = await self._database.write(_change_txn, account_id, mailbox_id, identifier, rights, sign)
        self._tell(told)

    async def remove(self, account_id: int, mailbox_id: int, identifier: str) -> None:
        """Remove an entry; nothing happens where there is none. `NoSuchMailbox`, `NotAllowed` for the owner's."""
        self._tell(await self._database.write(_remove_txn, account_id, mailbox_id, identifier))

    def _tell(self, grantee_id: int | None) -> None:
        """Let those look again who watch their accounts: other mailboxes may be there for them."""
        if grantee_id == _EVERYBODY:
            self._hub.tell_all(AccountNews(mailboxes=True))
        elif grantee_id is not None:
            self._hub.tell(grantee_id, AccountNews(mailboxes=True))


def inherit_txn(connection: Connection, account_id: int, parent_id: int, mailbox_id: int) -> None:
    """Give a new mailbox the list of the one above it."""
    connection.execute(insert(acls).from_select(
        ["account_id", "mailbox_id", "grantee_id", "negative", "rights"],
        select(acls.c.account_id, bindparam("new", mailbox_id, type_=acls.c.mailbox_id.type), acls.c.grantee_id,
               acls.c.negative, acls.c.rights)
        .where(acls.c.account_id == account_id, acls.c.mailbox_id == parent_id),
    ))


def mark_txn(connection: Connection) -> tuple[int, int]:
    """Something that is another thing after each change of any list."""
    row = connection.execute(select(func.max(acls.c.id), func.count())).one()
    return int(row[0] or 0), int(row[1])


def _combined(rows: Iterable[AnyRow]) -> str:
    given: set[str] = set()
    taken: set[str] = set()
    for row in rows:
        (taken if row.negative else given).update(row.rights)
    # RFC 4314 section 2: what is taken away weighs more
    return ordered(given - taken)


def _rights_txn(connection: Connection, reader_id: int, account_id: int, mailbox_id: int) -> str:
    return _combined(_RIGHTS.execute(
        connection, {"account": account_id, "box": mailbox_id, "reader": reader_id}).all())


def _find_txn(connection: Connection, reader_id: int, address: str, name: str) -> Mailbox | None:
    found = _there_txn(connection, reader_id, address, name)
    return found if found is not None and found.rights else None


def _parent_txn(connection: Connection, reader_id: int, address: str, name: str) -> Mailbox | None:
    above = name.rpartition(DELIMITER)[0]
    while above:
        found = _there_txn(connection, reader_id, address, above)
        if found is not None:
            return found
        above = above.rpartition(DELIMITER)[0]
    return None


def _there_txn(connection: Connection, reader_id: int, address: str, name: str) -> Mailbox | None:
    row = _FIND.execute(connection, {"address": address, "name": name}).one_or_none()
    if row is None:
        return None
    box = mailbox_of(row)
    if box.account_id == reader_id:
        # one's own mailboxes are not other users'
        return None
    return replace(box, owner=row.address, rights=_rights_txn(connection, reader_id, box.account_id, box.id))


def _shared_txn(connection: Connection, reader_id: int) -> list[Mailbox]:
    rows: dict[int, list[AnyRow]] = {}
    for row in _SHARED.execute(connection, {"reader": reader_id}).all():
        rows.setdefault(row.id, []).append(row)
    found = [
        replace(mailbox_of(entries[0]), owner=entries[0].address, rights=_combined(entries))
        for entries in rows.values()
    ]
    return [box for box in found if box.rights]


def _entries_txn(connection: Connection, account_id: int, mailbox_id: int) -> list[Entry]:
    key = {"account": account_id, "box": mailbox_id}
    _modseq_txn(connection, account_id, mailbox_id)
    owner = connection.execute(_ADDRESS, {"account": account_id}).scalar_one()
    entries = [
        (ANYONE if row.grantee_id == _EVERYBODY else row.address, row.negative, row.rights)
        for row in connection.execute(_ENTRIES, key)
        if row.address is not None or row.grantee_id == _EVERYBODY
    ]
    entries.sort(key=lambda entry: (entry[0] != ANYONE, entry[0], entry[1]))
    return [Entry(owner, ALL), *(Entry("-" * negative + name, rights) for name, negative, rights in entries)]


def _modseq_txn(connection: Connection, account_id: int, mailbox_id: int) -> int:
    modseq: int | None = connection.execute(
        select(mailboxes.c.highestmodseq).where(mailboxes.c.id == mailbox_id, mailboxes.c.account_id == account_id)
    ).scalar()
    if modseq is None:
        raise NoSuchMailbox("the mailbox does not exist (any more)")
    return modseq


def _grantee_txn(connection: Connection, identifier: str) -> tuple[int, bool]:
    """Whom an identifier means, and whether rights are taken away. `NoSuchUser`."""
    negative = identifier.startswith("-")
    name = identifier[1:] if negative else identifier
    if name == ANYONE:
        return _EVERYBODY, negative
    try:
        address = normal_address(name)
    except InvalidName:
        raise NoSuchUser("an identifier is the address of an account, or anyone") from None
    found = connection.execute(select(accounts.c.id).where(accounts.c.address == address)).scalar()
    if found is None:
        raise NoSuchUser(f"there is no user {address}")
    return int(found), negative


def _change_txn(
    transaction: Transaction, account_id: int, mailbox_id: int, identifier: str, rights: str, sign: str
) -> int | None:
    connection = transaction.connection
    modseq = _modseq_txn(connection, account_id, mailbox_id)
    grantee_id, negative = _grantee_txn(connection, identifier)
    if grantee_id == account_id:
        if negative or sign == "-" or not (sign or set(rights) >= set(ALL)):
            raise NotAllowed("the owner of a mailbox has all rights")
        return None
    here = (
        (acls.c.account_id == account_id) & (acls.c.mailbox_id == mailbox_id) & (acls.c.grantee_id == grantee_id)
        & (acls.c.negative == negative)
    )
    before = connection.execute(select(acls.c.rights).where(here)).scalar() or ""
    after = {"": set(rights), "+": {*before, *rights}, "-": set(before) - set(rights)}[sign]
    if ordered(after) == before:
        return None
    # a row of its own for each state: see `mark_txn`
    connection.execute(delete(acls).where(here))
    if after:
        _check_room_txn(connection, account_id, mailbox_id)
        connection.execute(insert(acls), {
            "account_id": account_id, "mailbox_id": mailbox_id, "grantee_id": grantee_id, "negative": negative,
            "rights": ordered(after),
        })
    _changed_txn(transaction, mailbox_id, modseq)
    return grantee_id


def _remove_txn(transaction: Transaction, account_id: int, mailbox_id: int, identifier: str) -> int | None:
    connection = transaction.connection
    modseq = _modseq_txn(connection, account_id, mailbox_id)
    try:
        grantee_id, negative = _grantee_txn(connection, identifier)
    except NoSuchUser:
        return None
    if grantee_id == account_id:
        raise NotAllowed("the owner of a mailbox has all rights")
    gone = connection.execute(delete(acls).where(
        acls.c.account_id == account_id, acls.c.mailbox_id == mailbox_id, acls.c.grantee_id == grantee_id,
        acls.c.negative == negative,
    )).rowcount
    if not gone:
        return None
    _changed_txn(transaction, mailbox_id, modseq)
    return grantee_id


def _check_room_txn(connection: Connection, account_id: int, mailbox_id: int) -> None:
    count = connection.execute(
        select(func.count()).select_from(acls)
        .where(acls.c.account_id == account_id, acls.c.mailbox_id == mailbox_id)
    ).scalar_one()
    if count >= MOST_ENTRIES:
        raise LimitReached(f"a mailbox gives rights to at most {MOST_ENTRIES} others")


def _changed_txn(transaction: Transaction, mailbox_id: int, modseq: int) -> None:
    """Sessions that have the mailbox open look at once what their users may still do."""
    transaction.connection.execute(
        update(mailboxes).where(mailboxes.c.id == mailbox_id).values(highestmodseq=modseq + 1))
    transaction.changed(mailbox_id, modseq + 1)
