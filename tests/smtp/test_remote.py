"""What other servers say."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.smtp.remote import BadReply, Offer, RemoteReply, ReplyReader, offer_of


def read(octets: bytes) -> list[RemoteReply]:
    """All replies in these octets."""
    reader = ReplyReader()
    reader.feed(octets)
    replies = []
    while (reply := reader.next()) is not None:
        replies.append(reply)
    return replies


class ReplyReaderTests(SynchronousTestCase):
    """RFC 5321 4.2, RFC 2034."""

    CASES = (
        (b"220 hello\r\n", RemoteReply(220, "", "hello")),
        (b"250\r\n", RemoteReply(250, "", "")),
        (b"250 \r\n", RemoteReply(250, "", "")),
        (b"250 ok\n", RemoteReply(250, "", "ok")),
        (b"250-a\r\n250-b\r\n250 c\r\n", RemoteReply(250, "", "a\nb\nc")),
        (b"250 2.1.0 Sender ok\r\n", RemoteReply(250, "2.1.0", "Sender ok")),
        (b"550-5.1.1 no\r\n550 5.1.1 body\r\n", RemoteReply(550, "5.1.1", "no\nbody")),
        (b"550 2.0.0 contradiction\r\n", RemoteReply(550, "", "2.0.0 contradiction")),
        (b"550 5.1.1\r\n", RemoteReply(550, "5.1.1", "")),
        (b"220 5.1.1.example.test ESMTP\r\n", RemoteReply(220, "", "5.1.1.example.test ESMTP")),
        (b"554 \x1b[31mred\x07\xff\r\n", RemoteReply(554, "", "?[31mred?\ufffd")),
        ("250 gr\u00fc\u00df\r\n".encode(), RemoteReply(250, "", "gr\u00fc\u00df")),
    )

    def test_replies(self) -> None:
        """Whole, octet by octet, and with another reply behind."""
        for octets, expected in self.CASES:
            self.assertEqual(read(octets), [expected])
            reader = ReplyReader()
            for index in range(len(octets)):
                self.assertIsNone(reader.next())
                reader.feed(octets[index : index + 1])
            self.assertEqual(reader.next(), expected)
            self.assertFalse(reader.pending)
            self.assertEqual(read(octets + b"221 bye\r\n"), [expected, RemoteReply(221, "", "bye")])

    def test_pending(self) -> None:
        """What has come in part is known to have come."""
        for octets in (b"2", b"250-a\r\n", b"250-a\r\n25"):
            reader = ReplyReader()
            reader.feed(octets)
            self.assertIsNone(reader.next())
            self.assertTrue(reader.pending)

    def test_no_replies(self) -> None:
        """What is no reply is told from one, and endless ones are not waited for."""
        for octets in (
            b"HTTP/1.1 400 Bad Request\r\n", b"\r\n", b"25 ok\r\n", b"2500 ok\r\n", b"199 no\r\n", b"600 no\r\n",
            b"250-a\r\n251 b\r\n", b"x" * 5000, b"250 " + b"x" * 5000 + b"\r\n", b"250-" + b"x" * 1000 + b"\r\n" * 1,
        ):
            with self.assertRaises(BadReply, msg=octets[:30]):
                read(octets * 100)

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=200))
    def test_garbage(self, octets: bytes) -> None:
        """Whatever comes is a reply that can be printed, or no reply."""
        try:
            replies = read(b"250-" + octets)
        except BadReply:
            return
        for reply in replies:
            self.assertTrue(reply.text.replace("\n", "").isprintable())


class OfferTests(SynchronousTestCase):
    """The answer to EHLO."""

    def test_keywords(self) -> None:
        """Keywords in any case, with what stands behind them."""
        reply = RemoteReply(250, "", "mx.example.test at your service\nPipelining\nSIZE 1000\nAUTH PLAIN login\n"
                            "LIMITS RCPTMAX=5 MAILMAX=20\nSTARTTLS\n\nX-ODD = 1")
        offer = offer_of(reply, extended=True)
        self.assertEqual(offer, Offer(
            "mx.example.test", True, frozenset({"PIPELINING", "SIZE", "AUTH", "LIMITS", "STARTTLS", "X-ODD"}),
            1000, frozenset({"PLAIN", "LOGIN"}), 5, 20))

    def test_oddities(self) -> None:
        """What cannot be read is passed over; AUTH= is what servers said before RFC 4954."""
        reply = RemoteReply(250, "", "mx\nSIZE\nSIZE huge\nAUTH=LOGIN\nLIMITS RCPTMAX=x RCPTMAX")
        offer = offer_of(reply, extended=True)
        self.assertEqual((offer.size, offer.mechanisms, offer.most_recipients), (0, frozenset({"LOGIN"}), 0))

    def test_helo(self) -> None:
        """An answer to HELO offers nothing."""
        self.assertEqual(offer_of(RemoteReply(250, "", "mx\nSTARTTLS"), extended=False), Offer("mx"))
