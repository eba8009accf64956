"""Tests of quantummail.delivery: messages go to accounts, and to nobody twice."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery import repetitions
from quantummail.delivery.local import LocalDelivery, Outcome
from quantummail.message.address import Address
from quantummail.message.envelope import Client, Envelope, Recipient, Sender
from quantummail.message.ids import new_id
from quantummail.store.spooled import IN_MEMORY
from tests.store.messages import PLAIN, box, content, uids
from tests.support.stores import make_store, make_user, now


class DeliveryCase(SynchronousTestCase):
    """Alice has room, Bob has not."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.store = make_store(self)
        self.alice = make_user(self.store)
        self.bob = make_user(self.store, "bob@example.test")
        self.delivery = LocalDelivery(self.store.messages, self.clock)

    def fill(self) -> None:
        """Bob's mailbox is full."""
        now(self.store.users.set_quota("bob@example.test", 1, 0))

    def empty(self) -> None:
        """Bob's mailbox has room again."""
        now(self.store.users.set_quota("bob@example.test", 0, 0))

    def deliver(
        self, octets: bytes = PLAIN, *, sender: str = "carol@elsewhere.test", client: str = "192.0.2.1",
        once: bool = True,
    ) -> dict[str, Outcome]:
        """Deliver a message to both."""
        targets = {}
        for name in ("alice", "bob"):
            targets.update(now(self.store.directory.resolve(name, "example.test")).local)
        envelope = Envelope(
            new_id(), Client(client), Sender(Address.parse(sender)),
            tuple(Recipient(Address.parse(address)) for address in targets))
        body = self.store.bodies.spooled()
        now(body.write(octets))
        deliver = self.delivery.deliver_once if once else self.delivery.deliver
        outcomes = now(deliver(envelope, targets, b"X-Heading: yes\r\n", body))
        body.discard()
        return {outcome.account.partition("@")[0]: outcome for outcome in outcomes}

    def count(self) -> tuple[int, int]:
        """How many messages the two have."""
        return (len(uids(self.store, box(self.store, self.alice.id))),
                len(uids(self.store, box(self.store, self.bob.id))))


class DeliverTests(DeliveryCase):
    """To several accounts."""

    def test_both(self) -> None:
        """Each gets the message behind its heading, and both share one file."""
        outcomes = self.deliver()
        self.assertTrue(outcomes["alice"].good and outcomes["bob"].good)
        for user in (self.alice, self.bob):
            self.assertEqual(content(self.store, box(self.store, user.id), 1), b"X-Heading: yes\r\n" + PLAIN)

    def test_full(self) -> None:
        """Who has no room does not get it, and nothing of it stays in the tree; the other one does."""
        self.fill()
        outcomes = self.deliver()
        self.assertTrue(outcomes["alice"].good)
        self.assertEqual((outcomes["bob"].good, outcomes["bob"].full), (False, True))
        self.assertEqual(self.count(), (1, 0))
        self.assertEqual(now(self.store.reindex()).adopted, 0)

    def test_nobody(self) -> None:
        """A message without targets is no delivery."""
        body = self.store.bodies.spooled()
        self.assertEqual(now(self.delivery.deliver(Envelope("x", Client("::1"), Sender(None)), {}, b"", body)), [])


class RepetitionTests(DeliveryCase):
    """A sender repeats what had failed for one recipient."""

    def setUp(self) -> None:
        super().setUp()
        self.fill()
        self.deliver()

    def test_repeated(self) -> None:
        """Who had it does not get it again; the other one gets it as soon as it can be."""
        self.assertFalse(self.deliver()["bob"].good)
        self.empty()
        outcomes = self.deliver(client="198.51.100.7")
        self.assertTrue(outcomes["alice"].good and outcomes["bob"].good)
        self.assertEqual(self.count(), (1, 1))

    def test_done(self) -> None:
        """Once everybody had it, a message that comes again is a new one."""
        self.empty()
        self.deliver()
        self.deliver()
        self.assertEqual(self.count(), (2, 2))

    def test_another(self) -> None:
        """Another message, or another sender, is no repetition."""
        self.empty()
        self.deliver(PLAIN.replace(b"Hello", b"hello"))
        self.deliver(sender="dave@elsewhere.test")
        self.assertEqual(self.count(), (3, 2))

    def test_after_a_day(self) -> None:
        """After a day it is forgotten."""
        self.clock.advance(25 * 3600)
        self.empty()
        self.deliver()
        self.assertEqual(self.count(), (2, 1))

    def test_bounded(self) -> None:
        """Only so many are remembered, the oldest are forgotten."""
        self.patch(repetitions, "_REMEMBERED", 3)
        for number in range(5):
            self.deliver(PLAIN + b"x" * number)
        self.assertEqual(len(self.delivery._repetitions._entries), 3)

    def test_large(self) -> None:
        """Also what is too large for memory."""
        large = PLAIN + b"x" * 2 * IN_MEMORY
        self.deliver(large)
        self.empty()
        self.deliver(large)
        self.assertEqual(self.count(), (2, 1))

    def test_everybody_each_time(self) -> None:
        """LMTP has an answer for each recipient: what comes again is wanted again."""
        self.empty()
        self.deliver(once=False)
        self.assertEqual(self.count(), (2, 1))
