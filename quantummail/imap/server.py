"""IMAP on a transport: the connection, and the factory that makes one for each client."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ITCPTransport
from twisted.logger import Logger

from quantummail.imap import registry
from quantummail.imap.framing import (
    AFTER_LOGIN,
    BEFORE_LOGIN,
    MAX_LITERAL_MINUS,
    Command,
    CommandReader,
    Continue,
    FramingLimits,
    Hopeless,
    Refused,
    Upload,
)
from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.redaction import ImapRedaction
from quantummail.imap.responses import Farewell, printable
from quantummail.imap.session import Session
from quantummail.imap.settings import ImapSettings
from quantummail.imap.user_sessions import UserSessions
from quantummail.wire.connection import Connection
from quantummail.wire.deflate import Compressors, Deflate
from quantummail.wire.factory import ConnectionFactory
from quantummail.wire.repeated import Repeated

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorTime

    from quantummail.auth.login import Authenticator
    from quantummail.store.store import Store
    from quantummail.wire.admission import ConnectionLimits

__all__ = ["IMAPConnection", "IMAPFactory", "ImapSettings", "UserSessions"]

MAX_BAD_COMMANDS = 10


class IMAPConnection(Connection):
    """One client."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.imap")
    factory: IMAPFactory
    redaction = ImapRedaction

    def __init__(self, factory: IMAPFactory) -> None:
        super().__init__(factory.clock, factory.settings.login_timeout)
        self.factory = factory
        self._login_by = factory.clock.seconds() + 2 * factory.settings.login_timeout
        self._begin_session()

    def _begin_session(self) -> None:
        factory = self.factory
        self.session = Session(
            self, factory.settings, factory.store, factory.authenticator, factory.sessions,
            starttls=factory.tls_context is not None,
        )
        self.reader = CommandReader(self._limits(BEFORE_LOGIN))

    def _limits(self, limits: FramingLimits) -> FramingLimits:
        """What a command may bring along, with the literals that come unasked as CAPABILITY says."""
        offers = self.session.settings.offers
        if offers("LITERAL+"):
            return limits
        # RFC 7888 section 5
        return replace(limits, unasked=MAX_LITERAL_MINUS if offers("LITERAL-") or offers("IMAP4rev2") else -1)

    # What Connection calls.

    def connectionMade(self) -> None:
        if ITCPTransport.providedBy(self.transport) and hasattr(self.transport, "setTcpKeepAlive"):
            # an idle phone behind a NAT that forgot it would hold its session for half an hour
            self.transport.setTcpKeepAlive(True)
        super().connectionMade()

    async def greet(self) -> None:
        hostname = printable(self.factory.settings.hostname)
        self.session.untagged(f"OK [CAPABILITY {self.session.capability()}] {hostname} QuantumMail is ready")

    async def step(self) -> bool:
        try:
            if self.session.dialogue is not None:
                return await self._converse()
            return await self._read()
        except Farewell as farewell:
            self._bye(str(farewell))
            return False

    def timed_out(self) -> None:
        # RFC 3501 5.4
        if not self.session.midway:
            self.session.untagged("BYE Autologout; idle for too long")

    def garbled(self) -> None:
        if not self.session.midway:
            self.session.untagged("BYE What you send is not compressed")

    def failed(self) -> None:
        session = self.session
        if session.midway:
            # a literal was announced and cannot be finished: nothing that we could say would be understood
            self.abort()
            return
        dialogue, session.dialogue = session.dialogue, None
        tag = session.tag
        if dialogue is not None:
            tag = dialogue.tag
            dialogue.close()
        session.tagged(tag, "NO", "[SERVERBUG] Internal error, please try again later")

    @property
    def at_rest(self) -> bool:
        return super().at_rest and self.reader.between_commands

    def interruptible(self) -> bool:
        # a message that is half here is taken to its end
        return self.session.dialogue is None or self.session.dialogue.interruptible

    def shutting_down(self) -> None:
        self.session.untagged("BYE [UNAVAILABLE] The server is stopping")

    def closed(self) -> None:
        self.session.close()

    # What the session calls.

    def pause(self, seconds: float) -> Deferred[None]:
        """Wait; with zero, let others have their turn."""
        waiting: Deferred[None] = Deferred()
        self.clock.callLater(seconds, waiting.callback, None)
        return waiting

    def begin_tls(self, tag: str) -> None:
        """Answer STARTTLS, begin the handshake, forget the session."""
        if len(self.buffer):
            # RFC 3501 6.2.1, CVE-2021-33515: what was sent before the handshake must not be read after it
            self.log.warn("{client} sent data behind STARTTLS", client=self.client, connection=self.connection_id)
            raise Farewell("Data behind STARTTLS")
        if self.compressed:
            # RFC 4978 section 3: TLS would be below the compression that is there
            raise BadSyntax("Compression is active")
        self.session.tagged(tag, "OK", "Begin TLS negotiation now")
        self.start_tls(self.factory.tls_context)
        self.session.close()
        self._begin_session()

    def compress(self) -> None:
        """Compress from now on, behind what has been written."""
        self.start_compression(Deflate(self.factory.compressors))

    def logged_in(self) -> None:
        """The limits of an authenticated client hold from now on."""
        assert self.session.user is not None
        self.belongs_to(self.session.user.address)
        self.reader = CommandReader(self._limits(AFTER_LOGIN), self.session.streams)
        self.idle_timeout = self.factory.settings.idle_timeout
        self._arm(self.idle_timeout)

    def logged_out(self) -> None:
        """The limits of a client that has not logged in hold again (RFC 8437)."""
        settings = self.factory.settings
        self.belongs_to("")
        self._login_by = self.clock.seconds() + 2 * settings.login_timeout
        self.reader = CommandReader(self._limits(BEFORE_LOGIN))
        self.idle_timeout = settings.login_timeout
        self._arm(self.idle_timeout)

    def every(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Call again and again, for the first time after an interval, until the returned function is called."""
        return Repeated(self.clock, seconds, callback).stop

    def finish(self) -> None:
        """End the connection after what is sent."""
        self.close()

    def expel(self) -> None:
        """End the connection: the account may not be used any more."""
        if self.closing:
            return
        self.log.info("{client} has to log in again", client=self.client, connection=self.connection_id)
        if self.busy:
            # no command is worth waiting for
            self.abort()
        else:
            self._bye("[UNAVAILABLE] Log in again, please")

    def swallow(self, size: int, refused: Refused) -> None:
        """Read over the octets of a refused literal and the rest of its command, then say so."""
        if self.reader.refuse(size, refused) is not None:
            # RFC 7888 section 4: rather than reading on and on
            raise Farewell(refused.text)

    # Our own.

    async def _read(self) -> bool:
        if self.session.user is None and self.clock.seconds() > self._login_by:
            # NOOP now and then does not keep a connection that nobody logs in on
            raise Farewell("Too slow to log in")
        event = self.reader.next(self.buffer)
        match event:
            case None:
                return await self.session.push(idle=False)
            case Command(text):
                await self.session.run(text)
            case Upload(text, size, synchronizing):
                await self.session.run(text, 0 if synchronizing else size)
            case Continue():
                self.write(b"+ OK\r\n")
            case Refused(tag, response, text):
                self.session.tagged(tag, response, text)
            case Hopeless(text):
                raise Farewell(text)
        if self.session.user is None and self.session.bad_commands > MAX_BAD_COMMANDS:
            # a browser, a scanner: nobody who speaks IMAP
            raise Farewell("Too many invalid commands")
        return not self.closing

    async def _converse(self) -> bool:
        session = self.session
        dialogue = session.dialogue
        assert dialogue is not None
        try:
            return await dialogue.step(self.buffer)
        except Exception as error:  # noqa: BLE001  # the dialogue's edge: `answer` raises what is no reply
            if session.dialogue is dialogue:
                session.dialogue = None
                dialogue.close()
            session.tag = dialogue.tag
            await session.answer(dialogue.tag, error)
            return True

    def _bye(self, text: str) -> None:
        if self.closing:
            return
        if self.session.midway:
            self.abort()
            return
        self.session.untagged(f"BYE {text}")
        self.close()


class IMAPFactory(ConnectionFactory):
    """Makes the connections of one IMAP listener."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.imap")

    def __init__(
        self, name: str, clock: IReactorTime, limits: ConnectionLimits, settings: ImapSettings, store: Store,
        authenticator: Authenticator, tls_context: object | None, sessions: UserSessions | None = None,
    ) -> None:
        """Listeners that share `sessions` share the limit of connections per user."""
        super().__init__(name, clock, limits)
        registry.load()
        self.settings = settings
        self.store = store
        self.authenticator = authenticator
        self.tls_context = None if settings.implicit_tls else tls_context
        self.sessions = sessions if sessions is not None else UserSessions()
        self.compressors = Compressors()

    def new_connection(self) -> IMAPConnection:
        return IMAPConnection(self)

    def refusal_line(self, reason: str) -> bytes:
        return f"* BYE [LIMIT] {printable(reason)}\r\n".encode("ascii")
