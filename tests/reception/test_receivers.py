"""Tests of quantummail.reception: mx, submission, recipients, hops and trace, from MAIL to the mailbox."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth.exchanges import PlainExchange
from quantummail.auth.login import Authenticator, LoginFailed, LoginUnavailable, Peer
from quantummail.auth.sessions import End
from quantummail.delivery.forwarding import Forwarding
from quantummail.delivery.local import LocalDelivery
from quantummail.delivery.route import Routes
from quantummail.message.address import Address
from quantummail.message.envelope import Client, Envelope, Recipient, Sender
from quantummail.message.ids import new_id
from quantummail.message.srs import Rewriting
from quantummail.queue.queue import Queue
from quantummail.queue.receipts import Receipts
from quantummail.reception.hops import has_looped
from quantummail.reception.limits import Limits, SendingLimits
from quantummail.reception.mx import LMTPReceiver, MXReceiver, ReceptionSettings
from quantummail.reception.onward import Onward
from quantummail.reception.submission import SubmissionReceiver
from quantummail.smtp.login import Outcome
from quantummail.smtp.reply import Reply
from quantummail.store.outgoing_records import Claimed
from quantummail.store.records import User
from quantummail.tls.channel import Channel
from tests.store.messages import PLAIN, box, content, uids
from tests.support.stores import make_store, make_user, now

STRANGER = Client("192.0.2.1", helo="mx.elsewhere.test", protocol="ESMTP", connection="c1")
SETTINGS = ReceptionSettings("mail.example.test", tarpit_after=2, tarpit_delay=1.0)


class Logins:
    """What an Authenticator says."""

    def __init__(self, users: dict[tuple[str, str], User]) -> None:
        self.users = users
        self.failure: Exception | None = None
        self.where: Peer | None = None
        self.sessions = self
        self.open: list[tuple[int, End]] = []

    def offered(self, channel: Channel | None, offers: Callable[[str], bool]) -> tuple[str, ...]:
        """PLAIN, if that is not switched off."""
        return ("PLAIN",) if offers("AUTH=PLAIN") else ()

    def exchange(self, name: str, peer: Peer, offers: Callable[[str], bool]) -> PlainExchange:
        """PLAIN."""
        return PlainExchange(cast("Authenticator", self), peer)

    async def login(self, username: str, password: str, peer: Peer) -> User:
        """Check."""
        self.where = peer
        if self.failure is not None:
            raise self.failure
        user = self.users[username, password]
        assert peer.end is not None
        self.open.append((user.id, peer.end))
        return user

    def leave(self, user_id: int, end: End) -> None:
        """The session is over."""
        self.open.remove((user_id, end))


class ReceptionCase(SynchronousTestCase):
    """A server with two users and an alias for both."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.store = make_store(self)
        self.alice = make_user(self.store)
        self.bob = make_user(self.store, "bob@example.test")
        now(self.store.aliases.add("both@example.test", ["alice@example.test", "bob@example.test"]))
        now(self.store.aliases.add("away@example.test", ["x@elsewhere.test"]))
        self.delivery = LocalDelivery(self.store.messages, self.clock)
        self.logins = Logins({("alice@example.test", "right"): self.alice})
        self.queue = Queue(self.store.outgoing, Routes(), self.store.directory)
        self.forwarding = Forwarding(
            "mail.example.test", Rewriting(b"key"), self.store.bodies, self.queue.destination, self.queue.enqueue)
        self.onward = Onward(
            self.queue, self.forwarding, Receipts("mail.example.test", self.queue, self.store.bodies))
        self.mx = MXReceiver(self.store, self.delivery, self.onward, SETTINGS, self.clock)
        self.lmtp = LMTPReceiver(self.store, self.delivery, self.onward, SETTINGS, self.clock)
        self.submission = SubmissionReceiver(
            self.store, self.delivery, self.onward, cast("Authenticator", self.logins), SETTINGS, self.limits())
        self.client = STRANGER

    def limits(self, limits: SendingLimits = SendingLimits()) -> Limits:  # noqa: B008  # a frozen value
        """What users may send."""
        return Limits(limits, self.clock, self.store.outgoing.recipients_since)

    def queued(self, destination: str) -> list[Claimed]:
        """What waits for a destination."""
        return now(self.store.outgoing.claim(destination, horizon=10_000, limit=100))

    def octets(self, claimed: Claimed) -> bytes:
        """Of a queued message."""
        async def read() -> bytes:
            return await self.store.outgoing.read(claimed.message.id, 0, claimed.message.size)

        return now(read())

    def inbox(self, user: User) -> int:
        """The id of a user's INBOX."""
        found = now(self.store.mailboxes.find(user.id, "INBOX"))
        assert found is not None
        return found.id

    def as_alice(self) -> None:
        """Alice is logged in."""
        self.client = Client("192.0.2.2", helo="laptop", protocol="ESMTPSA", connection="c2",
                             user="alice@example.test", tls="TLSv1.3 X")

    def rcpt(self, receiver: Any, address: str, sender: Sender | None = None) -> Reply:
        """The answer to RCPT."""
        recipient = Recipient(Address.parse(address) if "@" in address else Address(address, ""))
        reply: Reply = now(receiver.rcpt(self.client, sender or Sender(None), recipient))
        return reply

    def send(
        self, receiver: Any, recipients: Sequence[str], octets: bytes = PLAIN,
        sender: str | None = "carol@elsewhere.test",
    ) -> list[Reply]:
        """A whole transaction; the replies to the message."""
        sender_ = Sender(None if sender is None else Address.parse(sender))
        self.assertEqual(now(receiver.mail(self.client, sender_)).code, 250)
        for address in recipients:
            self.assertEqual(self.rcpt(receiver, address, sender_).code, 250)
        envelope = Envelope(
            new_id(), self.client, sender_, tuple(Recipient(Address.parse(address)) for address in recipients))
        body = receiver.content()
        now(body.write(octets))
        replies = list(now(receiver.message(envelope, body)))
        body.discard()
        return replies

    def stored(self, user: User) -> bytes:
        """The only message of a user."""
        inbox = box(self.store, user.id)
        (uid,) = uids(self.store, inbox)
        return content(self.store, inbox, uid)


class MXTests(ReceptionCase):
    """Mail from strangers."""

    def test_recipients(self) -> None:
        """Only recipients of ours are taken; what each other address is answered."""
        now(self.store.users.set_enabled("bob@example.test", False))
        for address, code, status in (
            ("alice@example.test", 250, "2.1.5"),
            ("alice+x@example.test", 250, "2.1.5"),
            ("nobody@example.test", 550, "5.1.1"),
            ("alice@elsewhere.test", 550, "5.7.1"),
            ("bob@example.test", 550, "5.2.1"),
            ("away@example.test", 250, "2.1.5"),
            ("abuse@example.test", 550, "5.1.1"),
        ):
            self.mx._unknown = 0
            reply = self.rcpt(self.mx, address)
            self.assertEqual((reply.code, reply.status), (code, status), address)

    def test_postmaster(self) -> None:
        """A postmaster of ours is refused for now at most, however the address is written (RFC 5321 4.5.1)."""
        addresses = ("postmaster", "Postmaster@example.test")
        for address in addresses:
            reply = self.rcpt(self.mx, address)
            self.assertEqual((reply.code, reply.status), (450, "4.3.0"), address)
        now(self.store.aliases.add("postmaster@example.test", ["x@elsewhere.test"]))
        self.assertEqual(self.rcpt(self.mx, addresses[1]).code, 450)
        now(self.store.aliases.add("postmaster@example.test", ["bob@example.test"]))
        self.assertEqual(self.rcpt(self.mx, addresses[1]).code, 250)
        now(self.store.users.set_quota("bob@example.test", 0, 1))
        self.send(self.mx, ["bob@example.test"])
        self.assertEqual(self.rcpt(self.mx, addresses[1]).code, 452)

    def test_relay_patterns(self) -> None:
        """Local parts that look like routes are names like others."""
        for address in ("x%elsewhere.test@example.test", "elsewhere.test!x@example.test",
                        '"x@elsewhere.test"@example.test', '"@elsewhere.test:x"@example.test'):
            self.mx._unknown = 0
            self.assertEqual(self.rcpt(self.mx, address).code, 550, address)

    def test_full(self) -> None:
        """A mailbox without room for the size that the sender tells is full for now."""
        now(self.store.users.set_quota("alice@example.test", 1000, 0))
        self.assertEqual(self.rcpt(self.mx, "alice@example.test", Sender(None, size=999)).code, 250)
        self.assertEqual(self.rcpt(self.mx, "alice@example.test", Sender(None, size=2000)).code, 452)

    def test_tarpit(self) -> None:
        """Who guesses on waits for each answer."""
        for _ in range(2):
            self.assertEqual(self.rcpt(self.mx, "nobody@example.test").code, 550)
        replies: list[Reply] = []
        recipient = Recipient(Address.parse("nobody@example.test"))
        Deferred.fromCoroutine(self.mx.rcpt(self.client, Sender(None), recipient)).addCallback(replies.append)
        self.assertEqual(replies, [])
        self.clock.advance(1)
        self.assertEqual(len(replies), 1)

    def test_trace(self) -> None:
        """On top of the message are Return-Path, Delivered-To and Received, then its octets as they came."""
        (reply,) = self.send(self.mx, ["alice@example.test"])
        self.assertEqual(reply.code, 250)
        stored = self.stored(self.alice)
        self.assertRegex(stored.decode(), (
            r"\AReturn-Path: <carol@elsewhere\.test>\r\nDelivered-To: alice@example\.test\r\n"
            r"Received: from mx\.elsewhere\.test \(\[192\.0\.2\.1\]\)\r\n"
            r"\tby mail\.example\.test \(QuantumMail\) with ESMTP id [0-9a-z]{16}\r\n"
            r"\tfor <alice@example\.test>; \w{3}, .* \+0000\r\nFrom:"))
        self.assertTrue(stored.endswith(PLAIN))

    def test_several(self) -> None:
        """Recipients do not learn of each other, and everybody gets it once."""
        (reply,) = self.send(self.mx, ["alice@example.test", "both@example.test"], sender=None)
        self.assertEqual(reply.code, 250)
        for user in (self.alice, self.bob):
            stored = self.stored(user)
            self.assertTrue(stored.startswith(b"Return-Path: <>\r\nReceived:"))
            self.assertNotIn(b"example.test>", stored.replace(b"<alice@example.test>\r\nSubject", b""))

    def test_hostile_name(self) -> None:
        """What a client calls itself can neither end the field nor begin another."""
        self.client = Client("2001:db8::1", helo="x) (evil\r\nX: y", protocol="SMTP", tls="a)b")
        self.send(self.mx, ["alice@example.test"])
        stored = self.stored(self.alice)
        self.assertIn(b"Received: from x???evil??X:?y ([IPv6:2001:db8::1])\r\n\t(using a?b)\r\n", stored)

    def test_partly(self) -> None:
        """A message that fails for one is answered with a temporary failure, and not delivered twice when repeated."""
        now(self.store.users.set_quota("bob@example.test", 500, 0))
        octets = PLAIN + b"x" * 500
        (reply,) = self.send(self.mx, ["alice@example.test", "bob@example.test"], octets)
        self.assertEqual(reply.code, 452)
        now(self.store.users.set_quota("bob@example.test", 0, 0))
        (reply,) = self.send(self.mx, ["alice@example.test", "bob@example.test"], octets)
        self.assertEqual(reply.code, 250)
        self.stored(self.alice)
        self.stored(self.bob)

    def test_loop(self) -> None:
        """A message that has been everywhere is refused for good."""
        (reply,) = self.send(self.mx, ["alice@example.test"], b"Received: x\r\n" * 51 + PLAIN)
        self.assertEqual((reply.code, reply.status), (554, "5.4.6"))

    def test_gone_meanwhile(self) -> None:
        """A mailbox that is deleted between RCPT and message is a temporary failure."""
        now(self.mx.mail(self.client, Sender(None)))
        self.rcpt(self.mx, "alice@example.test")
        now(self.store.users.delete("alice@example.test"))
        body = self.mx.content()
        now(body.write(PLAIN))
        envelope = Envelope(new_id(), self.client, Sender(None), (Recipient(Address.parse("alice@example.test")),))
        self.assertEqual(now(self.mx.message(envelope, body))[0].code, 451)

    def test_no_login(self) -> None:
        """Nobody logs in here, and nobody learns who exists."""
        self.assertEqual(self.mx.mechanisms(None, frozenset()), ())
        self.assertEqual(now(self.mx.vrfy(self.client, "alice@example.test")).code, 252)


class ForwardTests(ReceptionCase):
    """Aliases that lead elsewhere."""

    def test_forwarded(self) -> None:
        """The message goes on under a reverse-path of ours, as it came behind our trace fields."""
        (reply,) = self.send(self.mx, ["away@example.test"])
        self.assertEqual((reply.code, reply.text.split(" as ")[0]), (250, "Ok: queued"))
        (claimed,) = self.queued("elsewhere.test")
        self.assertEqual([one.address for one in claimed.recipients], ["x@elsewhere.test"])
        self.assertTrue(claimed.message.sender.startswith("SRS0="))
        self.assertTrue(claimed.message.sender.endswith("@example.test"))
        octets = self.octets(claimed)
        self.assertTrue(octets.startswith(b"Delivered-To: away@example.test\r\nReceived: by "))
        self.assertTrue(octets.endswith(PLAIN))

    def test_here_and_there(self) -> None:
        """An alias may lead to both; a null reverse-path stays null."""
        now(self.store.aliases.add("some@example.test", ["bob@example.test", "x@elsewhere.test"]))
        (reply,) = self.send(self.mx, ["some@example.test"], sender=None)
        self.assertEqual((reply.code, reply.text.split(" as ")[0]), (250, "Ok: delivered"))
        (claimed,) = self.queued("elsewhere.test")
        self.assertEqual(claimed.message.sender, "")

    def test_bounce(self) -> None:
        """The bounce of a forwarded message goes to who sent it, and is no way for anything else."""
        self.send(self.mx, ["away@example.test"])
        (claimed,) = self.queued("elsewhere.test")
        address = claimed.message.sender
        self.assertEqual(self.rcpt(self.mx, address, Sender(Address("x", "y.test"))).status, "5.7.1")
        self.assertEqual(self.rcpt(self.mx, address.replace("carol", "victim")).status, "5.1.1")
        (reply,) = self.send(self.mx, [address], sender=None)
        self.assertEqual(reply.code, 250)
        (bounce,) = self.queued("elsewhere.test")
        self.assertEqual((bounce.message.sender, [one.address for one in bounce.recipients]),
                         ("", ["carol@elsewhere.test"]))

    def test_circle(self) -> None:
        """A message that the alias had before does not go round again."""
        (reply,) = self.send(self.mx, ["away@example.test"], b"Delivered-To: AWAY@example.test\r\n" + PLAIN)
        self.assertEqual(reply.status, "5.4.6")
        self.assertEqual(self.queued("elsewhere.test"), [])

    def test_lmtp(self) -> None:
        """Each recipient has its own answer, also where it leads elsewhere."""
        replies = self.send(self.lmtp, ["away@example.test", "bob@example.test"])
        self.assertEqual([reply.code for reply in replies], [250, 250])
        self.assertEqual(len(self.queued("elsewhere.test")), 1)


class LMTPTests(ReceptionCase):
    """Mail that a local program hands over."""

    def test_each(self) -> None:
        """Each recipient has an answer of its own, in their order."""
        now(self.store.users.set_quota("bob@example.test", 500, 0))
        replies = self.send(
            self.lmtp, ["bob@example.test", "alice@example.test", "both@example.test"], PLAIN + b"x" * 500)
        self.assertEqual([reply.code for reply in replies], [452, 250, 452])

    def test_loop(self) -> None:
        """A loop is refused for each."""
        replies = self.send(self.lmtp, ["alice@example.test", "bob@example.test"], b"Received: x\r\n" * 51 + PLAIN)
        self.assertEqual([reply.code for reply in replies], [554, 554])

    def test_again(self) -> None:
        """What a program hands over twice is delivered twice."""
        for _ in range(2):
            self.send(self.lmtp, ["alice@example.test"])
        self.assertEqual(len(uids(self.store, box(self.store, self.alice.id))), 2)


class SubmissionTests(ReceptionCase):
    """Mail from users."""

    def test_login(self) -> None:
        """Who logs in acts as themselves; everything else fails with one text."""
        self.assertEqual(self.login().user, "alice@example.test")
        self.assertEqual(self.login("Alice@example.test").reply.code, 235)
        self.assertEqual(self.login("bob@example.test").reply.code, 535)
        for failure, code in ((LoginFailed(), 535), (LoginUnavailable(), 454)):
            self.logins.failure = failure
            self.assertEqual(self.login().reply.code, code)

    def login(self, authzid: str = "", receiver: SubmissionReceiver | None = None) -> Outcome:
        """Alice's password, given in the name of somebody."""
        exchange = (receiver or self.submission).exchange("PLAIN", STRANGER, None, frozenset(), self.end)
        outcome = now(exchange.answer(f"{authzid}\0alice@example.test\0right".encode()))
        assert isinstance(outcome, Outcome)
        return outcome

    def test_switched_off(self) -> None:
        """A mechanism that is switched off is not offered."""
        self.assertEqual(self.submission.mechanisms(None, frozenset()), ("PLAIN",))
        self.assertEqual(self.submission.mechanisms(None, frozenset({"AUTH=PLAIN"})), ())

    def end(self) -> None:
        """End the session."""

    def test_open_sessions(self) -> None:
        """Who is logged in can be sent away, until the session is over; who was refused cannot."""
        self.login("bob@example.test")
        self.assertEqual(self.logins.open, [])
        self.login()
        self.assertEqual(self.logins.open, [(self.alice.id, self.end)])
        self.submission.logged_out()
        self.submission.logged_out()
        self.assertEqual(self.logins.open, [])

    def test_listener_in_the_log(self) -> None:
        """The log is told which listener it was."""
        for name in ("submission", "submissions"):
            receiver = SubmissionReceiver(
                self.store, self.delivery, self.onward, cast("Authenticator", self.logins), SETTINGS,
                self.limits(), name)
            self.login(receiver=receiver)
            self.assertEqual(self.logins.where, Peer(name, "192.0.2.1", "c1", None, self.end))

    def test_without_login(self) -> None:
        """Nothing goes without a login."""
        self.assertEqual(now(self.submission.mail(STRANGER, Sender(None))).code, 530)
        self.assertEqual(now(self.submission.vrfy(STRANGER, "bob@example.test")).code, 530)

    def test_sender(self) -> None:
        """The envelope's sender is an address of the user, or null."""
        self.as_alice()
        for address, code in (("alice+x@example.test", 250), ("both@example.test", 250), ("bob@example.test", 553),
                              ("alice@elsewhere.test", 553)):
            self.assertEqual(now(self.submission.mail(self.client, Sender(Address.parse(address)))).code, code)
        self.assertEqual(now(self.submission.mail(self.client, Sender(None))).code, 250)

    def test_remote(self) -> None:
        """Recipients elsewhere get it through the queue, in one message, together with our own in their mailboxes."""
        self.as_alice()
        (reply,) = self.send(self.submission, ["x@elsewhere.test", "bob@example.test", "y@elsewhere.test"],
                             sender="alice@example.test")
        self.assertEqual((reply.code, reply.text.split(" as ")[0]), (250, "Ok: delivered"))
        (claimed,) = self.queued("elsewhere.test")
        self.assertEqual([one.address for one in claimed.recipients], ["x@elsewhere.test", "y@elsewhere.test"])
        self.assertEqual((claimed.message.sender, claimed.message.lane), ("alice@example.test", "alice@example.test"))
        octets = self.octets(claimed)
        self.assertTrue(octets.startswith(b"Received: from laptop"))
        self.assertNotIn(b"Return-Path", octets)

    def test_only_remote(self) -> None:
        """Who only writes to others is told that it is queued."""
        self.as_alice()
        (reply,) = self.send(self.submission, ["x@elsewhere.test"], sender="alice@example.test")
        self.assertEqual((reply.code, reply.text.split(" as ")[0]), (250, "Ok: queued"))

    def test_queue_fails(self) -> None:
        """What cannot be queued is tried again by the sender; who has it does not get it twice."""
        self.as_alice()
        path = self.store.outgoing.directory
        os.rename(path, path + ".away")
        recipients = ["x@elsewhere.test", "bob@example.test"]
        octets = b"From: alice@example.test\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@x>\r\n\r\nx\r\n"
        (reply,) = self.send(self.submission, recipients, octets, sender="alice@example.test")
        self.assertEqual(reply.code, 451)
        os.rename(path + ".away", path)
        (reply,) = self.send(self.submission, recipients, octets, sender="alice@example.test")
        self.assertEqual(reply.code, 250)
        self.assertEqual(len(self.queued("elsewhere.test")), 1)
        self.assertEqual(len(now(self.store.messages.open(
            self.bob.id, self.inbox(self.bob), claim_recent=False)).uids), 1)

    def test_completed(self) -> None:
        """What is missing is added, Bcc is gone, the text is as it was."""
        self.as_alice()
        octets = b"Subject: x\r\nBcc: bob@example.test\r\n\r\nText\r\n"
        (reply,) = self.send(self.submission, ["bob@example.test"], octets, "alice@example.test")
        self.assertEqual(reply.code, 250)
        stored = self.stored(self.bob)
        self.assertIn(b"with ESMTPSA id ", stored)
        for name in (b"\r\nFrom: <alice@example.test>\r\n", b"\r\nDate: ", b"\r\nMessage-ID: <"):
            self.assertEqual(stored.count(name), 1)
        self.assertNotIn(b"Bcc", stored)
        self.assertTrue(stored.endswith(b"\r\nSubject: x\r\n\r\nText\r\n"))

    def test_no_empty_line(self) -> None:
        """Text without a header is text."""
        self.as_alice()
        self.send(self.submission, ["bob@example.test"], b"Hello Bob\r\nFrom: the other side\r\n", "alice@example.test")
        self.assertTrue(self.stored(self.bob).endswith(b"\r\n\r\nHello Bob\r\nFrom: the other side\r\n"))

    def test_somebody_else(self) -> None:
        """A message in somebody else's name is refused."""
        self.as_alice()
        for octets in (b"From: bob@example.test\r\n\r\n", b"Sender: bob@example.test\r\n\r\n"):
            (reply,) = self.send(self.submission, ["bob@example.test"], octets, "alice@example.test")
            self.assertEqual(reply.code, 553)

    def test_huge_header(self) -> None:
        """A header that is not looked at to its end is refused."""
        self.as_alice()
        octets = b"From: alice@example.test\r\n" + b"X: " + b"y" * 300_000 + b"\r\nFrom: bob@example.test\r\n\r\nText"
        (reply,) = self.send(self.submission, ["bob@example.test"], octets, "alice@example.test")
        self.assertEqual(reply.code, 552)

    def test_large(self) -> None:
        """A large message is completed and kept whole."""
        self.as_alice()
        octets = b"Subject: x\r\n\r\n" + b"y" * 2_000_000
        self.send(self.submission, ["bob@example.test"], octets, "alice@example.test")
        self.assertTrue(self.stored(self.bob).endswith(octets))

    def test_verify(self) -> None:
        """Who is logged in may ask for addresses of ours."""
        self.as_alice()
        for address, code in (("bob@example.test", 250), ("<Bob@EXAMPLE.test>", 250), ("nobody@example.test", 550),
                              ("x@elsewhere.test", 252), ("bob", 252), ("", 252)):
            self.assertEqual(now(self.submission.vrfy(self.client, address)).code, code, address)


class HopTests(SynchronousTestCase):
    """Received fields are counted in the header only."""

    def test_limit(self) -> None:
        """One more than allowed is a loop."""
        self.assertFalse(has_looped(b"Received: x\r\n" * 3 + b"\r\n", 3))
        self.assertTrue(has_looped(b"received : x\r\n" * 4 + b"\r\n", 3))

    def test_text(self) -> None:
        """What stands in the text does not count, also behind an empty header."""
        for header in (b"A: b\r\n\r\n", b"\r\n"):
            self.assertFalse(has_looped(header + b"Received: x\r\n" * 9 + b"\r\n", 3))

    def test_folded(self) -> None:
        """Neither does a field that goes on."""
        self.assertFalse(has_looped(b"X: y\r\n" + b" Received: x\r\n" * 9 + b"\r\n", 3))
