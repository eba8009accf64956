"""The HTTP client: where it connects to, and what it makes of answers."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from quantummail.fetch.addresses import networks
from quantummail.fetch.client import FetchFailed, WebAnswer, WebClient
from tests.support.zone import Zone

ZONE = Zone({
    "a.test": {"A": ["8.8.8.8"], "AAAA": ["2606:4700::1"]},
    "four.test": {"A": ["8.8.4.4"]},
    "inside.test": {"A": ["8.8.8.8", "10.0.0.1"]},
    "broken.test": {"FAIL": []},
})


class _Transport(StringTransport):
    def abortConnection(self) -> None:
        self.loseConnection()


class RequestTests(SynchronousTestCase):
    """Requests over a connection in memory, without TLS."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.client = WebClient(
            self.reactor, ZONE.resolver(), allowed=networks(("127.0.0.0/8",)), ports=(80, 443), plain=True)

    def ask(self, url: str, **rest: Any) -> Deferred[WebAnswer]:
        """Begin a request."""
        return Deferred.fromCoroutine(self.client.request(rest.pop("method", "GET"), url, **rest))

    def answered(self, asked: Deferred[WebAnswer], *pieces: bytes, ends: bool = True) -> bytes:
        """Take the connection that is being made, and answer in pieces; what was asked."""
        factory = self.reactor.tcpClients[-1][2]
        protocol: Any = factory.buildProtocol(None)
        transport = _Transport()
        protocol.makeConnection(transport)
        for piece in pieces:
            protocol.dataReceived(piece)
        if ends:
            protocol.connectionLost(Failure(ConnectionDone()))
        return bytes(transport.value())

    def unreachable(self, number: int) -> None:
        """Nobody takes a connection that is being made."""
        factory: Any = self.reactor.tcpClients[number][2]
        factory.clientConnectionFailed(None, Failure(ConnectError()))

    def failure(self, asked: Deferred[WebAnswer]) -> FetchFailed:
        """Why there is no answer."""
        error = self.failureResultOf(asked, FetchFailed).value
        assert isinstance(error, FetchFailed)
        return error

    def test_answer(self) -> None:
        """Status, fields and body of an answer; the name goes into Host, the connection to the address."""
        asked = self.ask("http://four.test/x", headers={"Accept": "text/plain"})
        self.assertEqual(self.reactor.tcpClients[0][:2], ("8.8.4.4", 80))
        request = self.answered(
            asked, b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-", b"Length: 5\r\n\r\nhel", b"lo")
        self.assertIn(b"GET /x HTTP/1.1\r\n", request)
        self.assertIn(b"Host: four.test\r\n", request)
        self.assertIn(b"Accept: text/plain\r\n", request)
        answer = self.successResultOf(asked)
        self.assertEqual((answer.status, answer.headers["content-type"], answer.body), (200, "text/plain", b"hello"))

    def test_post(self) -> None:
        """A body goes with its length."""
        asked = self.ask("http://four.test/", method="POST", body=b"report")
        request = self.answered(asked, b"HTTP/1.1 204 No Content\r\n\r\n")
        self.assertTrue(request.endswith(b"\r\n\r\nreport"), request)
        self.assertIn(b"Content-Length: 6\r\n", request)
        self.assertEqual(self.successResultOf(asked).status, 204)

    def test_next_address(self) -> None:
        """Where one address does not answer, the next one is tried."""
        asked = self.ask("http://a.test/")
        self.assertEqual(self.reactor.tcpClients[0][0], "2606:4700::1")
        self.unreachable(0)
        self.assertEqual(self.reactor.tcpClients[1][0], "8.8.8.8")
        self.unreachable(1)
        self.assertIn("no connection to a.test at 8.8.8.8", str(self.failure(asked)))

    def test_no_redirection(self) -> None:
        """A redirection is an answer, and followed by nobody."""
        asked = self.ask("http://four.test/")
        self.answered(asked, b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(self.successResultOf(asked).status, 302)
        self.assertEqual(len(self.reactor.tcpClients), 1)

    def test_forbidden(self) -> None:
        """Addresses, ports and schemes that are not allowed are not connected to."""
        for url in ("http://inside.test/", "http://10.0.0.1/", "http://[::1]/", "http://[::ffff:7f00:1]/",
                    "http://0x7f000001/", "http://2130706433/", "http://four.test:25/", "ftp://four.test/",
                    "file:///etc/passwd", "http://user@four.test/", "http://four.test:99999/", "http:///x",
                    "http://four.test/\r\nx", "http://four.test/a b", "http://fo\u00fcr.test/"):
            self.failure(self.ask(url))
        self.assertEqual(self.reactor.tcpClients, [])
        self.assertTrue(self.failure(self.ask("http://inside.test/")).forbidden)

    def test_allowed(self) -> None:
        """What the administrator allows is."""
        asked = self.ask("http://127.0.0.1/")
        self.assertEqual(self.reactor.tcpClients[0][0], "127.0.0.1")
        self.answered(asked, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(self.successResultOf(asked).body, b"")

    def test_not_found(self) -> None:
        """Names that do not exist, or cannot be looked up."""
        for url in ("http://gone.test/", "http://broken.test/"):
            self.assertIn("cannot be looked up", str(self.failure(self.ask(url))))

    def test_too_long(self) -> None:
        """An answer without end is not waited for."""
        asked = self.ask("http://four.test/", most_octets=1000)
        self.answered(asked, b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 900, b"x" * 101, ends=False)
        self.assertIn("more than 1000 octets", str(self.failure(asked)))

    def test_too_slow(self) -> None:
        """Nor a slow one, wherever it stops."""
        pieces = (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"abc")
        for count in range(3):
            asked = self.ask("http://four.test/", seconds=5)
            self.answered(asked, *pieces[:count], ends=False)
            self.reactor.advance(6)
            self.assertIn("no answer within 5 s", str(self.failure(asked)))

    def test_garbage(self) -> None:
        """What is no HTTP, or half of it, is no answer."""
        for pieces in ((b"220 mail.test ESMTP\r\n",), (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",), ()):
            asked = self.ask("http://four.test/")
            self.answered(asked, *pieces)
            self.failure(asked)
