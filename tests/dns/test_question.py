"""Questions and answers as octets."""

from __future__ import annotations

import contextlib
import random

import dns.flags
import dns.message
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.dns.errors import DnsError, NoRecords, NoSuchName, Unavailable
from quantummail.dns.question import Question, Spoofed, Truncated
from quantummail.dns.records import Mx, Srv, Tlsa
from tests.support.zone import Zone

ZONE = Zone({
    "example.test": {
        "MX": ["10 mx1.example.test.", "20 MX2.Example.Test."], "TXT": ['"v=spf1 " "-all"', '"other"'],
        "A": ["192.0.2.1"], "AAAA": ["2001:db8::1"], "NS": ["ns.example.test."],
    },
    "www.example.test": {"CNAME": ["example.test."]},
    "null.test": {"MX": ["0 ."]},
    "_25._tcp.mx1.example.test": {"TLSA": ["3 1 1 " + "ab" * 32]},
    "_imaps._tcp.example.test": {"SRV": ["0 1 993 mail.example.test."]},
    "1.2.0.192.in-addr.arpa": {"PTR": ["mail.example.test."]},
    "broken.test": {"FAIL": []},
    "xn--mnchen-3ya.test": {"A": ["192.0.2.7"]},
})


class AnswerTests(SynchronousTestCase):
    """What answers mean."""

    def records(self, name: str, kind: str) -> set[object]:
        """What the zone has."""
        question = Question(name, kind)
        return set(question.answer(ZONE.response(question.wire)).records)

    def test_values(self) -> None:
        """Each type becomes its value, names in lower case without the final dot."""
        for name, kind, expected in (
            ("example.test", "MX", {Mx(10, "mx1.example.test"), Mx(20, "mx2.example.test")}),
            ("example.test", "TXT", {b"v=spf1 -all", b"other"}),
            ("EXAMPLE.test.", "A", {"192.0.2.1"}),
            ("example.test", "AAAA", {"2001:db8::1"}),
            ("example.test", "NS", {"ns.example.test"}),
            ("null.test", "MX", {Mx(0, "")}),
            ("_25._tcp.mx1.example.test", "TLSA", {Tlsa(3, 1, 1, b"\xab" * 32)}),
            ("_imaps._tcp.example.test", "SRV", {Srv(0, 1, 993, "mail.example.test")}),
            ("1.2.0.192.in-addr.arpa", "PTR", {"mail.example.test"}),
            ("www.example.test", "CNAME", {"example.test"}),
            ("m\u00fcnchen.test", "A", {"192.0.2.7"}),
        ):
            self.assertEqual(self.records(name, kind), expected, (name, kind))

    def test_alias(self) -> None:
        """An alias is followed, and the name behind it told."""
        question = Question("www.example.test", "A")
        answer = question.answer(ZONE.response(question.wire))
        self.assertEqual((answer.records, answer.canonical), (("192.0.2.1",), "example.test"))

    def test_no_records(self) -> None:
        """A name without such records is told from a name that does not exist, and both from trouble."""
        for name, kind, error in (
            ("null.test", "A", NoRecords), ("nobody.test", "A", NoSuchName), ("broken.test", "A", Unavailable),
        ):
            question = Question(name, kind)
            with self.assertRaises(error) as caught:
                question.answer(ZONE.response(question.wire))
            self.assertIs(type(caught.exception), error)
            self.assertIn(name, str(caught.exception))

    def test_negative_ttl(self) -> None:
        """How long an absence holds comes from the SOA record (RFC 2308 5)."""
        question = Question("nobody.test", "A")
        with self.assertRaises(NoSuchName) as caught:
            question.answer(ZONE.response(question.wire))
        self.assertEqual(caught.exception.ttl, 60)

    def test_authenticated(self) -> None:
        """The resolver's word on DNSSEC is told."""
        secure = Zone(ZONE.records, secure=True)
        question = Question("example.test", "MX")
        self.assertFalse(question.answer(ZONE.response(question.wire)).authenticated)
        self.assertTrue(question.answer(secure.response(question.wire)).authenticated)
        self.assertTrue(dns.message.from_wire(question.wire).flags & dns.flags.AD)

    def test_somebody_elses_answer(self) -> None:
        """An answer to another question, or with another id, is none."""
        mine, other = Question("example.test", "A"), Question("null.test", "MX")
        wrong_id = bytearray(ZONE.response(mine.wire))
        wrong_id[0] ^= 0xFF
        for octets in (ZONE.response(other.wire), bytes(wrong_id)):
            self.assertRaises(Spoofed, mine.answer, octets)

    def test_truncated(self) -> None:
        """A truncated answer asks for TCP, whatever it holds."""
        question = Question("example.test", "MX")
        octets = bytearray(ZONE.response(question.wire))
        octets[2] |= 0x02
        self.assertRaises(Truncated, question.answer, bytes(octets))

    def test_names(self) -> None:
        """What is no domain name is refused before anybody is asked."""
        for name in ("a" * 64 + ".test", "a..test", ".".join(["abcdefgh"] * 40), "\ud800.test"):
            self.assertRaises(ValueError, Question, name, "A")
        self.assertRaises(ValueError, Question, "example.test", "NAPTR")

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=80), st.integers(0, 2**32))
    def test_garbage(self, garbage: bytes, seed: int) -> None:
        """Whatever comes, there is an answer, or one of the errors that are foreseen."""
        question = Question("example.test", "MX")
        octets = bytearray(ZONE.response(question.wire))
        chance = random.Random(seed)
        for octet in garbage:
            octets[chance.randrange(2, len(octets))] = octet
        for candidate in (bytes(octets), question.wire[:2] + garbage, garbage):
            with contextlib.suppress(DnsError, Spoofed, Truncated):
                question.answer(candidate)
