"""Commands that ask others: they need a reactor for a moment."""

from __future__ import annotations

import socket
from collections.abc import Coroutine
from dataclasses import replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from quantummail.fetch.addresses import is_public

if TYPE_CHECKING:
    from quantummail.config import Config

T = TypeVar("T")
# Nothing is sent: the kernel only says which address it would come from
_ANYWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


def sources_doubts(config: Config) -> list[str]:
    """What others may hold against the addresses that mail goes out from, also those that the system chooses."""
    from twisted.internet import reactor

    from quantummail.service.outbound import resolver_of
    from quantummail.service.outbound_sources import all_doubts

    ipv4, ipv6 = (_chosen(family, there) for family, there in _ANYWHERE)
    sending = config.sending
    chosen = replace(config, sending=replace(
        sending, ipv4=sending.ipv4 or (ipv4 if is_sent(sending.family, "ipv4") else ""),
        ipv6=sending.ipv6 or (ipv6 if is_sent(sending.family, "ipv6") else "")))
    return waited_for(all_doubts(chosen, resolver_of(config, reactor)), reactor)


def is_sent(family: str, wanted: str) -> bool:
    """Whether mail goes out over a family."""
    return family in ("any", wanted)


def _chosen(family: socket.AddressFamily, there: str) -> str:
    """What the system would choose; empty where that is no public address (behind NAT others see another one)."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((there, 25))
            address = str(probe.getsockname()[0])
    except OSError:
        return ""
    return address if is_public(ip_address(address)) else ""


def waited_for(work: Coroutine[Any, Any, T], reactor: Any) -> T:
    """The result of a coroutine that needs the reactor, which runs only for it."""
    outcome: list[Any] = []

    def begin() -> None:
        Deferred.fromCoroutine(work).addBoth(outcome.append).addBoth(lambda _none: reactor.stop())

    reactor.callWhenRunning(begin)
    reactor.run(installSignalHandlers=False)
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    result: T = outcome[0]
    return result
