"""A zone in memory: answers questions as a recursive resolver does, for tests that need no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
from twisted.internet.task import Clock

from quantummail.dns.errors import Unavailable
from quantummail.dns.question import Answer, Question
from quantummail.dns.resolver import Resolver

_SOA = "ns.invalid. hostmaster.invalid. 1 3600 600 86400 60"


class Zone:
    """Records by name and type, in presentation format; ``FAIL`` instead of records is SERVFAIL."""

    def __init__(self, records: Mapping[str, Mapping[str, Sequence[str]]], *, secure: bool = False, ttl: int = 300
                 ) -> None:
        self.records = {name.lower(): dict(kinds) for name, kinds in records.items()}
        self.secure = secure
        self.ttl = ttl
        self.asked: list[str] = []
        """The questions that came, as ``name TYPE``."""

    def resolver(self, clock: Clock | None = None, *, validating: bool = True) -> Resolver:
        """A resolver that knows this zone and nothing else."""
        async def put(_server: tuple[str, int], question: Question, _seconds: float) -> Answer:
            self.asked.append(str(question))
            return question.answer(self.response(question.wire))

        return Resolver(clock or Clock(), put, [("127.0.0.1", 53)], validating=validating)

    def response(self, wire: bytes) -> bytes:
        """The answer to a question, as octets."""
        query = dns.message.from_wire(wire)
        response = dns.message.make_response(query, recursion_available=True)
        if self.secure:
            response.flags |= dns.flags.AD
        asked = query.question[0]
        name, kind = asked.name, dns.rdatatype.to_text(asked.rdtype)
        for _alias in range(10):
            kinds = self.records.get(name.to_text(omit_final_dot=True).lower())
            if kinds is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                break
            if "FAIL" in kinds:
                response.set_rcode(dns.rcode.SERVFAIL)
                break
            found = kinds.get(kind) or kinds.get("CNAME")
            if not found:
                break
            sort = kind if kind in kinds else "CNAME"
            rrset = dns.rrset.from_text(name, self.ttl, "IN", sort, *found)
            response.answer.append(rrset)
            if sort == kind:
                return response.to_wire()
            name = rrset[0].target
        response.authority.append(dns.rrset.from_text(dns.name.root, 60, "IN", "SOA", _SOA))
        return response.to_wire()


async def dead(_server: tuple[str, int], question: Question, _seconds: float) -> Answer:
    """A resolver that nobody answers."""
    raise Unavailable(f"{question}: no answer")
