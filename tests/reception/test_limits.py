"""How much users may send, and to whom not."""

from __future__ import annotations

import time
from typing import cast

from quantummail.auth.login import Authenticator
from quantummail.message.address import Address
from quantummail.message.envelope import Recipient, Sender
from quantummail.reception.limits import SendingLimits
from quantummail.reception.submission import SubmissionReceiver
from quantummail.smtp.reply import Reply
from quantummail.store.outgoing_records import OutgoingMessage, OutgoingRecipient
from tests.reception.test_receivers import SETTINGS, ReceptionCase
from tests.support.stores import now

HEADER = b"From: alice@example.test\r\n\r\n"


class LimitCase(ReceptionCase):
    """Alice is logged in, and may do little."""

    given = SendingLimits(per_sender=3, per_user=5, recipients_per_day=4)

    def setUp(self) -> None:
        super().setUp()
        now(self.store.aliases.add("anna@example.test", ["alice@example.test"]))
        self.as_alice()
        self.submission = self.receiver()

    def receiver(self) -> SubmissionReceiver:
        """Alice's connection to a server that was just started."""
        receiver = SubmissionReceiver(
            self.store, self.delivery, self.onward, cast("Authenticator", self.logins), SETTINGS,
            self.limits(self.given))
        receiver._login = (self.alice.id, lambda: None)
        return receiver

    def mail(self, sender: str = "alice@example.test") -> Reply:
        """The answer to MAIL."""
        return now(self.submission.mail(self.client, Sender(Address.parse(sender))))

    def to(self, address: str) -> Reply:
        """The answer to RCPT."""
        return now(self.submission.rcpt(self.client, Sender(None), Recipient(Address.parse(address))))


class MinuteTests(LimitCase):
    """Mails a minute."""

    def test_sender(self) -> None:
        """One address may send so many, another one of the account still more; it grows back."""
        self.assertEqual([self.mail().code for _ in range(4)], [250, 250, 250, 450])
        refused = self.mail("Alice@example.test")
        self.assertEqual((refused.status, refused.text), (
            "4.7.1", "No more than 3 mails a minute from alice@example.test: try again in 20 s"))
        self.assertEqual(self.mail("anna@example.test").code, 250)
        self.clock.advance(20)
        self.assertEqual(self.mail().code, 250)

    def test_user(self) -> None:
        """All addresses of an account together may send so many."""
        codes = [self.mail(f"{name}@example.test").code for name in ("alice", "anna", "alice+x", "anna+x", "anna+y")]
        self.assertEqual(codes, [250] * 5)
        refused = self.mail("anna+z@example.test")
        self.assertEqual((refused.code, refused.text[:48]), (450, "No more than 5 mails a minute from alice@example"))

    def test_strange_sender(self) -> None:
        """Who writes under another's address is told that, and has used nothing."""
        self.assertEqual([self.mail("bob@example.test").code for _ in range(9)], [553] * 9)
        self.assertEqual(self.mail().code, 250)


class DayTests(LimitCase):
    """Recipients a day."""

    def test_recipients(self) -> None:
        """Recipients elsewhere count, our own do not; the refusal says when there is room again."""
        self.mail()
        codes = [self.to(f"x{number}@elsewhere.test").code for number in range(4)]
        self.assertEqual(codes, [250] * 4)
        refused = self.to("y@elsewhere.test")
        self.assertEqual((refused.code, refused.status, refused.text), (
            452, "4.5.3", "No more than 4 recipients in one day: try again in 6 h"))
        self.assertEqual(self.to("bob@example.test").code, 250)
        self.clock.advance(6 * 3600)
        self.assertEqual(self.to("y@elsewhere.test").code, 250)

    def test_given_back(self) -> None:
        """Recipients of a message that did not come do not count."""
        for _ in range(3):
            self.mail()
            self.assertEqual([self.to(f"x{number}@elsewhere.test").code for number in range(4)], [250] * 4)
            self.submission.over("t", self.client, None)
            self.clock.advance(60)

    def test_restart(self) -> None:
        """What was sent before the server started is known from the queue."""
        body = self.store.bodies.spooled()
        now(body.write(HEADER))
        message = OutgoingMessage(
            "0123456789abcdef", self.alice.id, "alice", "submission", "alice@example.test", 10,
            created=int(time.time()) - 3600)
        now(self.store.outgoing.accept(
            message, [OutgoingRecipient(0, f"x{number}@a.test", "a.test") for number in range(3)], b"", body))
        self.mail()
        self.assertEqual([self.to(f"{name}@elsewhere.test").code for name in "ab"], [250, 452])

    def test_none(self) -> None:
        """0 is no limit."""
        self.given = SendingLimits(0, 0, 0)
        self.submission = self.receiver()
        for number in range(200):
            self.assertEqual(self.mail().code, 250)
            self.assertEqual(self.to(f"x{number}@elsewhere.test").code, 250)


class SuppressedTests(LimitCase):
    """Addresses that do not exist."""

    def test_refused(self) -> None:
        """The user hears at once what the server has said, and since when; nobody else's mail is concerned."""
        self.store.suppressions.keep = 1000
        now(self.store.suppressions.add("Gone@elsewhere.test", "550 5.1.1 no such user"))
        self.mail()
        reply = self.to("gone@ELSEWHERE.test")
        self.assertEqual((reply.code, reply.status), (550, "5.1.1"))
        self.assertRegex(reply.text, r"^gone@elsewhere.test is suppressed since 20..-..-..: 550 5.1.1 no such user$")
        self.assertEqual(self.to("there@elsewhere.test").code, 250)
        self.assertTrue(now(self.store.suppressions.delete("gone@elsewhere.test")))
        self.assertEqual(self.to("gone@elsewhere.test").code, 250)
