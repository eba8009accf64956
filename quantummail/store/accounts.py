"""Domains, accounts and aliases: who gets mail here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from quantummail.store.errors import AlreadyExists, LimitReached, NoSuchAlias, NoSuchDomain, NoSuchUser, NotAllowed
from quantummail.store.maildir import account_directory, sync_directory
from quantummail.store.names import normal_address, normal_domain
from quantummail.store.prepared import Prepared
from quantummail.store.records import Alias, Credentials, Domain, ScramKeys, User
from quantummail.store.remembered import Remembered
from quantummail.store.rows import AnyRow
from quantummail.store.scram_keys import KEY_COLUMNS, keep_keys_txn, keys_of, replace_keys_txn, without_keys_txn
from quantummail.store.tables import (
    accounts,
    acls,
    alias_targets,
    aliases,
    domains,
    mailbox_annotations,
    mailboxes,
    scram_keys,
    server_annotations,
)
from quantummail.store.transaction import Transaction
from quantummail.store.uids import PAGE

if TYPE_CHECKING:
    from typing import Any

    from quantummail.store.database import Database
    from quantummail.store.mailboxes import Mailboxes
    from quantummail.store.other_commits import OtherCommits
    from quantummail.store.threads import Inline, Threads

T = TypeVar("T")
P = ParamSpec("P")

# Directories of accounts that were deleted begin with this; `%` is followed by two hex digits in all others
REMOVED = "%-removed-"
MOST_TARGETS = 1000
USER_COLUMNS = (
    accounts.c.id, accounts.c.address, accounts.c.admin, accounts.c.enabled, accounts.c.quota_bytes,
    accounts.c.quota_messages, accounts.c.used_bytes, accounts.c.used_messages, accounts.c.created,
    accounts.c.disabled_capabilities,
)
# A hash that no password has: accounts found in the tree need `user passwd` before anybody can log in
NO_PASSWORD = "{NONE}"  # noqa: S105  # it is none


class Domains:
    """The domains whose mail we take. Names come in any form and are kept in lower case, as A-labels."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, name: str) -> Domain:
        """Take mail for a domain. `AlreadyExists`, `InvalidName`."""
        return await self._database.write(_add_domain_txn, normal_domain(name))

    async def list(self) -> list[Domain]:
        """All domains, by name."""
        return await self._database.run(_list_domains_txn)

    async def delete(self, name: str) -> None:
        """Forget a domain; `NotAllowed` while it has accounts or aliases, `NoSuchDomain`."""
        await self._database.write(_delete_domain_txn, normal_domain(name))


class Users:
    """Accounts. Addresses come in any case."""

    def __init__(
        self, database: Database, mailboxes_: Mailboxes, root: str, threads: Inline | Threads, others: OtherCommits
    ) -> None:
        self._database = database
        self._mailboxes = mailboxes_
        self._root = root
        self._threads = threads
        self._remembered: Remembered[str, Credentials] = Remembered(others)

    async def _write(
        self, work_txn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Everything that is written goes through here: what is remembered may not be true any more."""
        try:
            return await self._database.write(work_txn, *args, **kwargs)
        finally:
            self._remembered.clear()

    async def create(
        self,
        address: str,
        password_hash: str,
        *,
        admin: bool = False,
        quota_bytes: int = 0,
        quota_messages: int = 0,
        scram: ScramKeys | None = None,
    ) -> User:
        """Create an account with its standard mailboxes. `AlreadyExists`, `NoSuchDomain`, `InvalidName`.

        A Maildir that is there already becomes the account's; `Store.reindex` takes in what it holds.
        """
        address = normal_address(address)

        def create_txn(transaction: Transaction) -> User:
            connection = transaction.connection
            if _user_txn(connection, address) is not None or _alias_id_txn(connection, address) is not None:
                raise AlreadyExists(f"{address} exists already")
            connection.execute(insert(accounts), {
                "domain_id": _domain_id_txn(connection, address), "address": address,
                "password_hash": password_hash, "admin": admin, "enabled": True, "quota_bytes": quota_bytes,
                "quota_messages": quota_messages, "used_bytes": 0, "used_messages": 0, "uidvalidity": 0,
                "created": int(time.time()),
            })
            user = _user_txn(connection, address)
            assert user is not None
            replace_keys_txn(transaction, user.id, scram)
            self._mailboxes.create_standard_txn(transaction, user.id)
            return user

        return await self._write(create_txn)

    async def find(self, address: str) -> User | None:
        """The account of this address itself; aliases are not followed."""
        return await self._database.run(_user_txn, normal_address(address))

    async def credentials(self, address: str) -> Credentials | None:
        """What a login is checked against. Of what its user has used it may tell less than is true now."""
        address = normal_address(address)
        return await self._remembered.get(address, lambda: self._database.run(_credentials_txn, address))

    async def enabled_hashes(self, user_ids: Sequence[int]) -> dict[int, str]:
        """The password hashes of those of these accounts that are there and not disabled."""
        return await self._database.run(_enabled_hashes_txn, user_ids)

    async def list(self, domain: str | None = None) -> list[User]:
        """All accounts, or those of a domain, by address."""
        return await self._database.run(_list_users_txn, None if domain is None else normal_domain(domain))

    async def set_password(self, address: str, password_hash: str, scram: ScramKeys | None = None) -> None:
        """Replace the password and all that was made of the old one. `NoSuchUser`."""
        address = normal_address(address)

        def set_txn(transaction: Transaction) -> None:
            user = _user_txn(transaction.connection, address)
            if user is None:
                raise NoSuchUser(f"there is no user {address}")
            transaction.connection.execute(
                update(accounts).where(accounts.c.id == user.id).values(password_hash=password_hash))
            replace_keys_txn(transaction, user.id, scram)

        await self._write(set_txn)

    async def keep_scram_keys(self, user_id: int, password_hash: str, keys: ScramKeys) -> None:
        """Keep the keys of a password that was found right, unless the account has another one by now."""
        await self._write(keep_keys_txn, user_id, password_hash, keys)

    async def without_scram_keys(self) -> int:
        """How many accounts can log in with a password, but not by SCRAM."""
        return await self._database.run(without_keys_txn, NO_PASSWORD)

    async def set_disabled_capabilities(self, address: str, names: Sequence[str]) -> None:
        """Replace what the account's sessions do without. `NoSuchUser`."""
        await self._update(address, disabled_capabilities=" ".join(sorted(set(names))))

    async def set_quota(self, address: str, quota_bytes: int, quota_messages: int) -> None:
        """Replace the limits, 0 for none. `NoSuchUser`."""
        await self._update(address, quota_bytes=quota_bytes, quota_messages=quota_messages)

    async def set_enabled(self, address: str, enabled: bool) -> None:
        """Allow logins and deliveries, or refuse them. `NoSuchUser`."""
        await self._update(address, enabled=enabled)

    async def replace_hash(self, user_id: int, old_hash: str, new_hash: str) -> None:
        """Keep a better hash of the same password, unless the password has been changed meanwhile."""

        def replace_txn(transaction: Transaction) -> None:
            transaction.connection.execute(
                update(accounts)
                .where(accounts.c.id == user_id, accounts.c.password_hash == old_hash)
                .values(password_hash=new_hash)
            )

        await self._write(replace_txn)

    async def delete(self, address: str) -> str:
        """Delete an account and all its rows; the path, below the mail root, where its files were put aside."""
        address = normal_address(address)
        await self._write(_delete_user_txn, address)
        return await self._threads.run(self._put_aside, address)

    def _put_aside(self, address: str) -> str:
        directory = account_directory(address)
        domain, local_part = os.path.split(directory)
        aside = os.path.join(domain, f"{REMOVED}{time.time_ns()}-{local_part}")
        try:
            os.rename(os.path.join(self._root, directory), os.path.join(self._root, aside))
            sync_directory(os.path.join(self._root, domain))
        except FileNotFoundError:
            return ""
        return aside

    async def _update(self, address: str, **values: Any) -> None:
        address = normal_address(address)

        def update_txn(transaction: Transaction) -> None:
            outcome = transaction.connection.execute(
                update(accounts).where(accounts.c.address == address).values(**values)
            )
            if outcome.rowcount == 0:
                raise NoSuchUser(f"there is no user {address}")

        await self._write(update_txn)


class Aliases:
    """Addresses that stand for others. ``@domain`` catches what no account or alias of the domain takes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, address: str, targets: Sequence[str]) -> Alias:
        """Add targets to an alias, which is created if it is not there. `NoSuchDomain`, `AlreadyExists` (a user)."""
        alias = _normal_alias(address)
        return await self._database.write(_add_alias_txn, alias, [normal_address(target) for target in targets])

    async def list(self, domain: str | None = None) -> list[Alias]:
        """All aliases, or those of a domain, by address."""
        return await self._database.run(_list_aliases_txn, None if domain is None else normal_domain(domain))

    async def delete(self, address: str) -> None:
        """Delete an alias with all its targets. `NoSuchAlias`."""
        alias = _normal_alias(address)

        def delete_txn(transaction: Transaction) -> None:
            outcome = transaction.connection.execute(delete(aliases).where(aliases.c.address == alias))
            if outcome.rowcount == 0:
                raise NoSuchAlias(f"there is no alias {alias}")

        await self._database.write(delete_txn)


def _normal_alias(address: str) -> str:
    address = address.strip()
    return "@" + normal_domain(address[1:]) if address.startswith("@") else normal_address(address)


def user_of(row: AnyRow) -> User:
    """The value of a row of `USER_COLUMNS`, which may have further columns behind."""
    *values, disabled = row[: len(USER_COLUMNS)]
    user = User(*values)
    return replace(user, disabled_capabilities=tuple(disabled.split())) if disabled else user


def _add_domain_txn(transaction: Transaction, name: str) -> Domain:
    connection = transaction.connection
    if connection.execute(select(domains.c.id).where(domains.c.name == name)).first() is not None:
        raise AlreadyExists(f"{name} exists already")
    connection.execute(insert(domains), {"name": name, "created": int(time.time())})
    row = connection.execute(select(domains.c.id, domains.c.created).where(domains.c.name == name)).one()
    return Domain(row.id, name, row.created)


def _list_domains_txn(connection: Connection) -> list[Domain]:
    rows = connection.execute(select(domains.c.id, domains.c.name, domains.c.created).order_by(domains.c.name))
    return [Domain(*row) for row in rows]


def _delete_domain_txn(transaction: Transaction, name: str) -> None:
    connection = transaction.connection
    domain_id = _domain_id_txn(connection, f"@{name}")
    for table, what in ((accounts, "accounts"), (aliases, "aliases")):
        if connection.execute(select(table.c.id).where(table.c.domain_id == domain_id)).first() is not None:
            raise NotAllowed(f"{name} still has {what}")
    connection.execute(delete(domains).where(domains.c.id == domain_id))


def _domain_id_txn(connection: Connection, address: str) -> int:
    name = address.rpartition("@")[2]
    found = connection.execute(select(domains.c.id).where(domains.c.name == name)).scalar()
    if found is None:
        raise NoSuchDomain(f"{name} is not one of our domains")
    return int(found)


def _user_txn(connection: Connection, address: str) -> User | None:
    row = connection.execute(select(*USER_COLUMNS).where(accounts.c.address == address)).one_or_none()
    return None if row is None else user_of(row)


_CREDENTIALS = Prepared(
    select(*USER_COLUMNS, accounts.c.password_hash, *KEY_COLUMNS)
    .outerjoin(scram_keys, scram_keys.c.account_id == accounts.c.id)
    .where(accounts.c.address == bindparam("address"))
)


_ENABLED_HASHES = (
    select(accounts.c.id, accounts.c.password_hash)
    .where(accounts.c.id.in_(bindparam("ids", expanding=True)), accounts.c.enabled)
)


def _credentials_txn(connection: Connection, address: str) -> Credentials | None:
    row = _CREDENTIALS.execute(connection, {"address": address}).one_or_none()
    return None if row is None else Credentials(user_of(row), row.password_hash, keys_of(row))


def _enabled_hashes_txn(connection: Connection, user_ids: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for start in range(0, len(user_ids), PAGE):
        page = user_ids[start : start + PAGE]
        for row in connection.execute(_ENABLED_HASHES, {"ids": page}):
            found[row.id] = row.password_hash
    return found


def _list_users_txn(connection: Connection, domain: str | None) -> list[User]:
    query = select(*USER_COLUMNS).order_by(accounts.c.address)
    if domain is not None:
        query = query.where(accounts.c.domain_id == _domain_id_txn(connection, f"@{domain}"))
    return [user_of(row) for row in connection.execute(query)]


def _delete_user_txn(transaction: Transaction, address: str) -> None:
    connection = transaction.connection
    user = _user_txn(connection, address)
    if user is None:
        raise NoSuchUser(f"there is no user {address}")
    # sessions that have one of its mailboxes selected learn that it is gone
    for row in connection.execute(
        select(mailboxes.c.id, mailboxes.c.highestmodseq).where(mailboxes.c.account_id == user.id)
    ).all():
        transaction.changed(row.id, row.highestmodseq + 1)
    for table in (server_annotations, mailbox_annotations):
        connection.execute(delete(table).where(table.c.reader_id == user.id))
    connection.execute(delete(acls).where(acls.c.grantee_id == user.id))
    connection.execute(delete(accounts).where(accounts.c.id == user.id))


def _alias_id_txn(connection: Connection, address: str) -> int | None:
    return connection.execute(select(aliases.c.id).where(aliases.c.address == address)).scalar()


def _add_alias_txn(transaction: Transaction, address: str, targets: Sequence[str]) -> Alias:
    connection = transaction.connection
    if _user_txn(connection, address) is not None:
        raise AlreadyExists(f"{address} is an account")
    alias_id = _alias_id_txn(connection, address)
    if alias_id is None:
        connection.execute(
            insert(aliases), {"domain_id": _domain_id_txn(connection, address), "address": address}
        )
        alias_id = _alias_id_txn(connection, address)
    known = alias_targets_txn(connection, address)
    added = [target for target in dict.fromkeys(targets) if target not in known]
    if len(known) + len(added) > MOST_TARGETS:
        raise LimitReached(f"an alias has at most {MOST_TARGETS} targets")
    for position, target in enumerate(added, start=len(known)):
        connection.execute(
            insert(alias_targets), {"alias_id": alias_id, "position": position, "target": target}
        )
    return Alias(address, (*known, *added))


def alias_targets_txn(connection: Connection, address: str) -> tuple[str, ...]:
    """Where an alias goes, empty if there is none."""
    return tuple(connection.execute(
        select(alias_targets.c.target)
        .join_from(aliases, alias_targets, aliases.c.id == alias_targets.c.alias_id)
        .where(aliases.c.address == address)
        .order_by(alias_targets.c.position)
    ).scalars())


def _list_aliases_txn(connection: Connection, domain: str | None) -> list[Alias]:
    query = select(aliases.c.address).order_by(aliases.c.address)
    if domain is not None:
        query = query.where(aliases.c.domain_id == _domain_id_txn(connection, f"@{domain}"))
    return [
        Alias(address, alias_targets_txn(connection, address))
        for address in connection.execute(query).scalars().all()
    ]
