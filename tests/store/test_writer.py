"""Tests of quantummail.store.writer."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import insert, select
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.database import make_engine
from quantummail.store.durability import Durability, Syncing, WrittenFile
from quantummail.store.errors import NotAllowed, Unavailable
from quantummail.store.tables import domains, metadata
from quantummail.store.transaction import Transaction, Work
from quantummail.store.writer import commit_together


class EngineTests(SynchronousTestCase):
    """What all threads have in common."""

    def test_connections(self) -> None:
        """As many threads as the configuration wants have a connection each."""
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        engine = make_engine(f"sqlite:///{temporary.name}/index.sqlite")
        connections = [engine.connect() for _ in range(64)]
        for connection in connections:
            self.addCleanup(connection.close)
        self.assertEqual(len({id(connection.connection.dbapi_connection) for connection in connections}), 64)


class CommitTests(SynchronousTestCase):
    """Works that share a transaction."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = Path(temporary.name) / "index.sqlite"
        engine = make_engine(f"sqlite:///{self.path}", begin="BEGIN IMMEDIATE")
        self.addCleanup(engine.dispose)
        metadata.create_all(engine)
        self.connection = engine.connect()
        self.addCleanup(self.connection.close)
        self.connection.exec_driver_sql("PRAGMA busy_timeout = 0")
        self.connection.rollback()
        self.undone: list[str] = []

    def add(self, name: str, error: Exception | None = None) -> Work:
        """A work that adds a domain and then fails if it has an error."""

        def add_txn(transaction: Transaction, _arguments: Sequence[object]) -> list[object]:
            transaction.undo.append(lambda: self.undone.append(name))
            transaction.connection.execute(insert(domains), {"name": name, "created": 0})
            transaction.changed(len(name), 1)
            if error is not None:
                raise error
            return [name]

        return Work(add_txn, None, lambda _result: None)

    def names(self) -> list[str]:
        """The domains that are there."""
        with self.connection.begin():
            return list(self.connection.execute(select(domains.c.name).order_by(domains.c.id)).scalars())

    def test_all(self) -> None:
        """What does not fail is there, with all changes, and nothing is undone."""
        results, changes = commit_together(self.connection, [self.add("a"), self.add("bb")])
        self.assertEqual(results, ["a", "bb"])
        self.assertEqual(changes, {1: 1, 2: 1})
        self.assertEqual(self.names(), ["a", "bb"])
        self.assertEqual(self.undone, [])

    def test_one_fails(self) -> None:
        """A work that fails gets its error, the others of its group are written."""
        error = NotAllowed("no")
        results, changes = commit_together(self.connection, [self.add("a"), self.add("bb", error), self.add("ccc")])
        self.assertEqual(results, ["a", error, "ccc"])
        self.assertEqual(changes, {1: 1, 3: 1})
        self.assertEqual(self.names(), ["a", "ccc"])

    def test_bug(self) -> None:
        """So does one with an unexpected exception."""
        error = ZeroDivisionError()
        results, _ = commit_together(self.connection, [self.add("a", error), self.add("bb")])
        self.assertEqual(results, [error, "bb"])
        self.assertEqual(self.names(), ["bb"])

    def test_constraint(self) -> None:
        """A violated constraint is the violator's failure."""
        results, _ = commit_together(self.connection, [self.add("a"), self.add("a"), self.add("bb")])
        self.assertEqual(results[0::2], ["a", "bb"])
        self.assertIsInstance(results[1], Unavailable)
        self.assertEqual(self.names(), ["a", "bb"])

    def test_undo(self) -> None:
        """What a failed work did to the tree is taken back each time it was done; what stays is done once more."""
        commit_together(self.connection, [self.add("a"), self.add("bb", NotAllowed("no"))])
        self.assertEqual(self.undone, ["bb", "a", "bb"])

    def test_alone(self) -> None:
        """A single work that fails is undone too."""
        error = NotAllowed("no")
        results, changes = commit_together(self.connection, [self.add("a", error)])
        self.assertEqual((results, changes), ([error], {}))
        self.assertEqual((self.names(), self.undone), ([], ["a"]))

    def test_not_begun(self) -> None:
        """Where no transaction can be had everybody is told to try later, and later it works."""
        other = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        for works in ([self.add("a")], [self.add("a"), self.add("bb")]):
            results, changes = commit_together(self.connection, works)
            self.assertEqual([type(result) for result in results], [Unavailable] * len(works))
            self.assertEqual(changes, {})
        other.execute("ROLLBACK")
        self.assertEqual(commit_together(self.connection, [self.add("a")])[0], ["a"])

    def test_together(self) -> None:
        """Works of one kind are done by one call, and each gets its own result."""
        calls: list[list[int]] = []

        def double_txn(_transaction: Transaction, arguments: Sequence[int]) -> list[int]:
            calls.append(list(arguments))
            return [2 * argument for argument in arguments]

        works = [Work(double_txn, 1, lambda _result: None), self.add("a"), Work(double_txn, 2, lambda _result: None)]
        self.assertEqual(commit_together(self.connection, works)[0], [2, "a", 4])
        self.assertEqual(calls, [[1, 2]])


class FileTests(CommitTests):
    """Works that bring files, which are synced while their statements run."""

    def works(self, *lost: str) -> list[Work]:
        """Three works with files, some of which cannot be made durable."""
        works = [self.add("a"), self.add("bb"), self.add("ccc")]
        files = [WrittenFile(path, -1) for path in ("/a", "/b", "/c")]
        syncing = Syncing(files)
        syncing.run(Losing(lost))
        for work, file in zip(works, files, strict=True):
            work.file, work.syncing = file, syncing
        return works

    def test_one_file_is_lost(self) -> None:
        """A file that cannot be made durable fails its own work only."""
        results, _ = commit_together(self.connection, self.works("/b"))
        self.assertEqual(results[0::2], ["a", "ccc"])
        self.assertIsInstance(results[1], Unavailable)
        self.assertEqual(self.names(), ["a", "ccc"])

    def test_all_files_are_lost(self) -> None:
        """If no file is durable nothing is written."""
        results, changes = commit_together(self.connection, self.works("/a", "/b", "/c"))
        self.assertTrue(all(isinstance(result, Unavailable) for result in results))
        self.assertEqual((self.names(), changes), ([], {}))

    def test_beside_a_failure(self) -> None:
        """A lost file is noticed too when another work of the group has failed."""
        results, _ = commit_together(self.connection, [*self.works("/c"), self.add("dddd", NotAllowed("no"))])
        self.assertEqual(results[:2], ["a", "bb"])
        self.assertIsInstance(results[2], Unavailable)
        self.assertIsInstance(results[3], NotAllowed)
        self.assertEqual(self.names(), ["a", "bb"])

    def test_alone(self) -> None:
        """A lost file of a work that is alone is its failure."""
        (result,), _ = commit_together(self.connection, self.works("/a")[:1])
        self.assertIsInstance(result, Unavailable)
        self.assertEqual(self.names(), [])

    def test_a_sync_that_ends_unexpectedly(self) -> None:
        """Nobody waits for ever, and nobody takes it for done."""
        file = WrittenFile("/a", -1)
        syncing = Syncing([file])
        self.assertRaises(ZeroDivisionError, syncing.run, Broken("/"))
        self.assertIsInstance(syncing.outcome(file), OSError)


class Losing(Durability):
    """Says of some files that they cannot be made durable."""

    def __init__(self, lost: Sequence[str]) -> None:
        super().__init__("/")
        self.lost = lost

    def sync(self, files: Sequence[WrittenFile]) -> list[OSError | None]:
        return [OSError(5, "Input/output error") if file.path in self.lost else None for file in files]


class Broken(Durability):
    """Has a bug."""

    def sync(self, files: Sequence[WrittenFile]) -> list[OSError | None]:
        raise ZeroDivisionError
