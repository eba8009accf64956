"""One question to one server: by UDP, and by TCP when the answer is too long (RFC 7766)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.protocol import DatagramProtocol
from twisted.protocols.basic import Int16StringReceiver

from quantummail.dns.errors import Unavailable
from quantummail.dns.question import Answer, Question, Spoofed, Truncated

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTCP, IReactorTime, IReactorUDP
    from twisted.python.failure import Failure

    class Reactor(IReactorTCP, IReactorTime, IReactorUDP):
        """What the way to a server needs."""

# a datagram of this size is more than we ask for
_LONGEST = 8192


async def ask(reactor: Reactor, server: tuple[str, int], question: Question, seconds: float) -> Answer:
    """Put a question to one server. Raises what `Question.answer` raises; `Unavailable` without an answer in time."""
    try:
        return await _by_udp(reactor, server, question, seconds)
    except Truncated:
        return await _by_tcp(reactor, server, question, seconds)


async def _by_udp(reactor: Reactor, server: tuple[str, int], question: Question, seconds: float) -> Answer:
    exchange = _Datagram(question, server)
    # a port of its own for each question: who wants to forge an answer has to guess it (RFC 5452 4.5)
    port = reactor.listenUDP(0, exchange, "::" if ":" in server[0] else "", _LONGEST)
    timer = reactor.callLater(seconds, exchange.end, Unavailable(f"{question}: no answer from {server[0]}"))
    try:
        return await exchange.outcome
    finally:
        _cancel(timer)
        port.stopListening()


class _Datagram(DatagramProtocol):
    """Sends the question and waits for its answer, not for any other."""

    def __init__(self, question: Question, server: tuple[str, int]) -> None:
        self._question = question
        self._server = server
        self.outcome: Deferred[Answer] = Deferred()

    def startProtocol(self) -> None:
        assert self.transport is not None
        # connected: the kernel drops what comes from elsewhere, and tells when nobody listens there
        self.transport.connect(*self._server)
        self.transport.write(self._question.wire, None)

    def datagramReceived(self, datagram: bytes, _addr: object) -> None:
        try:
            answer = self._question.answer(datagram)
        except Spoofed:
            return
        except Exception as error:  # noqa: BLE001  # the edge: whoever asked gets it
            self.end(error)
        else:
            self._finish(answer)

    def connectionRefused(self) -> None:
        self.end(Unavailable(f"{self._question}: nobody answers at {self._server[0]}"))

    def end(self, error: Exception) -> None:
        """There will be no answer."""
        if not self.outcome.called:
            self.outcome.errback(error)

    def _finish(self, answer: Answer) -> None:
        if not self.outcome.called:
            self.outcome.callback(answer)


async def _by_tcp(reactor: Reactor, server: tuple[str, int], question: Question, seconds: float) -> Answer:
    stream = _Stream(question)
    timer = reactor.callLater(seconds, stream.end, Unavailable(f"{question}: no answer by TCP from {server[0]}"))
    try:
        family = TCP6ClientEndpoint if ":" in server[0] else TCP4ClientEndpoint
        await connectProtocol(family(reactor, *server, seconds), stream)
        return await stream.outcome
    except ConnectError as error:
        raise Unavailable(f"{question}: no TCP connection to {server[0]}") from error
    finally:
        _cancel(timer)
        if stream.transport is not None:
            stream.transport.loseConnection()


class _Stream(Int16StringReceiver):
    """The same over a connection: messages with their length in front (RFC 1035 4.2.2)."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self.outcome: Deferred[Answer] = Deferred()

    def connectionMade(self) -> None:
        self.sendString(self._question.wire)

    def stringReceived(self, string: bytes) -> None:
        if self.outcome.called:
            return
        try:
            self.outcome.callback(self._question.answer(string))
        except Exception as error:  # noqa: BLE001  # the edge: whoever asked gets it
            self.end(Unavailable(str(error)) if isinstance(error, Spoofed | Truncated) else error)

    def connectionLost(self, _reason: Failure | None = None) -> None:
        self.end(Unavailable(f"{self._question}: the connection was closed"))

    def end(self, error: Exception) -> None:
        """There will be no answer."""
        if not self.outcome.called:
            self.outcome.errback(error)


def _cancel(timer: IDelayedCall) -> None:
    if timer.active():
        timer.cancel()
