"""POP3 on a connection: greeting, logging in, TLS, and the way of each command to its answer (RFC 1939)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from twisted.logger import Logger

from quantummail.auth.login import LoginFailed, LoginUnavailable, Peer
from quantummail.auth.sasl import MAX_LINE as MAX_AUTH_LINE
from quantummail.auth.sasl import SaslError, decode, encode
from quantummail.pop3.grammar import MAX_LINE, Command, CommandError, parse
from quantummail.pop3.maildrop import NoMessage
from quantummail.pop3.multiline import END
from quantummail.pop3.redaction import Pop3Redaction
from quantummail.pop3.session import Session, State
from quantummail.pop3.transaction import Interrupted, Transaction
from quantummail.store.errors import StoreError
from quantummail.tls.channel import Channel
from quantummail.wire.clients import is_local
from quantummail.wire.connection import Connection
from quantummail.wire.factory import ConnectionFactory
from quantummail.wire.lines import LineTooLong

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from quantummail.auth.exchanges import Exchange
    from quantummail.auth.login import Authenticator
    from quantummail.pop3.maildrops import Maildrops
    from quantummail.store.records import User
    from quantummail.wire.admission import ConnectionLimits


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pop3Settings:
    """What a POP3 listener is configured with. Times are seconds."""

    hostname: str = "localhost"
    implicit_tls: bool = False
    plaintext_login: bool = False
    """Take passwords without TLS from clients on this machine."""
    max_messages: int = 10_000
    """Messages a session shows, the oldest ones; 0 for all."""
    max_failed_logins: int = 3
    max_errors: int = 20
    login_timeout: float = 180.0
    idle_timeout: float = 600.0
    """RFC 1939 3: at least ten minutes."""
    disabled: frozenset[str] = frozenset()
    """Capabilities that are switched off, in the words of CAPA; mechanisms as ``AUTH=PLAIN``."""

    def offers(self, capability: str) -> bool:
        """Whether a capability is switched on."""
        return capability not in self.disabled


class POP3Factory(ConnectionFactory):
    """A POP3 listener. All of them share one `Maildrops`."""

    def __init__(self, name: str, clock: IReactorTime, limits: ConnectionLimits, settings: Pop3Settings,
                 maildrops: Maildrops, authenticator: Authenticator, tls_context: object | None) -> None:
        super().__init__(name, clock, limits)
        self.settings = settings
        self.maildrops = maildrops
        self.authenticator = authenticator
        self.tls_context = tls_context

    def new_connection(self) -> Connection:
        return POP3Connection(self)

    def refusal_line(self, reason: str) -> bytes:
        return b"-ERR [SYS/TEMP] " + reason.encode() + b"\r\n"  # RFC 3206 4


class POP3Connection(Connection):
    """One client."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.pop3")
    factory: POP3Factory
    redaction = Pop3Redaction

    def __init__(self, factory: POP3Factory) -> None:
        super().__init__(factory.clock, factory.settings.login_timeout)
        self.factory = factory
        self.session: Session
        self.transaction: Transaction | None = None
        self._exchange: Exchange | None = None
        self._claimed = 0
        self._logged_in = 0
        self._errors = 0

    async def greet(self) -> None:
        settings = self.factory.settings
        self.session = Session(
            tls=self.tls or settings.implicit_tls, stls=self.factory.tls_context is not None,
            plaintext=settings.plaintext_login and is_local(self.client), mechanisms=self._mechanisms,
            disabled=settings.disabled,
        )
        # No angle brackets: they would offer APOP (RFC 1939 7)
        self.ok(f"{settings.hostname} POP3 ready")

    async def step(self) -> bool:
        before_login = self.session.state is State.AUTHORIZATION
        try:
            line = self.buffer.take_line(MAX_AUTH_LINE if before_login else MAX_LINE)
            if line is None:
                return False
            if self._exchange is not None:
                await self._answer(self._exchange, line)
            else:
                await self._run(parse(line))
        except LineTooLong:
            self._exchange = None
            self._refuse("line too long")
        except CommandError as error:
            self._refuse(str(error))
        except NoMessage as error:
            self.error(str(error))
        except StoreError as error:
            self.log.warn("{error}", error=error, connection=self.connection_id)
            self.error(f"[SYS/TEMP] {error}")
        except Interrupted as error:
            self._cut(error)
        return not self.closing

    def failed(self) -> None:
        self._exchange = None
        self.error("[SYS/TEMP] internal error, please try again later")

    def shutting_down(self) -> None:
        self.error("[SYS/TEMP] the server is stopping")

    def closed(self) -> None:
        self._release()
        self.transaction = None

    def ok(self, text: str) -> None:
        """A positive response."""
        self.write(f"+OK {text}\r\n".encode())

    def error(self, text: str) -> None:
        """A negative response."""
        self.write(f"-ERR {text}\r\n".encode())

    async def _run(self, command: Command) -> None:
        refusal = self.session.refusal(command.verb)
        if refusal is not None:
            self._refuse(refusal)
        elif self.transaction is not None and command.verb in _TRANSACTION:
            await _TRANSACTION[command.verb](self.transaction, command)
        else:
            await _SESSION[command.verb](self, command)

    def _refuse(self, reason: str) -> None:
        """A command that was wrong in itself. A client that says many of them is none."""
        self._errors += 1
        if self._errors < self.factory.settings.max_errors:
            self.error(reason)
        else:
            self.error("too many errors")
            self.close()

    def _cut(self, error: Interrupted) -> None:
        """End the connection in the middle of a response. What the client has sent after it must not count."""
        if not self.closing:
            self.log.error("a response was cut off: {error}", error=error, connection=self.connection_id,
                           client=self.client)
            self.closing = True
            self.abort()

    # Commands of any state, and of AUTHORIZATION.

    async def _capa(self, command: Command) -> None:
        del command
        lines = "".join(f"{line}\r\n" for line in self.session.capabilities())
        self.write(b"+OK capability list follows\r\n" + lines.encode() + END)

    async def _quit(self, command: Command) -> None:
        del command
        self.session.state = State.UPDATE
        removed = 0
        try:
            if self.transaction is not None:
                removed = await self.transaction.update()
        except Exception:  # noqa: BLE001  # the session ends here, and the client must know
            self.log.failure("deleted messages were not removed", connection=self.connection_id)
            self.error("[SYS/TEMP] deleted messages were not removed")  # RFC 1939 6
        else:
            if removed and self.transaction is not None:
                self.log.info("{user} removed {count} messages", user=self.transaction.user.address,
                              count=removed, connection=self.connection_id)
            self._release()
            self.ok("bye")
        self.close()

    async def _stls(self, command: Command) -> None:
        del command
        if len(self.buffer):
            # Whoever could add these octets could have added commands (CVE-2011-0411)
            self.log.warn("{client} sent more behind STLS", client=self.client, connection=self.connection_id)
            self.error("nothing may follow STLS")
            self.close()
            return
        self.ok("begin TLS now")
        self.session.secured()
        self.start_tls(self.factory.tls_context)

    async def _utf8(self, command: Command) -> None:
        # RFC 6856 2: from now on messages are given as they are
        del command
        self.session.utf8 = True
        self.ok("UTF8 enabled")

    async def _lang(self, command: Command) -> None:
        # RFC 6856 3: our texts are in English, which is the default language of RFC 2277 too
        language = command.text.lower()
        if not language:
            self.write(b"+OK languages follow\r\nen English\r\ni-default Default language\r\n" + END)
        elif language in ("*", "en", "i-default"):
            self.ok(f"{'i-default' if language == 'i-default' else 'en'} texts are in English")
        else:
            self.error("there is no such language")

    async def _user(self, command: Command) -> None:
        # RFC 1939 7: the same for every name
        self.session.username = command.text
        self.ok("now the password")

    async def _pass(self, command: Command) -> None:
        await self._login(self.session.username, command.text)

    async def _auth(self, command: Command) -> None:
        if not command.text:
            self.write(b"+OK\r\n" + "".join(f"{name}\r\n" for name in self._mechanisms()).encode() + END)
            return
        exchange = self.factory.authenticator.exchange(command.text, self._peer(), self.factory.settings.offers)
        if exchange is None:
            self._refuse("unknown mechanism")
        elif command.initial is not None:
            await self._answer(exchange, command.initial)
        else:
            self._challenge(exchange, exchange.begin())

    def _challenge(self, exchange: Exchange, challenge: bytes) -> None:
        self._exchange = exchange
        self.write(b"+ " + encode(challenge) + b"\r\n")

    async def _answer(self, exchange: Exchange, line: bytes) -> None:
        self._exchange = None
        try:
            result = await self._tried(exchange.answer(decode(line)))
        except SaslError as error:
            self._login_failed(str(error))
            return
        if isinstance(result, bytes):
            self._challenge(exchange, result)
        elif result is not None:
            await self._logged_in_as(result)

    # Logging in.

    async def _login(self, username: str, password: str) -> None:
        user = await self._tried(self.factory.authenticator.login(username, password, self._peer()))
        if user is not None:
            await self._logged_in_as(user)

    async def _tried(self, attempt: Coroutine[Any, Any, T]) -> T | None:
        """What comes of an attempt to log in; None when it has failed, and that was said."""
        try:
            return await attempt
        except LoginFailed as error:
            self._login_failed(f"[AUTH] {error}")
        except LoginUnavailable as error:
            self._login_failed(f"[SYS/TEMP] {error}")
        return None

    async def _logged_in_as(self, user: User) -> None:
        self._logged_in = user.id
        try:
            if not self.closing:
                await self._enter(user)
        finally:
            if self.transaction is None:
                self._release()

    def _peer(self) -> Peer:
        return Peer(self.factory.name, self.client, self.connection_id, Channel.of(self.tls_handle), self.expel)

    def _mechanisms(self) -> tuple[str, ...]:
        return self.factory.authenticator.offered(Channel.of(self.tls_handle), self.factory.settings.offers)

    def _login_failed(self, text: str) -> None:
        self.session.failed()
        self.error(text)
        if self.session.failures >= self.factory.settings.max_failed_logins:
            self.close()

    async def _enter(self, user: User) -> None:
        """Open the maildrop, and keep it locked."""
        maildrops = self.factory.maildrops
        if not maildrops.claim(user.id, self):
            self.session.username = ""
            self.error("[IN-USE] the maildrop is open in another session")  # RFC 2449 8.1.1
            return
        self._claimed = user.id
        mailbox = await maildrops.open(user)
        settings = self.factory.settings
        self.transaction = Transaction(
            self, maildrops.store, user, mailbox, settings.max_messages, utf8=self.session.utf8)
        self.belongs_to(user.address)
        self.session.entered(frozenset(user.disabled_capabilities))
        self.idle_timeout = settings.idle_timeout
        self.ok(self.transaction.welcome())

    def expel(self) -> None:
        """End the connection: the account may not be used any more."""
        if self.closing:
            return
        self.log.info("{client} has to log in again", client=self.client, connection=self.connection_id)
        if self.busy:
            # no command is worth waiting for
            self.abort()
        else:
            self.error("[AUTH] log in again")  # RFC 3206 5
            self.close()

    def _release(self) -> None:
        if self._logged_in:
            self.factory.authenticator.sessions.leave(self._logged_in, self.expel)
            self._logged_in = 0
        if self._claimed:
            self.factory.maildrops.release(self._claimed, self)
            self._claimed = 0


_SESSION: dict[str, Callable[[POP3Connection, Command], Awaitable[None]]] = {
    "CAPA": POP3Connection._capa, "QUIT": POP3Connection._quit, "STLS": POP3Connection._stls,
    "UTF8": POP3Connection._utf8, "USER": POP3Connection._user, "PASS": POP3Connection._pass,
    "AUTH": POP3Connection._auth, "LANG": POP3Connection._lang,
}
_TRANSACTION: dict[str, Callable[[Transaction, Command], Awaitable[None]]] = {
    "STAT": Transaction.stat, "LIST": Transaction.list, "UIDL": Transaction.uidl, "RETR": Transaction.retr,
    "TOP": Transaction.top, "DELE": Transaction.dele, "RSET": Transaction.rset, "NOOP": Transaction.noop,
}
