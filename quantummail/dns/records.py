"""Resource records as values: only what mail asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dns.name import Name
from dns.rdata import Rdata


@dataclass(frozen=True, slots=True)
class Mx:
    """A mail exchange (RFC 1035 3.3.9)."""

    preference: int
    exchange: str
    """Lower case, without the final dot; empty for the root, which is what null MX says (RFC 7505)."""


@dataclass(frozen=True, slots=True)
class Tlsa:
    """What a TLS server has to present (RFC 6698 2.1)."""

    usage: int
    selector: int
    matching: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Srv:
    """Where a service is (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


Value = str | bytes | Mx | Tlsa | Srv
"""A and AAAA: the address; CNAME, NS, PTR: a name; TXT: its strings joined, as octets (RFC 7208 3.3)."""


def name_text(name: Name) -> str:
    """A name as the rest of the program writes it: lower case, no final dot, A-labels."""
    return name.to_text(omit_final_dot=True).lower() if len(name) > 1 else ""


def _mx(rdata: Any) -> Mx:
    return Mx(rdata.preference, name_text(rdata.exchange))


def _tlsa(rdata: Any) -> Tlsa:
    return Tlsa(rdata.usage, rdata.selector, rdata.mtype, bytes(rdata.cert))


def _srv(rdata: Any) -> Srv:
    return Srv(rdata.priority, rdata.weight, rdata.port, name_text(rdata.target))


_VALUES: dict[str, Callable[[Any], Value]] = {
    "A": lambda rdata: str(rdata.address),
    "AAAA": lambda rdata: str(rdata.address),
    "CNAME": lambda rdata: name_text(rdata.target),
    "MX": _mx,
    "NS": lambda rdata: name_text(rdata.target),
    "PTR": lambda rdata: name_text(rdata.target),
    "SRV": _srv,
    "TLSA": _tlsa,
    "TXT": lambda rdata: b"".join(rdata.strings),
}
TYPES = frozenset(_VALUES)


def value(kind: str, rdata: Rdata) -> Value:
    """The value of one record of a type in `TYPES`."""
    return _VALUES[kind](rdata)
