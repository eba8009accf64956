"""Webhooks: what is told, to whom, signed, again where it failed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import update
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery.local import LocalDelivery
from quantummail.fetch.client import FetchFailed, WebAnswer
from quantummail.message.address import Address
from quantummail.message.envelope import Client, Envelope, Recipient, Sender
from quantummail.message.ids import new_id
from quantummail.queue.webhook_requests import WebhookRequests, WebhookSettings, shown_secret
from quantummail.store.errors import NoSuchDomain, NoSuchUser
from quantummail.store.outgoing_records import Attempt, OutgoingMessage, OutgoingRecipient, Settlement, State
from quantummail.store.outgoing_rows import Settled
from quantummail.store.sealed import Seal
from quantummail.store.tables import webhook_events
from quantummail.store.webhooks import NoSuchWebhook
from tests.support.stores import make_store, make_user, now

SECRET = b"s" * 32
ALL = ("received", "delivered", "deferred", "bounced")


class World:
    """The web servers: what they answer is up to the test."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int | Exception] = []
        self.gate: Deferred[None] | None = None

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None,
        seconds: float = 60.0, most_octets: int = 64 * 1024,
    ) -> WebAnswer:
        """Keep what is asked."""
        assert (method, seconds) == ("POST", 10.0)
        assert most_octets < 100_000
        self.asked.append((url, dict(headers or {}), body or b""))
        if self.gate is not None:
            await self.gate
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, Exception):
            raise answer
        return WebAnswer(answer, {}, b"words\r\nmore")

    @property
    def told(self) -> list[tuple[str, str]]:
        """Whom, and what type of event."""
        return [(url, json.loads(body)["type"]) for url, _, body in self.asked]


class WebhookTestCase(SynchronousTestCase):
    """A store, a message in its queue, and requests that go nowhere."""

    def setUp(self) -> None:
        self.store = make_store(self)
        self.user = make_user(self.store)
        self.seal = Seal(b"k" * 32)
        self.clock = Clock()
        self.world = World()
        self.requests = WebhookRequests(self.clock, self.store.webhooks, self.world, self.seal, WebhookSettings())

    def add(self, url: str = "https://x.test/", *events: str, **of: str) -> int:
        """A webhook, known at once."""
        hook = now(self.store.webhooks.add(url, events or ALL, SECRET, self.seal, **of))
        now(self.store.webhooks.refresh())
        return hook.id

    def settle(self, state: State, code: int = 250, *, account_id: int | None = None, source: str = "submission",
               lose: bool = False) -> None:
        """A message that is tried, with this outcome."""
        body = self.store.bodies.spooled()
        now(body.write(b"Subject: x\r\n\r\nhello\r\n"))
        message = OutgoingMessage(
            new_id(), account_id, "alice", source, "alice@example.test", body.size, header_id="<1@x>",
            created=int(time.time()))
        recipients = [OutgoingRecipient(0, "bob@a.test", "a.test")]
        (claimed,) = now(self.store.outgoing.accept(message, recipients, b"", body, at_once=True))
        attempt = Attempt(int(time.time()), 12, "mx.a.test", "192.0.2.1", "192.0.2.9", "TLSv1.3", "RCPT TO", code,
                          "2.1.5", "words")
        owner = "somebody else" if lose else self.store.outgoing.owner
        now(self.store.outgoing.settle(Settled(owner, claimed.message, tuple(
            Settlement(one, state, 99, attempt) for one in claimed.recipients))))

    def due(self) -> None:
        """Time has passed."""
        with self.store.database.write_engine.begin() as connection:
            connection.execute(update(webhook_events).values(due=0))
        self.clock.advance(61)

    def states(self) -> list[tuple[str, str, list[int]]]:
        """Type, state and codes of all events, the first one first."""
        return [(one.type, one.state, [attempt.code for attempt in one.attempts])
                for one in reversed(now(self.store.webhooks.history(None, 100)))]


class OutboxTests(WebhookTestCase):
    """Events come into the outbox with what they tell of."""

    def test_outcomes(self) -> None:
        """Each outcome is one event; reports of ours are none."""
        self.add()
        self.settle(State.DELIVERED)
        self.settle(State.DUE, 451)
        self.settle(State.FAILED, 550)
        self.settle(State.FAILED, 451)
        self.settle(State.DELIVERED, source="report")
        told = [json.loads(one.payload) for one in reversed(now(self.store.webhooks.history(None, 9)))]
        self.assertEqual([one["type"] for one in told], [
            "message.delivered", "message.deferred", "message.bounced", "message.bounced"])
        self.assertEqual([one["data"].get("bounce") for one in told], [None, None, "hard", "expired"])
        data = told[0]["data"]
        self.assertEqual((data["recipient"], data["sender"], data["message_id"], data["attempts"]),
                         ("bob@a.test", "alice@example.test", "<1@x>", 1))
        self.assertEqual((data["attempt"]["host"], data["attempt"]["source"], data["attempt"]["code"]),
                         ("mx.a.test", "192.0.2.9", 250))
        self.assertEqual(told[1]["data"]["next_attempt"], "1970-01-01T00:01:39Z")

    def test_only_what_has_happened(self) -> None:
        """Whose lease is lost has settled nothing, so nothing is told."""
        self.add()
        self.settle(State.DELIVERED, lose=True)
        self.assertEqual(self.states(), [])

    def test_whose(self) -> None:
        """A webhook of an account or a domain hears of its mail alone, and of the events it wants."""
        self.add("https://account.test/", account="alice@example.test")
        self.add("https://domain.test/", domain="example.test")
        now(self.store.domains.add("other.test"))
        self.add("https://other.test/", domain="other.test")
        self.add("https://bounces.test/", "bounced")
        self.settle(State.DELIVERED)
        self.settle(State.FAILED, 550, account_id=self.user.id)
        now(self.requests.start())
        self.assertEqual(sorted(self.world.told), [
            ("https://account.test/", "message.bounced"), ("https://bounces.test/", "message.bounced"),
            ("https://domain.test/", "message.bounced"), ("https://domain.test/", "message.delivered")])

    def test_received(self) -> None:
        """A message that is stored is told of, with where it came from; a quota that keeps it out is not."""
        self.add("https://x.test/", "received")
        delivery = LocalDelivery(self.store.messages, self.clock, self.store.webhooks)
        for quota in (0, 1):
            now(self.store.users.set_quota("alice@example.test", quota, 0))
            body = self.store.bodies.spooled()
            now(body.write(b"Message-ID: <7@x>\r\n\r\nhello\r\n"))
            found = now(self.store.directory.resolve("alice", "example.test"))
            envelope = Envelope(new_id(), Client("192.0.2.5", protocol="ESMTPS"), Sender(None),
                                (Recipient(Address("alice", "example.test")),))
            now(delivery.deliver(envelope, found.local, b"", body))
        (told,) = now(self.store.webhooks.history(None, 9))
        data = json.loads(told.payload)["data"]
        self.assertEqual((data["account"], data["message_id"], data["client"], data["protocol"]),
                         ("alice@example.test", "<7@x>", "192.0.2.5", "ESMTPS"))

    def test_nobody(self) -> None:
        """Without webhooks nothing is kept; a deleted one takes with it what it was to be told."""
        self.settle(State.DELIVERED)
        number = self.add()
        self.settle(State.DELIVERED)
        self.assertEqual(len(self.states()), 1)
        now(self.store.webhooks.delete(number))
        # not refreshed yet
        self.settle(State.DELIVERED)
        self.assertEqual(self.states(), [])
        self.assertEqual(self.failureResultOf(Deferred.fromCoroutine(self.store.webhooks.delete(number))).type,
                         NoSuchWebhook)

    def test_of_whom(self) -> None:
        """An account or a domain that is not there is refused, and nothing is kept."""
        for of, error in (({"account": "x@example.test"}, NoSuchUser), ({"domain": "x.test"}, NoSuchDomain)):
            self.failureResultOf(Deferred.fromCoroutine(
                self.store.webhooks.add("https://x.test/", ALL, SECRET, self.seal, **of)), error)
        self.assertEqual(now(self.store.webhooks.all()), ())


class TellingTests(WebhookTestCase):
    """Requests."""

    def test_signed(self) -> None:
        """As Standard Webhooks says: id, time, and HMAC-SHA256 over both and the payload."""
        self.add()
        self.settle(State.DELIVERED)
        now(self.requests.start())
        ((_, headers, body),) = self.world.asked
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
        self.assertEqual(headers["webhook-signature"], f"v1,{expected}")
        self.assertLess(abs(int(headers["webhook-timestamp"]) - time.time()), 60)
        self.assertEqual(shown_secret(SECRET), "whsec_" + base64.b64encode(SECRET).decode())
        self.assertEqual(self.states(), [("delivered", "delivered", [204])])

    def test_again(self) -> None:
        """What fails is told again, three times at most, always under the same id."""
        self.add()
        self.settle(State.DELIVERED)
        self.world.answers = [500, FetchFailed("no connection"), 302, 200]
        now(self.requests.start())
        for _ in range(4):
            self.due()
        self.assertEqual(self.states(), [("delivered", "delivered", [500, 0, 302, 200])])
        self.assertEqual(len({headers["webhook-id"] for _, headers, _ in self.world.asked}), 1)

    def test_given_up(self) -> None:
        """After that it is given up; 410 says so at once."""
        self.add()
        for answers, codes in (([500] * 9, [500] * 4), ([410], [410])):
            self.settle(State.DELIVERED)
            self.world.answers = list(answers)
            now(self.requests.start()) if not self.world.asked else self.clock.advance(61)
            for _ in range(5):
                self.due_again()
            self.assertEqual(self.states()[-1], ("delivered", "failed", codes))

    def due_again(self) -> None:
        """Time has passed for what is due."""
        with self.store.database.write_engine.begin() as connection:
            connection.execute(update(webhook_events).where(webhook_events.c.state == "due").values(due=0))
        self.clock.advance(61)

    def test_waits(self) -> None:
        """The first wait is 5 s, each further one ten times as long."""
        self.add()
        self.settle(State.DELIVERED)
        self.world.answers = [500, 500]
        now(self.requests.start())
        waits = [now(self.store.webhooks.history(None, 1))[0].due - time.time()]
        self.due()
        waits.append(now(self.store.webhooks.history(None, 1))[0].due - time.time())
        self.assertTrue(4 < waits[0] < 9 and 48 < waits[1] < 63, waits)

    def test_order(self) -> None:
        """Events of one webhook go one after the other; another webhook does not wait for it."""
        self.add("https://slow.test/")
        self.settle(State.DELIVERED)
        self.settle(State.DUE, 451)
        gate: Deferred[None] = Deferred()
        self.world.gate = gate
        now(self.requests.start())
        self.assertEqual(self.world.told, [("https://slow.test/", "message.delivered")])
        self.add("https://quick.test/")
        self.settle(State.DELIVERED)
        self.world.gate = None
        self.clock.advance(1)
        self.assertEqual(self.world.told[1:], [("https://quick.test/", "message.delivered")])
        gate.callback(None)
        self.clock.advance(1)
        self.assertEqual([kind for url, kind in self.world.told if "slow" in url],
                         ["message.delivered", "message.deferred", "message.delivered"])

    def test_not_answering(self) -> None:
        """Who does not answer is left alone for a while with all that waits for him."""
        self.add()
        self.settle(State.DELIVERED)
        self.settle(State.DELIVERED)
        self.world.answers = [FetchFailed("no connection")]
        now(self.requests.start())
        self.clock.advance(1)
        self.assertEqual(len(self.world.asked), 1)
        self.clock.pump([1.0] * 6)
        self.assertEqual(len(self.world.asked), 2)

    def test_restart(self) -> None:
        """What was not told before the end is told after the next start; stopping waits for what is under way."""
        self.add()
        self.settle(State.DELIVERED)
        gate: Deferred[None] = Deferred()
        self.world.gate = gate
        now(self.requests.start())
        stopping = Deferred.fromCoroutine(self.requests.stop())
        self.assertNoResult(stopping)
        gate.errback(FetchFailed("the end"))
        self.successResultOf(stopping)
        self.world.gate = None
        self.due()
        self.assertEqual(len(self.world.asked), 1)
        again = WebhookRequests(self.clock, self.store.webhooks, self.world, self.seal)
        now(again.start())
        self.assertEqual(self.states(), [("delivered", "delivered", [0, 204])])

    def test_purged(self) -> None:
        """Old events are forgotten."""
        self.add()
        self.settle(State.DELIVERED)
        now(self.store.webhooks.purge(-10))
        self.assertEqual(self.states(), [])

    def test_wrong_key(self) -> None:
        """With another key nothing is told, and nothing is lost."""
        self.add()
        self.settle(State.DELIVERED)
        other: Any = WebhookRequests(self.clock, self.store.webhooks, self.world, Seal(b"z" * 32))
        now(other.start())
        self.assertEqual((self.world.asked, self.states()), ([], [("delivered", "due", [])]))
