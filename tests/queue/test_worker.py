"""The worker of the queue."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sqlalchemy import update
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery.outcome import Delivered, Fate, Result
from quantummail.message.ids import new_id
from quantummail.queue.schedule import Schedule
from quantummail.queue.settling import Verdict
from quantummail.queue.worker import QueueSettings, Worker
from quantummail.store.outgoing import Report
from quantummail.store.outgoing_records import (
    Attempt,
    Claimed,
    OutgoingMessage,
    OutgoingRecipient,
    Selection,
    State,
)
from quantummail.store.tables import outgoing, outgoing_recipients
from tests.support.places import temporary_directory
from tests.support.stores import make_store, now


def result(recipient: OutgoingRecipient, fate: Fate, code: int, *, relayed: bool = False) -> Result:
    """What became of one recipient."""
    return Result(recipient, fate, Attempt(int(time.time()), 5, "mx.test", "192.0.2.1", "", "", "RCPT TO", code, "",
                                           "words"), relayed)


class World:
    """The other servers: what they answer is up to the test."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.answer: Callable[[Claimed], Delivered] = self.all(Fate.DELIVERED, 250)
        self.gate: Deferred[None] | None = None

    async def deliver(self, claimed: Claimed) -> Delivered:
        """Try."""
        self.tried += [one.address for one in claimed.recipients]
        if self.gate is not None:
            await self.gate
        return self.answer(claimed)

    @staticmethod
    def all(fate: Fate, code: int, **rest: bool) -> Callable[[Claimed], Delivered]:
        """The same for everybody."""
        return lambda claimed: Delivered(tuple(result(one, fate, code) for one in claimed.recipients), **rest)


class Told:
    """Keeps what senders would hear."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.delayed: list[str] = []
        self.relayed: list[str] = []
        self.trouble: Exception | None = None

    async def reports(self, claimed: Claimed, verdict: Verdict) -> Sequence[Report]:
        """A bounce for each failure."""
        if self.trouble is not None:
            raise self.trouble
        self.failed += [one.recipient.address for one in verdict.failed]
        self.delayed += [one.recipient.address for one in verdict.delayed]
        self.relayed += [one.recipient.address for one in verdict.relayed]
        if not verdict.failed:
            return ()
        message = OutgoingMessage(new_id(), None, "reports", "report", "", 5, created=int(time.time()))
        return [Report(message, [OutgoingRecipient(0, claimed.message.sender, "local")], b"sorry")]


class WorkerTestCase(SynchronousTestCase):
    """A worker with a real store, and the world in a test's hand."""

    settings = QueueSettings()

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.store = make_store(self, self.directory)
        self.clock = Clock()
        self.world = World()
        self.told = Told()
        self.schedule = Schedule(random=lambda: 0.5)
        self.worker = Worker(
            self.clock, self.store.outgoing, self.world, self.told, self.schedule, self.settings)
        self.worker.start()
        self.addCleanup(self.stop)

    def stop(self) -> None:
        """Without waiting for what a test left undone."""
        stopping = Deferred.fromCoroutine(self.worker.stop(0))
        self.clock.advance(1)
        self.successResultOf(stopping)

    def accept(self, *addresses: str, at_once: bool = True, lane: str = "alice", notify: str = "",
               sender: str = "alice@example.test") -> str:
        """A message; its id."""
        body = self.store.bodies.spooled()
        now(body.write(b"Subject: x\r\n\r\n"))
        message = OutgoingMessage(new_id(), None, lane, "submission", sender, 14, created=int(time.time()))
        wanted = frozenset(filter(None, notify.split(",")))
        claims = now(self.store.outgoing.accept(
            message, [OutgoingRecipient(0, one, one.partition("@")[2], wanted) for one in addresses], b"", body,
            at_once=at_once))
        if at_once:
            self.worker.take(claims)
        self.pump()
        return message.id

    def pump(self, seconds: float = 0) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        for _ in range(5):
            self.clock.advance(0)

    def states(self) -> dict[str, str]:
        """Address to state."""
        with self.store.database.write_engine.connect() as connection:
            found = outgoing_recipients.c
            return dict(map(tuple, connection.execute(
                outgoing_recipients.select().with_only_columns(found.address, found.state))))

    def age(self, seconds: float, attempts: int = 5) -> None:
        """Make all messages older, and due."""
        with self.store.database.write_engine.begin() as connection:
            connection.execute(update(outgoing).values(created=outgoing.c.created - int(seconds)))
            connection.execute(update(outgoing_recipients).where(outgoing_recipients.c.state == State.DUE.value)
                               .values(due=1, attempts=attempts))


class TryTests(WorkerTestCase):
    """What is tried, and what comes of it."""

    def test_at_once(self) -> None:
        """What was just accepted is tried at once, without a look into the database."""
        self.accept("bob@a.test", "eve@b.test")
        self.assertEqual(sorted(self.world.tried), ["bob@a.test", "eve@b.test"])
        self.assertEqual(self.states(), {"bob@a.test": "delivered", "eve@b.test": "delivered"})

    def test_polled(self) -> None:
        """What waits in the database is found."""
        self.accept("bob@a.test", at_once=False)
        self.assertEqual(self.world.tried, [])
        self.pump(6)
        self.assertEqual(self.states(), {"bob@a.test": "delivered"})

    def test_later(self) -> None:
        """What is refused for now is tried again at its time, not before."""
        self.world.answer = World.all(Fate.DEFERRED, 450)
        self.accept("bob@a.test")
        self.assertEqual(self.states(), {"bob@a.test": "due"})
        self.pump(6)
        self.assertEqual(len(self.world.tried), 1)
        self.age(60, attempts=1)
        self.world.answer = World.all(Fate.DELIVERED, 250)
        self.pump(6)
        self.assertEqual((len(self.world.tried), self.states()), (2, {"bob@a.test": "delivered"}))

    def test_failed(self) -> None:
        """A refusal for good bounces: the report is in the queue together with the failure."""
        self.world.answer = lambda claimed: Delivered(tuple(
            result(one, Fate.FAILED if one.destination != "local" else Fate.DELIVERED, 550)
            for one in claimed.recipients))
        self.accept("bob@a.test")
        self.pump(6)
        self.assertEqual(self.told.failed, ["bob@a.test"])
        self.assertEqual(self.states(), {"bob@a.test": "failed", "alice@example.test": "delivered"})

    def test_never(self) -> None:
        """NOTIFY=NEVER is obeyed, and a report is never reported on."""
        self.world.answer = World.all(Fate.FAILED, 550)
        self.accept("bob@a.test", notify="NEVER")
        self.accept("eve@b.test", sender="")
        self.assertEqual((self.told.failed, set(self.states().values())), ([], {"failed"}))

    def test_relayed(self) -> None:
        """Who asked for success and goes to a server that does not tell hears that from us."""
        self.world.answer = lambda claimed: Delivered(tuple(
            result(one, Fate.DELIVERED, 250, relayed=True) for one in claimed.recipients))
        self.accept("bob@a.test", notify="SUCCESS")
        self.accept("eve@a.test")
        self.assertEqual(self.told.relayed, ["bob@a.test"])

    def test_given_up(self) -> None:
        """After five days and three attempts it is given up."""
        self.world.answer = World.all(Fate.DEFERRED, 450)
        self.accept("bob@a.test")
        self.age(5 * 86400, attempts=1)
        self.pump(6)
        self.assertEqual((self.told.failed, self.states()["bob@a.test"]), ([], "due"))
        self.age(0, attempts=2)
        self.pump(6)
        self.assertEqual((self.told.failed, self.states()["bob@a.test"]), (["bob@a.test"], "failed"))

    def test_warned_once(self) -> None:
        """After four hours the sender is told, once."""
        self.world.answer = World.all(Fate.DEFERRED, 450)
        self.accept("bob@a.test")
        for _ in range(3):
            self.age(5 * 3600)
            self.pump(6)
        self.assertEqual(self.told.delayed, ["bob@a.test"])


class LimitTests(WorkerTestCase):
    """How much at once."""

    settings = QueueSettings(deliveries=3, deliveries_per_destination=2, in_memory=20)

    def test_limits(self) -> None:
        """No more at once than allowed, in all and for one destination; the rest follows."""
        self.world.gate = Deferred()
        for number in range(4):
            self.accept(f"{number}@a.test")
        self.assertEqual(len(self.world.tried), 2)
        self.accept("x@b.test")
        self.accept("x@c.test")
        self.assertEqual(len(self.world.tried), 3)
        gate, self.world.gate = self.world.gate, None
        gate.callback(None)
        self.pump()
        self.assertEqual(set(self.states().values()), {"delivered"})

    def test_memory(self) -> None:
        """Beyond what memory holds it waits in the database, and nothing is lost."""
        self.world.gate = Deferred()
        for number in range(20):
            self.accept(f"{number}@a.test")
        self.assertFalse(self.worker.has_room)
        for number in range(20, 60):
            self.accept(f"{number}@a.test", at_once=False)
        gate, self.world.gate = self.world.gate, None
        gate.callback(None)
        for _ in range(10):
            self.pump(6)
        self.assertEqual((len(self.world.tried), set(self.states().values())), (60, {"delivered"}))
        self.assertTrue(self.worker.has_room)


class TroubleTests(WorkerTestCase):
    """When things go wrong."""

    def test_unreachable(self) -> None:
        """A destination that nobody answers for is left alone; what waits for it is not tried one by one."""
        self.world.answer = World.all(Fate.DEFERRED, 400, reached=False)
        self.world.gate = Deferred()
        for number in range(30):
            self.accept(f"{number}@a.test")
        tried = len(self.world.tried)
        gate, self.world.gate = self.world.gate, None
        gate.callback(None)
        self.pump()
        self.assertEqual((len(self.world.tried), set(self.states().values())), (tried, {"due"}))
        self.world.answer = World.all(Fate.DELIVERED, 250)
        self.age(0)
        self.pump(30)
        self.assertEqual(len(self.world.tried), tried)
        for _ in range(4):
            self.pump(60)
        self.assertEqual(set(self.states().values()), {"delivered"})

    def test_comes_while_unreachable(self) -> None:
        """What comes for such a destination waits in the database too, where it can be seen and changed."""
        self.world.answer = World.all(Fate.DEFERRED, 400, reached=False)
        self.accept("bob@a.test")
        self.accept("eve@a.test")
        self.assertEqual((len(self.world.tried), self.states()), (1, {"bob@a.test": "due", "eve@a.test": "due"}))
        self.world.answer = World.all(Fate.DELIVERED, 250)
        now(self.store.outgoing.change(Selection(), State.DUE))
        self.pump(6)
        self.assertEqual(set(self.states().values()), {"delivered"})

    def test_unblock(self) -> None:
        """An administrator may want it tried at once, although nobody answered lately."""
        self.world.answer = World.all(Fate.DEFERRED, 400, reached=False)
        self.accept("bob@a.test")
        self.world.answer = World.all(Fate.DELIVERED, 250)
        self.age(0)
        now(self.store.outgoing.change(Selection(), State.DUE))
        self.pump(6)
        self.assertEqual(self.states(), {"bob@a.test": "delivered"})

    def test_bug(self) -> None:
        """An exception that nobody foresaw loses nothing."""
        def broken(_claimed: Claimed) -> Delivered:
            raise ZeroDivisionError

        self.world.answer = broken
        self.accept("bob@a.test")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.states(), {"bob@a.test": "due"})

    def test_report_fails(self) -> None:
        """What was delivered is noted even if nobody can be told about the rest."""
        self.world.answer = World.all(Fate.FAILED, 550)
        self.told.trouble = ZeroDivisionError()
        self.accept("bob@a.test")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.states(), {"bob@a.test": "failed"})

    def test_stop(self) -> None:
        """Stopping waits for what is being tried, and begins nothing more."""
        self.world.gate = Deferred()
        self.accept("bob@a.test")
        stopping = Deferred.fromCoroutine(self.worker.stop(10))
        self.accept("eve@b.test")
        self.assertNoResult(stopping)
        self.world.gate.callback(None)
        self.successResultOf(stopping)
        self.assertEqual(self.states(), {"bob@a.test": "delivered", "eve@b.test": "leased"})
        now(self.store.outgoing.start())
        self.assertEqual(self.states()["eve@b.test"], "due")

    def test_stop_impatient(self) -> None:
        """It does not wait for ever."""
        self.world.gate = Deferred()
        self.accept("bob@a.test")
        stopping = Deferred.fromCoroutine(self.worker.stop(10))
        self.clock.advance(11)
        self.successResultOf(stopping)
