"""What transactions leave in the journey."""

from __future__ import annotations

from typing import Any

from quantummail.message.address import Address
from quantummail.message.envelope import Sender
from quantummail.smtp.reply import Reply
from quantummail.store.journey_rows import Step
from tests.reception.test_receivers import ReceptionCase
from tests.store.messages import PLAIN
from tests.support.stores import now


class JournalTests(ReceptionCase):
    """One step for each transaction."""

    def setUp(self) -> None:
        super().setUp()
        self.store.journey.begin(1000)

    def steps(self) -> list[Step]:
        """What was noted."""
        now(self.store.journey.flush())
        return now(self.store.journey.arrivals())

    def over(self, receiver: Any, reply: Reply | None = None) -> None:
        """The transaction ends without a message."""
        receiver.over("0123456789abcdef", self.client, reply)

    def test_accepted(self) -> None:
        """Who sent, from where, to whom, into which mailboxes."""
        self.send(self.mx, ["alice@example.test"], b"Message-ID: <1@x>\r\n" + PLAIN)
        (step,) = self.steps()
        self.assertEqual((step.stage, step.verdict, step.sender, step.header_id),
                         ("received", "accepted", "carol@elsewhere.test", "<1@x>"))
        self.assertEqual(step.detail["to"], ["alice@example.test"])
        self.assertEqual(step.detail["stored"], [["alice@example.test", self.inbox(self.alice), 1]])
        self.assertEqual((step.detail["client"], step.detail["helo"]), ("192.0.2.1", "mx.elsewhere.test"))
        self.assertEqual(step.detail["reply"][:2], [250, "2.0.0"])

    def test_trail(self) -> None:
        """What an alias led to is told with the recipient; the queue is, too."""
        self.send(self.mx, ["both@example.test", "away@example.test"])
        (both, away), detail = self.steps()[0].detail["to"], self.steps()[0].detail
        self.assertIn("both@example.test -> bob@example.test", both[4])
        self.assertEqual(away[4], ["away@example.test -> x@elsewhere.test"])
        self.assertTrue(detail["queued"])

    def test_refused_recipients(self) -> None:
        """Recipients that were refused are told with the words of the refusal, beside those that were not."""
        now(self.mx.mail(self.client, Sender(None)))
        self.rcpt(self.mx, "nobody@example.test")
        self.rcpt(self.mx, "x@elsewhere.test")
        self.over(self.mx)
        (step,) = self.steps()
        self.assertEqual((step.message_id, step.verdict, step.sender), ("0123456789abcdef", "refused", "<>"))
        self.assertEqual(step.detail["to"], [
            ["nobody@example.test", 550, "5.1.1", "No such user here"],
            ["x@elsewhere.test", 550, "5.7.1", "We do not relay to this domain"]])

    def test_broken_off(self) -> None:
        """Who leaves after a good recipient has broken off; who said nothing but MAIL leaves nothing."""
        now(self.mx.mail(self.client, Sender(None)))
        self.over(self.mx)
        now(self.mx.mail(self.client, Sender(None)))
        self.rcpt(self.mx, "alice@example.test")
        self.over(self.mx)
        self.over(self.mx)
        self.assertEqual([step.verdict for step in self.steps()], ["broken off"])

    def test_refused_by_the_session(self) -> None:
        """A message that was too big never came to us: its refusal is told all the same."""
        now(self.mx.mail(self.client, Sender(None)))
        self.rcpt(self.mx, "alice@example.test")
        self.over(self.mx, Reply(552, "5.3.4", "Too big"))
        (step,) = self.steps()
        self.assertEqual((step.verdict, step.detail["reply"]), ("refused", [552, "5.3.4", "Too big"]))

    def test_lmtp(self) -> None:
        """With LMTP the source says so, and answers that differ are all told."""
        now(self.store.users.set_quota("bob@example.test", 0, 1))
        self.send(self.lmtp, ["bob@example.test"])
        now(self.store.users.set_quota("bob@example.test", 0, 2))
        reply = self.rcpt(self.lmtp, "alice@example.test")
        self.assertEqual(reply.code, 250)
        self.assertEqual([step.detail["source"] for step in self.steps()], ["lmtp"])

    def test_submission(self) -> None:
        """A sender that is not the user's, and a header that is refused, are told."""
        self.as_alice()
        refused = Sender(Address.parse("bob@example.test"))
        self.assertEqual(now(self.submission.mail(self.client, refused)).code, 553)
        self.over(self.submission)
        self.send(self.submission, ["x@elsewhere.test"], b"From: bob@example.test\r\n\r\n", "alice@example.test")
        first, second = self.steps()
        self.assertEqual((first.verdict, first.detail["reply"][0], first.detail["user"]),
                         ("refused", 553, "alice@example.test"))
        self.assertEqual((second.verdict, second.detail["reply"][0]), ("refused", 553))
