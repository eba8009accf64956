"""Replies."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.smtp.reply import Refusal, Reply


class ReplyTests(SynchronousTestCase):
    """What goes on the wire."""

    def test_encode(self) -> None:
        """One line, several lines, without status; nothing that could end a line or colour a terminal."""
        for reply, octets in (
            (Reply(250, "2.0.0", "OK"), b"250 2.0.0 OK\r\n"),
            (Reply(354, "", "Go"), b"354 Go\r\n"),
            (Reply(334, "", ""), b"334 \r\n"),
            (Reply(250, "", "mx\nSIZE\nDSN"), b"250-mx\r\n250-SIZE\r\n250 DSN\r\n"),
            (Reply(550, "5.7.1", "a\nb"), b"550-5.7.1 a\r\n550 5.7.1 b\r\n"),
            (Reply(550, "5.7.1", "a\rb\x1b[1m\0"), b"550 5.7.1 a?b?[1m?\r\n"),
            (Reply(550, "5.7.1", "ä\ud800"), "550 5.7.1 ä?\r\n".encode()),
        ):
            self.assertEqual(reply.encode(), octets)

    def test_positive(self) -> None:
        """2yz and 3yz are positive."""
        self.assertEqual([Reply(code, "", "").positive for code in (250, 354, 451, 550)], [True, True, False, False])

    def test_refusal_knows_its_reply(self) -> None:
        """A Refusal carries the reply."""
        self.assertEqual(Refusal(501, "5.5.4", "No").reply, Reply(501, "5.5.4", "No"))
