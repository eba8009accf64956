"""A connection to another server: drives the conversations of client_session over a transport."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
    wrapClientTLS,
)
from twisted.internet.error import ConnectError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IHandshakeListener, IPushProducer
from twisted.internet.protocol import Protocol as TwistedProtocol
from zope.interface import implementer

from quantummail.smtp import client_session as steps
from quantummail.smtp.client_session import (
    NOT_ENCRYPTED,
    Answer,
    Conversation,
    Login,
    OutgoingMail,
    Patience,
    Refused,
)
from quantummail.smtp.remote import BadReply, Offer, RemoteReply, ReplyReader
from quantummail.smtp.stuffing import BareLineEnd, Stuffing
from quantummail.tls.outbound import ClientTLS, Mode, Protection, ProtectionFailed, TlsState

if TYPE_CHECKING:
    from pathlib import Path

    from twisted.internet.interfaces import IDelayedCall, IReactorTCP, IReactorTime
    from twisted.python.failure import Failure

T = TypeVar("T")
_PIECE = 64 * 1024
# More than the recipients of any transaction: beyond it is a flood
_MOST_REPLIES = 5000


class Content(Protocol):
    """The octets of a message, CRLF line ends, wherever they are kept."""

    def read(self, start: int, end: int) -> Awaitable[bytes]:
        """Octets `start` to `end`."""


class ConnectionFailed(Exception):
    """The connection could not be made or did not hold. Never final: another host, or another time, may do."""

    def __init__(self, text: str, to: str = "", *, maybe_sent: bool = False, tls: bool = False,
                 result: str = "") -> None:
        """
        :param to: what we waited for.
        :param maybe_sent: the whole message was sent, and no answer came: it may arrive twice.
        :param tls: TLS could not be had; without it the same host may be tried where that is allowed.
        :param result: the result type of RFC 8460 4.3, where TLS failed.
        """
        super().__init__(text)
        self.to = to
        self.maybe_sent = maybe_sent
        self.tls = tls
        self.result = result


@implementer(IHandshakeListener, IPushProducer)
class SMTPClient(TwistedProtocol):
    """One connection. Make it by `connect`; then `send` as often as `usable`; at the end `quit` or `abort`."""


    def __init__(self, clock: IReactorTime, patience: Patience, *, lmtp: bool) -> None:
        self._clock = clock
        self._patience = patience
        self._lmtp = lmtp
        self._replies = ReplyReader()
        self._ready: list[RemoteReply] = []
        self._waiting: Deferred[None] | None = None
        self._flowing: Deferred[None] | None = None
        self._lost: str | None = None
        self._handshake: Deferred[None] | None = None
        self._timer: IDelayedCall | None = None
        self._awaited = ""
        self._sent_whole = False
        self.offer = Offer()
        """What the other server said it can do."""
        self.tls: TlsState | None = None
        self.source = ""
        """Our address."""
        self.transactions = 0
        self.usable = True
        """Whether another message can be sent."""

    @classmethod
    async def connect(
        cls, reactor: IReactorTCP, clock: IReactorTime, address: str, port: int, *, hostname: str, name: str,
        bind: str | None = None, protection: Protection = Protection(), login: Login | None = None,  # noqa: B008  # a frozen value
        lmtp: bool = False, wrapped: bool = False, patience: Patience = Patience(),  # noqa: B008  # a frozen value
        authorities: Path | None = None,
    ) -> SMTPClient:
        """Connect, say hello, encrypt as far as `protection` asks, log in.

        :param address: an IP address, or the path of a unix socket.
        :param hostname: the other server's name, for SNI.
        :param name: ours, for EHLO.
        :param bind: the local address to come from.
        :param wrapped: TLS from the first octet (port 465, RFC 8314).
        :raises ConnectionFailed: nobody there, or nobody who speaks SMTP, or not the protection that is required.
        :raises Refused: the other server does not want us, or our login.
        """
        client = cls(clock, patience, lmtp=lmtp)
        tls = ClientTLS(hostname, protection, authorities)
        endpoint = _endpoint(reactor, address, port, bind, patience.connection)
        try:
            await connectProtocol(wrapClientTLS(tls, endpoint) if wrapped else endpoint, client)
        except (ConnectError, ConnectTimeout, CancelledError, OSError) as error:
            raise ConnectionFailed(f"no connection to {address}:{port}: {_reason(error)}", "connect") from error
        assert client.transport is not None
        client.source = getattr(client.transport.getHost(), "host", "")
        try:
            await client._begin(tls, name, protection, login, wrapped=wrapped)
        except BaseException:
            client.abort()
            raise
        return client

    async def _begin(
        self, tls: ClientTLS, name: str, protection: Protection, login: Login | None, *, wrapped: bool
    ) -> None:
        if wrapped:
            await self._encrypted(tls)
        self.offer = await self._converse(steps.introduce(name, self._patience, lmtp=self._lmtp))
        if not wrapped and protection.mode is not Mode.NONE:
            if "STARTTLS" in self.offer:
                self.offer = await self._start_tls(tls, name)
            elif protection.required:
                raise ConnectionFailed(NOT_ENCRYPTED.text, "EHLO", tls=True, result="starttls-not-supported")
        if login is not None:
            await self._converse(steps.log_in(self.offer, login, self._patience))

    async def _start_tls(self, tls: ClientTLS, name: str) -> Offer:
        try:
            return await self._converse(steps.start_tls(name, self._patience, lmtp=self._lmtp), tls)
        except Refused as refused:
            if refused.to != "STARTTLS":
                raise
            raise ConnectionFailed(str(refused), "STARTTLS", tls=True, result="starttls-not-supported") from refused

    async def send(self, mail: OutgoingMail, content: Content) -> list[Answer]:
        """Hand over one message; an answer for each recipient, in their order.

        When the connection breaks, recipients whose fate is certain keep it; the others get an answer with code 400.
        """
        answers: list[Answer | None] = [None] * len(mail.recipients)
        again, self.transactions = bool(self.transactions), self.transactions + 1
        self._sent_whole = False
        conversation = steps.transaction(
            self.offer, mail, answers, self._patience, lmtp=self._lmtp,
            encrypted=self.tls is not None and bool(self.tls.verified), again=again,
        )
        otherwise: Answer | None = None
        try:
            await self._converse(conversation, content=content, size=mail.sender.size)
        except Refused as refused:
            otherwise = Answer(refused.reply, refused.to)
        except ConnectionFailed as failed:
            otherwise = self._last_words() or Answer(RemoteReply(400, "4.4.2", str(failed)), failed.to)
        except BareLineEnd:
            otherwise = Answer(RemoteReply(550, "5.6.11", "The message contains a CR or LF that stands alone"), "")
        if otherwise is not None:
            self.abort()
        return [answer or otherwise or _NO_ANSWER for answer in answers]

    def _last_words(self) -> Answer | None:
        """What the other side said before it hung up in the middle of the message: too big, for example."""
        refusals = [reply for reply in self._ready if not reply.positive]
        return Answer(refusals[-1], self._awaited) if refusals else None

    @property
    def maybe_sent(self) -> bool:
        """Whether the last message was sent to its end, but not answered."""
        return self._sent_whole

    async def quit(self) -> None:
        """End the connection politely."""
        if self.usable:
            with contextlib.suppress(ConnectionFailed, Refused):
                await self._converse(steps.quit_(self._patience))
        self.abort()

    def abort(self) -> None:
        """End the connection at once."""
        self.usable = False
        self._stop_timer()
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]  # ITCPTransport: we came by TCP

    # How a conversation is driven.

    async def _converse(
        self, conversation: Conversation[T], tls: ClientTLS | None = None, content: Content | None = None, size: int = 0
    ) -> T:
        try:
            step = next(conversation)
            while True:
                reply: RemoteReply | None = None
                match step:
                    case steps.Send(octets):
                        self._require_order()
                        self._write(octets)
                    case steps.Receive(to, seconds):
                        reply = await self._reply(to, seconds)
                    case steps.Transmit(dotted):
                        assert content is not None
                        await self._transmit(content, size, dotted=dotted)
                    case steps.Encrypt():
                        assert tls is not None
                        self._require_silence()
                        await self._encrypted(tls, begin=True)
                step = conversation.send(reply)  # type: ignore[arg-type]  # only Receive looks at what it gets
        except StopIteration as finished:
            value: T = finished.value
            return value
        except BaseException:
            self.usable = False
            raise

    def _require_order(self) -> None:
        """One answer too many would be taken for that to the next command, and a message for delivered."""
        if not self._ready:
            return
        if self._ready[0].code == 421:
            raise Refused(self._ready[0], self._awaited)
        raise ConnectionFailed("the server sends replies that nobody asked for", self._awaited)

    def _require_silence(self) -> None:
        """RFC 3207 6, CVE-2021-38371 and its kin: no answers to what we have yet to send."""
        if self._ready or self._replies.pending:
            raise ConnectionFailed("replies were sent before the TLS handshake", "STARTTLS")

    def _write(self, octets: bytes) -> None:
        if self._lost is not None:
            raise self._failed(self._lost)
        assert self.transport is not None
        self.transport.write(octets)

    async def _reply(self, to: str, seconds: float) -> RemoteReply:
        self._awaited = to
        self._start_timer(seconds)
        try:
            while not self._ready:
                if self._lost is not None:
                    raise self._failed(self._lost)
                self._waiting = Deferred()
                await self._waiting
        finally:
            self._waiting = None
            self._stop_timer()
        reply = self._ready.pop(0)
        if to == "the message":
            self._sent_whole = False
        return reply

    async def _transmit(self, content: Content, size: int, *, dotted: bool) -> None:
        stuffing = Stuffing(dotted=dotted)
        self._awaited = "the message"
        for start in range(0, size, _PIECE):
            wanted = min(_PIECE, size - start)
            piece = await content.read(start, start + wanted)
            if len(piece) != wanted:
                raise ConnectionFailed("the message could not be read", "")
            self._write(stuffing.feed(piece))
            await self._drained()
        self._sent_whole = True
        self._write(stuffing.end())

    async def _drained(self) -> None:
        """Wait until the other side has taken what was sent."""
        self._start_timer(self._patience.block)
        try:
            while self._flowing is not None and self._lost is None:
                await self._flowing
        finally:
            self._stop_timer()

    async def _encrypted(self, tls: ClientTLS, *, begin: bool = False) -> None:
        assert self.transport is not None
        if self.tls is None and self._handshake is None:
            self._handshake = Deferred()
        self._awaited = "the TLS handshake"
        if begin:
            self.transport.startTLS(tls)  # type: ignore[attr-defined]  # ITLSTransport, too
        self._start_timer(self._patience.hello)
        try:
            if self._lost is not None:
                raise self._failed(self._lost)
            if self._handshake is not None:
                await self._handshake
            self.tls = tls.state(self.transport.getHandle())  # type: ignore[attr-defined]  # OpenSSL's, now
        except ProtectionFailed as failed:
            raise ConnectionFailed(str(failed), "the TLS handshake", tls=True, result=failed.result) from failed
        finally:
            self._handshake = None
            self._stop_timer()

    # What the transport calls.

    def connectionMade(self) -> None:
        assert self.transport is not None
        if hasattr(self.transport, "setTcpNoDelay"):
            self.transport.setTcpNoDelay(True)
        self.transport.registerProducer(self, True)  # type: ignore[attr-defined]  # IConsumer

    def dataReceived(self, data: bytes) -> None:
        if self._lost is not None:
            return
        self._replies.feed(data)
        try:
            while (reply := self._replies.next()) is not None:
                self._ready.append(reply)
        except BadReply as error:
            self._lose(f"the server does not speak SMTP: {error}")
            return
        if len(self._ready) > _MOST_REPLIES:
            self._lose("the server sends replies that nobody asked for")
        self._wake()

    def handshakeCompleted(self) -> None:
        handshake, self._handshake = self._handshake, None
        if handshake is not None:
            handshake.callback(None)

    def connectionLost(self, reason: Failure | None = None) -> None:
        cause = reason.value if reason is not None else None
        self._lose(f"the connection was closed{f': {cause}' if self._handshake is not None and cause else ''}")

    def pauseProducing(self) -> None:
        if self._flowing is None:
            self._flowing = Deferred()

    def resumeProducing(self) -> None:
        flowing, self._flowing = self._flowing, None
        if flowing is not None:
            flowing.callback(None)

    def stopProducing(self) -> None:
        self.resumeProducing()

    # Our own.

    def _lose(self, why: str) -> None:
        """Nothing more will come: whoever waits learns it."""
        if self._lost is not None:
            return
        self._lost = why
        self.usable = False
        self._stop_timer()
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]  # ITCPTransport: we came by TCP
        handshake, self._handshake = self._handshake, None
        if handshake is not None:
            handshake.errback(self._failed(why, tls=True))
        self.resumeProducing()
        self._wake()

    def _failed(self, why: str, *, tls: bool = False) -> ConnectionFailed:
        return ConnectionFailed(f"{why}, waiting for {self._awaited}", self._awaited, maybe_sent=self._sent_whole,
                                tls=tls, result="validation-failure" if tls else "")

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def _start_timer(self, seconds: float) -> None:
        self._timer = self._clock.callLater(seconds, self._lose, "no answer in time")

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()


_NO_ANSWER = Answer(RemoteReply(400, "4.4.2", "the conversation ended before its time"), "")


def _endpoint(reactor: Any, address: str, port: int, bind: str | None, seconds: float) -> Any:
    if address.startswith("/"):
        return UNIXClientEndpoint(reactor, address, seconds)
    family = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
    return family(reactor, address, port, seconds, (bind, 0) if bind is not None else None)


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
