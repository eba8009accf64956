"""kill -9 right before every system call that changes the store, while mail is accepted, tried and settled."""

from __future__ import annotations

import itertools
import random
from typing import ClassVar

from tests.faults.case import LONG, tracer
from tests.faults.ledger import token
from tests.faults.queue_case import DOMAIN, QueueFaultCase
from tests.faults.trace import CHANGES, Traced, died, split_threads
from tests.faults.wire import Gone, eventually

MOST_CALLS = 300
# The short form leaves calls out, others each time
STEP = 1 if LONG else 11


class QueueKillPointTests(QueueFaultCase):
    """The writer's thread and those that work on files are walked through apart: each counts its own calls."""

    numbers: ClassVar[itertools.count[int]]

    @classmethod
    def setUpClass(cls) -> None:
        tracer()
        super().setUpClass()
        cls.numbers = itertools.count()

    def test_accepted_and_delivered(self) -> None:
        """A message for somebody elsewhere that was taken gets there."""
        self.walk("a message", "x")

    def test_refused_and_reported(self) -> None:
        """Of two recipients one is refused: the other has it, and the sender is told of the one."""
        self.walk("a bounce", "x", "no")

    def test_deferred_and_claimed(self) -> None:
        """What is refused for now is tried again, by a claim from the database."""
        self.walk("a second try", "later")

    def walk(self, what: str, *kinds: str) -> None:
        """Kill before call 1, 2, 3 ... of the writer, then of the other threads, until the message gets through."""
        told: list[int] = []
        for kind in range(2):
            for number in range(random.randint(1, STEP), MOST_CALLS, STEP):
                killed = self._point(kinds, kind, number)
                try:
                    self.promises.check()
                except AssertionError as error:
                    raise AssertionError(f"{what}, killed before call {number} of {told}: {error}") from error
                if not killed:
                    break
            else:
                self.fail(f"{what} makes more than {MOST_CALLS} calls")
            told.append(number - 1)
        print(f"{what}: killed before each {STEP}. of {told[0]} calls of the writer, and of {told[1]} of other "
              f"threads; {self.promises.copies} messages came twice")

    def _point(self, kinds: tuple[str, ...], kind: int, number: int) -> bool:
        """Kill the server before one call of one kind of threads; whether that call was made."""
        with self.imap("bob") as client:
            threads = split_threads(self.server, lambda: (client.must("SUBSCRIBE x"), client.must("UNSUBSCRIBE x")))
        name = token("queue", next(self.numbers), 2_000)
        recipients = [f"{one}{name.replace('.', '-')}@{DOMAIN}" for one in kinds]
        writer = self.promises.writer()
        self.addCleanup(writer.close)
        with Traced(threads[kind], f"{CHANGES}:signal=KILL:when={number}"):
            try:
                self.promises.submit(writer, name, *recipients)
                # until all that follows is done, or the server is
                eventually(lambda: died(self.server, 0) or self._done(), 20)
            except Gone:
                pass
            killed = died(self.server, 0.3)
        if killed:
            self.server.start(patience=60)
        return killed

    def _done(self) -> bool:
        # without asking the server: its threads are being counted
        return not self.promises.waiting() and not self.promises.files()
