"""Which addresses a request may go to whose target somebody else has named."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

# RFC 6890 and its registry: what is not the public Internet. Python's `is_global` is of another opinion on some.
_NOT_PUBLIC_4 = tuple(map(IPv4Network, (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
)))
# RFC 4291 2.4: everything else is loopback, link-local, site-local, unique local, multicast, or IPv4 in disguise
# that is mapped, compatible or NAT64
_PUBLIC_6 = IPv6Network("2000::/3")
# protocol assignments with Teredo; documentation; 6to4, which again is IPv4 in disguise; documentation
_NOT_PUBLIC_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public Internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    return (address in _PUBLIC_6 and address.scope_id is None
            and not any(address in network for network in _NOT_PUBLIC_6))


def refused(addresses: Sequence[str], allowed: Sequence[Network] = ()) -> str:
    """The first of the addresses that may not be connected to; empty if all may.

    All of them have to be good: whoever names a target with one of ours among others wants that one.

    :param allowed: networks that are not public, and may be connected to all the same.
    """
    for text in addresses:
        address = ip_address(text)
        if not is_public(address) and not any(address in network for network in allowed):
            return text
    return ""


def networks(words: Sequence[str]) -> tuple[Network, ...]:
    """Networks, as a configuration has them. ValueError for what is none."""
    return tuple(ip_network(word) for word in words)
