"""Which hosts a route leads to now, and what protection each has to give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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


class Policies(Protocol):
    """Knows what protection domains and hosts ask for: MTA-STS, DANE, the configuration."""

    async def protect(self, domain: str, found: MailHosts) -> Sequence[tuple[MailHost, Protection]]:
        """The hosts that may be used, each with its protection. `NoWay` if none may."""

    def failed(self, domain: str, host: str, protection: Protection, result: str, reason: str) -> None:
        """TLS could not be had as it was asked for: to be counted for reports (RFC 8460)."""


class Opportunistic:
    """No policies: TLS where it is offered."""

    async def protect(self, _domain: str, found: MailHosts) -> Sequence[tuple[MailHost, Protection]]:
        """All hosts, with what TLS they have."""
        return [(host, Protection()) for host in found.hosts]

    def failed(self, _domain: str, _host: str, _protection: Protection, _result: str, _reason: str) -> None:
        """Nobody wants to know."""


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

    async def candidates(self, route: Route, *, require_tls: bool = False) -> list[Candidate]:
        """At least one address, or `NoWay`."""
        if route.way is Way.RELAY and not route.by_mx:
            found = await self._relay(route)
        elif route.name.startswith("["):
            found = [self._literal(route.name)]
        else:
            found = await self._by_mx(route)
        if not require_tls:
            return found
        # RFC 8689 4.2.1: the host has to prove who it is; where no policy asks for it, its name does
        return [
            one if one.protection.mode in (Mode.VERIFY, Mode.DANE)
            else replace(one, protection=Protection(Mode.VERIFY, (one.hostname,), source="REQUIRETLS"))
            for one in found
        ]

    def tls_failed(self, candidate: Candidate, result: str, reason: str) -> None:
        """Tell the policies."""
        self._policies.failed(candidate.domain, candidate.hostname, candidate.protection, result, reason)

    async def _by_mx(self, route: Route) -> list[Candidate]:
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
        hosts = await self._policies.protect(domain, found)
        return [
            Candidate(host.name, address, port, protection, domain)
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

    def _literal(self, name: str) -> Candidate:
        address = name[1:-1].removeprefix("ipv6:")
        if not self._literals:
            raise NoWay(RemoteReply(550, "5.1.2", "mail to address literals is not sent from here"))
        if not _is_address(address):
            raise NoWay(RemoteReply(550, "5.1.2", f"{name} is not an address"))
        return Candidate(address, address, self._port, Protection())


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
