"""Commands before login (RFC 3501 6.2), and the initial response of RFC 4959."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from quantummail.auth import sasl
from quantummail.auth.login import LoginFailed, LoginUnavailable
from quantummail.imap import capabilities
from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.registry import NOT_AUTHENTICATED, command
from quantummail.imap.responses import Farewell, Refusal
from quantummail.wire.lines import LineTooLong

if TYPE_CHECKING:
    from quantummail.auth.exchanges import Exchange
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session
    from quantummail.store.records import User
    from quantummail.wire.lines import LineBuffer

T = TypeVar("T")

SASL_IR = capabilities.offer("SASL-IR", before_login=True)


@command("STARTTLS", NOT_AUTHENTICATED)
async def starttls(session: Session, arguments: Cursor) -> None:
    """STARTTLS (RFC 3501 6.2.1)."""
    arguments.end()
    if session.wire.tls:
        raise BadSyntax("TLS is active already")
    if not session.starttls:
        raise BadSyntax("TLS is not available")
    session.wire.begin_tls(session.tag)


@command("LOGIN", NOT_AUTHENTICATED)
async def login(session: Session, arguments: Cursor) -> str:
    """LOGIN (RFC 3501 6.2.3)."""
    arguments.space()
    username = arguments.text()
    arguments.space()
    password = arguments.text()
    arguments.end()
    _require_privacy(session)
    if not capabilities.takes_passwords(session.mechanisms):
        raise Refusal("Passwords are not taken", "CANNOT")
    return await _log_in(session, session.authenticator.login(username, password, session.peer))


@command("AUTHENTICATE", NOT_AUTHENTICATED)
async def authenticate(session: Session, arguments: Cursor) -> str | None:
    """AUTHENTICATE (RFC 3501 6.2.2), with an initial response (RFC 4959)."""
    arguments.space()
    name = arguments.word()
    initial = None
    if not arguments.at_end:
        arguments.space()
        initial = arguments.data[arguments.position :]
        if not session.settings.offers(SASL_IR):
            raise BadSyntax("Too many arguments")
    _require_privacy(session)
    exchange = session.authenticator.exchange(name, session.peer, session.settings.offers)
    if exchange is None:
        raise Refusal("Unsupported authentication mechanism", "CANNOT")
    authentication = Authentication(session, exchange)
    if initial is not None:
        return await authentication.take(initial)
    authentication.challenge(exchange.begin())
    return None


class Authentication:
    """A dialogue of challenges and responses."""

    __slots__ = ("_exchange", "_session", "tag")
    pushes = False
    interruptible = True

    def __init__(self, session: Session, exchange: Exchange) -> None:
        self._session = session
        self._exchange = exchange
        self.tag = session.tag

    def challenge(self, octets: bytes) -> None:
        """Send a challenge; the next line is its response."""
        self._session.dialogue = self
        self._session.write(b"+ " + sasl.encode(octets) + b"\r\n")

    async def step(self, buffer: LineBuffer) -> bool:
        """Take one response."""
        try:
            line = buffer.take_line(sasl.MAX_LINE)
        except LineTooLong:
            raise BadSyntax("Response too long") from None
        if line is None:
            return False
        self._session.dialogue = None
        answer = await self.take(line.rstrip(b"\r\n"))
        if answer is not None:
            await self._session.complete(self.tag, answer)
        return True

    async def take(self, response: bytes) -> str | None:
        """Go on with a response in base64: the text after OK, or None when another challenge was sent."""
        try:
            outcome = await _tried(self._session, self._exchange.answer(sasl.decode(response)))
        except sasl.SaslNotAuthorized as error:
            raise Refusal(str(error).capitalize(), "AUTHORIZATIONFAILED") from None
        except sasl.SaslError as error:
            # RFC 3501 6.2.2: BAD for "*" and for what is no base64
            raise BadSyntax(str(error).capitalize()) from None
        if isinstance(outcome, bytes):
            self.challenge(outcome)
            return None
        return _logged_in(self._session, outcome)

    def close(self) -> None:
        """Nothing is held."""


def _require_privacy(session: Session) -> None:
    if not session.login_allowed:
        # RFC 3501 6.2.3, RFC 5530
        raise Refusal("Log in under TLS, please", "PRIVACYREQUIRED")


async def _log_in(session: Session, attempt: Coroutine[Any, Any, User]) -> str:
    return _logged_in(session, await _tried(session, attempt))


async def _tried(session: Session, attempt: Coroutine[Any, Any, T]) -> T:
    """What comes of an attempt to log in, or the refusal that its failure means."""
    wire, settings = session.wire, session.settings
    try:
        return await attempt
    except LoginUnavailable as error:
        raise Refusal(str(error).capitalize(), "UNAVAILABLE") from None
    except LoginFailed as error:
        await wire.pause(settings.login_delay)
        session.failed_logins += 1
        if session.failed_logins >= settings.login_attempts:
            session.tagged(session.tag, "NO", "[AUTHENTICATIONFAILED] Authentication failed")
            raise Farewell("Too many failed logins") from None
        raise Refusal(str(error).capitalize(), "AUTHENTICATIONFAILED") from None


def _logged_in(session: Session, user: User) -> str:
    wire, settings = session.wire, session.settings
    if session.closed:
        session.authenticator.sessions.leave(user.id, wire.expel)
        raise Farewell("The connection is gone")
    if not session.sessions.enter(user.id, settings.connections_per_user):
        session.authenticator.sessions.leave(user.id, wire.expel)
        raise Refusal("Too many connections of this user", "LIMIT")
    session.user = user
    if user.disabled_capabilities:
        session.settings = replace(settings, disabled=settings.disabled | frozenset(user.disabled_capabilities))
    wire.logged_in()
    return f"[CAPABILITY {session.capability()}] Logged in"
