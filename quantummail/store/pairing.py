"""Which mail root belongs to the database, and whether the two were last closed together.

A file in the mail root and a row in the database tell the same name. A root that does not tell it is another one, or
not mounted: a server that took it for ours would give away mail into a place that disappears, and forget the index.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, select

from quantummail.message.ids import new_id
from quantummail.store.errors import Unavailable
from quantummail.store.maildir import replace_file
from quantummail.store.tables import pairing

if TYPE_CHECKING:
    from quantummail.store.transaction import Transaction

FILE = ".quantummail"
_OPEN = "open"


@dataclass(frozen=True, slots=True)
class Mark:
    """What one side says."""

    name: str
    """Of the pair; empty when it has never been served."""
    closed: str
    """Made when both were closed in order; ``open`` in a root that is in use, or was when its server died."""


def in_step_txn(connection: Connection, root: str) -> bool:
    """Whether the database knows all UIDs that were ever given: closed in order, and no older copy."""
    ours, found = _mark_txn(connection), _read(root)
    if not ours.name and not found.name:
        return True
    return ours.name == found.name and bool(ours.closed) and ours.closed == found.closed


def begin_txn(transaction: Transaction, root: str) -> None:
    """Note that a server works here. `Unavailable` if the root is another one than the database knows."""
    ours, found = _mark_txn(transaction.connection), _read(root)
    if ours.name and ours.name != found.name:
        why = "is not the mail root of this database" if found.name else "is empty of mail, or not mounted"
        raise Unavailable(f"{root} {why}: `quantummail reindex` takes it as it is")
    name = ours.name or found.name or new_id()
    if name != ours.name:
        _keep_txn(transaction, "name", name)
    _write(root, Mark(name, _OPEN))


def adopt_txn(transaction: Transaction, root: str) -> None:
    """From now on this root is the database's, if it was not."""
    name = _mark_txn(transaction.connection).name
    if name and name != _read(root).name:
        _write(root, Mark(name, _OPEN))


def close_txn(transaction: Transaction) -> Mark:
    """The end of a run: what `close` writes into the root once the database is closed."""
    mark = Mark(_mark_txn(transaction.connection).name, new_id())
    _keep_txn(transaction, "closed", mark.closed)
    return mark


def close(root: str, mark: Mark) -> None:
    """Write the end of a run into the root."""
    _write(root, mark)


def _mark_txn(connection: Connection) -> Mark:
    values = {row.name: row.value for row in connection.execute(select(pairing.c.name, pairing.c.value))}
    return Mark(values.get("name", ""), values.get("closed", ""))


def _keep_txn(transaction: Transaction, name: str, value: str) -> None:
    transaction.connection.execute(delete(pairing).where(pairing.c.name == name))
    transaction.connection.execute(insert(pairing), {"name": name, "value": value})


def _read(root: str) -> Mark:
    try:
        with open(os.path.join(root, FILE), encoding="ascii") as file:
            _version, name, closed = file.read(100).split()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return Mark("", "")
    return Mark(name, closed)


def _write(root: str, mark: Mark) -> None:
    path = os.path.join(root, FILE)
    replace_file(path, f"{path}.tmp", f"1 {mark.name} {mark.closed}\n")
