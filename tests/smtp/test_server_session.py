"""The session without a transport: bytes in, events out. What clients see of it is in tests/dialogues/smtp."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.address import Address
from quantummail.message.envelope import Recipient, Sender
from quantummail.smtp import events
from quantummail.smtp.login import Outcome
from quantummail.smtp.order import State
from quantummail.smtp.reply import Reply
from quantummail.smtp.server_session import ServerSession
from quantummail.smtp.settings import SmtpSettings
from quantummail.wire.lines import LineBuffer

OK = Reply(250, "2.1.0", "OK")
SENDER = Sender(Address("a", "example.org"))
RECIPIENT = Recipient(Address("b", "example.test"))


def session(**settings: Any) -> ServerSession:
    """A session that has just been greeted."""
    return ServerSession(LineBuffer(), SmtpSettings("mx.example.test", **settings), offers_tls=True,
                         plaintext_login=True, mechanisms=lambda: ("PLAIN", "LOGIN"))


class EventTests(SynchronousTestCase):
    """The events of a transaction, in their order."""

    def test_transaction(self) -> None:
        """MAIL, RCPT, DATA and the message, each answered through its method."""
        smtp = session()
        smtp.buffer.feed(b"EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n")
        smtp.buffer.feed(b"Hi\r\n.\r\nNOOP\r\n")
        self.assertEqual(smtp.greeting().code, 220)
        hello = smtp.next_event()
        assert isinstance(hello, Reply)
        self.assertEqual(hello.code, 250)
        self.assertEqual(smtp.next_event(), events.MailAsked(SENDER))
        self.assertEqual(smtp.mail_answered(OK), OK)
        self.assertEqual(smtp.next_event(), events.RcptAsked(RECIPIENT))
        smtp.rcpt_answered(RECIPIENT, OK)
        self.assertEqual((smtp.sender, smtp.recipients), (SENDER, [RECIPIENT]))
        self.assertEqual(smtp.next_event(), events.DataAsked())
        self.assertFalse(smtp.receiving)
        self.assertEqual(smtp.data_accepted().code, 354)
        self.assertTrue(smtp.receiving)
        self.assertEqual(smtp.next_event(), events.Block(b"Hi\r\n"))
        self.assertEqual(smtp.next_event(), events.Complete())
        self.assertFalse(smtp.receiving)
        self.assertEqual(smtp.delivered([OK]), (OK,))
        self.assertEqual((smtp.state, smtp.sender, smtp.recipients), (State.READY, None, []))
        self.assertEqual(smtp.next_event(), Reply(250, "2.0.0", "OK"))
        self.assertIsNone(smtp.next_event())

    def test_failed_content(self) -> None:
        """After content_failed no blocks come, and the failure is the answer."""
        smtp = session()
        smtp.buffer.feed(b"EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.test>\r\nDATA\r\nHi\r\n")
        smtp.next_event()
        smtp.next_event()
        smtp.mail_answered(OK)
        smtp.next_event()
        smtp.rcpt_answered(RECIPIENT, OK)
        smtp.next_event()
        smtp.data_accepted()
        transaction = smtp.transaction
        self.assertEqual(smtp.next_event(), events.Block(b"Hi"))
        self.assertIsNone(smtp.next_event())
        full = Reply(452, "4.3.1", "Full")
        smtp.content_failed(full)
        smtp.content_failed(OK)
        smtp.buffer.feed(b"more\r\n.\r\n")
        self.assertEqual(smtp.next_event(), events.MessageRefused(transaction, (full,)))

    def test_failed_content_of_a_huge_chunk(self) -> None:
        """Where the disk fails in the middle of terabytes, the rest is not waited for."""
        smtp = session(max_size=0)
        smtp.buffer.feed(b"EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.test>\r\nBDAT 5000000000000\r\nHi")
        smtp.next_event()
        smtp.next_event()
        smtp.mail_answered(OK)
        smtp.next_event()
        smtp.rcpt_answered(RECIPIENT, OK)
        self.assertEqual(smtp.next_event(), events.Block(b"Hi"))
        full = Reply(452, "4.3.1", "Full")
        smtp.content_failed(full)
        self.assertEqual(smtp.next_event(), full)
        self.assertIsInstance(smtp.next_event(), events.Farewell)

    def test_login(self) -> None:
        """AUTH begins an exchange, which ends in a user."""
        smtp = session(mode="submission")
        smtp.buffer.feed(b"EHLO c\r\nAUTH PLAIN AGEAc2VjcmV0\r\n")
        smtp.next_event()
        asked = smtp.next_event()
        self.assertEqual(asked, events.LoginAsked("PLAIN", b"\0a\0secret"))
        self.assertEqual(smtp.challenged(b"?").text, "Pw==")
        smtp.buffer.feed(b"YQ==\r\n")
        self.assertEqual(smtp.next_event(), events.Responded(b"a"))
        smtp.login_answered(Outcome(Reply(235, "2.7.0", "Welcome"), "a@example.test"))
        self.assertEqual((smtp.user, smtp.protocol), ("a@example.test", "ESMTPA"))
        smtp.tls_started()
        self.assertEqual((smtp.user, smtp.helo, smtp.state), ("", "", State.START))

    def test_bad_mechanism_is_not_offered(self) -> None:
        """Where no login is wanted, the mechanisms do not show."""
        for mode in ("mx", "lmtp"):
            smtp = session(mode=mode)
            smtp.buffer.feed(b"LHLO c\r\nAUTH PLAIN\r\n" if mode == "lmtp" else b"EHLO c\r\nAUTH PLAIN\r\n")
            hello, refused = smtp.next_event(), smtp.next_event()
            assert isinstance(hello, Reply)
            assert isinstance(refused, Reply)
            self.assertNotIn("AUTH", hello.text)
            self.assertEqual(refused.code, 503)

    def test_switched_off(self) -> None:
        """What is switched off is not listed, and neither command nor parameter is taken."""
        smtp = session(disabled=frozenset({"CHUNKING", "DSN", "SMTPUTF8", "SIZE", "STARTTLS"}))
        smtp.buffer.feed(b"EHLO c\r\nSTARTTLS\r\nMAIL FROM:<a@b.example> SIZE=5\r\nMAIL FROM:<a@b.example> SMTPUTF8\r\n"
                         b"MAIL FROM:<a@b.example> RET=HDRS\r\nBDAT 1 LAST\r\n")
        hello = smtp.next_event()
        assert isinstance(hello, Reply)
        self.assertEqual(hello.text.splitlines()[1:], [
            "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "LIMITS RCPTMAX=1000 MAILMAX=10000"])
        replies = [smtp.next_event() for _ in range(5)]
        self.assertEqual([reply.code for reply in replies if isinstance(reply, Reply)], [500, 555, 555, 555, 500])

    def test_switched_off_for_one(self) -> None:
        """What an account does without is not listed after its login, until TLS begins anew."""
        smtp = session(mode="submission")
        smtp.login_answered(Outcome(Reply(235, "2.7.0", "Welcome"), "a@example.test", frozenset({"DSN"})))
        smtp.buffer.feed(b"EHLO c\r\n")
        hello = smtp.next_event()
        assert isinstance(hello, Reply)
        self.assertNotIn("DSN", hello.text)
        smtp.tls_started()
        smtp.buffer.feed(b"EHLO c\r\n")
        hello = smtp.next_event()
        assert isinstance(hello, Reply)
        self.assertIn("DSN", hello.text)

    @given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([
        b"EHLO c\r\n", b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<a@b>\r\n", b"DATA\r\n", b"BDAT 5\r\n", b"\r\n.\r\n",
        b"AUTH LOGIN\r\n",
        b"YQ==\r\n", b"*\r\n", b"RSET\r\n", b"STARTTLS\r\n", b"BDAT 0 LAST\r\n", b"QUIT\r\n",
    ])), max_size=30))
    def test_anything(self, pieces: list[bytes]) -> None:
        """Whatever a client sends, the session answers, waits or ends; it never fails."""
        smtp = session(mode="submission", max_errors=0)
        smtp.user = "a@example.test"
        for piece in pieces:
            smtp.buffer.feed(piece)
            while (event := smtp.next_event()) is not None:
                if isinstance(event, events.Farewell):
                    return
                if isinstance(event, events.MailAsked):
                    smtp.mail_answered(OK)
                elif isinstance(event, events.RcptAsked):
                    smtp.rcpt_answered(event.recipient, OK)
                elif isinstance(event, events.DataAsked):
                    smtp.data_accepted()
                elif isinstance(event, events.Complete):
                    smtp.delivered([OK])
                elif isinstance(event, events.StartTls):
                    smtp.tls_started()
                elif isinstance(event, Reply):
                    self.assertIn(event.code // 100, (2, 3, 4, 5))
