"""New messages on their way to the writer: those that wait are put into their Maildirs and made durable together.

A stage before the writer's: while it runs the statements of a group the files are synced, and while it commits the
group the next one is written.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from quantummail.store.durability import Syncing, not_durable

if TYPE_CHECKING:
    from quantummail.store.durability import Durability, WrittenFile
    from quantummail.store.transaction import Work

_log = Logger(namespace="quantummail.store")
MOST_MESSAGES = 64

Writing = Callable[[], "Sequence[Work]"]
"""Puts the file of a message into its place; the works that give it its rows. Raises nothing."""


class Intake:
    """One thread for all small messages: several would only wait for each other's turn to run Python.

    :param submit: hands a work whose file is durable to the writer.
    :param report: calls a work's `done` on the reactor.
    """

    def __init__(
        self,
        durability: Durability,
        submit: Callable[[Work], None],
        report: Callable[[Callable[[Any], None], Any], None],
    ) -> None:
        self._durability = durability
        self._submit = submit
        self._report = report
        self._waiting: queue.SimpleQueue[Writing | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Take messages in a thread from now on; before that they are taken where they are put."""
        self._thread = threading.Thread(target=self._run, name="store-intake", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take what waits, then end the thread. Blocks until that is done."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def put(self, writing: Writing) -> None:
        """Queue a small message, from any thread."""
        if self._thread is None:
            self.take([writing])
        else:
            self._waiting.put(writing)

    def take(self, writings: Sequence[Writing]) -> None:
        """Write messages, make them durable, then hand them on. Blocks: a large message has a thread of its own."""
        works = _written(writings)
        syncing = _syncing(works)
        syncing.run(self._durability)
        for work in works:
            error = syncing.outcome(work.file) if work.file is not None else None
            if error is None:
                self._submit(work)
            else:
                self._report(work.done, not_durable(error))

    def make_durable(self, files: Sequence[WrittenFile]) -> None:
        """Sync files in the calling thread; `Unavailable` if one of them is lost. All are closed then."""
        for error in self._durability.sync(files):
            if error is not None:
                raise not_durable(error)

    def _take_overlapped(self, writings: Sequence[Writing]) -> None:
        """The same; the writer gets the works at once, and waits for the files when all its statements are run."""
        works = _written(writings)
        syncing = _syncing(works)
        for work in works:
            if work.file is not None:
                work.syncing = syncing
            self._submit(work)
        syncing.run(self._durability)

    def _run(self) -> None:
        stopping = False
        while not stopping:
            writing = self._waiting.get()
            writings = []
            while writing is not None:
                writings.append(writing)
                if len(writings) == MOST_MESSAGES or self._waiting.empty():
                    break
                writing = self._waiting.get()
            stopping = writing is None
            try:
                self._take_overlapped(writings)
            except Exception:  # noqa: BLE001  # the edge of the thread: the next message must find it alive
                _log.failure("unexpected error while messages were taken in")


def _written(writings: Sequence[Writing]) -> list[Work]:
    return [work for writing in writings for work in writing()]


def _syncing(works: Sequence[Work]) -> Syncing:
    return Syncing([work.file for work in works if work.file is not None])
