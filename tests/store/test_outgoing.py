"""The queue as it is stored."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select, update
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.ids import new_id
from quantummail.store.errors import NoSuchMessage, StoreError
from quantummail.store.outgoing import Report
from quantummail.store.outgoing_records import (
    Attempt,
    Claimed,
    OutgoingMessage,
    OutgoingRecipient,
    Selection,
    Settlement,
    State,
)
from quantummail.store.outgoing_rows import Settled
from quantummail.store.store import Store
from quantummail.store.tables import attempts, outgoing, outgoing_recipients
from tests.support.places import temporary_directory
from tests.support.stores import make_store, now

HORIZON = 7200


class QueueTestCase(SynchronousTestCase):
    """A store with a queue."""

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.store = make_store(self, self.directory)
        self.queue = self.store.outgoing

    def accept(
        self, *addresses: str, octets: bytes = b"Subject: x\r\n\r\nhello\r\n", lane: str = "alice", priority: int = 0,
        at_once: bool = False, state: State = State.DUE,
    ) -> tuple[Claimed, ...]:
        """A message in the queue; a destination is the domain."""
        body = self.store.bodies.spooled()
        now(body.write(octets))
        heading = b"Received: by us\r\n"
        message = OutgoingMessage(
            new_id(), None, lane, "submission", "alice@example.test", len(heading) + len(octets), priority=priority,
            created=int(time.time()))
        recipients = [OutgoingRecipient(0, address, address.partition("@")[2]) for address in addresses]
        return now(self.queue.accept(message, recipients, heading, body, at_once=at_once, state=state))

    def claim(self, destination: str = "a.test", limit: int = 100) -> list[Claimed]:
        """What is due."""
        return now(self.queue.claim(destination, horizon=HORIZON, limit=limit))

    def settle(self, claimed: Claimed, state: State, due: int = 0, *reports: Report) -> None:
        """Give all recipients the same fate."""
        attempt = Attempt(int(time.time()), 12, "mx.a.test", "192.0.2.1", "", "", "RCPT TO", 250, "2.1.5", "ok")
        now(self.queue.settle(Settled(self.queue.owner, claimed.message, tuple(
            Settlement(one, state, due, attempt) for one in claimed.recipients)), reports))

    def rows(self) -> list[tuple[str, str, int]]:
        """Address, state and attempts of all recipients."""
        with self.store.database.write_engine.connect() as connection:
            found = outgoing_recipients.c
            return [tuple(row) for row in connection.execute(
                select(found.address, found.state, found.attempts).order_by(found.id))]

    def files(self) -> list[str]:
        """What is in the queue's directory."""
        return sorted(path.name for path in Path(self.directory, "queue").iterdir())


class AcceptTests(QueueTestCase):
    """Messages come."""

    def test_kept(self) -> None:
        """Octets in a file, a row for each recipient; what is tried at once is at hand."""
        claimed = self.accept("bob@a.test", "eve@b.test", "joe@a.test", at_once=True)
        self.assertEqual([[one.address for one in each.recipients] for each in claimed],
                         [["bob@a.test", "joe@a.test"], ["eve@b.test"]])
        self.assertEqual(claimed[0].content, b"Received: by us\r\nSubject: x\r\n\r\nhello\r\n")
        message = claimed[0].message
        self.assertEqual(now(self._read(message.id, 0, message.size)), claimed[0].content)
        self.assertEqual({state for _, state, _ in self.rows()}, {"leased"})
        self.assertEqual(self.claim(), [])

    async def _read(self, *args: object) -> bytes:
        return await self.queue.read(*args)  # type: ignore[arg-type]  # an id and two numbers

    def test_large(self) -> None:
        """A large message is read from its file."""
        (claimed,) = self.accept("bob@a.test", octets=b"x" * 300_000, at_once=True)
        self.assertIsNone(claimed.content)
        self.assertEqual(len(now(self._read(claimed.message.id, 10, 400_000))), claimed.message.size - 10)

    def test_refused(self) -> None:
        """What the database refuses leaves nothing behind."""
        (claimed,) = self.accept("bob@a.test", at_once=True)
        body = self.store.bodies.spooled()
        again = replace(claimed.message, id=claimed.message.id)
        with self.assertRaises(StoreError):
            now(self.queue.accept(again, [OutgoingRecipient(0, "x@a.test", "a.test")], b"", body))
        self.assertEqual(len(self.rows()), 1)

    def test_held(self) -> None:
        """What is held is not due."""
        self.accept("bob@a.test", state=State.HELD)
        self.assertEqual((self.claim(), self.rows()), ([], [("bob@a.test", "held", 0)]))


class ClaimTests(QueueTestCase):
    """Who tries what."""

    def test_claimed_once(self) -> None:
        """What somebody tries is not given to anybody else."""
        self.accept("bob@a.test", "eve@b.test")
        self.assertEqual([one.address for one in self.claim()[0].recipients], ["bob@a.test"])
        self.assertEqual(self.claim(), [])

    def test_destinations(self) -> None:
        """Destinations with something due; later is not now."""
        self.accept("bob@a.test", "eve@b.test")
        self.settle(self.claim("b.test")[0], State.DUE, int(time.time()) + 600)
        self.assertEqual(now(self.queue.due_destinations(horizon=HORIZON, limit=9)), [("a.test", False)])

    def test_turns(self) -> None:
        """A mailing of many does not hold up another's message; what is urgent goes before its own lane's others."""
        for number in range(20):
            self.accept(f"{number}@a.test", lane="mailing")
        self.accept("late@a.test", lane="alice")
        self.accept("urgent@a.test", lane="mailing", priority=-1)
        first = [one.recipients[0].address for one in self.claim(limit=3)]
        self.assertEqual(set(first[:2]), {"urgent@a.test", "late@a.test"})
        self.assertEqual(first[2], "0@a.test")

    def test_together(self) -> None:
        """Recipients of one message at one destination come together."""
        self.accept(*[f"{number}@a.test" for number in range(5)])
        (claimed,) = self.claim()
        self.assertEqual(len(claimed.recipients), 5)

    def test_clock_went_back(self) -> None:
        """What is due later than anything could be was written by a clock that went wrong: it is due."""
        self.accept("bob@a.test")
        self.settle(self.claim()[0], State.DUE, int(time.time()) + 86_400)
        self.assertEqual(now(self.queue.due_destinations(horizon=HORIZON, limit=9)), [("a.test", False)])
        self.assertEqual(len(self.claim()), 1)

    def test_restart(self) -> None:
        """What was tried when the server ended is due again, nothing is lost."""
        self.accept("bob@a.test", at_once=True)
        now(self.queue.start())
        self.assertEqual(len(self.claim()), 1)

    def test_files_at_restart(self) -> None:
        """Files that a crash left of messages that have ended go, those of others stay."""
        (ended,) = self.accept("bob@a.test", at_once=True)
        (waiting,) = self.accept("bob@a.test", at_once=True)
        self.settle(ended, State.DELIVERED)
        directory = Path(self.directory, "queue")
        for name in (ended.message.id, "half.tmp", "of nobody known"):
            directory.joinpath(name).write_bytes(b"x")
        now(self.queue.start())
        self.assertEqual(self.files(), sorted([waiting.message.id, "of nobody known"]))

    def test_leases(self) -> None:
        """A lease that nobody renews is taken over; one that is renewed is not."""
        (mine,) = self.accept("bob@a.test", at_once=True)
        (other,) = self.accept("eve@b.test", at_once=True)
        with self.store.database.write_engine.begin() as connection:
            connection.execute(update(outgoing_recipients).values(leased_until=1))
            connection.execute(update(outgoing_recipients).values(leased_by="gone").where(
                outgoing_recipients.c.id == other.recipients[0].id))
        now(self.queue.renew())
        self.assertEqual(self.rows(), [("bob@a.test", "leased", 0), ("eve@b.test", "due", 0)])
        self.settle(other, State.DELIVERED)
        self.assertEqual(self.rows()[1], ("eve@b.test", "due", 0))
        self.assertEqual(mine.recipients[0].attempts, 0)


class SettleTests(QueueTestCase):
    """What becomes of recipients."""

    def test_delivered(self) -> None:
        """With its last recipient the octets go; rows and history stay."""
        first, second = self.accept("bob@a.test", "eve@b.test", at_once=True)
        self.settle(first, State.DELIVERED)
        self.assertEqual(len(self.files()), 1)
        self.settle(second, State.FAILED)
        self.assertEqual(self.files(), [])
        self.assertEqual(self.rows(), [("bob@a.test", "delivered", 1), ("eve@b.test", "failed", 1)])

    def test_deferred(self) -> None:
        """Later means later, with one attempt more."""
        (claimed,) = self.accept("bob@a.test", at_once=True)
        self.settle(claimed, State.DUE, int(time.time()) - 1)
        (again,) = self.claim()
        self.assertEqual((again.recipients[0].attempts, again.message), (1, claimed.message))

    def test_not_tried(self) -> None:
        """Who only waits on has no attempt more."""
        (claimed,) = self.accept("bob@a.test", at_once=True)
        now(self.queue.settle(Settled(self.queue.owner, claimed.message, (
            Settlement(claimed.recipients[0], State.DUE, int(time.time()) - 1, None),))))
        self.assertEqual(self.rows(), [("bob@a.test", "due", 0)])

    def test_history(self) -> None:
        """Every attempt is kept with what was answered."""
        (claimed,) = self.accept("bob@a.test", at_once=True)
        for _ in range(3):
            self.settle(claimed, State.DUE, 0)
            (claimed,) = self.claim()
        with self.store.database.write_engine.connect() as connection:
            answers = connection.execute(select(attempts.c.host, attempts.c.answer, attempts.c.milliseconds)).all()
        self.assertEqual([tuple(row) for row in answers], [("mx.a.test", "ok", 12)] * 3)

    def test_report(self) -> None:
        """A report is queued in the transaction that makes it true."""
        (claimed,) = self.accept("bob@a.test", at_once=True)
        report = Report(
            OutgoingMessage(new_id(), None, "reports", "report", "", 6, created=int(time.time())),
            [OutgoingRecipient(0, "alice@example.test", "local")], b"sorry\n")
        self.settle(claimed, State.FAILED, 0, report)
        (queued,) = self.claim("local")
        self.assertEqual(queued.message.source, "report")
        self.assertEqual(self.files(), [report.message.id])

    def test_gone_file(self) -> None:
        """A file that somebody took away is missed."""
        (claimed,) = self.accept("bob@a.test", octets=b"x" * 300_000, at_once=True)
        Path(self.directory, "queue", claimed.message.id).unlink()

        async def read() -> bytes:
            return await self.queue.read(claimed.message.id, 0, 10)

        with self.assertRaises(NoSuchMessage):
            now(read())


class AdministrationTests(QueueTestCase):
    """What administrators see and do."""

    def setUp(self) -> None:
        super().setUp()
        self.accept("bob@a.test", "eve@b.test")
        self.accept("joe@a.test", lane="x")

    def addresses(self, **selected: object) -> list[str]:
        """Of what is selected."""
        return [entry.recipient.address for entry in now(self.queue.entries(Selection(**selected)))]  # type: ignore[arg-type]  # fields of Selection

    def test_selection(self) -> None:
        """By sender, recipient, domain, destination, message, age; everything that is given has to be true."""
        everybody = ["bob@a.test", "eve@b.test", "joe@a.test"]
        first = now(self.queue.entries(Selection()))[0].message.id
        for selected, expected in (
            ({}, everybody), ({"recipient": "BOB@a.test"}, ["bob@a.test"]), ({"recipient": "@A.test"}, everybody[::2]),
            ({"sender": "alice@example.test"}, everybody), ({"sender": "@other.test"}, []),
            ({"destination": "b.test"}, ["eve@b.test"]), ({"message_id": first}, everybody[:2]),
            ({"recipient": "@_.test"}, []), ({"created_before": 5}, []), ({"states": (State.HELD,)}, []),
            ({"message_id": first, "recipient": "joe@a.test"}, []),
        ):
            self.assertEqual(self.addresses(**selected), expected, selected)

    def test_pages(self) -> None:
        """A page begins behind the last one."""
        (one,) = now(self.queue.entries(Selection(), limit=1))
        rest = now(self.queue.entries(Selection(), after=one.recipient.id))
        self.assertEqual([entry.recipient.address for entry in rest], ["eve@b.test", "joe@a.test"])

    def test_hold_and_release(self) -> None:
        """What is held is not tried; what is released is tried at once."""
        self.assertEqual(now(self.queue.change(Selection(destination="a.test"), State.HELD)), 2)
        self.assertEqual(self.claim(), [])
        self.assertEqual(now(self.queue.change(Selection(), State.DUE)), 3)
        self.assertEqual(dict(now(self.queue.due_destinations(horizon=HORIZON, limit=9))),
                         {"a.test": True, "b.test": True})

    def test_delete(self) -> None:
        """With the last recipient the octets go."""
        self.assertEqual(now(self.queue.change(Selection(recipient="@a.test"), State.DELETED)), 2)
        self.assertEqual(len(self.files()), 1)
        now(self.queue.change(Selection(), State.DELETED))
        self.assertEqual((self.files(), self.claim("b.test")), ([], []))

    def test_being_tried(self) -> None:
        """What is just being tried is left alone: it may be delivered already."""
        self.claim()
        self.assertEqual(now(self.queue.change(Selection(), State.DELETED)), 1)

    def test_counts(self) -> None:
        """How much waits where, and how much there is of everything."""
        now(self.queue.change(Selection(recipient="joe@a.test"), State.HELD))
        counts = [(one.destination, one.due, one.leased, one.held) for one in now(self.queue.counts())]
        self.assertEqual(counts, [("a.test", 1, 0, 1), ("b.test", 1, 0, 0)])
        totals = now(self.queue.totals())
        self.assertEqual((totals["due"], totals["held"], totals["delivered"]), (2, 1, 0))

    def test_history(self) -> None:
        """The attempts of a recipient, the first one first."""
        (claimed, *_rest) = self.claim()
        self.settle(claimed, State.DUE, 5)
        (attempt,) = now(self.queue.history(claimed.recipients[0].id))
        self.assertEqual((attempt.host, attempt.code), ("mx.a.test", 250))


class OutcomeTests(QueueTestCase):
    """What became of recipients, for those who ask later."""

    def end(self, address: str, state: State, bounce: str = "", *, suppress: bool = False) -> Claimed:
        """One recipient's fate."""
        (claimed,) = self.accept(address, at_once=True)
        code = 250 if state is State.DELIVERED else 550
        attempt = Attempt(int(time.time()), 12, "mx.a.test", "192.0.2.1", "", "", "RCPT TO", code, "5.1.1", "words")
        now(self.queue.settle(Settled(self.queue.owner, claimed.message, tuple(
            Settlement(one, state, 0, attempt, bounce=bounce, suppress=suppress) for one in claimed.recipients))))
        return claimed

    def test_lists(self) -> None:
        """Delivered and bounced ones, the newest first, a page after the other, with codes, words and time."""
        for address in ("a@a.test", "b@a.test", "c@a.test"):
            self.end(address, State.DELIVERED)
        self.end("x@a.test", State.FAILED, "hard")
        self.end("y@a.test", State.FAILED, "soft")
        first, second = now(self.queue.delivered(limit=2))
        self.assertEqual([first.recipient.address, second.recipient.address], ["c@a.test", "b@a.test"])
        self.assertEqual((first.recipient.code, first.recipient.answer), (250, "words"))
        (last,) = now(self.queue.delivered(limit=2, before=second.recipient.id))
        self.assertEqual(last.recipient.address, "a@a.test")
        self.assertEqual([(one.recipient.address, one.recipient.bounce) for one in now(self.queue.bounced())],
                         [("y@a.test", "soft"), ("x@a.test", "hard")])
        self.assertEqual(len(now(self.queue.bounced(bounce="hard"))), 1)
        self.assertEqual(now(self.queue.bounced(since=int(time.time()) + 100)), [])
        self.assertEqual(now(self.queue.delivered(account_id=7)), [])

    def test_suppressed(self) -> None:
        """An address that does not exist is suppressed in the same transaction, with the words of its server."""
        self.queue.suppressions.keep = 1000
        claimed = self.end("x@a.test", State.FAILED, "hard", suppress=True)
        found = now(self.queue.suppressions.find("x@a.test"))
        assert found is not None
        self.assertEqual((found.reason, found.message_id), ("550 5.1.1 words", claimed.message.id))

    def test_count(self) -> None:
        """Recipients of an account since a time; others' do not count."""
        self.accept("a@a.test", "b@a.test")
        self.assertEqual(now(self.queue.recipients_since(1, 0)), 0)


class PurgeTests(QueueTestCase):
    """What ended long ago."""

    def test_forgotten(self) -> None:
        """Finished messages go with their history after the time that is kept; open ones never do."""
        first, second = self.accept("bob@a.test", at_once=True) + self.accept("eve@b.test", at_once=True)
        self.settle(first, State.DELIVERED)
        self.assertEqual(now(self.queue.purge(1000)), 0)
        self.assertEqual(now(self.queue.purge(-10)), 1)
        self.assertEqual([address for address, _, _ in self.rows()], ["eve@b.test"])
        self.assertEqual(second.message.sender, "alice@example.test")
        with self.store.database.write_engine.connect() as connection:
            self.assertEqual(connection.execute(select(attempts)).all(), [])
            self.assertEqual(len(connection.execute(select(outgoing)).all()), 1)

    def test_strays(self) -> None:
        """Files without a message go after a week, those of open messages never; nor what is being written."""
        self.accept("bob@a.test")
        directory = Path(self.directory, "queue")
        (kept,) = directory.iterdir()
        stray, young = directory / "stray", directory / "young"
        half, writing = directory / "half.tmp", directory / "writing.tmp"
        for path in (stray, young, half, writing):
            path.write_bytes(b"x")
        for path in (stray, kept, half):
            os.utime(path, (1, 1))
        now(self.queue.purge(1000))
        self.assertEqual(self.files(), sorted([kept.name, "writing.tmp", "young"]))


class OwnershipTests(QueueTestCase):
    """Two servers cannot settle the same recipient."""

    def test_foreign_lease(self) -> None:
        """Who lost the lease changes nothing."""
        (claimed,) = self.accept("bob@a.test", at_once=True)
        now(self.queue.settle(Settled("somebody", claimed.message, (
            Settlement(claimed.recipients[0], State.FAILED, 0, None),))))
        self.assertEqual(self.rows(), [("bob@a.test", "leased", 0)])

    def test_other_store(self) -> None:
        """Each start is somebody else."""
        other: Store = make_store(self)
        self.assertNotEqual(other.outgoing.owner, self.queue.owner)
