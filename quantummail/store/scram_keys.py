"""What SCRAM logins are checked against (RFC 5802 section 3): a row an account, never the password."""

from __future__ import annotations

from sqlalchemy import Connection, delete, func, insert, select

from quantummail.store.records import ScramKeys
from quantummail.store.rows import AnyRow
from quantummail.store.tables import accounts, scram_keys
from quantummail.store.transaction import Transaction

KEY_COLUMNS = (scram_keys.c.salt, scram_keys.c.iterations, scram_keys.c.stored_key, scram_keys.c.server_key)


def keys_of(row: AnyRow) -> ScramKeys | None:
    """The value of a row that has `KEY_COLUMNS`, from an outer join."""
    if row.salt is None:
        return None
    return ScramKeys(bytes(row.salt), row.iterations, bytes(row.stored_key), bytes(row.server_key))


def replace_keys_txn(transaction: Transaction, account_id: int, keys: ScramKeys | None) -> None:
    """Forget the keys of a password that is not the account's any more, and keep those of the new one."""
    connection = transaction.connection
    connection.execute(delete(scram_keys).where(scram_keys.c.account_id == account_id))
    if keys is not None:
        connection.execute(insert(scram_keys), {
            "account_id": account_id, "salt": keys.salt, "iterations": keys.iterations,
            "stored_key": keys.stored_key, "server_key": keys.server_key,
        })


def keep_keys_txn(transaction: Transaction, account_id: int, password_hash: str, keys: ScramKeys) -> None:
    """Keep the keys of a password that was found right, unless the account has another one by now."""
    current = transaction.connection.execute(
        select(accounts.c.password_hash).where(accounts.c.id == account_id)
    ).scalar()
    if current == password_hash:
        replace_keys_txn(transaction, account_id, keys)


def without_keys_txn(connection: Connection, no_password: str) -> int:
    """How many accounts can log in with a password, but not by SCRAM.

    :param no_password: the hash that no password has.
    """
    return connection.execute(
        select(func.count())
        .select_from(accounts)
        .outerjoin(scram_keys, scram_keys.c.account_id == accounts.c.id)
        .where(accounts.c.enabled, accounts.c.password_hash != no_password, scram_keys.c.account_id.is_(None))
    ).scalar_one()
