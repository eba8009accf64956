"""What the queue finds out about a message."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery.route import Routes, parse_rule
from quantummail.message.address import Address
from quantummail.message.envelope import Client, Envelope, Recipient, Sender
from quantummail.message.ids import new_id
from quantummail.queue.queue import Queue, QueueDeliveries
from quantummail.store.outgoing_records import Claimed, OutgoingMessage
from tests.support.stores import make_store, make_user, now

USER = Client("192.0.2.2", protocol="ESMTPSA", user="alice@example.test")


class QueueTests(SynchronousTestCase):
    """Messages on their way into the queue."""

    def setUp(self) -> None:
        self.store = make_store(self)
        make_user(self.store)
        self.queue = Queue(
            self.store.outgoing, Routes([parse_rule("slow.test smtp://relay.test", {})]), self.store.directory)

    def submit(
        self, octets: bytes, *to: str, heading: bytes = b"", sender: str = "alice@example.test",
        require_tls: bool = False,
    ) -> list[Claimed]:
        """Submit a message; what is in the queue then, by destination."""
        body = self.store.bodies.spooled()
        now(body.write(b"before" + octets))
        recipients = tuple(Recipient(Address.parse(one)) for one in to or ("x@elsewhere.test",))
        envelope = Envelope(
            new_id(), USER, Sender(Address.parse(sender), require_tls=require_tls), recipients)
        now(self.queue.submit(
            envelope, recipients, heading, body, body_start=6, account_id=None, source="submission"))
        found = []
        for name, _at_once in now(self.store.outgoing.due_destinations(horizon=10_000, limit=10)):
            found += now(self.store.outgoing.claim(name, horizon=10_000, limit=10))
        return found

    def message(
        self, octets: bytes, *, sender: str = "alice@example.test", heading: bytes = b"", require_tls: bool = False
    ) -> OutgoingMessage:
        """What is known of a message."""
        return self.submit(octets, heading=heading, sender=sender, require_tls=require_tls)[0].message

    def test_destinations(self) -> None:
        """Recipients by where they go."""
        found = self.submit(b"\r\n", "a@x.test", "b@X.test", "c@slow.test", "alice@example.test")
        self.assertEqual(
            {claimed.destination: [one.address for one in claimed.recipients] for claimed in found},
            {"x.test": ["a@x.test", "b@x.test"], "smtp://relay.test": ["c@slow.test"],
             "local": ["alice@example.test"]})

    def test_identifier(self) -> None:
        """Message-ID, however it is written."""
        for octets, expected in (
            (b"Message-ID: <1@x.test>\r\n\r\n", "<1@x.test>"), (b"MESSAGE-id:\r\n <2@x.test>\r\n\r\n", "<2@x.test>"),
            (b"Subject: Message-ID: <3@x.test>\r\n\r\nMessage-ID: <4@x.test>\r\n", ""), (b"\r\n", ""),
        ):
            self.assertEqual(self.message(octets).header_id, expected, octets)

    def test_needs(self) -> None:
        """What other servers have to know: 8-bit octets, UTF-8 in the header or the sender."""
        for octets, heading, sender, expected in (
            (b"A: b\r\n\r\nx\r\n", b"", "alice@example.test", ("7BIT", False)),
            (b"A: b\r\n\r\n\xff\r\n", b"", "alice@example.test", ("8BITMIME", False)),
            ("A: \u00fc\r\n\r\nx\r\n".encode(), b"", "alice@example.test", ("8BITMIME", True)),
            (b"A: b\r\n\r\nx\r\n", "B: \u00fc\r\n".encode(), "alice@example.test", ("8BITMIME", True)),
            (b"A: b\r\n\r\nx\r\n", b"", "\u00fc@example.test", ("7BIT", True)),
            (b"A: b\r\n\r\n" + b"x" * 300_000 + b"\xff\r\n", b"", "alice@example.test", ("8BITMIME", False)),
        ):
            message = self.message(octets, heading=heading, sender=sender)
            self.assertEqual((message.body, message.smtputf8), expected, octets[:20])
            self.assertEqual(message.size, len(heading) + len(octets))

    def test_tls(self) -> None:
        """What the sender says about TLS, in the envelope or in the header (RFC 8689)."""
        for octets, optional in (
            (b"TLS-Required: No\r\n\r\n", True), (b"A: b\r\ntls-required:no \r\n\r\n", True),
            (b"TLS-Required: Yes\r\n\r\n", False), (b"TLS-Required: None\r\n\r\n", False),
            (b"\r\nTLS-Required: No\r\n", False), (b"X-TLS-Required: No\r\n\r\n", False),
        ):
            message = self.message(octets)
            self.assertEqual((message.tls_optional, message.require_tls), (optional, False), octets)
        self.assertTrue(self.message(b"\r\n", require_tls=True).require_tls)

    def test_priority(self) -> None:
        """Mailings go behind what people write."""
        for octets, bulk in (
            (b"Precedence: bulk\r\n\r\n", True), (b"precedence:list\r\n\r\n", True),
            (b"Precedence: normal\r\n\r\n", False),
            (b"List-Unsubscribe: <x>\r\n\r\n", True), (b"\r\nPrecedence: bulk\r\n", False),
        ):
            self.assertEqual(self.message(octets).priority > 0, bulk, octets)

    def test_relay_is_gone(self) -> None:
        """Mail for a relay that is not configured any more is not tried, and goes where new mail would go."""
        (claimed,) = self.submit(b"\r\n", "c@slow.test")
        self.assertEqual(claimed.destination, "smtp://relay.test")
        routes = Routes([])
        nobody: Any = None
        deliveries = QueueDeliveries(
            Queue(self.store.outgoing, routes, self.store.directory), self.store.outgoing, routes, nobody, nobody)
        self.assertEqual(now(deliveries.deliver(claimed)).results, ())
        self.assertEqual(now(self.store.outgoing.due_destinations(horizon=10_000, limit=10)), [("slow.test", False)])
        (again,) = now(self.store.outgoing.claim("slow.test", horizon=10_000, limit=10))
        self.assertEqual([(one.address, one.attempts) for one in again.recipients], [("c@slow.test", 0)])
