"""What happened to messages: noted in memory, written in batches, found again."""

from __future__ import annotations

import time

from sqlalchemy import update
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.journey import Journey
from quantummail.store.journey_rows import Step, write_txn
from quantummail.store.tables import journey
from quantummail.store.transaction import Transaction
from tests.store.messages import append, box
from tests.support.stores import make_store, make_user, now


class JourneyTests(SynchronousTestCase):
    """One store."""

    def setUp(self) -> None:
        self.store = make_store(self)
        self.clock = Clock()
        self.room = True
        self.journey = Journey(self.store.database, self.clock, lambda: self.room)
        self.journey.begin(1000)

    def count(self) -> int:
        """Steps that are written."""
        return len(now(self.journey.steps(["a", "b"])))

    def test_written_behind(self) -> None:
        """A step is written a second later, with what else came meanwhile."""
        self.journey.note("a", "received", "accepted", {"to": ["bob@x.test"]}, sender="alice@x.test")
        self.journey.note("a", "read", "", {"by": "IMAP"})
        self.clock.advance(0.9)
        self.assertEqual(self.count(), 0)
        self.clock.advance(0.2)
        first, second = now(self.journey.steps(["a"]))
        self.assertEqual((first.stage, first.verdict, first.detail), ("received", "accepted", {"to": ["bob@x.test"]}))
        self.assertEqual(second.stage, "read")

    def test_flush(self) -> None:
        """A server that stops writes what waits, and nothing is left to do later."""
        self.journey.note("a", "read", "", {})
        now(self.journey.flush())
        self.assertEqual(self.count(), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_off(self) -> None:
        """Nothing is noted unless it was begun: commands do not."""
        quiet = Journey(self.store.database, self.clock)
        quiet.note("a", "read", "", {})
        now(quiet.flush())
        self.assertEqual(self.count(), 0)

    def test_full_disk(self) -> None:
        """While the disk has room for mail only, steps wait; of very many the rest is lost."""
        self.room = False
        for _ in range(20_005):
            self.journey.note("a", "read", "", {})
        self.clock.advance(2)
        self.assertEqual(self.count(), 0)
        self.room = True
        self.clock.advance(2)
        self.assertEqual(self.count(), 10_000)
        self.assertEqual(len(self.journey._waiting), 0)

    def test_found(self) -> None:
        """By Message-ID; by sender and recipient in any case, in a time; with anybody on one side."""
        self.journey.note("a", "received", "accepted", {"to": ["bob@x.test", ["Eve@x.test", 550, "5.1.1", "no"]]},
                          sender="alice@x.test", header_id="<1@x>")
        self.journey.note("b", "received", "refused", {"to": ["bob_@x.test"]}, sender="<>")
        now(self.journey.flush())
        self.assertEqual(now(self.journey.named("<1@x>")), ["a"])
        soon = int(time.time()) + 10
        for sender, recipient, found in (
            ("alice@x.test", "bob@x.test", ["a"]), ("alice@x.test", "eve@x.test", ["a"]),
            ("alice@x.test", "b@x.test", []), ("*", "bob@x.test", ["a"]), ("", "*", ["b"]), ("*", "*", ["a", "b"]),
            ("*", "bob_@x.test", ["b"]),
        ):
            self.assertEqual(now(self.journey.between(sender, recipient, 0, soon)), found, (sender, recipient))
        self.assertEqual(now(self.journey.between("*", "*", 0, 100)), [])

    def test_days(self) -> None:
        """What came on other days is found as well, and only what came in the time that was asked for."""
        now_ = int(time.time())
        days = [Step(now_ - days * 86400, str(days), "received", "accepted", {"to": ["bob@x.test"]}, "alice@x.test",
                     "<1@x>") for days in (9, 5, 1)]

        def old_txn(transaction: Transaction) -> None:
            write_txn(transaction, [days])

        async def write() -> None:
            await self.store.database.write(old_txn)

        now(write())
        self.assertEqual(now(self.journey.named("<1@x>")), ["9", "5", "1"])
        for sender in ("alice@x.test", "*"):
            found = now(self.journey.between(sender, "bob@x.test", now_ - 6 * 86400, now_ - 2 * 86400))
            self.assertEqual(found, ["5"], sender)
        self.assertEqual([step.message_id for step in now(self.journey.arrivals(since=now_ - 6 * 86400))], ["5", "1"])

    def test_arrivals(self) -> None:
        """What came, a page after the other; other stages are no arrivals."""
        for name in ("a", "b"):
            self.journey.note(name, "received", "accepted", {}, sender="<>")
            self.journey.note(name, "read", "", {})
        now(self.journey.flush())
        (first,) = now(self.journey.arrivals(limit=1))
        self.assertEqual([step.message_id for step in now(self.journey.arrivals(after=first.id))], ["b"])

    def test_read_once(self) -> None:
        """Only the first reading by an account is noted."""
        self.journey.read(1, "alice@x.test", ["a", "b"], "IMAP")
        self.journey.read(1, "alice@x.test", ["a"], "POP3")
        self.journey.read(2, "bob@x.test", ["a"], "POP3")
        now(self.journey.flush())
        self.assertEqual([(step.message_id, step.detail["by"]) for step in now(self.journey.steps(["a", "b"]))],
                         [("a", "IMAP"), ("b", "IMAP"), ("a", "POP3")])

    def test_made(self) -> None:
        """What is made of another message knows where it comes from, and that one what became of it."""
        self.journey.made("a", "b", "handed on", {"to": ["x@y.test"]})
        now(self.journey.flush())
        first, second = now(self.journey.steps(["a", "b"]))
        self.assertEqual((first.stage, first.detail["id"]), ("handed on", "b"))
        self.assertEqual((second.stage, second.verdict, second.detail["of"]), ("made", "handed on", "a"))

    def test_purge(self) -> None:
        """What is older than it is kept goes, the rest stays."""
        for name in ("a", "b"):
            self.journey.note(name, "read", "", {})
        now(self.journey.flush())
        with self.store.database.write_engine.begin() as connection:
            connection.execute(update(journey).where(journey.c.message_id == "a").values(at=int(time.time()) - 2000))
        self.assertEqual(now(self.journey.purge()), 1)
        self.assertEqual(now(self.journey.purge()), 0)
        self.assertEqual(self.count(), 1)


class RemovedTests(SynchronousTestCase):
    """Messages that are removed."""

    def test_noted(self) -> None:
        """An expunge is noted with the id that the message came with."""
        store = make_store(self)
        user = make_user(store)
        inbox = box(store, user.id)
        append(store, inbox)
        store.journey.begin(1000)
        (message,) = now(store.messages.fetch(user.id, inbox.id, [1]))
        now(store.messages.remove(user.id, inbox.id, [1]))
        now(store.journey.flush())
        (step,) = now(store.journey.steps([message.email_id]))
        self.assertEqual((step.stage, step.detail), ("removed", {"account": user.id, "mailbox": inbox.id}))

    def test_many(self) -> None:
        """Of very many only the number is."""
        store = make_store(self)
        store.journey.begin(1000)
        store.journey.removed(1, 2, [str(number) for number in range(201)])
        now(store.journey.flush())
        (step,) = now(store.journey.steps([""]))
        self.assertEqual(step.detail["count"], 201)
