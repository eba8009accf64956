"""Delivery status notifications."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from email.message import Message
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.description import describe
from quantummail.message.dsn import Action, Notification, RecipientStatus, build

BOB = RecipientStatus(
    "bob@example.net", Action.FAILED, "5.1.1", "rfc822;bob@alias.example", "mx.example.net", 550, "No such user",
    1_700_000_000)
NOTIFICATION = Notification(
    "0abc", "mail.example.test", "alice@example.test", 1_700_000_100, 1_699_999_000, (BOB,),
    b"Subject: hello\r\nFrom: alice@example.test\r\n\r\n", header_id="<1@example.test>", envid="batch 7")


def parsed(notification: Notification) -> Message:
    """As Python's own parser sees it."""
    return email.message_from_bytes(build(notification), policy=email.policy.compat32)


def parts(notification: Notification) -> list[Any]:
    """The three parts."""
    return list(parsed(notification).get_payload())


class NotificationTests(SynchronousTestCase):
    """RFC 3464, 6522, 6533."""

    def test_header(self) -> None:
        """From nobody who could answer, to the sender, about their message, never to be answered by a machine."""
        message = parsed(NOTIFICATION)
        self.assertEqual(message["To"], "<alice@example.test>")
        self.assertEqual(message["From"], "Mail Delivery System <MAILER-DAEMON@mail.example.test>")
        self.assertEqual(message["In-Reply-To"], "<1@example.test>")
        self.assertEqual(message["Auto-Submitted"], "auto-replied")
        self.assertEqual((message.get_content_type(), message.get_param("report-type")),
                         ("multipart/report", "delivery-status"))
        self.assertEqual([part.get_content_type() for part in parts(NOTIFICATION)],
                         ["text/plain", "message/delivery-status", "text/rfc822-headers"])

    def test_for_programs(self) -> None:
        """Everything that a program needs."""
        status = parts(NOTIFICATION)[1].get_payload()
        self.assertEqual(dict(status[0].items()), {
            "Original-Envelope-Id": "batch 7", "Reporting-MTA": "dns; mail.example.test",
            "Arrival-Date": "Tue, 14 Nov 2023 21:56:40 +0000"})
        self.assertEqual(dict(status[1].items()), {
            "Original-Recipient": "rfc822; bob@alias.example", "Final-Recipient": "rfc822; bob@example.net",
            "Action": "failed", "Status": "5.1.1", "Remote-MTA": "dns; mx.example.net",
            "Diagnostic-Code": "smtp; 550 No such user", "Last-Attempt-Date": "Tue, 14 Nov 2023 22:13:20 +0000"})

    def test_for_people(self) -> None:
        """Who, what, and in whose words."""
        text = " ".join(parts(NOTIFICATION)[0].get_payload().split())
        for words in ("could not be delivered", "<bob@example.net> (for <bob@alias.example>)",
                      "mx.example.net said: 550 No such user", "The header of your message is attached."):
            self.assertIn(words, text)

    def test_kinds(self) -> None:
        """Each action has words of its own."""
        subjects = set()
        for action in Action:
            message = parsed(replace(NOTIFICATION, recipients=(replace(BOB, action=action),)))
            subjects.add(message["Subject"])
            self.assertIn(f"Action: {action.value}", message.as_string())
        self.assertEqual(len(subjects), 4)

    def test_delay(self) -> None:
        """A warning says until when it is tried, and that nobody need do anything."""
        delayed = replace(BOB, action=Action.DELAYED, status="4.4.1", code=400, remote_host="", answer="no connection",
                          retry_until=1_700_400_000)
        text = " ".join(parts(replace(NOTIFICATION, recipients=(delayed,)))[0].get_payload().split())
        self.assertIn("need not send it again", text)
        self.assertIn("until Sun, 19 Nov 2023", text)
        self.assertIn("<bob@example.net> (for <bob@alias.example>): no connection", text)
        self.assertNotIn("400", text)

    def test_whole(self) -> None:
        """The whole message, unchanged, whatever it holds."""
        original = b"Subject: x\r\nMIME-Version: 1.0\r\n\r\n--report-0abc\r\n\xff\xfe octets\r\n"
        octets = build(replace(NOTIFICATION, original=original, whole=True))
        self.assertIn(original, octets)
        self.assertEqual(octets.count(b"report-0abcx"), 5)
        self.assertIn(b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit", octets)

    def test_international(self) -> None:
        """Addresses and headers in UTF-8 have types of their own (RFC 6533)."""
        joerg = replace(BOB, address="j\u00f6rg@m\u00fcnchen.example", original="utf-8;j\u00f6rg@m\u00fcnchen.example")
        octets = build(replace(NOTIFICATION, recipients=(joerg,), original="Subject: gr\u00fc\u00df\r\n\r\n".encode()))
        for words in (b"report-type=global-delivery-status", b"Content-Type: message/global-delivery-status",
                      b"Content-Type: message/global-headers", "Final-Recipient: utf-8; j\u00f6rg".encode()):
            self.assertIn(words, octets)

    def test_own_parser(self) -> None:
        """Our own scanner sees three parts."""
        self.assertIn(b'"report"', describe(build(NOTIFICATION)).body.lower())

    @settings(max_examples=200, deadline=None)
    @given(st.text(max_size=2000), st.text(max_size=60))
    def test_hostile_words(self, answer: str, host: str) -> None:
        """What a server says never becomes a field, a part or an endless line."""
        octets = build(replace(NOTIFICATION, recipients=(replace(BOB, answer=answer, remote_host=host),)))
        self.assertEqual(octets.count(b"\r\n--report-0abc"), 4)
        self.assertEqual(octets.count(b"\r\nAction: "), 1)
        self.assertNotIn(b"\n", octets.replace(b"\r\n", b""))
        self.assertNotIn(b"\r", octets.replace(b"\r\n", b""))
        self.assertLess(max(map(len, octets.split(b"\r\n"))), 4000)
