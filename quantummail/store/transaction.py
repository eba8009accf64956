"""What a piece of writing gets: the connection, and a place to say what the world must learn after the commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection
from twisted.logger import Logger

from quantummail.store.durability import Syncing, WrittenFile

_log = Logger(namespace="quantummail.store")


@dataclass(slots=True)
class Transaction:
    """One transaction of the writer. Several pieces of work may share it; all of them are committed, or none."""

    connection: Connection
    changes: dict[int, int] = field(default_factory=dict)
    """Mailbox id to the highest mod-sequence it has now."""
    keywords: dict[int, int] = field(default_factory=dict)
    """Mailbox id to the bits of keywords that messages may get in this transaction: not to be given to others."""
    undo: list[Callable[[], None]] = field(default_factory=list)
    """How to take back what was done outside of the database, should the transaction fail; called last one first."""

    def changed(self, mailbox_id: int, modseq: int) -> None:
        """To be published after the commit: the mailbox has changed."""
        if modseq > self.changes.get(mailbox_id, 0):
            self.changes[mailbox_id] = modseq

    def take_back(self) -> None:
        """Undo: the transaction has failed."""
        while self.undo:
            try:
                self.undo.pop()()
            except OSError as error:
                _log.error("what a failed write has done to the tree cannot be undone: {error}", error=error)

    def take_over(self, other: Transaction) -> None:
        """What `other`, a part of this transaction, has done now belongs to this one."""
        self.undo += other.undo
        for mailbox_id, bits in other.keywords.items():
            self.keywords[mailbox_id] = self.keywords.get(mailbox_id, 0) | bits
        for mailbox_id, modseq in other.changes.items():
            self.changed(mailbox_id, modseq)


@dataclass(slots=True)
class Work:
    """A piece of writing that waits for its transaction.

    `many_txn` gets the arguments of all works of its kind that share the transaction, and returns their results in
    order; a result that is an exception is that one work's failure and does not disturb the others.
    """

    many_txn: Callable[[Transaction, Sequence[Any]], Sequence[Any]]
    argument: Any
    done: Callable[[Any], None]
    """Called on the reactor with the result or the exception."""
    file: WrittenFile | None = None
    syncing: Syncing | None = None
    """What makes the file durable meanwhile: the transaction waits for it before its commit. None: it is already."""

    def undurable(self) -> OSError | None:
        """Wait for the file; what went wrong with it."""
        return None if self.syncing is None or self.file is None else self.syncing.outcome(self.file)
