"""Delivery to other servers: whom to ask, and what the answers mean."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery.hosts import Hosts, Opportunistic
from quantummail.delivery.outcome import Delivered
from quantummail.delivery.remote import RemoteDelivery, RemoteSettings, Source
from quantummail.delivery.route import Route, Routes, Way, parse_rule
from quantummail.smtp.client import ConnectionFailed
from quantummail.smtp.client_session import Answer, OutgoingMail, Refused
from quantummail.smtp.remote import Offer, RemoteReply
from quantummail.store.outgoing_records import Claimed, OutgoingMessage, OutgoingRecipient
from quantummail.tls.outbound import Mode
from tests.support.stores import now
from tests.support.zone import Zone

ZONE = Zone({
    "a.test": {"MX": ["10 mx1.a.test.", "20 mx2.a.test."]},
    "mx1.a.test": {"A": ["192.0.2.1"]},
    "mx2.a.test": {"A": ["192.0.2.2"], "AAAA": ["2001:db8::2"]},
    "null.test": {"MX": ["0 ."]},
    "broken.test": {"FAIL": []},
    "relay.test": {"A": ["192.0.2.9"]},
})
Script = Callable[[OutgoingMail], Sequence[Answer]]


def reply(code: int, text: str = "", status: str = "", to: str = "RCPT TO") -> Answer:
    """An answer of the other server."""
    return Answer(RemoteReply(code, status, text), to)


def good(mail: OutgoingMail) -> Sequence[Answer]:
    """Takes everything."""
    return [reply(250, "ok", "2.0.0", "the message")] * len(mail.recipients)


class Octets:
    """A message that nobody looks at."""

    async def read(self, start: int, end: int) -> bytes:
        """Octets."""
        return b"x" * (end - start)


class FakeClient:
    """A connection whose other side follows a script."""

    tls = None
    source = "192.0.2.77"

    def __init__(self, script: Script, offer: Offer) -> None:
        self.script = script
        self.offer = offer
        self.usable = True
        self.maybe_sent = False
        self.transactions = 0
        self.sizes: list[int] = []
        self.ended = False

    async def send(self, mail: OutgoingMail, _content: object) -> list[Answer]:
        """Ask the script."""
        self.transactions += 1
        self.sizes.append(len(mail.recipients))
        answers = list(self.script(mail))
        if any(answer.reply.code in (400, 421) for answer in answers):
            self.usable = False
        return answers

    async def quit(self) -> None:
        """Goodbye."""
        self.ended = True
        self.usable = False


class FromHere:
    """The system chooses where we come from."""

    async def choose(self, _sender: str, _recipient: str, _domain: str) -> Source:
        """Our name."""
        return Source("we.test")


class DeliveringTestCase(SynchronousTestCase):
    """A delivery whose connections are scripted."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.asked: list[tuple[str, Mode]] = []
        self.clients: list[FakeClient] = []
        self.scripts: dict[str, Any] = {}
        self.offer = Offer("mx", True)
        self.delivery = RemoteDelivery(
            self.clock, Hosts(ZONE.resolver(), Opportunistic(), family="ipv4"), FromHere(), RemoteSettings(),
            self.connect)

    async def connect(self, _reactor: object, _clock: object, address: str, _port: int, **rest: Any) -> Any:
        """What stands behind an address: a script, or an error."""
        self.asked.append((address, rest["protection"].mode))
        found = self.scripts.get(address, good)
        if isinstance(found, Exception):
            raise found
        client = FakeClient(found, self.offer)
        self.clients.append(client)
        return client

    def claimed(self, *names: str) -> Claimed:
        """A message."""
        message = OutgoingMessage("id", None, "alice", "submission", "alice@example.test", 10, created=int(time.time()))
        return Claimed(message, tuple(
            OutgoingRecipient(number, f"{name}@a.test", "a.test") for number, name in enumerate(names or ("bob",))))

    def deliver(self, *names: str, route: Route | None = None) -> Delivered:
        """Try once."""
        self.asked.clear()
        return now(self.delivery.deliver(route or Route(Way.MX, "a.test"), self.claimed(*names), Octets()))

    def told(self, delivered: Delivered) -> list[tuple[str, str, int]]:
        """Name, fate and code of each, in order of recipients."""
        found = sorted(delivered.results, key=lambda one: one.recipient.id)
        return [(one.recipient.address.partition("@")[0], one.fate.value, one.attempt.code) for one in found]


class WhereTests(DeliveringTestCase):
    """Whom to ask."""

    def test_best_first(self) -> None:
        """The best host, and who took it is told."""
        delivered = self.deliver()
        self.assertEqual(self.told(delivered), [("bob", "delivered", 250)])
        attempt = delivered.results[0].attempt
        self.assertEqual((attempt.host, attempt.address, attempt.answer), ("mx1.a.test", "192.0.2.1", "ok"))

    def test_next_host(self) -> None:
        """Where nobody answers, or nobody wants us, the next host is asked."""
        for trouble in (ConnectionFailed("refused", "connect"), Refused(RemoteReply(554, "", "go"), "the greeting"),
                        Refused(RemoteReply(421, "", "busy"), "the greeting")):
            self.setUp()
            self.scripts["192.0.2.1"] = trouble
            self.assertEqual(self.told(self.deliver()), [("bob", "delivered", 250)])
            self.assertEqual([address for address, _ in self.asked], ["192.0.2.1", "192.0.2.2"])

    def test_nobody(self) -> None:
        """Where no host answers it is tried later, and the destination left alone, whatever they said."""
        self.scripts = {"192.0.2.1": ConnectionFailed("refused", "connect"),
                        "192.0.2.2": Refused(RemoteReply(554, "5.7.1", "go away"), "the greeting")}
        delivered = self.deliver("bob", "eve")
        self.assertEqual(self.told(delivered), [("bob", "deferred", 554), ("eve", "deferred", 554)])
        self.assertEqual((delivered.reached, delivered.reason), (False, "go away"))

    def test_refusal_is_final(self) -> None:
        """A recipient who is refused is not offered to the next host."""
        self.scripts["192.0.2.1"] = lambda _mail: [reply(550, "who?", "5.1.1")]
        self.assertEqual(self.told(self.deliver()), [("bob", "failed", 550)])
        self.assertEqual(len(self.asked), 1)

    def test_without_tls(self) -> None:
        """Where TLS cannot be had and nobody asked for it, it goes without."""
        async def connect(*args: Any, **rest: Any) -> Any:
            if rest["protection"].mode is not Mode.NONE:
                self.asked.append((args[2], rest["protection"].mode))
                raise ConnectionFailed("no handshake", "the TLS handshake", tls=True)
            return await self.connect(*args, **rest)

        self.delivery = RemoteDelivery(
            self.clock, Hosts(ZONE.resolver(), Opportunistic()), FromHere(), RemoteSettings(), connect)
        self.assertEqual(self.told(self.deliver()), [("bob", "delivered", 250)])
        self.assertEqual(self.asked, [("192.0.2.1", Mode.OPPORTUNISTIC), ("192.0.2.1", Mode.NONE)])

    def test_no_way(self) -> None:
        """What DNS says may be final, or not."""
        for name, fate, code in (("null.test", "failed", 556), ("gone.test", "failed", 550),
                                 ("broken.test", "deferred", 451), ("[192.0.2.1]", "failed", 550)):
            delivered = self.deliver(route=Route(Way.MX, name))
            self.assertEqual(self.told(delivered), [("bob", fate, code)], name)
            self.assertEqual(delivered.reached, fate == "failed")

    def test_relay(self) -> None:
        """A relay by name; one that cannot be looked up is a matter of the configuration, not of the mail."""
        for url, expected in (("smtp://relay.test", "delivered"), ("smtp://192.0.2.8:26", "delivered"),
                              ("smtp://gone.test", "deferred"), ("lmtp:/run/lmtp", "delivered")):
            rule = parse_rule(f"* {url}", {})
            assert rule.route is not None
            delivered = self.deliver(route=Routes([rule]).route(rule.route.name))
            self.assertEqual(self.told(delivered)[0][1], expected, url)


class AnswerTests(DeliveringTestCase):
    """What answers mean."""

    def test_each(self) -> None:
        """Each recipient has a fate of its own."""
        self.scripts["192.0.2.1"] = lambda _mail: [
            reply(250, "ok"), reply(550, "no"), reply(450, "later"), reply(400, "lost", to="the message")]
        delivered = self.deliver("a", "b", "c", "d")
        self.assertEqual(self.told(delivered), [
            ("a", "delivered", 250), ("b", "failed", 550), ("c", "deferred", 450), ("d", "deferred", 400)])
        self.assertTrue(delivered.slowed)

    def test_many(self) -> None:
        """As few transactions as the other side's limits allow, on one connection."""
        names = [f"u{number}" for number in range(250)]
        self.assertEqual({fate for _, fate, _ in self.told(self.deliver(*names))}, {"delivered"})
        self.assertEqual([client.sizes for client in self.clients], [[100, 100, 50]])
        self.setUp()
        self.offer = Offer("mx", True, frozenset({"LIMITS"}), most_recipients=1000)
        self.deliver(*names)
        self.assertEqual([client.sizes for client in self.clients], [[250]])

    def test_too_many_recipients(self) -> None:
        """Who is one too many goes in the next transaction, as long as that gets anywhere."""
        def some(mail: OutgoingMail) -> Sequence[Answer]:
            return [reply(250, "ok") if place < 3 else reply(452, "too many", "4.5.3")
                    for place in range(len(mail.recipients))]

        self.scripts["192.0.2.1"] = some
        self.assertEqual({fate for _, fate, _ in self.told(self.deliver(*"abcdefgh"))}, {"delivered"})
        self.assertEqual([client.sizes for client in self.clients], [[8, 5, 2]])
        self.setUp()
        self.scripts["192.0.2.1"] = lambda mail: [reply(452, "full", "4.2.2")] * len(mail.recipients)
        self.assertEqual({fate for _, fate, _ in self.told(self.deliver(*"abc"))}, {"deferred"})

    def test_connection_ends_between(self) -> None:
        """Who had no turn yet is tried later."""
        def once(mail: OutgoingMail) -> Sequence[Answer]:
            return [reply(250, "ok")] * (len(mail.recipients) - 1) + [reply(421, "bye")]

        self.scripts["192.0.2.1"] = once
        fates = [fate for _, fate, _ in self.told(self.deliver(*[f"u{number}" for number in range(150)]))]
        self.assertEqual((fates.count("delivered"), fates.count("deferred")), (99, 51))

    def test_relayed(self) -> None:
        """A server that knows no DSN leaves telling of success to us."""
        self.assertTrue(self.deliver().results[0].relayed)
        self.setUp()
        self.offer = Offer("mx", True, frozenset({"DSN"}))
        self.assertFalse(self.deliver().results[0].relayed)


class RequireTlsTests(DeliveringTestCase):
    """Messages with REQUIRETLS (RFC 8689)."""

    def deliver(self, *names: str, route: Route | None = None) -> Delivered:
        """Try once."""
        claimed = self.claimed(*names)
        claimed = replace(claimed, message=replace(claimed.message, require_tls=True))
        return now(self.delivery.deliver(route or Route(Way.MX, "a.test"), claimed, Octets()))

    def test_known(self) -> None:
        """A host that knows it gets it with the message."""
        seen: list[bool] = []

        def take(mail: OutgoingMail) -> Sequence[Answer]:
            seen.append(mail.require_tls)
            return good(mail)

        self.offer = Offer("mx", True, frozenset({"REQUIRETLS"}))
        self.scripts["192.0.2.1"] = take
        self.assertEqual(self.told(self.deliver()), [("bob", "delivered", 250)])
        self.assertEqual((seen, self.asked), ([True], [("192.0.2.1", Mode.VERIFY)]))

    def test_unknown(self) -> None:
        """Where no host knows it that is final; the destination is not to be blamed."""
        delivered = self.deliver()
        self.assertEqual((self.told(delivered), delivered.reached), ([("bob", "failed", 550)], True))
        self.assertEqual([address for address, _ in self.asked], ["192.0.2.1", "192.0.2.2"])
        self.assertTrue(all(client.ended for client in self.clients))

    def test_unreached(self) -> None:
        """Where one could not be reached, it may know it."""
        self.scripts["192.0.2.1"] = ConnectionFailed("refused", "connect")
        self.assertEqual(self.told(self.deliver()), [("bob", "deferred", 550)])

    def test_on_this_machine(self) -> None:
        """Behind a unix socket nobody can listen."""
        rule = parse_rule("* lmtp:/run/lmtp", {})
        assert rule.route is not None
        route = Routes([rule]).route(rule.route.name)
        self.assertEqual(self.told(self.deliver(route=route)), [("bob", "delivered", 250)])


class ReuseTests(DeliveringTestCase):
    """Connections that are kept."""

    def test_reused(self) -> None:
        """The next message goes over the same connection."""
        for _ in range(3):
            self.deliver()
        self.assertEqual([client.transactions for client in self.clients], [3])

    def test_ended_by_idleness(self) -> None:
        """It is not kept for long."""
        self.deliver()
        self.clock.advance(6)
        self.assertTrue(self.clients[0].ended)
        self.deliver()
        self.assertEqual(len(self.clients), 2)

    def test_ended_after_enough(self) -> None:
        """Nor for too many messages; the other side may say how many."""
        self.offer = Offer("mx", True, frozenset({"LIMITS"}), most_mails=2)
        for _ in range(4):
            self.deliver()
        self.assertEqual([client.transactions for client in self.clients], [2, 2])

    def test_dead_connection(self) -> None:
        """One that died while it was idle is no attempt: a new one is made at once."""
        self.deliver()
        for trouble in (reply(400, "closed"), reply(421, "idle")):
            self.clients[-1].script = lambda mail, trouble=trouble: [trouble] * len(mail.recipients)  # type: ignore[misc]  # bound now
            self.assertEqual(self.told(self.deliver()), [("bob", "delivered", 250)])
        self.assertEqual(len(self.clients), 3)

    def test_stop(self) -> None:
        """At the end all are ended."""
        self.deliver()
        now(self.delivery.stop())
        self.assertTrue(self.clients[0].ended)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class SlotTests(DeliveringTestCase):
    """How many at once."""

    def test_operator(self) -> None:
        """An operator gets a few connections at first; who is too many waits for a slot."""
        gates: list[Deferred[None]] = []

        async def slow(*args: Any, **rest: Any) -> Any:
            gates.append(Deferred())
            await gates[-1]
            return await self.connect(*args, **rest)

        self.delivery = RemoteDelivery(
            self.clock, Hosts(ZONE.resolver(), Opportunistic()), FromHere(), RemoteSettings(), slow)
        running = [Deferred.fromCoroutine(self.delivery.deliver(Route(Way.MX, "a.test"), self.claimed(), Octets()))
                   for _ in range(8)]
        self.assertEqual(len(gates), 5)
        gates[0].callback(None)
        self.assertEqual(len(gates), 6)
        for number in range(1, 8):
            gates[number].callback(None)
        self.assertEqual({one.fate.value for each in running for one in self.successResultOf(each).results},
                         {"delivered"})
