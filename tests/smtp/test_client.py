"""Connections to other servers: time, trouble, and who said what when."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refusal
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.address import Address
from quantummail.message.envelope import Recipient, Sender
from quantummail.smtp.client import ConnectionFailed, SMTPClient
from quantummail.smtp.client_session import Answer, OutgoingMail, Patience, Refused
from quantummail.tls.outbound import Mode, Protection
from tests.support.transport import MemoryTransport

T = TypeVar("T")
PLAIN = Protection(Mode.NONE)
_NO_CONNECTOR: Any = None


class Octets:
    """A message in memory."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets

    async def read(self, start: int, end: int) -> bytes:
        """A piece of it."""
        return self.octets[start:end]


class Playing(SynchronousTestCase):
    """Plays the other server by hand."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()

    def begin(self, awaitable: Coroutine[Any, Any, T]) -> Deferred[T]:
        """Start something that goes on while the test plays."""
        return Deferred.fromCoroutine(awaitable)

    def connecting(self, protection: Protection = PLAIN, **rest: Any) -> Deferred[SMTPClient]:
        """A connection whose TCP side is there."""
        pending = self.begin(SMTPClient.connect(
            self.reactor, self.reactor, "192.0.2.25", 25, hostname="mx.test", name="we.test", protection=protection,
            **rest))
        factory = self.reactor.tcpClients[-1][2]
        protocol = factory.buildProtocol(IPv4Address("TCP", "192.0.2.25", 25))
        assert protocol is not None
        self.protocol = protocol
        self.transport = MemoryTransport("192.0.2.25", 25)
        self.protocol.makeConnection(self.transport)
        return pending

    def connected(self, offer: bytes = b"250 mx\r\n") -> SMTPClient:
        """A connection after EHLO."""
        pending = self.connecting()
        self.says(b"220 hi\r\n")
        self.says(offer)
        client = self.successResultOf(pending)
        self.transport.clear()
        return client

    def says(self, octets: bytes) -> None:
        """The other server sends."""
        self.protocol.dataReceived(octets)

    def hangs_up(self) -> None:
        """The other server closes the connection."""
        self.protocol.connectionLost(Failure(Refusal()))

    def sending(self, client: SMTPClient, octets: bytes = b"hello\r\n", *names: str) -> Deferred[list[Answer]]:
        """Begin to hand a message over."""
        mail = OutgoingMail(Sender(Address("alice", "example.test"), size=len(octets)),
                            tuple(Recipient(Address(name, "example.net")) for name in names or ("bob",)))
        return self.begin(client.send(mail, Octets(octets)))

    def codes(self, pending: Deferred[list[Answer]]) -> list[tuple[int, str]]:
        """The answers, as code and what was answered."""
        return [(answer.reply.code, answer.to) for answer in self.successResultOf(pending)]


class ConnectTests(Playing):
    """Until there can be mail."""

    def test_refused(self) -> None:
        """Nobody there."""
        pending = self.begin(SMTPClient.connect(
            self.reactor, self.reactor, "2001:db8::25", 25, hostname="mx.test", name="we.test", bind="2001:db8::1"))
        address, port, factory, _timeout, bind = self.reactor.tcpClients[-1]
        self.assertEqual((address, port, bind), ("2001:db8::25", 25, ("2001:db8::1", 0)))
        factory.clientConnectionFailed(_NO_CONNECTOR, Failure(Refusal()))
        self.failureResultOf(pending, ConnectionFailed)

    def test_hello(self) -> None:
        """What the other server offers is known."""
        client = self.connected(b"250-mx\r\n250-PIPELINING\r\n250 SIZE 1000\r\n")
        self.assertEqual((client.offer.size, "PIPELINING" in client.offer, client.usable), (1000, True, True))

    def test_silence(self) -> None:
        """A server that says nothing is not waited for without end; the wait is that of the RFC."""
        pending = self.connecting()
        self.reactor.advance(299)
        self.assertNoResult(pending)
        self.reactor.advance(2)
        failed = self.failureResultOf(pending, ConnectionFailed).value
        self.assertEqual((failed.to, failed.maybe_sent), ("the greeting", False))
        self.assertTrue(self.transport.disconnecting)

    def test_not_wanted(self) -> None:
        """A greeting that refuses, and one that is none."""
        pending = self.connecting()
        self.says(b"554 5.7.1 go away\r\n")
        self.assertEqual(self.failureResultOf(pending, Refused).value.reply.status, "5.7.1")
        pending = self.connecting()
        self.says(b"HTTP/1.1 400 Bad Request\r\n")
        self.failureResultOf(pending, ConnectionFailed)

    def test_hangs_up(self) -> None:
        """A server that goes away at any moment before there is mail."""
        for said in ((), (b"220 hi\r\n",), (b"22",), (b"220 hi\r\n", b"250-mx\r\n")):
            pending = self.connecting()
            for octets in said:
                self.says(octets)
            self.hangs_up()
            self.failureResultOf(pending, ConnectionFailed)

    def test_tls_required(self) -> None:
        """Where TLS is required and not offered, nothing goes; where it is only wanted, it goes without."""
        for mode, good in ((Mode.ENCRYPT, False), (Mode.VERIFY, False), (Mode.DANE, False), (Mode.OPPORTUNISTIC, True)):
            pending = self.connecting(Protection(mode))
            self.says(b"220 hi\r\n")
            self.says(b"250 mx\r\n")
            if good:
                self.successResultOf(pending)
            else:
                failed = self.failureResultOf(pending, ConnectionFailed).value
                self.assertEqual((failed.tls, failed.result), (True, "starttls-not-supported"))

    def test_tls_refused(self) -> None:
        """STARTTLS that is offered and refused: the same host may be tried without, if that is allowed."""
        pending = self.connecting(Protection())
        self.says(b"220 hi\r\n")
        self.says(b"250-mx\r\n250 STARTTLS\r\n")
        self.says(b"454 4.7.0 not now\r\n")
        self.assertTrue(self.failureResultOf(pending, ConnectionFailed).value.tls)

    def test_replies_before_tls(self) -> None:
        """Answers sent along with that to STARTTLS end the connection: somebody in the middle made them up."""
        for extra in (b"250 mx\r\n", b"25", b"250-mx\r\n"):
            pending = self.connecting(Protection())
            self.says(b"220 hi\r\n")
            self.says(b"250-mx\r\n250 STARTTLS\r\n")
            self.transport.clear()
            self.says(b"220 go\r\n" + extra)
            self.failureResultOf(pending, ConnectionFailed)
            self.assertEqual((self.transport.tls_contexts, self.transport.value()), ([], b""))


class SendTests(Playing):
    """Messages."""

    def test_sent(self) -> None:
        """A message, and another one on the same connection."""
        client = self.connected()
        for number in range(2):
            pending = self.sending(client, b".hello\r\n")
            for _ in range(number + 2):
                self.says(b"250 ok\r\n")
            self.says(b"354 go\r\n")
            self.assertTrue(self.transport.value().endswith(b"DATA\r\n..hello\r\n.\r\n"))
            self.assertTrue(client.maybe_sent)
            self.says(b"250 2.0.0 queued\r\n")
            self.assertEqual(self.codes(pending), [(250, "the message")])
            self.assertFalse(client.maybe_sent)
        self.assertEqual(self.transport.value().count(b"RSET"), 1)

    def test_byte_by_byte(self) -> None:
        """Replies may come in any pieces."""
        client = self.connected(b"250-mx\r\n250 PIPELINING\r\n")
        pending = self.sending(client, b"x\r\n", "bob", "eve")
        for octet in b"250-2.1.0\r\n250 2.1.0 ok\r\n250 ok\r\n550 5.1.1 who?\r\n354 go\r\n250 done\r\n":
            self.says(bytes([octet]))
        self.assertEqual(self.codes(pending), [(250, "the message"), (550, "RCPT TO")])

    def test_connection_breaks(self) -> None:
        """Wherever it breaks, whoever is uncertain may try again; only behind the content it may have arrived."""
        replies = [b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"]
        for count in range(4):
            client = self.connected()
            pending = self.sending(client)
            for reply in replies[:count]:
                self.says(reply)
            self.hangs_up()
            ((code, _to),) = self.codes(pending)
            self.assertEqual((code, client.maybe_sent, client.usable), (400, count == 3, False), count)

    def test_last_words(self) -> None:
        """What a server says before it hangs up in the middle of the content is why."""
        client = self.connected()
        pending = self.sending(client, b"x" * 200_000)
        self.transport.full()
        self.says(b"250 ok\r\n")
        self.says(b"250 ok\r\n")
        self.says(b"354 go\r\n")
        self.says(b"552 5.3.4 too big\r\n")
        self.hangs_up()
        self.assertEqual(self.codes(pending), [(552, "the message")])

    def test_slow_reader(self) -> None:
        """A server that takes nothing is given no more, and not waited for without end."""
        client = self.connected()
        pending = self.sending(client, b"x" * 1_000_000)
        self.says(b"250 ok\r\n")
        self.says(b"250 ok\r\n")
        self.transport.clear()
        self.transport.full()
        self.says(b"354 go\r\n")
        self.assertLess(len(self.transport.value()), 200_000)
        self.reactor.advance(181)
        self.assertEqual(self.codes(pending), [(400, "the message")])

    def test_timeouts(self) -> None:
        """Each answer has its own time (RFC 5321 4.5.3.2)."""
        for replies, seconds in (([], 300), ([b"250 ok\r\n"], 300), ([b"250 ok\r\n"] * 2, 120),
                                 ([b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"], 600)):
            pending = self.sending(self.connected())
            for reply in replies:
                self.says(reply)
            self.reactor.advance(seconds - 1)
            self.assertNoResult(pending)
            self.reactor.advance(2)
            self.assertEqual(self.codes(pending)[0][0], 400)

    def test_too_many_answers(self) -> None:
        """One answer too many would be taken for that to the next command."""
        client = self.connected()
        pending = self.sending(client)
        self.says(b"250 ok\r\n250 ok\r\n")
        self.assertEqual(self.codes(pending), [(400, "MAIL FROM")])
        self.assertFalse(client.usable)

    def test_421_between(self) -> None:
        """A server that says goodbye between two messages is believed."""
        client = self.connected()
        self.says(b"421 4.4.2 idle for too long\r\n")
        pending = self.sending(client)
        self.assertEqual([code for code, _ in self.codes(pending)], [421])

    def test_unreadable_content(self) -> None:
        """A message that is shorter than it should be is not sent as if it were whole."""
        client = self.connected()
        mail = OutgoingMail(Sender(None, size=100), (Recipient(Address("bob", "example.net")),))
        pending = self.begin(client.send(mail, Octets(b"short\r\n")))
        for reply in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            self.says(reply)
        self.assertEqual(self.codes(pending)[0][0], 400)
        self.assertNotIn(b"\r\n.\r\n", self.transport.value())

    def test_bare_line_end(self) -> None:
        """A CR or LF that stands alone does not leave, and the message is not tried again."""
        client = self.connected()
        pending = self.sending(client, b"a\r\n.\nMAIL FROM:<>\r\n")
        for reply in (b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            self.says(reply)
        self.assertEqual(self.codes(pending)[0][0], 550)
        self.assertNotIn(b"MAIL FROM:<>", self.transport.value())

    def test_quit(self) -> None:
        """QUIT is said, but nobody waits long for an answer."""
        client = self.connected()
        pending = self.begin(client.quit())
        self.assertEqual(self.transport.value(), b"QUIT\r\n")
        self.reactor.advance(Patience().farewell + 1)
        self.successResultOf(pending)
        self.assertFalse(client.usable)
