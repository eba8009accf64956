"""Which hosts a route leads to now, and what protection each has to give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol

from quantummail.delivery.outcome import Fate
from quantummail.delivery.route import Way
from quantummail.dns.errors import NoRecords, NoSuchName, Unavailable
from quantummail.dns.exchange import Family, MailHost, MailHosts, MailLoop, NullMx, host_addresses, mail_hosts
from quantummail.smtp.remote import RemoteReply
from quantummail.tls.outbound import Mode, Protection

if TYPE_CHECKING:
    from quantummail.delivery.route import Route
    from quantummail.dns.resolver import Resolver
    from quantummail.store.outgoing_records import OutgoingMessage
    from quantummail.tls.outbound import TlsState


@dataclass(frozen=True, slots=True)
class Candidate:
    """One address to try."""

    hostname: str
    address: str
    port: int
    protection: Protection
    domain: str = ""
    """Whose mail it is for."""


class NoWay(Exception):
    """There is nobody to connect to. Knows the reply that a recipient gets for it."""

    def __init__(self, reply: RemoteReply) -> None:
        super().__init__(str(reply))
        self.reply = reply

    @property
    def fate(self) -> Fate:
        """Whether that will stay so."""
        return Fate.FAILED if self.reply.permanent else Fate.DEFERRED


class Demand(Enum):
    """What the sender of a message says about TLS (RFC 8689)."""

    USUAL = "usual"
    REQUIRED = "required"
    """REQUIRETLS: only over TLS, with hosts that prove who they are, and that will ask for the same."""
    WAIVED = "waived"
    """``TLS-Required: No``: the policies of the recipient's domain do not matter."""

    @classmethod
    def of(cls, message: OutgoingMessage) -> Demand:
        """A message's. What the envelope says counts before the header (RFC 8689 3)."""
        if message.require_tls:
            return cls.REQUIRED
        return cls.WAIVED if message.tls_optional else cls.USUAL


class Policies(Protocol):
    """Knows what protection domains and hosts ask for: MTA-STS, DANE, the configuration."""

    async def protect(
        self, domain: str, found: MailHosts, port: int = 25, demand: Demand = Demand.USUAL
    ) -> Sequence[tuple[MailHost, Protection]]:
        """The hosts that may be used, each with its protection. `NoWay` if none may."""

    def failed(self, candidate: Candidate, source: str, result: str, reason: str) -> None:
        """TLS could not be had as it was asked for: to be counted for reports (RFC 8460). `source`: our address."""

    def connected(self, candidate: Candidate, source: str, tls: TlsState | None) -> None:
        """A connection stands, with this TLS: to be counted, too."""


class Opportunistic:
    """No policies: TLS where it is offered."""

    async def protect(
        self, _domain: str, found: MailHosts, _port: int = 25, demand: Demand = Demand.USUAL
    ) -> Sequence[tuple[MailHost, Protection]]:
        """All hosts, with what TLS they have."""
        if demand is Demand.REQUIRED:
            return [(host, _verified(host.name)) for host in found.hosts]
        return [(host, Protection()) for host in found.hosts]

    def failed(self, _candidate: Candidate, _source: str, _result: str, _reason: str) -> None:
        """Nobody wants to know."""

    def connected(self, _candidate: Candidate, _source: str, _tls: TlsState | None) -> None:
        """The same."""


class Hosts:
    """Finds the addresses to try, in order."""

    def __init__(
        self, resolver: Resolver, policies: Policies, *, port: int = 25, family: Family = "any",
        literals: bool = False, ours: Callable[[str, Sequence[str]], bool] | None = None,
    ) -> None:
        """
        :param literals: whether mail may go to ``user@[192.0.2.1]``.
        :param ours: whether a host, by name and addresses, is this server.
        """
        self._resolver = resolver
        self._policies = policies
        self._port = port
        self._family = family
        self._literals = literals
        self._ours = ours

    async def candidates(self, route: Route, demand: Demand = Demand.USUAL) -> list[Candidate]:
        """At least one address, or `NoWay`."""
        if route.way is Way.RELAY and not route.by_mx:
            found = await self._relay(route)
            # RFC 8689 4.2.1: a relay is named by the configuration; it has to prove that it is the one
            return found if demand is not Demand.REQUIRED else [
                replace(one, protection=_verified(one.hostname)) for one in found]
        if route.name.startswith("["):
            return [self._literal(route.name, demand)]
        return await self._by_mx(route, demand)

    def tls_failed(self, candidate: Candidate, source: str | None, result: str, reason: str) -> None:
        """Tell the policies."""
        if candidate.domain:
            self._policies.failed(candidate, source or "", result, reason)

    def tls_connected(self, candidate: Candidate, source: str | None, tls: TlsState | None) -> None:
        """Tell the policies."""
        if candidate.domain:
            self._policies.connected(candidate, source or "", tls)

    async def _by_mx(self, route: Route, demand: Demand) -> list[Candidate]:
        domain = route.host if route.way is Way.RELAY else route.name
        try:
            found = await mail_hosts(self._resolver, domain, family=self._family, ours=self._ours)
        except ValueError:
            raise NoWay(RemoteReply(550, "5.1.2", f"{domain} is not a domain name")) from None
        except NullMx as error:
            raise NoWay(RemoteReply(556, "5.1.10", str(error))) from None
        except MailLoop as error:
            raise NoWay(RemoteReply(554, "5.4.6", str(error))) from None
        except NoSuchName:
            raise NoWay(RemoteReply(550, "5.1.2", f"the domain {domain} does not exist")) from None
        except NoRecords:
            raise NoWay(RemoteReply(550, "5.1.2", f"the domain {domain} has no mail host")) from None
        except Unavailable as error:
            raise NoWay(RemoteReply(451, "4.4.3", f"the mail host of {domain} cannot be looked up: {error}")) from None
        port = route.port if route.way is Way.RELAY else self._port
        hosts = await self._policies.protect(domain, found, port, demand)
        return [
            Candidate(host.name, address, port, _at_least(route, host.name, protection), domain)
            for host, protection in hosts for address in host.addresses
        ]

    async def _relay(self, route: Route) -> list[Candidate]:
        protection = Protection(route.mode, (route.host,), source="configuration")
        if route.host.startswith("/") or _is_address(route.host):
            return [Candidate(route.host, route.host, route.port, protection)]
        try:
            addresses = await host_addresses(self._resolver, route.host, self._family)
        except (NoRecords, Unavailable, ValueError) as error:
            # also what does not exist: a relay is in the configuration, so that is to be mended, and mail can wait
            raise NoWay(RemoteReply(451, "4.4.3", f"the relay {route.host} cannot be looked up: {error}")) from None
        return [Candidate(route.host, address, route.port, protection) for address in addresses]

    def _literal(self, name: str, demand: Demand) -> Candidate:
        address = name[1:-1].removeprefix("ipv6:")
        if demand is Demand.REQUIRED:
            raise NoWay(RemoteReply(550, "5.7.30", "the message requires TLS, and an address cannot prove who it is"))
        if not self._literals:
            raise NoWay(RemoteReply(550, "5.1.2", "mail to address literals is not sent from here"))
        if not _is_address(address):
            raise NoWay(RemoteReply(550, "5.1.2", f"{name} is not an address"))
        return Candidate(address, address, self._port, Protection())


def _at_least(route: Route, hostname: str, protection: Protection) -> Protection:
    """A route by MX may want more, or nothing at all."""
    if route.way is not Way.RELAY or route.mode is Mode.OPPORTUNISTIC or protection.mode in (Mode.VERIFY, Mode.DANE):
        return protection
    if route.mode is Mode.ENCRYPT and protection.mode is Mode.ENCRYPT:
        return protection
    return Protection(route.mode, (hostname,), source="configuration")


def _verified(hostname: str) -> Protection:
    return Protection(Mode.VERIFY, (hostname,), source="REQUIRETLS")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
