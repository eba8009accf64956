"""Group commit: whatever waits is written in one transaction; if that fails, each is run alone."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from twisted.logger import Logger

from quantummail.store.durability import Durability
from quantummail.store.errors import StoreError, Unavailable
from quantummail.store.transaction import Transaction, Work

_log = Logger(namespace="quantummail.store")
MOST_WORKS = 256


def commit_together(connection: Connection, works: Sequence[Work]) -> tuple[list[Any], dict[int, int]]:
    """Run works of any kinds in one transaction, or each in its own if that fails. Results, and changes to publish.

    A result is an exception where the work failed: a `StoreError` as it is, a database error as `Unavailable`.
    """
    if len(works) > 1:
        try:
            return _one_transaction(connection, works)
        except _NotBegun as error:
            return [_unavailable(error.__cause__)] * len(works), {}
        except Exception as error:  # noqa: BLE001  # whatever it is, it may be the fault of one of them
            if not isinstance(error, StoreError):
                _log.warn("{count} writes failed together and are tried one by one: {error!r}",
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
        except SQLAlchemyError as error:
            results.append(_unavailable(error))
        except Exception as error:  # noqa: BLE001  # the caller gets it
            results.append(error)
    return results, changes


def write_together(
    connection: Connection, durability: Durability, works: Sequence[Work]
) -> tuple[list[Any], dict[int, int]]:
    """Make the files of works durable, then commit those works whose files are."""
    written = [(place, work.file) for place, work in enumerate(works) if work.file is not None]
    if not written:
        return commit_together(connection, works)
    failed: dict[int, Unavailable] = {}
    for (place, file), error in zip(written, durability.sync([file for _, file in written]), strict=True):
        if error is not None:
            _log.error("{file} cannot be made durable: {reason}", file=file.path, reason=error.strerror)
            failed[place] = Unavailable(f"the disk does not take the message: {error.strerror}")
    if not failed:
        return commit_together(connection, works)
    good = [place for place in range(len(works)) if place not in failed]
    results: list[Any] = [failed.get(place) for place in range(len(works))]
    committed, changes = commit_together(connection, [works[place] for place in good])
    for place, result in zip(good, committed, strict=True):
        results[place] = result
    return results, changes


class _NotBegun(Exception):
    """Not even a transaction could be had: nobody's work is to blame."""


def _unavailable(error: BaseException | None) -> Unavailable:
    _log.error("the database failed: {error}", error=str(getattr(error, "orig", None) or error))
    return Unavailable("the database is not available")


def _one_transaction(connection: Connection, works: Sequence[Work]) -> tuple[list[Any], dict[int, int]]:
    transaction = Transaction(connection)
    results: list[Any] = [None] * len(works)
    try:
        begun = connection.begin()
    except SQLAlchemyError as error:
        raise _NotBegun from error
    with begun:
        for many_txn, places in _by_kind(works).items():
            outcome = many_txn(transaction, [works[place].argument for place in places])
            for place, result in zip(places, outcome, strict=True):
                results[place] = result
    return results, transaction.changes


def _by_kind(works: Sequence[Work]) -> dict[Callable[..., Sequence[Any]], list[int]]:
    """Works that wait together were asked for by different sessions: their order is ours to choose."""
    kinds: dict[Callable[..., Sequence[Any]], list[int]] = {}
    for place, work in enumerate(works):
        kinds.setdefault(work.many_txn, []).append(place)
    return kinds


class Writer:
    """The one thread that writes."""

    def __init__(
        self,
        engine: Engine,
        durability: Durability,
        publish: Callable[[Sequence[tuple[Work, Any]], dict[int, int]], None],
    ) -> None:
        self._engine = engine
        self._durability = durability
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
        stopping = False
        with self._engine.connect() as connection:
            while not stopping:
                works, stopping = self._take()
                if works:
                    results, changes = write_together(connection, self._durability, works)
                    self._publish(list(zip(works, results, strict=True)), changes)

    def _take(self) -> tuple[list[Work], bool]:
        works: list[Work] = []
        item = self._waiting.get()
        while item is not None:
            works.append(item)
            if len(works) == MOST_WORKS or self._waiting.empty():
                return works, False
            item = self._waiting.get()
        return works, True
