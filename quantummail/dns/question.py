"""One question as octets, and the answer out of octets. Knows no transport."""

from __future__ import annotations

from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from quantummail.dns.errors import NoRecords, NoSuchName, Unavailable
from quantummail.dns.records import TYPES, Value, name_text, value

# What passes every path in one piece (DNS flag day 2020)
_PAYLOAD = 1232


@dataclass(frozen=True, slots=True)
class Answer:
    """The records that a question found."""

    records: tuple[Value, ...]
    authenticated: bool
    """The resolver says that DNSSEC proves them (AD, RFC 4035 3.2.3). Only as true as the way to the resolver is."""
    canonical: str
    """The name that has them, behind all aliases."""
    ttl: int
    """For how many seconds they hold."""


class Spoofed(Exception):
    """Not the answer to this question: somebody guesses, or it comes late."""


class Truncated(Exception):
    """The whole answer does not fit into a datagram: ask by TCP (RFC 7766)."""


class Question:
    """A question for records of one type at one name."""

    __slots__ = ("_message", "kind", "name", "wire")

    def __init__(self, name: str, kind: str) -> None:
        """`name` may have U-labels. ValueError for what is no domain name, or no type that we know."""
        if kind not in TYPES:
            raise ValueError(f"unknown type {kind}")
        try:
            # RFC 5891; practical: what registries would not take passes all the same
            absolute = dns.name.from_text(name, dns.name.root, idna_codec=dns.name.IDNA_2008_Practical)
        except dns.exception.DNSException as error:
            raise ValueError(f"{name!r} is not a domain name") from error
        self.kind = kind
        self.name = name_text(absolute)
        self._message = dns.message.make_query(absolute, kind, use_edns=0, payload=_PAYLOAD)
        # RFC 6840 5.7: the AD bit in a question asks for the AD bit in the answer
        self._message.flags |= dns.flags.AD
        self.wire = self._message.to_wire()

    def __str__(self) -> str:
        return f"{self.name or '.'} {self.kind}"

    def answer(self, octets: bytes) -> Answer:
        """Read an answer. `NoRecords`, `NoSuchName` and `Unavailable` are answers too.

        `Spoofed` and `Truncated` mean that the answer is still to come.
        """
        try:
            message = dns.message.from_wire(octets, ignore_trailing=True)
        except dns.message.Truncated as error:
            raise Truncated from error
        except (dns.exception.DNSException, ValueError, IndexError) as error:
            raise Unavailable(f"{self}: the answer cannot be read") from error
        if not self._message.is_response(message):
            raise Spoofed
        if message.flags & dns.flags.TC:
            raise Truncated
        code = message.rcode()
        if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) or not isinstance(message, dns.message.QueryMessage):
            raise Unavailable(f"{self}: {dns.rcode.to_text(code)}")
        return self._found(message)

    def _found(self, message: dns.message.QueryMessage) -> Answer:
        try:
            chain = message.resolve_chaining()
        except dns.exception.DNSException as error:
            raise Unavailable(f"{self}: the answer contradicts itself") from error
        if chain.answer is None:
            if message.rcode() == dns.rcode.NXDOMAIN:
                raise NoSuchName(f"{self}: no such name", chain.minimum_ttl)
            raise NoRecords(f"{self}: no such records", chain.minimum_ttl)
        return Answer(
            tuple(value(self.kind, rdata) for rdata in chain.answer),
            bool(message.flags & dns.flags.AD), name_text(chain.canonical_name), chain.minimum_ttl,
        )
