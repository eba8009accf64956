"""Group commit: whatever waits is written in one transaction; who makes it fail is left out of the next attempt."""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from twisted.logger import Logger

from quantummail.store.durability import not_durable
from quantummail.store.errors import StoreError, Unavailable
from quantummail.store.reserve import Reserve
from quantummail.store.transaction import Transaction, Work

_log = Logger(namespace="quantummail.store")
MOST_WORKS = 256
# the shared memory of the log is a file too: SQLITE_IOERR_SHMSIZE
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)


def commit_together(connection: Connection, works: Sequence[Work]) -> tuple[list[Any], dict[int, int]]:
    """Run works of any kinds in one transaction. If that fails, again with a savepoint for each; then each alone.

    Results, and changes to publish. A result is an exception where the work failed: a `StoreError` as it is, a
    database error as `Unavailable`.
    """
    try:
        return _commit(connection, works)
    except _NotDurable as error:
        failed = error.places
    good = [place for place in range(len(works)) if place not in failed]
    results: list[Any] = [failed.get(place) for place in range(len(works))]
    committed, changes = _commit(connection, [works[place] for place in good])
    for place, result in zip(good, committed, strict=True):
        results[place] = result
    return results, changes


def _commit(connection: Connection, works: Sequence[Work]) -> tuple[list[Any], dict[int, int]]:
    if len(works) > 1:
        for attempt in (_one_transaction, _savepoints):
            try:
                return attempt(connection, works)
            except _NotBegun as error:
                return [_unavailable(error.__cause__)] * len(works), {}
            except _NotDurable:
                raise
            except Exception as error:  # noqa: BLE001  # whatever it is, it may be the fault of one of them
                if not isinstance(error, StoreError):
                    _log.warn("{count} writes failed together and are tried in smaller steps: {error!r}",
                              count=len(works), error=error)
    results: list[Any] = []
    changes: dict[int, int] = {}
    for work in works:
        try:
            result, changed = _one_transaction(connection, [work])
            results += result
            changes.update(changed)
        except _NotBegun as error:
            results.append(_unavailable(error.__cause__))
        except _NotDurable as error:
            results += error.places.values()
        except Exception as error:  # noqa: BLE001  # the caller gets it
            results.append(_failure(error))
    return results, changes


class _NotBegun(Exception):
    """Not even a transaction could be had: nobody's work is to blame."""


class _NotDurable(Exception):
    """Files of some works, by their places, cannot be made durable; the transaction is rolled back."""

    def __init__(self, places: dict[int, Unavailable]) -> None:
        super().__init__(places)
        self.places = places


class DiskFull(Unavailable):
    """The database could not be written because the disk has no room."""


def _unavailable(error: BaseException | None) -> Unavailable:
    original = getattr(error, "orig", None)
    _log.error("the database failed: {error}", error=str(original or error))
    if getattr(original, "sqlite_errorcode", None) in _FULL:
        return DiskFull("the disk is full")
    return Unavailable("the database is not available")


def _failure(error: Exception) -> Exception:
    return _unavailable(error) if isinstance(error, SQLAlchemyError) else error


@contextlib.contextmanager
def _begun(connection: Connection) -> Iterator[Transaction]:
    """A transaction that is committed at the end; what it did to the tree is taken back if it fails."""
    transaction = Transaction(connection)
    try:
        begun = connection.begin()
    except SQLAlchemyError as error:
        raise _NotBegun from error
    try:
        with begun:
            yield transaction
    except BaseException:
        transaction.take_back()
        raise


def _one_transaction(connection: Connection, works: Sequence[Work]) -> tuple[list[Any], dict[int, int]]:
    results: list[Any] = [None] * len(works)
    with _begun(connection) as transaction:
        for many_txn, places in _by_kind(works).items():
            outcome = many_txn(transaction, [works[place].argument for place in places])
            for place, result in zip(places, outcome, strict=True):
                results[place] = result
        _wait_for_files(works)
    return results, transaction.changes


def _savepoints(connection: Connection, works: Sequence[Work]) -> tuple[list[Any], dict[int, int]]:
    """One commit for all those that do not fail. What may have broken the whole transaction is raised."""
    results: list[Any] = []
    with _begun(connection) as transaction:
        for work in works:
            part = Transaction(connection)
            try:
                with connection.begin_nested():
                    results += work.many_txn(part, [work.argument])
            except Exception as error:  # this one's caller gets it
                part.take_back()
                # SQLite may have ended the transaction by itself: disk full, input/output error
                if isinstance(error, SQLAlchemyError) and not isinstance(error, IntegrityError):
                    raise
                results.append(_failure(error))
            else:
                transaction.take_over(part)
        _wait_for_files(works)
    return results, transaction.changes


def _wait_for_files(works: Sequence[Work]) -> None:
    """No row is committed before the file that it names is durable."""
    failed: dict[int, Unavailable] = {}
    for place, work in enumerate(works):
        error = work.undurable()
        if error is not None:
            failed[place] = not_durable(error)
    if failed:
        raise _NotDurable(failed)


def _by_kind(works: Sequence[Work]) -> dict[Callable[..., Sequence[Any]], list[int]]:
    """Works that wait together were asked for by different sessions: their order is ours to choose."""
    kinds: dict[Callable[..., Sequence[Any]], list[int]] = {}
    for place, work in enumerate(works):
        kinds.setdefault(work.many_txn, []).append(place)
    return kinds


class Writer:
    """The one thread that writes."""

    def __init__(
        self, engine: Engine, publish: Callable[[Sequence[tuple[Work, Any]], dict[int, int]], None],
        reserve: Reserve | None = None,
    ) -> None:
        self._engine = engine
        self._reserve = reserve
        self._publish = publish
        self._waiting: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)

    def start(self) -> None:
        """Begin to write what is submitted."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, then end the thread. Blocks until that is done."""
        self._waiting.put(None)
        self._thread.join()

    def submit(self, work: Work) -> None:
        """Queue a work, from any thread."""
        self._waiting.put(work)

    def _run(self) -> None:
        connection: Connection | None = None
        stopping = False
        if self._reserve is not None:
            self._reserve.renew()
        while not stopping:
            works, stopping = self._take()
            if not works:
                continue
            try:
                if connection is None:
                    connection = self._engine.connect()
                results, changes = self._commit(connection, works)
            except Exception as error:  # noqa: BLE001  # the edge of the thread: nobody must wait for ever
                _log.failure("unexpected error while writing")
                results, changes = [_unavailable(error)] * len(works), {}
                _let_go(connection)
                connection = None
            self._publish(list(zip(works, results, strict=True)), changes)
        _let_go(connection)

    def _commit(self, connection: Connection, works: Sequence[Work]) -> tuple[list[Any], dict[int, int]]:
        """Run works; those that a full disk stops once more, with the room that was kept back."""
        results, changes = commit_together(connection, works)
        if self._reserve is None:
            return results, changes
        stopped = [place for place, result in enumerate(results) if isinstance(result, DiskFull)]
        if not stopped:
            self._reserve.renew()
        elif self._reserve.release():
            again, changed = commit_together(connection, [works[place] for place in stopped])
            changes.update(changed)
            for place, result in zip(stopped, again, strict=True):
                results[place] = result
        return results, changes

    def _take(self) -> tuple[list[Work], bool]:
        works: list[Work] = []
        item = self._waiting.get()
        while item is not None:
            works.append(item)
            if len(works) == MOST_WORKS or self._waiting.empty():
                return works, False
            item = self._waiting.get()
        return works, True


def _let_go(connection: Connection | None) -> None:
    if connection is not None:
        with contextlib.suppress(SQLAlchemyError):
            connection.close()
