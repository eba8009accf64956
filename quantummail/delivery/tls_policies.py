"""What protection a delivery needs: what the configuration says, DANE, MTA-STS, and what the sender asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from twisted.logger import Logger

from quantummail.delivery import dane
from quantummail.delivery.hosts import Demand, NoWay
from quantummail.dns.errors import Unavailable
from quantummail.policy.mta_sts import BadPolicy, StsPolicy, parse_policy
from quantummail.smtp.remote import RemoteReply
from quantummail.store.errors import StoreError
from quantummail.store.tls_results import TlsResult
from quantummail.tls.outbound import Mode, Protection

if TYPE_CHECKING:
    from quantummail.delivery.hosts import Candidate
    from quantummail.delivery.sts import Discovered, StsDiscovery
    from quantummail.dns.exchange import MailHost, MailHosts
    from quantummail.dns.resolver import Resolver
    from quantummail.tls.outbound import TlsState

MTA_STS = "MTA-STS"
CONFIGURATION = "configuration"
REQUIRETLS = "REQUIRETLS"
LEVELS = ("none", "opportunistic", "encrypt", "verify", "dane-only")
_TYPES = {dane.SOURCE: "tlsa", MTA_STS: "sts"}
_PROVEN = (Mode.VERIFY, Mode.DANE)

Way = tuple["MailHost", Protection]


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """What the administrator decides."""

    levels: Sequence[tuple[str, str]] = ()
    """Domains and one of `LEVELS`; ``.example.com`` is everything below, ``*`` all. The first that applies counts."""
    dane: bool = True
    mta_sts: bool = True

    def level(self, domain: str) -> str:
        """What the configuration says about a domain; empty: nothing."""
        for pattern, level in self.levels:
            if pattern in ("*", domain) or (pattern.startswith(".") and domain.endswith(pattern)):
                return level
        return ""


class TlsPolicies:
    """Implements `hosts.Policies`."""

    log = Logger(namespace="quantummail.delivery")

    def __init__(
        self, resolver: Resolver, sts: StsDiscovery, settings: PolicySettings = PolicySettings(),  # a frozen value
        count: Callable[[TlsResult], None] = lambda _result: None,
    ) -> None:
        """`count` is told of every connection."""
        self._resolver = resolver
        self._sts = sts
        self._settings = settings
        self._count = count

    async def protect(
        self, domain: str, found: MailHosts, port: int = 25, demand: Demand = Demand.USUAL
    ) -> Sequence[Way]:
        """The hosts that may be used, each with its protection. `NoWay` if none may."""
        level = self._settings.level(domain)
        if demand is Demand.REQUIRED:
            if level == "none":
                raise NoWay(RemoteReply(550, "5.7.30", f"TLS to {domain} is switched off here, and required"))
        elif level in ("none", "opportunistic"):
            return [(host, Protection(Mode(level), source=CONFIGURATION)) for host in found.hosts]
        elif demand is Demand.WAIVED and not level:
            # RFC 8689 3: policies of the recipient's domain do not matter to this sender
            return [(host, Protection(source="TLS-Required: No")) for host in found.hosts]
        ways: Sequence[Way] = await self._by_dane(domain, found, port)
        if level == "dane-only":
            return self._only_dane(domain, ways)
        ways = await self._by_sts(domain, ways, found, demand)
        return [(host, _at_least(level, host, protection)) for host, protection in ways]

    # DANE (RFC 7672).

    async def _by_dane(self, domain: str, found: MailHosts, port: int) -> list[Way]:
        """All hosts; those whose TLSA records cannot be looked up are left out, since they may not be used."""
        if not self._settings.dane or not self._resolver.validating or not found.authenticated:
            return [(host, Protection()) for host in found.hosts]
        ways: list[Way] = []
        failed: list[str] = []
        for host in found.hosts:
            try:
                protection = await dane.dane_protection(self._resolver, host, port, domain)
            except Unavailable as error:
                failed.append(str(error))
                self.log.warn("{host} of {domain} is not used: its TLSA records cannot be looked up: {reason}",
                              host=host.name, domain=domain, reason=str(error))
                self._count(TlsResult(0, domain, "tlsa", "", "dnssec-invalid", host.name, reason=str(error)))
            else:
                ways.append((host, protection or Protection()))
        if not ways:
            raise NoWay(RemoteReply(451, "4.7.5", "the TLSA records of the mail host of "
                                    f"{domain} cannot be looked up: {failed[0]}"))
        return ways

    def _only_dane(self, domain: str, ways: Sequence[Way]) -> list[Way]:
        chosen = [(host, protection) for host, protection in ways if protection.mode is Mode.DANE]
        if not chosen:
            reason = "" if self._resolver.validating else ", and our resolver is none that validates"
            raise NoWay(RemoteReply(
                451, "4.7.5", f"the configuration wants DANE, and {domain} has no host with TLSA records{reason}"))
        return chosen

    # MTA-STS (RFC 8461).

    async def _by_sts(self, domain: str, ways: Sequence[Way], found: MailHosts, demand: Demand) -> Sequence[Way]:
        if not self._settings.mta_sts or all(protection.mode is Mode.DANE for _, protection in ways):
            # RFC 8461 2: DANE counts first
            return ways if demand is not Demand.REQUIRED else _required(domain, ways, found, None)
        discovered = await self._discover(domain)
        policy = discovered.policy
        if policy is not None and policy.mode != "none":
            ways = self._under_policy(domain, ways, policy)
        return ways if demand is not Demand.REQUIRED else _required(domain, ways, found, discovered)

    async def _discover(self, domain: str) -> Discovered:
        try:
            discovered = await self._sts.of(domain)
        except StoreError as error:
            raise NoWay(RemoteReply(451, "4.3.0", f"the policy of {domain} cannot be read: {error}")) from error
        if discovered.problem:
            self._count(TlsResult(0, domain, "sts", "", discovered.problem, reason=discovered.reason[:200]))
        return discovered

    def _under_policy(self, domain: str, ways: Sequence[Way], policy: StsPolicy) -> list[Way]:
        lines = tuple(line for line in policy.text.splitlines() if line.strip())
        if policy.mode == "testing":
            # RFC 8461 5: delivered as if there were no policy, and counted as if there were
            return [(host, replace(protection, source=MTA_STS, policy=lines)
                     if protection.mode is Mode.OPPORTUNISTIC else protection) for host, protection in ways]
        chosen = [
            # RFC 8461 4.1: the certificate is for the host, by its whole name
            (host, protection if protection.mode is Mode.DANE
             else Protection(Mode.VERIFY, (host.name,), source=MTA_STS, policy=lines))
            for host, protection in ways if protection.mode is Mode.DANE or policy.covers(host.name)
        ]
        if not chosen:
            names = ", ".join(host.name for host, _ in ways)
            reason = f"the MTA-STS policy of {domain} does not name its mail host {names}"
            self._count(TlsResult(0, domain, "sts", "\n".join(lines), "validation-failure", ways[0][0].name,
                                  reason=reason[:200]))
            raise NoWay(RemoteReply(451, "4.7.5", reason))
        return chosen

    # What became of it (RFC 8460).

    def failed(self, candidate: Candidate, source: str, result: str, reason: str) -> None:
        """TLS could not be had as it was asked for."""
        protection = candidate.protection
        if protection.source in (CONFIGURATION, "TLS-Required: No"):
            return
        self._count(TlsResult(
            0, candidate.domain, _TYPES.get(protection.source, "no-policy-found"), "\n".join(protection.policy),
            result or "validation-failure", candidate.hostname, candidate.address, source, reason[:200]))

    def connected(self, candidate: Candidate, source: str, tls: TlsState | None) -> None:
        """A connection stands, with this TLS."""
        protection = candidate.protection
        if protection.source in (CONFIGURATION, "TLS-Required: No"):
            return
        problem, reason = "", ""
        if tls is None:
            problem = "starttls-not-supported"
        elif protection.source == MTA_STS and protection.mode is Mode.OPPORTUNISTIC:
            problem, reason = _in_testing(candidate, tls)
        if problem:
            self.failed(candidate, source, problem, reason)
            if protection.source == MTA_STS:
                self.log.warn("{host} of {domain} does not keep its MTA-STS policy, which is in testing: {result}",
                              host=candidate.hostname, domain=candidate.domain, result=problem)
            return
        self._count(TlsResult(
            0, candidate.domain, _TYPES.get(protection.source, "no-policy-found"), "\n".join(protection.policy)))


def _in_testing(candidate: Candidate, tls: TlsState) -> tuple[str, str]:
    """What would have gone wrong, had the policy been in force."""
    try:
        covered = parse_policy("\n".join(candidate.protection.policy).encode()).covers(candidate.hostname)
    except BadPolicy:
        covered = False
    if not covered:
        return "validation-failure", "the policy does not name this mail host"
    return ("", "") if tls.verified else (tls.problem or "validation-failure", "")


def _at_least(level: str, host: MailHost, protection: Protection) -> Protection:
    """No less than the configuration wants. What proves the host is never less than `verify`."""
    if level == "verify" and protection.mode not in _PROVEN:
        return Protection(Mode.VERIFY, (host.name,), source=CONFIGURATION)
    if level == "encrypt" and protection.mode is Mode.OPPORTUNISTIC:
        return Protection(Mode.ENCRYPT, source=CONFIGURATION)
    return protection


def _required(domain: str, ways: Sequence[Way], found: MailHosts, discovered: Discovered | None) -> list[Way]:
    """RFC 8689 4.2.1: DNSSEC or MTA-STS prove which hosts are the domain's, and each host proves who it is."""
    policy = discovered.policy if discovered is not None else None
    chosen = [
        (host, protection if protection.mode in _PROVEN
         else Protection(Mode.VERIFY, (host.name,), source=REQUIRETLS))
        for host, protection in ways
        if found.authenticated or (policy is not None and policy.mode != "none" and policy.covers(host.name))
    ]
    if chosen:
        return chosen
    if discovered is not None and discovered.problem:
        raise NoWay(RemoteReply(451, "4.7.5", f"the MTA-STS policy of {domain} cannot be had: {discovered.reason}"))
    raise NoWay(RemoteReply(
        550, "5.7.30", "the message requires TLS all the way, and neither DNSSEC nor MTA-STS prove which mail hosts "
        f"{domain} has"))
