"""Mail from programs of this machine."""

from __future__ import annotations

import time
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery.forwarding import Forwarding
from quantummail.delivery.local import LocalDelivery
from quantummail.delivery.local_names import AliasFile, LocalNames
from quantummail.delivery.route import Routes
from quantummail.message.drop import Drop
from quantummail.message.srs import Rewriting
from quantummail.queue.queue import Queue
from quantummail.reception.limits import Limits, SendingLimits
from quantummail.reception.local import LocalReceiver, LocalSettings, LocalUser, Taken, identifier
from quantummail.reception.onward import Onward
from quantummail.store.outgoing_records import Selection, State
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now

ROOT = LocalUser("root", 0, "The Administrator")
WWW = LocalUser("www", 33)
KEY = "0" * 32


class ReceivingTestCase(SynchronousTestCase):
    """A receiver with a real store."""

    settings = LocalSettings("host.test", senders=("root *", "www @shop.test"), max_size=100_000, max_recipients=3)

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.store = make_store(self, self.directory)
        make_user(self.store)
        now(self.store.users.create("boss@example.test", "x", admin=True))
        aliases = self.directory / "aliases"
        aliases.write_text("ops: alice@example.test, far@away.test\n")
        names = LocalNames(self.store.directory, "host.test", AliasFile(aliases), lambda name: name in ("root", "www"))
        queue = Queue(self.store.outgoing, Routes(), names)
        forwarding = Forwarding(
            "host.test", Rewriting(b"secret"), self.store.bodies, queue.destination, queue.enqueue, self.store.journey)
        self.receiver = LocalReceiver(
            self.store, names, LocalDelivery(self.store.messages, Clock()), Onward(queue, forwarding), queue,
            self.settings, Limits(SendingLimits(3, 9, 0), Clock(), self.store.outgoing.recipients_since))

    def take(
        self, octets: bytes, *recipients: str, user: LocalUser = ROOT, key: str = KEY, sender: str | None = None,
        name: str = "", from_header: bool = False, report: bool = False,
    ) -> Taken:
        """Hand a message in."""
        body = self.store.bodies.spooled()
        now(body.write(octets))
        drop = Drop(key, len(octets), recipients, from_header, sender, name)
        taken = now(self.receiver.take(user, drop, body))
        if report:
            now(self.receiver.report(user, drop, body, taken))
        return taken

    def inbox(self, user: str = "alice") -> list[bytes]:
        """Messages of an account."""
        maildir = Path(self.directory, "mail", "example.test", user)
        return [path.read_bytes() for part in ("new", "cur") for path in sorted((maildir / part).iterdir())]

    def queued(self) -> list[tuple[str, str]]:
        """Sender and recipient of what waits."""
        entries = now(self.store.outgoing.entries(Selection(states=tuple(State))))
        return [(entry.message.sender, entry.recipient.address) for entry in entries]


class TakingTests(ReceivingTestCase):
    """What is taken."""

    def test_cron(self) -> None:
        """Cron's mail: names get a domain, what is missing is added, 8-bit text in the header is encoded."""
        taken = self.take("From: root (Cron D\u00e6mon)\r\nTo: root\r\nSubject: \u00fc\r\n\r\nhi\r\n".encode(), "root")
        self.assertEqual(taken.code, 0, taken.text)
        (stored,) = self.inbox("boss")
        self.assertIn(b"Return-Path: <root@host.test>\r\nDelivered-To: root@host.test\r\n", stored)
        self.assertIn(b"\r\nTo: root@host.test\r\n", stored)
        self.assertIn(b"root@host.test", stored.partition(b"\r\nFrom: ")[2].partition(b"\r\n")[0])
        self.assertTrue(stored.isascii(), stored)
        for field in (b"\r\nDate: ", b"\r\nMessage-ID: <", b"\r\nReceived: by host.test (QuantumMail, from userid 0)"):
            self.assertEqual(stored.count(field), 1, field)
        self.assertTrue(stored.endswith(b"\r\n\r\nhi\r\n"))

    def test_author(self) -> None:
        """Without From it is the user, by the name that was given, or that the machine knows."""
        for number, (user, sender, name, expected) in enumerate((
            (ROOT, None, "", b"From: The Administrator <root@host.test>"), (WWW, None, "", b"From: www@host.test"),
            (ROOT, None, "Night Watch", b"From: Night Watch <root@host.test>"),
            (ROOT, "me@x.test", "", b"From: me@x.test"), (WWW, "a@shop.test", "Shop", b"From: Shop <a@shop.test>"),
        )):
            self.take(b"Subject: x\r\n\r\n", "alice@example.test", user=user, sender=sender, name=name,
                      key=f"{number:032}")
            self.assertTrue(any(b"\r\n" + expected + b"\r\n" in stored for stored in self.inbox()), expected)

    def test_from_header(self) -> None:
        """-t: To, Cc and Bcc are recipients besides those that were given; Bcc is not shown."""
        self.take(b"To: alice@example.test\r\nBcc: far@away.test\r\n\r\nx\r\n", "root", from_header=True)
        self.assertEqual((len(self.inbox()), len(self.inbox("boss"))), (1, 1))
        self.assertEqual(self.queued(), [("root@host.test", "far@away.test")])
        self.assertNotIn(b"away.test", self.inbox()[0])

    def test_aliases(self) -> None:
        """A name of the file goes where the file says, here and elsewhere."""
        self.assertEqual(self.take(b"Subject: x\r\n\r\n", "ops").code, 0)
        self.assertEqual(len(self.inbox()), 1)
        ((sender, recipient),) = self.queued()
        self.assertEqual(recipient, "far@away.test")
        self.assertTrue(sender.startswith("SRS0"), sender)

    def test_once(self) -> None:
        """A message that comes again, since its answer was lost, is neither stored nor queued again."""
        for _ in range(3):
            self.assertEqual(self.take(b"Subject: x\r\n\r\n", "alice@example.test", "far@away.test").code, 0)
        self.assertEqual((len(self.inbox()), len(self.queued())), (1, 1))
        self.take(b"Subject: x\r\n\r\n", "alice@example.test", user=WWW)
        self.assertEqual(len(self.inbox()), 2)
        self.assertNotEqual(identifier(ROOT, Drop(KEY, 1)), identifier(WWW, Drop(KEY, 1)))

    def test_mailbox_line(self) -> None:
        """The line of a mbox file in front of the header is no part of the message."""
        self.take(b"From root Fri Nov 20 10:00:00 2026\r\nSubject: x\r\n\r\n", "alice@example.test")
        self.assertNotIn(b"From root", self.inbox()[0])


class RefusingTests(ReceivingTestCase):
    """What is not taken, and why."""

    def test_codes(self) -> None:
        """Nothing is kept of it."""
        for octets, recipients, user, sender, code in (
            (b"\r\nx", (), ROOT, None, 64), (b"\r\nx", ("not an address@",), ROOT, None, 64),
            (b"\r\nx", ("alice@example.test", "nobody@example.test"), ROOT, None, 67),
            (b"\r\nx", ("nobody.such",), ROOT, None, 67),
            (b"\r\nx", ("a", "b", "c", "d"), ROOT, None, 69),
            (b"\r\nx", ("alice@example.test",), WWW, "boss@example.test", 69),
            (b"From: boss@example.test\r\n\r\nx", ("alice@example.test",), WWW, None, 69),
            (b"Sender: boss@example.test\r\n\r\nx", ("alice@example.test",), WWW, None, 69),
            (b"From: a@shop.test, boss@example.test\r\n\r\nx", ("alice@example.test",), WWW, None, 69),
            (b"From: <<>\r\n\r\nx", ("alice@example.test",), WWW, None, 65),
            (b"From: a@shop.test\r\nFrom: www\r\n\r\nx", ("alice@example.test",), WWW, None, 65),
            (b"\r\n" + b"x" * 100_000, ("alice@example.test",), ROOT, None, 69),
        ):
            self.assertEqual(self.take(octets, *recipients, user=user, sender=sender).code, code, (octets[:40], sender))
        self.assertEqual((self.inbox(), self.queued()), ([], []))

    def test_too_many(self) -> None:
        """Mails a minute are limited, for now, but not root's."""
        for user, codes in ((WWW, [0, 0, 0, 75]), (ROOT, [0, 0, 0, 0])):
            self.assertEqual([
                self.take(b"Subject: x\r\n\r\n", "alice@example.test", user=user, key=f"{number:032}").code
                for number in range(4)], codes)

    def test_suppressed(self) -> None:
        """Addresses that bounced for good are not written to again."""
        now(self.store.suppressions.add("far@away.test", "no such user"))
        taken = self.take(b"Subject: x\r\n\r\n", "far@away.test")
        self.assertEqual(taken.code, 69)
        self.assertIn("no such user", taken.text)

    def test_allowed(self) -> None:
        """What the rules give is taken; a user's own address always."""
        for number, (octets, sender) in enumerate((
            (b"From: www\r\n\r\n", None), (b"From: X <a@SHOP.test>\r\n\r\n", "b@shop.test"), (b"\r\n", ""),
            (b"From: www@host.test\r\n\r\n", "www@host.test"),
        )):
            taken = self.take(octets, "alice@example.test", user=WWW, sender=sender, key=f"{number:032}")
            self.assertEqual(taken.code, 0, (octets, taken))

    def test_reported(self) -> None:
        """Who has left a message while the server was down hears of its end by mail."""
        self.take(b"Subject: lost\r\n\r\nx\r\n", "nobody@example.test", report=True)
        self.assertEqual(self.queued(), [("", "root@host.test")])
        (claimed,) = now(self.store.outgoing.claim("local", horizon=10_000, limit=9))
        octets = self.successResultOf(self.store.outgoing.read(claimed.message.id, 0, 10_000))
        self.assertIn(b"Final-Recipient: rfc822; nobody@example.test", octets)
        self.assertIn(b"Subject: lost", octets)
        self.assertLess(abs(claimed.message.created - time.time()), 60)


class NobodyTests(ReceivingTestCase):
    """A machine whose users may not send."""

    settings = LocalSettings("host.test", users=("root",))

    def test_users(self) -> None:
        """Only those who are named."""
        self.assertEqual(self.take(b"\r\nx", "root", user=WWW).code, 69)
        self.assertEqual(self.take(b"\r\nx", "root").code, 0)
