"""Notifications of other servers, read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.dsn import Action, Notification, RecipientStatus, build
from quantummail.message.dsn_report import Reported, read_report

POSTFIX = (
    b"From: MAILER-DAEMON@mx.test\r\nTo: alice@example.test\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"B1.2/mx.test\"\r\n\r\n"
    b"This is a MIME-encapsulated message.\r\n\r\n--B1.2/mx.test\r\nContent-Description: Notification\r\n"
    b"Content-Type: text/plain; charset=us-ascii\r\n\r\nSorry.\r\n\r\n--B1.2/mx.test\r\n"
    b"Content-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n"
    b"Reporting-MTA: dns; mx.test\r\nX-Postfix-Queue-ID: 4F\r\nArrival-Date: Fri, 20 Nov 2026 13:00:00 +0000 (UTC)\r\n"
    b"Original-Envelope-Id: env\r\n\r\n"
    b"Final-Recipient: rfc822; bob@mx.test\r\nOriginal-Recipient: rfc822;robert@mx.test\r\nAction: failed\r\n"
    b"Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 <bob@mx.test>: unknown\r\n    user\r\n\r\n"
    b"--B1.2/mx.test\r\nContent-Type: message/rfc822\r\n\r\nSubject: hello\r\nMessage-ID: <1@x>\r\n\r\nHow are you?\r\n"
    b"\r\n--B1.2/mx.test--\r\n"
)


class ReadTests(SynchronousTestCase):
    """Well-formed ones."""

    def test_postfix(self) -> None:
        """One of Postfix."""
        report = read_report(POSTFIX)
        assert report is not None
        self.assertEqual((report.reporter, report.envid, report.header_id), ("mx.test", "env", "<1@x>"))
        self.assertEqual(report.recipients, (Reported(
            "bob@mx.test", "robert@mx.test", Action.FAILED, "5.1.1", "550 5.1.1 <bob@mx.test>: unknown    user"),))

    def test_our_own(self) -> None:
        """What we write we can read, of every kind, also with other letters."""
        for action in Action:
            for address in ("bob@x.test", "b\u00f6b@x.test"):
                octets = build(Notification(
                    "id", "mx.test", "alice@example.test", 1, 1, (RecipientStatus(address, action, "4.0.0"),) * 2,
                    b"Message-ID: <1@x>\r\nSubject: x\r\n\r\n", envid="e"))
                report = read_report(octets)
                assert report is not None
                self.assertEqual([(one.recipient, one.action) for one in report.recipients], [(address, action)] * 2)
                self.assertEqual((report.header_id, report.envid), ("<1@x>", "e"))

    def test_cut_off(self) -> None:
        """The end of what came back need not be there."""
        report = read_report(POSTFIX[: POSTFIX.index(b"How are")])
        assert report is not None
        self.assertEqual(report.header_id, "<1@x>")


class StrictTests(SynchronousTestCase):
    """What is not as it should be says nothing."""

    def test_refused(self) -> None:
        """Other types, and fields that are missing or cannot be."""
        for before, after in (
            (b"multipart/report", b"multipart/mixed"), (b"report-type=delivery-status", b"report-type=disposition"),
            (b"Reporting-MTA: dns", b"X-MTA: dns"), (b"Final-Recipient: rfc822; bob", b"Final-Recipient: x400; bob"),
            (b"Action: failed", b"Action: exploded"), (b"Status: 5.1.1", b"Status: 9.9"),
            (b"Status: 5.1.1\r\n", b""), (b"Final-Recipient", b"Recipient"),
            (b"message/delivery-status", b"text/plain"), (b"boundary=", b"border="),
        ):
            self.assertIsNone(read_report(POSTFIX.replace(before, after)), before)

    def test_many(self) -> None:
        """More recipients than anybody needs to hear of are none."""
        group = b"Final-Recipient: rfc822; x@y\r\nAction: failed\r\nStatus: 5.0.0\r\n\r\n"
        self.assertIsNone(read_report(POSTFIX.replace(b"Final-Recipient: rfc822; bob", group * 101 + b"X: bob")))

    def test_control_characters(self) -> None:
        """Words of others are shown to people: nothing in them moves a cursor."""
        report = read_report(POSTFIX.replace(b"unknown", b"\x1b[2Junknown"))
        assert report is not None
        self.assertNotIn("\x1b", report.recipients[0].diagnostic)

    @given(st.integers(0, len(POSTFIX)), st.integers(0, len(POSTFIX)), st.binary(max_size=20))
    def test_anything(self, start: int, end: int, put: bytes) -> None:
        """Nothing that comes makes it fail."""
        read_report(POSTFIX[:start] + put + POSTFIX[end:])
