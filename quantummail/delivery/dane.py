"""What DNSSEC says about the certificate of a mail host: its TLSA records (RFC 6698, RFC 7672)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.dns.errors import NoRecords
from quantummail.dns.records import Tlsa
from quantummail.tls.outbound import Anchor, Mode, Protection

if TYPE_CHECKING:
    from quantummail.dns.exchange import MailHost
    from quantummail.dns.resolver import Resolver

SOURCE = "DANE"


async def dane_protection(resolver: Resolver, host: MailHost, port: int, domain: str) -> Protection | None:
    """The protection that a host's TLSA records ask for, None if there are none that count.

    Raises `Unavailable`: then nobody knows, and nothing may be sent there (RFC 7672 2.1.2).

    :param domain: whose mail it is.
    """
    for base in await _bases(resolver, host):
        anchors = await _anchors(resolver, f"_{port}._tcp.{base}")
        if not anchors:
            continue
        policy = tuple(map(str, anchors))
        if not any(anchor.usable for anchor in anchors):
            # RFC 7672 2.2: there are records, so there is TLS; with which certificate cannot be told
            return Protection(Mode.ENCRYPT, (host.name,), source=SOURCE, policy=policy)
        # RFC 7672 3.2.2: the names that a certificate under a trust anchor may be for
        names = tuple(dict.fromkeys((base, host.name, domain)))
        return Protection(Mode.DANE, names, anchors, SOURCE, policy)
    return None


async def _bases(resolver: Resolver, host: MailHost) -> tuple[str, ...]:
    """The names that TLSA records are looked for at (RFC 7672 2.2.2, 2.2.3)."""
    if host.authenticated:
        return tuple(dict.fromkeys((host.canonical, host.name)))
    if host.canonical == host.name:
        # without DNSSEC nobody publishes TLSA records, and name servers of old do not answer such questions
        return ()
    try:
        alias = await resolver.query(host.name, "CNAME")
    except NoRecords:
        return ()
    return (host.name,) if alias.authenticated else ()


async def _anchors(resolver: Resolver, name: str) -> tuple[Anchor, ...]:
    try:
        answer = await resolver.query(name, "TLSA")
    except NoRecords:
        return ()
    if not answer.authenticated:
        return ()
    return tuple(
        Anchor(record.usage, record.selector, record.matching, record.data)
        for record in answer.records if isinstance(record, Tlsa)
    )
