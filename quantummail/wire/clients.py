"""What the address of a client tells: whether it is this machine, and which network has to answer for it."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

# Reading an address takes longer than what is done with it, and most clients come back
_REMEMBERED = 4096


def _read(client: str) -> IPv4Address | IPv6Address | None:
    """The address, without the IPv6 around a mapped IPv4 one; None for what is none (a unix socket)."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(_REMEMBERED)
def is_local(client: str) -> bool:
    """Whether nobody on a network can listen to what this client sends: a unix socket or a loopback address."""
    address = _read(client)
    return client == "unix" if address is None else address.is_loopback


@lru_cache(_REMEMBERED)
def network_of(client: str) -> str:
    """What counts as one client: an IPv4 address, the /64 of an IPv6 address, or the text as it is (unix)."""
    address = _read(client)
    if address is None:
        return client
    return str(address) if address.version == 4 else _network(address, 64)


@lru_cache(_REMEMBERED)
def neighbourhood_of(client: str) -> str:
    """The wider network of a client, where guessers rent addresses by the hundred: a /24, or /48 of IPv6."""
    address = _read(client)
    if address is None:
        return client
    return _network(address, 24 if address.version == 4 else 48)


def _network(address: IPv4Address | IPv6Address, prefix: int) -> str:
    return str(ipaddress.ip_network((address, prefix), strict=False))
