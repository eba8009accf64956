"""An HTTP client that goes only where it may.

The name is resolved once, every address it has is checked, and the connection goes to an address that was checked: a
name that changes its address in between (DNS rebinding) gains nothing. No redirections, no cookies, no proxies.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from OpenSSL.SSL import Error as TlsError
from service_identity import VerificationError
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.defer import TimeoutError as TooLate
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer

from quantummail.dns.errors import DnsError
from quantummail.dns.exchange import host_addresses
from quantummail.fetch.addresses import Network, refused

if TYPE_CHECKING:
    from twisted.internet.interfaces import IConsumer, IProtocol, IProtocolFactory
    from twisted.python.failure import Failure
    from twisted.web.client import URI
    from twisted.web.iweb import IResponse

    from quantummail.dns.resolver import Resolver

_CONNECT = 15.0


class FetchFailed(Exception):
    """There is no answer. The text says why, fit for reports."""

    def __init__(self, text: str, *, certificate: bool = False, forbidden: bool = False) -> None:
        """
        :param certificate: the server could not prove that it has that name.
        :param forbidden: we did not try: the target is none that requests may go to.
        """
        super().__init__(text)
        self.certificate = certificate
        self.forbidden = forbidden


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What a web server has answered."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case; of several fields with one name the first."""
    body: bytes


class WebClient:
    """Makes requests. Certificates are verified by the system's authorities."""

    def __init__(
        self, reactor: Any, resolver: Resolver, *, allowed: Sequence[Network] = (), ports: Collection[int] = (443,),
        plain: bool = False,
    ) -> None:
        """
        :param allowed: networks that are not public, and may be connected to all the same.
        :param ports: where web servers may listen.
        :param plain: whether http:// is taken too.
        """
        self._reactor = reactor
        self._resolver = resolver
        self._allowed = tuple(allowed)
        self._ports = frozenset(ports)
        self._plain = plain
        self._agent = Agent.usingEndpointFactory(
            reactor, _Endpoints(self), HTTPConnectionPool(reactor, persistent=False))

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None,
        seconds: float = 60.0, most_octets: int = 64 * 1024,
    ) -> WebAnswer:
        """One request, and the whole answer to it; whatever its status is. Raises `FetchFailed`.

        :param seconds: for all of it, from the first question to the last octet.
        :param most_octets: of the answer's body.
        """
        self._check(url)
        fields = Headers({"User-Agent": ["QuantumMail"]})
        for name, text in (headers or {}).items():
            fields.setRawHeaders(name, [text])
        asked = Deferred.fromCoroutine(self._ask(method, url, fields, body, most_octets))
        asked.addTimeout(seconds, self._reactor)
        try:
            return await asked
        except Exception as error:  # the edge: whatever a server does is a failed request
            raise _failed(error, seconds) from error

    async def _ask(self, method: str, url: str, headers: Headers, body: bytes | None, most: int) -> WebAnswer:
        producer = _Octets(body) if body is not None else None
        response: IResponse = await self._agent.request(method.encode("ascii"), url.encode("ascii"), headers, producer)
        reading = _Body(most)
        response.deliverBody(reading)
        octets = await reading.whole
        found = {
            name.decode("latin-1").lower(): values[0].decode("latin-1")
            for name, values in response.headers.getAllRawHeaders() if values
        }
        return WebAnswer(response.code, found, octets)

    def _check(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port or (80 if parts.scheme == "http" else 443)
        except ValueError:
            raise FetchFailed(f"{url!r} is no URL", forbidden=True) from None
        if parts.scheme != "https" and not (self._plain and parts.scheme == "http"):
            raise FetchFailed(f"{url}: only https is allowed", forbidden=True)
        if not parts.hostname or not url.isascii() or not url.isprintable() or " " in url or "@" in parts.netloc:
            raise FetchFailed(f"{url!r} is no URL that can be asked", forbidden=True)
        if port not in self._ports:
            raise FetchFailed(f"{url}: port {port} is not allowed", forbidden=True)

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The addresses of a host, all of which may be connected to. Raises `FetchFailed`."""
        try:
            found: tuple[str, ...] = (str(ip_address(host.strip("[]"))),)
        except ValueError:
            # never the system's resolver: it takes 0x7f000001 and its kin for addresses
            try:
                found = await host_addresses(self._resolver, host)
            except (DnsError, ValueError) as error:
                raise FetchFailed(f"{host} cannot be looked up: {error}") from None
        bad = refused(found, self._allowed)
        if bad:
            raise FetchFailed(f"{host} has the address {bad}, where requests may not go", forbidden=True)
        return found

    async def connected(self, uri: URI, factory: IProtocolFactory) -> IProtocol:
        """A connection to the first address that takes one."""
        host = uri.host.decode("ascii")
        failed: Exception = FetchFailed(f"{host} has no address")
        for address in await self.addresses(host):
            family = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
            endpoint: Any = family(self._reactor, address, uri.port, _CONNECT)
            if uri.scheme == b"https":
                endpoint = wrapClientTLS(optionsForClientTLS(host.strip("[]")), endpoint)
            try:
                protocol: IProtocol = await endpoint.connect(factory)
            except ConnectError as error:
                failed = FetchFailed(f"no connection to {host} at {address}: {error}")
                continue
            return protocol
        raise failed


@implementer(IAgentEndpointFactory)
class _Endpoints:
    def __init__(self, client: WebClient) -> None:
        self._client = client

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: N802  # Twisted calls it
        return _Checked(self._client, uri)


@implementer(IStreamClientEndpoint)
class _Checked:
    def __init__(self, client: WebClient, uri: URI) -> None:
        self._client = client
        self._uri = uri

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return Deferred.fromCoroutine(self._client.connected(self._uri, protocolFactory))


@implementer(IBodyProducer)
class _Octets:
    """The body of a request, which is there already."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.length = len(octets)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:  # noqa: N802  # Twisted calls it
        consumer.write(self._octets)
        return succeed(None)

    def pauseProducing(self) -> None:
        """All is written at once."""

    def resumeProducing(self) -> None:
        """See above."""

    def stopProducing(self) -> None:
        """See above."""


class _Body(Protocol):
    """Collects an answer up to a limit."""

    def __init__(self, most: int) -> None:
        self.whole: Deferred[bytes] = Deferred(lambda _whole: self._hang_up())
        self._most = most
        self._octets = bytearray()

    def dataReceived(self, data: bytes) -> None:
        self._octets += data
        if len(self._octets) > self._most and not self.whole.called:
            self._hang_up()
            self.whole.errback(FetchFailed(f"an answer of more than {self._most} octets"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.whole.callback(bytes(self._octets))
        else:
            self.whole.errback(reason)

    def _hang_up(self) -> None:
        abort = getattr(self.transport, "abortConnection", None) or getattr(self.transport, "loseConnection", None)
        if abort is not None:
            abort()


def _failed(error: Exception, seconds: float) -> FetchFailed:
    """What Twisted wraps in lists of failures, in words."""
    reasons = [failure.value for failure in getattr(error, "reasons", None) or ()] or [error]
    for reason in reasons:
        if isinstance(reason, FetchFailed):
            return reason
        if isinstance(reason, TooLate | CancelledError):
            return FetchFailed(f"no answer within {seconds:g} s")
        if isinstance(reason, VerificationError):
            return FetchFailed("the certificate is for another name", certificate=True)
        if isinstance(reason, TlsError):
            words = "; ".join(str(part[-1]) for part in reason.args[0]) if reason.args and reason.args[0] else ""
            return FetchFailed(f"no TLS: {words or 'the handshake failed'}", certificate="certificate" in words)
    first = reasons[0]
    if isinstance(first, ConnectionClosed):
        return FetchFailed("the connection was closed")
    return FetchFailed(f"{type(first).__name__}: {first}"[:200])
