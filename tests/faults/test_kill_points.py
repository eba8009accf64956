"""kill -9 right before every system call that changes the store, of a delivery, an APPEND, an EXPUNGE and a MOVE."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import ClassVar

from tests.faults.case import LONG, FaultCase, tracer
from tests.faults.ledger import Ledger, message, token
from tests.faults.senders import ChangeSender
from tests.faults.trace import CHANGES, Traced, died, split_threads
from tests.faults.wire import Gone, Smtp

MOST_CALLS = 200
# The short form leaves calls out, others each time
STEP = 1 if LONG else 7
# Files follow a moment behind the rows
BEHIND = 0.8

Operation = Callable[[], None]


class KillPointTests(FaultCase):
    """The writer's thread and those that work on files are walked through apart: each counts its own calls."""

    users = ("alice", "bob")
    ledger: ClassVar[Ledger]
    numbers: ClassVar[itertools.count[int]]

    @classmethod
    def setUpClass(cls) -> None:
        tracer()
        super().setUpClass()
        cls.ledger = Ledger(cls.server, cls.users)
        cls.numbers = itertools.count()

    def test_delivery(self) -> None:
        """A message that LMTP or SMTP acknowledged is there, wherever the kill came; one that was not may be."""
        self.walk("a delivery", self.delivery)

    def test_large_delivery_to_two(self) -> None:
        """The same for a message that is spooled to disk, and linked into two mailboxes."""
        self.walk("a large delivery to two", self.large_delivery)

    def test_append(self) -> None:
        """A message whose APPEND was answered OK is there, with its flags, under its UID."""
        self.walk("an APPEND", self.append)

    def test_expunge(self) -> None:
        """An EXPUNGE that was answered OK is not undone, and takes nothing else with it."""
        self.walk("an EXPUNGE", self.expunge, BEHIND)

    def test_move(self) -> None:
        """A message that is being moved is in the one mailbox or in the other, and after the OK in the other."""
        self.walk("a MOVE", self.move, BEHIND)

    # The operations: each prepares what it needs, and gives back what is to be killed.

    def delivery(self) -> Operation:
        """One message to one recipient, by SMTP."""
        return self._delivery("smtp", "EHLO", 3_000, "alice")

    def large_delivery(self) -> Operation:
        """One large message to two recipients, by LMTP."""
        return self._delivery("lmtp", "LHLO", 1_300_000, "alice", "bob")

    def _delivery(self, listener: str, verb: str, size: int, *users: str) -> Operation:
        client = Smtp(self.server.ports[listener])
        self.addCleanup(client.close)
        client.hello(verb)
        name = token("kill", next(self.numbers), size)

        def operation() -> None:
            client.begin(*map(self.address, users))
            client.send(message(name) + b".\r\n")
            for user in users:
                code, text = client.reply()
                self.assertEqual(code, 250, text)
                self.ledger.delivered[user].add(name)

        return operation

    def append(self) -> Operation:
        """One message with flags."""
        sender = self._sender()
        name = token("kill", next(self.numbers), 3_000)

        def operation() -> None:
            sender.flag(sender.append(name), name)

        return operation

    def expunge(self) -> Operation:
        """One of two messages."""
        sender = self._sender()
        sender.append(token("kill", next(self.numbers), 1_000))
        name = token("kill", next(self.numbers), 1_000)
        place = sender.append(name)
        return lambda: sender.expunge(place, name)

    def move(self) -> Operation:
        """One message."""
        sender = self._sender()
        name = token("kill", next(self.numbers), 1_000)
        place = sender.append(name)
        sender.flag(place, name)
        return lambda: sender.move(place, name)

    def _sender(self) -> ChangeSender:
        sender = ChangeSender(self.ledger, "kill", "alice")
        self.addCleanup(sender.close)
        return sender

    # The walk.

    def walk(self, what: str, prepare: Callable[[], Operation], patience: float = 0.2) -> None:
        """Kill before call 1, 2, 3 ... of the writer, then of the other threads, until the operation gets through."""
        told: list[int] = []
        for kind in range(2):
            for number in range(random.randint(1, STEP), MOST_CALLS, STEP):
                killed = self._point(prepare, kind, number, patience)
                try:
                    self.ledger.check()
                except AssertionError as error:
                    raise AssertionError(f"{what}, killed before call {number} of {len(told)}: {error}") from error
                if not killed:
                    break
            else:
                self.fail(f"{what} makes more than {MOST_CALLS} calls")
            told.append(number - 1)
        print(f"{what}: killed before each {STEP}. of {told[0]} calls of the writer, and of {told[1]} of other threads")

    def _point(self, prepare: Callable[[], Operation], kind: int, number: int, patience: float) -> bool:
        """Kill the server before one call of one kind of threads; whether that call was made."""
        # what a first message makes, such as the promise about UIDs, is not part of the count
        self.delivery()()
        with self.imap("bob") as client:
            threads = split_threads(self.server, lambda: (client.must("SUBSCRIBE x"), client.must("UNSUBSCRIBE x")))
        operation = prepare()
        with Traced(threads[kind], f"{CHANGES}:signal=KILL:when={number}"):
            try:
                operation()
            except Gone:
                killed = True
            else:
                killed = False
            killed = died(self.server, 20 if killed else patience)
        if killed:
            self.server.start()
        return killed
