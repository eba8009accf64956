"""Mailboxes of accounts: created, renamed, deleted, subscribed, each with its Maildir."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, delete, func, insert, literal_column, select, update

from quantummail.message.ids import new_id
from quantummail.store import usefile
from quantummail.store.account_changes import AccountHub, AccountNews
from quantummail.store.acls import inherit_txn
from quantummail.store.errors import AlreadyExists, InvalidName, LimitReached, NoSuchMailbox, NotAllowed, Unavailable
from quantummail.store.maildir import account_directory, check_name, folder, make_maildir, sync_directory
from quantummail.store.numbering import Numbering
from quantummail.store.prepared import Prepared
from quantummail.store.records import Mailbox, Quota
from quantummail.store.removals import remove_all_txn
from quantummail.store.tables import accounts, mailboxes, messages, removals, subscriptions
from quantummail.store.transaction import Transaction
from quantummail.store.uids import PAGE
from quantummail.store.usefile import STANDARD
from quantummail.store.views import MAILBOX_COLUMNS, mailbox_of

if TYPE_CHECKING:
    from quantummail.store.database import Database
    from quantummail.store.messages import Messages
    from quantummail.store.recent import Recent
    from quantummail.store.threads import Inline, Threads

MOST_MAILBOXES = 10_000
_MOST_REMEMBERED = 10_000
# names that do not exist count too
MOST_SUBSCRIPTIONS = 10_000
INBOX = "INBOX"
# Directory of a deleted mailbox, in tmp/ of the account's INBOX, with the mailbox's id behind
ASIDE = "removed-"

_OF_ACCOUNT = select(*MAILBOX_COLUMNS).where(mailboxes.c.account_id == bindparam("account"))
_FIND = Prepared(_OF_ACCOUNT.where(mailboxes.c.name == bindparam("name")))
_LIST = Prepared(_OF_ACCOUNT.order_by(mailboxes.c.name))
_NOT_TOLD = Prepared(
    select(mailboxes.c.id, mailboxes.c.recent_from, mailboxes.c.uidnext).where(
        mailboxes.c.account_id == bindparam("account"), mailboxes.c.recent_from < mailboxes.c.uidnext)
)
_COUNT_FROM = Prepared(
    select(func.count()).where(
        messages.c.account_id == bindparam("account"), messages.c.mailbox_id == bindparam("box"),
        messages.c.uid >= bindparam("first"))
)
_IDS = Prepared(select(mailboxes.c.id).where(mailboxes.c.account_id == bindparam("account")))
_SOME = _OF_ACCOUNT.where(mailboxes.c.id.in_(bindparam("ids", expanding=True)))


class Mailboxes:
    """The mailboxes of all accounts. Names are those of IMAP, in Unicode, with ``/`` between levels."""

    def __init__(
        self, database: Database, root: str, threads: Inline | Threads, messages_: Messages, numbering: Numbering,
        hub: AccountHub,
    ) -> None:
        self._database = database
        self._hub = hub
        self._root = root
        self._threads = threads
        self._messages = messages_
        self._numbering = numbering
        self._remembered: dict[tuple[int, str], int] = {}

    async def list(self, account_id: int) -> list[Mailbox]:
        """All mailboxes of an account, by name."""
        return await self._database.run(_list_txn, account_id)

    async def ids(self, account_id: int) -> Sequence[int]:
        """The ids of all mailboxes of an account."""
        return await self._database.run(_ids_txn, account_id)

    async def some(self, account_id: int, mailbox_ids: Sequence[int]) -> Sequence[Mailbox]:
        """Mailboxes of these ids; those that are gone are missing."""
        return await self._database.run(_some_txn, account_id, mailbox_ids)

    async def find(self, account_id: int, name: str) -> Mailbox | None:
        """The mailbox of this name; INBOX in any case."""
        name = canonical(name)
        found = await self._database.run(find_txn, account_id, name)
        if found is not None:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered.clear()
            self._remembered[account_id, name] = found.id
        return found

    def remembered(self, account_id: int, name: str) -> int | None:
        """The mailbox that had this name when it was looked for last. It may have been renamed or deleted since."""
        return self._remembered.get((account_id, canonical(name)))

    async def create(self, account_id: int, name: str, special_use: str = "") -> Mailbox:
        """Create a mailbox and those above it that are missing (RFC 3501 6.3.3).

        Raises `InvalidName`, `AlreadyExists` or `LimitReached`; `NotAllowed` if the use belongs to another mailbox.
        """
        name = check_name(name)
        created = await self._database.write(self._create_txn, account_id, name, special_use)
        self.tell_changed(account_id)
        return created

    async def delete(self, account_id: int, name: str) -> None:
        """Delete a mailbox with its messages; those below it stay (RFC 3501 6.3.4). INBOX cannot be deleted."""
        name = canonical(name)
        if name == INBOX:
            raise NotAllowed("INBOX cannot be deleted")
        aside = await self._database.write(self._delete_txn, account_id, name)
        self.tell_changed(account_id)
        await self._threads.run(shutil.rmtree, aside, True)

    async def rename(self, account_id: int, old: str, new: str) -> None:
        """Rename a mailbox and those below it; INBOX instead gives its messages to the new one (RFC 3501 6.3.5)."""
        old, new = canonical(old), check_name(new)
        if old == INBOX:
            created = await self.create(account_id, new)
            inbox = await self.find(account_id, INBOX)
            assert inbox is not None
            snapshot = await self._messages.open(account_id, inbox.id, claim_recent=False)
            await self._messages.move(account_id, inbox.id, snapshot.uids, created.id)
            return
        if new == INBOX:
            raise AlreadyExists("INBOX exists already")
        if new.startswith(old + "/"):
            raise NotAllowed("a mailbox cannot be moved below itself")
        await self._database.write(self._rename_txn, account_id, old, new)
        self.tell_changed(account_id)

    async def subscribe(self, account_id: int, name: str) -> None:
        """Subscribe to a name, whether it exists or not (RFC 3501 6.3.6). Raises `InvalidName` or `LimitReached`."""
        await self._database.write(_subscribe_one_more_txn, account_id, check_name(name))
        self._hub.tell(account_id, AccountNews(mailboxes=True))

    async def unsubscribe(self, account_id: int, name: str) -> None:
        """End a subscription; nothing happens where there is none."""
        await self._database.write(_unsubscribe_txn, account_id, canonical(name))
        self._hub.tell(account_id, AccountNews(mailboxes=True))

    def tell_changed(self, account_id: int) -> None:
        """Tell whoever watches the account, or sees some of it, that its mailboxes are not what they were."""
        self._hub.tell_tree(account_id)

    async def subscriptions(self, account_id: int) -> Sequence[str]:
        """Names subscribed to, sorted."""
        return await self._database.run(_subscriptions_txn, account_id)

    async def recent(self, account_id: int) -> dict[int, int]:
        """How many messages of each mailbox are \\Recent, by the mailboxes' ids; those without any are missing."""
        return await self._database.run(_recent_txn, account_id, self._messages.recent)

    async def quota(self, account_id: int) -> Quota:
        """Limits and use."""
        return await self._database.run(_quota_txn, account_id)

    # Transactions that touch the tree: a directory is made before its row, so a row always has its directory.

    def create_standard_txn(self, transaction: Transaction, account_id: int) -> None:
        """INBOX and the special-use mailboxes, those that are missing, subscribed.

        Where a tree is there already, and a folder in it claims a use, that folder will be the mailbox for it.
        """
        address = transaction.connection.execute(
            select(accounts.c.address).where(accounts.c.id == account_id)).scalar_one()
        claimed = usefile.claimed(os.path.join(self._root, account_directory(address)))
        for name, special_use in STANDARD.items():
            if special_use and claimed.get(special_use, folder(name)) != folder(name):
                continue
            if find_txn(transaction.connection, account_id, name) is None:
                self.create_one_txn(transaction, account_id, name, special_use)
            subscribe_txn(transaction, account_id, name)

    def _create_txn(self, transaction: Transaction, account_id: int, name: str, special_use: str) -> Mailbox:
        connection = transaction.connection
        if find_txn(connection, account_id, name) is not None:
            raise AlreadyExists("the mailbox exists already")
        levels = name.split("/")
        count = connection.execute(
            select(func.count()).select_from(mailboxes).where(mailboxes.c.account_id == account_id)
        ).scalar_one()
        if count + len(levels) > MOST_MAILBOXES:
            raise LimitReached(f"an account has at most {MOST_MAILBOXES} mailboxes")
        if special_use:
            taken = connection.execute(
                select(mailboxes.c.id)
                .where(mailboxes.c.account_id == account_id, mailboxes.c.special_use == special_use)
            ).first()
            if taken is not None:
                raise NotAllowed("another mailbox has this special use")
        parent: Mailbox | None = None
        for depth in range(1, len(levels)):
            above = "/".join(levels[:depth])
            found = find_txn(connection, account_id, above)
            parent = self._create_below_txn(transaction, account_id, above, "", parent) if found is None else found
        return self._create_below_txn(transaction, account_id, name, special_use, parent)

    def _create_below_txn(
        self, transaction: Transaction, account_id: int, name: str, special_use: str, parent: Mailbox | None
    ) -> Mailbox:
        """What is created below a mailbox is for those for whom that is."""
        created = self.create_one_txn(transaction, account_id, name, special_use)
        if parent is not None:
            inherit_txn(transaction.connection, account_id, parent.id, created.id)
        return created

    def create_one_txn(self, transaction: Transaction, account_id: int, name: str, special_use: str) -> Mailbox:
        """A mailbox row and its directory; the caller has checked the name."""
        connection = transaction.connection
        address = connection.execute(select(accounts.c.address).where(accounts.c.id == account_id)).scalar_one()
        directory = os.path.normpath(os.path.join(account_directory(address), folder(name)))
        try:
            make_maildir(os.path.join(self._root, directory))
            numbers = self._numbering.begin_txn(transaction, account_id, directory)
            usefile.keep(os.path.join(self._root, directory), name, special_use)
        except OSError as error:
            raise Unavailable(f"the mailbox cannot be made: {error.strerror}") from error
        connection.execute(insert(mailboxes), {
            "account_id": account_id, "name": name, "special_use": special_use, "object_id": f"F{new_id()}",
            "directory": directory, "uidvalidity": numbers.uidvalidity, "uidnext": numbers.uidnext,
            "uid_reserved": numbers.reserved, "highestmodseq": 1, "recent_from": numbers.uidnext, "messages": 0,
            "unseen": 0, "deleted": 0, "size": 0, "tombstones": 0, "forgotten_modseq": 0, "scanned": "",
        })
        made = find_txn(connection, account_id, name)
        assert made is not None
        self._numbering.trust(transaction, made.id)
        return made

    def _rename_txn(self, transaction: Transaction, account_id: int, old: str, new: str) -> None:
        connection = transaction.connection
        moved = [box for box in _list_txn(connection, account_id) if (box.name + "/").startswith(old + "/")]
        if not moved:
            raise NoSuchMailbox("the mailbox does not exist")
        names = [(box, check_name(new + box.name.removeprefix(old))) for box in moved]
        for _, name in names:
            # not only the new name itself: what was below a deleted mailbox is still there
            if find_txn(connection, account_id, name) is not None:
                raise AlreadyExists(f"the mailbox {name} exists already")
        above = new.rpartition("/")[0]
        if above and find_txn(connection, account_id, above) is None:
            self._create_txn(transaction, account_id, above, "")
        for box, name in names:
            row = connection.execute(select(mailboxes.c.directory).where(mailboxes.c.id == box.id)).one()
            directory = os.path.join(row.directory.rpartition("/.")[0], folder(name))
            connection.execute(
                update(mailboxes).where(mailboxes.c.id == box.id).values(name=name, directory=directory, scanned="")
            )
            connection.execute(
                update(removals)
                .where(removals.c.account_id == account_id, removals.c.directory == row.directory)
                .values(directory=directory)
            )
            self._rename_directory(transaction, row.directory, directory)
            try:
                usefile.keep(os.path.join(self._root, directory), name, box.special_use)
            except OSError as error:
                raise Unavailable(f"the mailbox cannot be renamed: {error.strerror}") from error

    def _delete_txn(self, transaction: Transaction, account_id: int, name: str) -> str:
        connection = transaction.connection
        row = connection.execute(
            select(mailboxes.c.id, mailboxes.c.directory, mailboxes.c.highestmodseq)
            .where(mailboxes.c.account_id == account_id, mailboxes.c.name == name)
        ).one_or_none()
        if row is None:
            raise NoSuchMailbox("the mailbox does not exist")
        remove_all_txn(transaction, account_id, row.id)
        connection.execute(delete(mailboxes).where(mailboxes.c.id == row.id))
        transaction.changed(row.id, row.highestmodseq + 1)
        # Before the commit: a mailbox of the same name may be made right behind it. The name tells a scan after a
        # crash whether the row is still there (then the directory goes back) or not (then it is removed).
        aside = os.path.join(row.directory.rpartition("/.")[0], "tmp", f"{ASIDE}{row.id}")
        self._rename_directory(transaction, row.directory, aside)
        return os.path.join(self._root, aside)

    def _rename_directory(self, transaction: Transaction, old: str, new: str) -> None:
        source, target = os.path.join(self._root, old), os.path.join(self._root, new)
        try:
            os.rename(source, target)
            transaction.undo.append(lambda: os.rename(target, source))
            sync_directory(os.path.dirname(source))
            sync_directory(os.path.dirname(target))
        except OSError as error:
            raise Unavailable(f"the mailbox cannot be renamed: {error.strerror}") from error


def canonical(name: str) -> str:
    """The name as rows have it; what can be no name comes back as it is, and will not be found."""
    try:
        return check_name(name)
    except InvalidName:
        return name


def find_txn(connection: Connection, account_id: int, name: str) -> Mailbox | None:
    """The mailbox of this name."""
    row = _FIND.execute(connection, {"account": account_id, "name": name}).one_or_none()
    return None if row is None else mailbox_of(row)


def _list_txn(connection: Connection, account_id: int) -> list[Mailbox]:
    return [mailbox_of(row) for row in _LIST.execute(connection, {"account": account_id})]


def _recent_txn(connection: Connection, account_id: int, recent: Recent) -> dict[int, int]:
    found: dict[int, int] = {}
    for box_id, recent_from, uidnext in _NOT_TOLD.execute(connection, {"account": account_id}).all():
        first = recent.first(box_id, recent_from)
        if first < uidnext:
            key = {"account": account_id, "box": box_id, "first": first}
            found[box_id] = _COUNT_FROM.execute(connection, key).scalar_one()
    return found


def _ids_txn(connection: Connection, account_id: int) -> Sequence[int]:
    return _IDS.execute(connection, {"account": account_id}).scalars().all()


def _some_txn(connection: Connection, account_id: int, mailbox_ids: Sequence[int]) -> list[Mailbox]:
    found: list[Mailbox] = []
    for start in range(0, len(mailbox_ids), PAGE):
        page = list(mailbox_ids[start : start + PAGE])
        found += [mailbox_of(row) for row in connection.execute(_SOME, {"account": account_id, "ids": page})]
    return found


def subscribe_txn(transaction: Transaction, account_id: int, name: str) -> None:
    """Subscribe; nothing happens where there is a subscription."""
    there: object = transaction.connection.execute(
        select(literal_column("1")).where(subscriptions.c.account_id == account_id, subscriptions.c.name == name)
    ).first()
    if there is None:
        transaction.connection.execute(insert(subscriptions), {"account_id": account_id, "name": name})


def _subscribe_one_more_txn(transaction: Transaction, account_id: int, name: str) -> None:
    subscribe_txn(transaction, account_id, name)
    count = transaction.connection.execute(
        select(func.count()).select_from(subscriptions).where(subscriptions.c.account_id == account_id)
    ).scalar_one()
    if count > MOST_SUBSCRIPTIONS:
        # what was just inserted goes with the transaction
        raise LimitReached(f"an account has at most {MOST_SUBSCRIPTIONS} subscriptions")


def _unsubscribe_txn(transaction: Transaction, account_id: int, name: str) -> None:
    transaction.connection.execute(
        delete(subscriptions).where(subscriptions.c.account_id == account_id, subscriptions.c.name == name)
    )


def _subscriptions_txn(connection: Connection, account_id: int) -> list[str]:
    return list(connection.execute(
        select(subscriptions.c.name).where(subscriptions.c.account_id == account_id).order_by(subscriptions.c.name)
    ).scalars())


def _quota_txn(connection: Connection, account_id: int) -> Quota:
    row = connection.execute(
        select(
            accounts.c.quota_bytes, accounts.c.used_bytes, accounts.c.quota_messages, accounts.c.used_messages
        ).where(accounts.c.id == account_id)
    ).one()
    return Quota(*row)
