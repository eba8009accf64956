"""The database: reads in a few threads, writes in one, and nothing of it on the reactor."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool
from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from quantummail.store.errors import Unavailable
from quantummail.store.other_commits import OtherCommits
from quantummail.store.prepared import compile_all
from quantummail.store.reserve import Reserve
from quantummail.store.tables import mailboxes
from quantummail.store.threads import Inline, Threads
from quantummail.store.transaction import Transaction, Work
from quantummail.store.writer import Writer, commit_together

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorFromThreads

T = TypeVar("T")
P = ParamSpec("P")

BUSY_TIMEOUT = 5.0


def make_engine(url: str, *, begin: str = "BEGIN") -> Engine:
    """An engine whose SQLite connections keep our promises; `begin` opens each of their transactions."""
    # each thread keeps its own connection: a pool would only say when there are too many threads
    engine = create_engine(url, poolclass=NullPool, pool_reset_on_return=None)
    if engine.dialect.name != "sqlite":
        return engine

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {int(BUSY_TIMEOUT * 1000)}",
            "journal_mode = WAL",
            # NORMAL loses acknowledged rows when the power fails
            "synchronous = FULL",
            "foreign_keys = ON",
            "cache_size = -16384",
            "mmap_size = 268435456",
            "temp_store = MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


class Database:
    """Runs work in transactions. `run` and `write` return Deferreds; failures are `StoreError` or unexpected.

    With a reactor the work is done in threads; without one (commands) where it is called.
    """

    log = Logger(namespace="quantummail.store")

    def __init__(
        self, url: str, reactor: IReactorFromThreads | None, readers: int, reserve: Reserve, others: OtherCommits
    ) -> None:
        """`others`: told of our commits if we are a command, since a server may run."""
        self._reactor = reactor
        self._others = others
        self._reserve = reserve
        self._reader_count = readers
        self._readers = Threads(reactor, "store-reader", readers) if reactor else Inline()
        self._read_engine = make_engine(url)
        self.write_engine = make_engine(url, begin="BEGIN IMMEDIATE")
        self._writer: Writer | None = None
        self._inline_connection: Connection | None = None
        self._local = threading.local()
        self._reading: set[Connection] = set()
        self.published: Callable[[dict[int, int]], None] = lambda _changes: None
        """Called on the reactor after each commit that changed mailboxes."""

    def start(self) -> None:
        """Begin to work."""
        self._readers.start()
        if self._reactor is not None:
            self._writer = Writer(self.write_engine, self._written, self._reserve)
            self._writer.start()

    def warm(self) -> None:
        """Open connections and compile statements in the background: the first clients would have to wait for it."""
        for work_txn in (_compile_txn, *[_look_txn] * self._reader_count):
            # whatever it is, those who need the database will tell it
            self.run(work_txn).addErrback(lambda _failure: None)

    def stop(self) -> None:
        """Finish what was submitted and close. Blocks for as long as that takes."""
        if self._writer is not None:
            self._writer.stop()
            self._writer = None
        self._readers.stop()
        # the last one to close writes the log back into the database
        for connection in self._reading:
            connection.close()
        self._reading.clear()
        self._local = threading.local()
        if self._inline_connection is not None:
            self._inline_connection.close()
            self._inline_connection = None
        self._read_engine.dispose()
        self.write_engine.dispose()

    def run(
        self, work_txn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Read: `work_txn(connection, ...)` in a transaction of its own, that sees one state of the database."""
        return self._readers.run(self._read, work_txn, args, kwargs)

    def write(
        self, work_txn: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Write: `work_txn(transaction, ...)` in the group commit; fired when it is on stable storage."""

        def alone_txn(transaction: Transaction, _arguments: Sequence[None]) -> list[T]:
            return [work_txn(transaction, *args, **kwargs)]

        return self.write_together(alone_txn, None)

    def write_together(
        self, many_txn: Callable[[Transaction, Sequence[T]], Sequence[Any]], argument: T
    ) -> Deferred[Any]:
        """Write, sharing the statements with all who wait with the same `many_txn`: see `transaction.Work`."""
        waiting: Deferred[Any] = Deferred()
        self.submit(Work(many_txn, argument, waiting.callback))
        return waiting.addCallback(_raise_errors)

    def submit(self, work: Work) -> None:
        """Queue a work from any thread; its `done` is called on the reactor with the result or the exception."""
        if self._writer is not None:
            self._writer.submit(work)
            return
        if self._inline_connection is None:
            self._inline_connection = self.write_engine.connect()
        try:
            self._others.announce()
        except Unavailable as error:
            self._deliver([(work, error)], {})
            return
        (result,), changes = commit_together(self._inline_connection, [work])
        self._others.done()
        self._deliver([(work, result)], changes)

    def report(self, done: Callable[[Any], None], result: Any) -> None:
        """Call `done(result)` on the reactor, from any thread."""
        if self._reactor is None:
            done(result)
        else:
            self._reactor.callFromThread(done, result)

    def _written(self, outcome: Sequence[tuple[Work, Any]], changes: dict[int, int]) -> None:
        assert self._reactor is not None
        self._reactor.callFromThread(self._deliver, outcome, changes)

    def _deliver(self, outcome: Sequence[tuple[Work, Any]], changes: dict[int, int]) -> None:
        if changes:
            self.published(changes)
        for work, result in outcome:
            try:
                work.done(result)
            except Exception:  # noqa: BLE001  # one caller's bug is not the others'
                self.log.failure("unexpected error after a write")

    def _read(
        self, work_txn: Callable[..., T], args: tuple[object, ...], kwargs: dict[str, object]
    ) -> T:
        connection: Connection | None = getattr(self._local, "connection", None)
        try:
            if connection is None:
                connection = self._local.connection = self._read_engine.connect()
                self._reading.add(connection)
            with connection.begin():
                return work_txn(connection, *args, **kwargs)
        except SQLAlchemyError as error:
            self._local.connection = None
            if connection is not None:
                self._reading.discard(connection)
                connection.close()
            self.log.error("the database failed: {error}", error=str(getattr(error, "orig", None) or error))
            raise Unavailable("the database is not available") from error


def _compile_txn(connection: Connection) -> None:
    compile_all(connection.dialect)


def _look_txn(connection: Connection) -> None:
    # SQLite reads the schema now
    connection.execute(select(mailboxes.c.id).limit(1)).all()


def _raise_errors(result: Any) -> Any:
    if isinstance(result, Exception):
        return defer.fail(Failure(result))
    return result
