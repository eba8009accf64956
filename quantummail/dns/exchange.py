"""Where the mail of a domain goes: MX records, and the addresses behind them (RFC 5321 5.1)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from twisted.internet.defer import Deferred, gatherResults

from quantummail.dns.errors import DnsError, NoRecords, NoSuchName, Unavailable
from quantummail.dns.records import Mx

if TYPE_CHECKING:
    from quantummail.dns.question import Answer
    from quantummail.dns.resolver import Resolver

# A domain with more hosts or addresses than these is tried on its best ones
MOST_HOSTS = 10
MOST_ADDRESSES = 20

Family = Literal["any", "ipv4", "ipv6"]
Ours = Callable[[str, Sequence[str]], bool]


class NullMx(DnsError):
    """The domain says that it takes no mail (RFC 7505): 556 5.1.10."""


class MailLoop(DnsError):
    """The best host for this domain is this server, which does not know the domain (RFC 5321 5.1): 554 5.4.6."""


@dataclass(frozen=True, slots=True)
class MailHost:
    """One host that takes mail for a domain."""

    name: str
    preference: int
    addresses: tuple[str, ...]
    """In the order to try them."""
    authenticated: bool
    """DNSSEC proves the addresses."""
    canonical: str
    """The name behind aliases; TLSA records may stand there (RFC 7672 2.2.2)."""


@dataclass(frozen=True, slots=True)
class MailHosts:
    """The hosts of a domain, in the order to try them."""

    domain: str
    hosts: tuple[MailHost, ...]
    implicit: bool
    """There are no MX records: the domain's own address is its host."""
    authenticated: bool
    """DNSSEC proves which hosts these are."""


async def mail_hosts(
    resolver: Resolver, domain: str, *, family: Family = "any", ours: Ours | None = None,
) -> MailHosts:
    """Find out where mail for a domain goes.

    `NullMx` and `NoRecords` (no MX and no address) are final. `Unavailable` is not. `ours` tells whether a host, by
    name and addresses, is this server: it and what is not better than it are left out (`MailLoop` if that is all).
    """
    try:
        answer = await resolver.query(domain, "MX")
    except NoSuchName:
        raise
    except NoRecords:
        host = await _host(resolver, Mx(0, domain), family)
        if ours is not None and ours(host.name, host.addresses):
            raise MailLoop(f"{domain} is this server, which does not know that domain") from None
        return MailHosts(domain, (host,), True, host.authenticated)
    records = [record for record in answer.records if isinstance(record, Mx)]
    named = [record for record in records if record.exchange]
    if not named:
        raise NullMx(f"{domain} takes no mail")
    hosts = await _hosts(resolver, _ordered(named), family)
    return MailHosts(domain, _better(domain, hosts, ours), False, answer.authenticated)


def _ordered(records: Sequence[Mx]) -> list[Mx]:
    """By preference; those that are equal in any order, so that they share the load (RFC 5321 5.1)."""
    shuffled = random.sample(records, len(records))
    return sorted(shuffled, key=lambda record: record.preference)[:MOST_HOSTS]


async def _hosts(resolver: Resolver, records: Sequence[Mx], family: Family) -> list[MailHost]:
    outcomes = await gatherResults([Deferred.fromCoroutine(_tried(resolver, record, family)) for record in records])
    hosts: list[MailHost] = []
    addresses = 0
    for host in outcomes:
        if isinstance(host, MailHost) and addresses < MOST_ADDRESSES:
            hosts.append(host)
            addresses += len(host.addresses)
    if hosts:
        return hosts
    temporary = [error for error in outcomes if isinstance(error, Unavailable)]
    raise (temporary or outcomes)[0]  # type: ignore[misc]  # without a host all outcomes are errors


async def _tried(resolver: Resolver, record: Mx, family: Family) -> MailHost | DnsError:
    try:
        return await _host(resolver, record, family)
    except DnsError as error:
        return error
    except ValueError:
        return NoRecords(f"{record.exchange!r} is not the name of a host")


async def host_addresses(resolver: Resolver, name: str, family: Family = "any") -> tuple[str, ...]:
    """The addresses of a host, in the order to try them. Raises like `mail_hosts`."""
    return (await _host(resolver, Mx(0, name), family)).addresses


async def _host(resolver: Resolver, record: Mx, family: Family) -> MailHost:
    kinds = {"any": ("AAAA", "A"), "ipv4": ("A",), "ipv6": ("AAAA",)}[family]
    outcomes = await gatherResults(
        [Deferred.fromCoroutine(_addresses(resolver, record.exchange, kind)) for kind in kinds])
    answers = [outcome for outcome in outcomes if not isinstance(outcome, DnsError)]
    if not answers:
        temporary = [outcome for outcome in outcomes if isinstance(outcome, Unavailable)]
        raise (temporary or outcomes)[0]  # type: ignore[misc]  # without an answer all outcomes are errors
    found = tuple(str(address) for answer in answers for address in random.sample(answer.records, len(answer.records)))
    return MailHost(
        record.exchange, record.preference, found[:MOST_ADDRESSES],
        all(answer.authenticated for answer in answers), answers[0].canonical,
    )


async def _addresses(resolver: Resolver, name: str, kind: str) -> Answer | DnsError:
    try:
        return await resolver.query(name, kind)
    except DnsError as error:
        return error


def _better(
    domain: str, hosts: Sequence[MailHost], ours: Ours | None
) -> tuple[MailHost, ...]:
    if ours is None:
        return tuple(hosts)
    limit = min((host.preference for host in hosts if ours(host.name, host.addresses)), default=None)
    if limit is None:
        return tuple(hosts)
    better = tuple(host for host in hosts if host.preference < limit)
    if not better:
        raise MailLoop(f"the best mail host of {domain} is this server, which does not know that domain")
    return better
