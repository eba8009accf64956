"""What `quantummail why` tells."""

from __future__ import annotations

import time

from quantummail.cli.story import Tale, Teller, as_json
from quantummail.cli.why import _between, _tales, _times
from quantummail.delivery.outcome import Delivered, Fate, Result
from quantummail.delivery.route import parse_rule
from quantummail.message.envelope import Sender
from quantummail.queue.bounces import Bounces
from quantummail.queue.schedule import Schedule
from quantummail.queue.settling import judge
from quantummail.store.outgoing_records import Attempt
from quantummail.store.outgoing_rows import Settled
from tests.reception.test_receivers import ReceptionCase
from tests.store.messages import PLAIN
from tests.support.stores import now

MESSAGE = b"Message-ID: <1@x>\r\n" + PLAIN


class WhyCase(ReceptionCase):
    """Mail comes, and is asked about."""

    rules: tuple[str, ...] = ("other.test smtp://relay.test",)

    def setUp(self) -> None:
        super().setUp()
        self.store.journey.begin(1000)

    def tales(self, *ids: str) -> dict[str, Tale]:
        """What is known."""
        now(self.store.journey.flush())
        return now(_tales(self.store, ids))

    def told(self, message_id: str) -> str:
        """What is told of one message."""
        teller = Teller([parse_rule(rule, {}) for rule in self.rules], time.time())
        return "\n".join(teller.tell(self.tales(message_id)[message_id]))

    def came(self) -> str:
        """The id of the last message that came."""
        now(self.store.journey.flush())
        return now(self.store.journey.arrivals())[-1].message_id


class StoryTests(WhyCase):
    """In plain English, with the rule behind each decision."""

    def test_delivered(self) -> None:
        """From the connection to the mailbox, and where it is now."""
        self.send(self.mx, ["alice@example.test", "both@example.test"], MESSAGE)
        told = self.told(self.came())
        self.assertIn("from carol@elsewhere.test, Message-ID <1@x>", told)
        self.assertIn("came by SMTP from mx.elsewhere.test (192.0.2.1) without TLS", told)
        self.assertIn("to alice@example.test: accepted\n", told)
        self.assertIn("to both@example.test: accepted, both@example.test -> alice@example.test", told)
        self.assertIn("stored for bob@example.test in INBOX of bob@example.test as UID 1", told)
        self.assertIn("INBOX of alice@example.test as UID 1, not seen", told)

    def test_refused(self) -> None:
        """What was refused, with what to do about it."""
        now(self.mx.mail(self.client, Sender(None)))
        self.rcpt(self.mx, "nobody@example.test")
        self.rcpt(self.mx, "x@elsewhere.test")
        self.mx.over("0123456789abcdef", self.client, None)
        told = self.told("0123456789abcdef")
        self.assertIn("nobody@example.test: refused, 550 5.1.1 No such user here (no account, alias, role", told)
        self.assertIn("x@elsewhere.test: refused, 550 5.7.1 We do not relay to this domain (the domain is none", told)

    def test_read_and_removed(self) -> None:
        """Who read it first, and that it is gone."""
        self.send(self.mx, ["alice@example.test"], MESSAGE)
        name = self.came()
        self.store.journey.read(self.alice.id, "alice@example.test", [name], "IMAP")
        now(self.store.messages.remove(self.alice.id, self.inbox(self.alice), [1]))
        told = self.told(name)
        self.assertIn("first read by alice@example.test with IMAP", told)
        self.assertIn("removed from INBOX of alice@example.test for good", told)
        self.assertNotIn("now", told)

    def test_queued(self) -> None:
        """Where it goes and by which rule, and every attempt in the other server's words."""
        self.as_alice()
        header = b"From: alice@example.test\r\n\r\n"
        self.send(self.submission, ["x@elsewhere.test", "y@other.test"], header, "alice@example.test")
        name = self.came()
        told = self.told(name)
        self.assertIn("queued for x@elsewhere.test by the MX of elsewhere.test: no rule", told)
        self.assertIn("alice@example.test logged in", told)
        (claimed,) = self.queued("elsewhere.test")
        result = Result(claimed.recipients[0], Fate.FAILED, Attempt(
            int(time.time()), 5, "mx.test", "192.0.2.9", "", "TLSv1.3", "RCPT TO", 550, "5.1.1", "nobody"))
        verdict = judge(claimed, Delivered((result,)), Schedule(), time.time(), local=False, warn_always=True)

        async def ours(_address: object) -> str:
            return "local"

        reports = now(Bounces("mx.example.test", self.store.outgoing, Schedule(), ours).reports(claimed, verdict))
        now(self.store.outgoing.settle(
            Settled(self.store.outgoing.owner, claimed.message, verdict.settlements), reports))
        told = self.told(name)
        self.assertIn(
            "tried x@elsewhere.test at mx.test [192.0.2.9] over TLSv1.3, answer to RCPT TO: 550 5.1.1 nobody", told)
        self.assertIn("x@elsewhere.test: failed", told)
        self.assertIn(f"alice@example.test is told by {reports[0].message.id}: failed for x@elsewhere.test", told)
        self.assertIn(f"made to tell the sender of {name}", self.told(reports[0].message.id))
        self.assertIn(reports[0].message.id, self.tales(name)[name].linked)

    def test_rule(self) -> None:
        """A rule of the routes is named; one that is gone is told to be."""
        self.queue._routes = type(self.queue._routes)([parse_rule(rule, {}) for rule in self.rules])
        self.as_alice()
        self.send(self.submission, ["y@other.test"], b"From: alice@example.test\r\n\r\n", "alice@example.test")
        name = self.came()
        self.assertIn("by smtp://relay.test: the rule `other.test` in [sending] routes", self.told(name))
        self.rules = ()
        self.assertIn("by smtp://relay.test: a rule that is not configured any more", self.told(name))

    def test_handed_on(self) -> None:
        """What an alias sent elsewhere: both messages know of each other."""
        forwarding = type(self.forwarding)(
            "mail.example.test", self.forwarding._rewriting, self.store.bodies, self.queue.destination,
            self.queue.enqueue, self.store.journey)
        self.onward._forwarding = forwarding
        self.send(self.mx, ["away@example.test"])
        now(self.store.journey.flush())
        (name,) = now(self.store.journey.between("carol@elsewhere.test", "away@example.test", 0, 1 << 40))
        (other,) = self.tales(name)[name].linked
        self.assertIn("handed on to x@elsewhere.test", self.told(name))
        self.assertIn("the alias away@example.test leads there", self.told(name))
        self.assertIn(f"made of {name}, which was handed on", self.told(other))

    def test_unknown_stage(self) -> None:
        """Stages of later versions are told as they are."""
        self.store.journey.note("a" * 16, "checked", "passed", {"spf": "pass"})
        self.assertIn("checked: passed spf: pass", self.told("a" * 16))

    def test_json(self) -> None:
        """Programs get everything."""
        self.send(self.mx, ["alice@example.test"], MESSAGE)
        name = self.came()
        value = as_json(self.tales(name)[name])
        self.assertEqual(value["places"], [
            {"account": "alice@example.test", "mailbox": "INBOX", "uid": 1, "seen": False}])
        self.assertEqual(value["steps"][0]["verdict"], "accepted")  # type: ignore[index]  # JSON


class AskingTests(WhyCase):
    """Ways to name a message."""

    def test_between(self) -> None:
        """Sender and recipient in any case; what is only in the queue, too."""
        self.send(self.mx, ["alice@example.test"], MESSAGE)
        name, soon = self.came(), int(time.time()) + 60
        self.assertEqual(now(_between(self.store, "CAROL@elsewhere.test", "Alice@example.test", 0, soon)), [name])
        self.store.journey._on = False
        self.as_alice()
        self.send(self.submission, ["x@elsewhere.test"], b"From: alice@example.test\r\n\r\n", "alice@example.test")
        self.assertEqual(len(now(_between(self.store, "alice@example.test", "x@elsewhere.test", 0, soon))), 1)
        self.assertEqual(now(_between(self.store, "alice@example.test", "x@elsewhere.test", 0, 100)), [])

    def test_times(self) -> None:
        """A day, or an age."""
        since, until = _times("2026-07-31")
        self.assertEqual(until - since, 86400)
        since, until = _times("2h")
        self.assertAlmostEqual(until - since, 7260, delta=5)
