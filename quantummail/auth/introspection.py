"""Asking an authorization server about a token (RFC 7662): is it active, whose is it, is it meant for us."""

from __future__ import annotations

import binascii
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote_plus, urlencode

from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.web.client import Agent, BrowserLikePolicyForHTTPS, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer
from zope.interface import implementer

from quantummail.auth.attempt import LoginUnavailable
from quantummail.auth.names import normalised

if TYPE_CHECKING:
    from twisted.internet.interfaces import IConsumer, IReactorTime
    from twisted.python.failure import Failure

MAX_ANSWER = 65_536
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class IntrospectionSettings:
    """Whom to ask, and what a token must have."""

    url: str
    client_id: str
    client_secret: str
    username_claims: tuple[str, ...] = ("username", "email")
    """Where the account's address is; the first that holds one counts."""
    scopes: tuple[str, ...] = ()
    """All of these must be in the token's scope."""
    audience: str = ""
    """What must be in `aud`; empty: anything."""
    timeout: float = 10.0
    remembered_for: float = 60.0
    """Seconds for which an answer counts; a token that is revoked works for so long."""
    openid_configuration: str = ""
    """Where clients find out how to get tokens (RFC 7628 3.2.2)."""

    def __repr__(self) -> str:
        return f"IntrospectionSettings(url={self.url!r}, client_id={self.client_id!r})"


class Introspection:
    """Answers whose a token is. One for the server."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.auth")

    def __init__(self, settings: IntrospectionSettings, agent: IAgent, clock: IReactorTime,
                 wall: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._agent = agent
        self._clock = clock
        self._wall = wall
        self._owners: OrderedDict[bytes, tuple[str, float]] = OrderedDict()

    async def owner(self, token: str) -> str | None:
        """The address of the account that an active token is for; None for any other. Raises `LoginUnavailable`."""
        # the token itself is kept nowhere
        key = hashlib.sha256(token.encode()).digest()
        owner, until = self._owners.get(key, ("", 0.0))
        now = self._wall()
        if owner and now < until:
            return owner
        self._owners.pop(key, None)
        claims = await self._claims(token)
        found = self._owner(claims, now)
        if found is None:
            return None
        expires = claims.get("exp")
        until = now + self.settings.remembered_for
        self._owners[key] = found, min(until, expires) if isinstance(expires, int | float) else until
        if len(self._owners) > _REMEMBERED:
            self._owners.popitem(last=False)
        return found

    def error(self, *, xoauth2: bool) -> bytes:
        """What a client is told about a token that is not good (RFC 7628 3.2.2, or Google's form of it)."""
        settings = self.settings
        words = {"status": "401", "schemes": "bearer"} if xoauth2 else {"status": "invalid_token"}
        if settings.scopes:
            words["scope"] = " ".join(settings.scopes)
        if settings.openid_configuration and not xoauth2:
            words["openid-configuration"] = settings.openid_configuration
        return json.dumps(words, separators=(",", ":")).encode("ascii")

    def _owner(self, claims: dict[str, Any], now: float) -> str | None:
        if claims.get("active") is not True:
            return None
        expires = claims.get("exp")
        if isinstance(expires, int | float) and expires <= now:
            return None
        reason = self._objection(claims)
        if reason:
            self.log.warn("a token was refused: {reason}", reason=reason)
            return None
        for name in self.settings.username_claims:
            value = claims.get(name)
            if name == "email" and claims.get("email_verified", True) is not True:
                # whoever may write any address into his profile would read anybody's mail
                continue
            address = normalised(value) if isinstance(value, str) else ""
            if address:
                return address
        self.log.warn("a token was refused: no address in {claims}", claims=", ".join(self.settings.username_claims))
        return None

    def _objection(self, claims: dict[str, Any]) -> str:
        scope = claims.get("scope")
        granted = scope.split() if isinstance(scope, str) else []
        missing = [wanted for wanted in self.settings.scopes if wanted not in granted]
        if missing:
            return f"its scope lacks {' '.join(missing)}"
        wanted, audience = self.settings.audience, claims.get("aud")
        if wanted and wanted not in (audience if isinstance(audience, list) else [audience]):
            return f"it is not meant for {wanted}"
        return ""

    async def _claims(self, token: str) -> dict[str, Any]:
        asked = Deferred.fromCoroutine(self._ask(token))
        asked.addTimeout(self.settings.timeout, self._clock)
        try:
            status, body = await asked
            claims = json.loads(body) if status == 200 else None
        except Exception as error:  # noqa: BLE001  # the edge: a server that is away, slow, or talks nonsense
            self.log.error("token introspection at {url} failed: {reason}", url=self.settings.url,
                           reason=f"{type(error).__name__}: {error}"[:300])
            raise LoginUnavailable from None
        if not isinstance(claims, dict):
            self.log.error("token introspection at {url} failed: status {status}, and no JSON object",
                           url=self.settings.url, status=status)
            raise LoginUnavailable
        return claims

    async def _ask(self, token: str) -> tuple[int, bytes]:
        settings = self.settings
        # RFC 6749 2.3.1: both are form-encoded before
        pair = f"{quote_plus(settings.client_id)}:{quote_plus(settings.client_secret)}".encode()
        headers = Headers({
            b"Authorization": [b"Basic " + binascii.b2a_base64(pair, newline=False)],
            b"Content-Type": [b"application/x-www-form-urlencoded"], b"Accept": [b"application/json"],
            b"User-Agent": [b"QuantumMail"],
        })
        # RFC 7662 2.1
        form = urlencode({"token": token, "token_type_hint": "access_token"}).encode("ascii")
        response = await self._agent.request(b"POST", settings.url.encode("ascii"), headers, _Form(form))
        body = _Body()
        response.deliverBody(body)
        return response.code, await body.whole


def make_agent(reactor: Any, timeout: float) -> IAgent:
    """The HTTP client: certificates are checked, nothing is kept open, no redirection is followed."""
    return Agent(reactor, BrowserLikePolicyForHTTPS(), connectTimeout=timeout,
                 pool=HTTPConnectionPool(reactor, persistent=False))


@implementer(IBodyProducer)
class _Form:
    """The octets of a request, which are there already."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:  # noqa: N802  # Twisted calls it
        consumer.write(self._data)
        return succeed(None)

    def pauseProducing(self) -> None:
        """All is written at once."""

    def resumeProducing(self) -> None:
        """See above."""

    def stopProducing(self) -> None:
        """See above."""


class _Body(Protocol):
    """Collects an answer, up to `MAX_ANSWER` octets."""

    def __init__(self) -> None:
        self.whole: Deferred[bytes] = Deferred(self._cancel)
        self._data = bytearray()
        self._over = False

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > MAX_ANSWER and not self._over:
            self._end(ValueError(f"an answer of more than {MAX_ANSWER} octets"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._over:
            return
        self._over = True
        if reason.check(ResponseDone, PotentialDataLoss):
            self.whole.callback(bytes(self._data))
        else:
            self.whole.errback(reason)

    def _cancel(self, _: Deferred[bytes]) -> None:
        self._over = True
        self._hang_up()

    def _end(self, error: Exception) -> None:
        self._over = True
        self._hang_up()
        self.whole.errback(error)

    def _hang_up(self) -> None:
        abort = getattr(self.transport, "abortConnection", None)
        if abort is not None:
            abort()
