"""Where mail goes out from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery.hosts import Candidate
from quantummail.delivery.remote import Source
from quantummail.delivery.sources import (
    AskedSources,
    AskingSettings,
    BadSource,
    RuledSources,
    doubts,
    is_ours,
    parse_source,
)
from quantummail.fetch.client import FetchFailed, WebAnswer
from quantummail.tls.outbound import Protection
from tests.support.stores import now
from tests.support.zone import Zone

USUAL = Source("mail.test", "192.0.2.1")
SECOND = Source("out2.test", "192.0.2.2", "2001:db8::2")


class RuleTests(SynchronousTestCase):
    """Rules of the configuration."""

    def test_written(self) -> None:
        """A pattern, a name, an address or two; `to` for recipients."""
        rule = parse_source("Example.test OUT2.test 2001:db8::2 192.0.2.2")
        self.assertEqual((rule.pattern, rule.of_recipient, rule.source), ("example.test", False, SECOND))
        self.assertTrue(parse_source("to example.test out2.test 192.0.2.2").of_recipient)

    def test_refused(self) -> None:
        """What cannot be understood says why."""
        for text in ("", "a b", "a b c", "a b 192.0.2.1 192.0.2.2", "a b! 192.0.2.1", "a b 1.2.3.4 ::1 ::2"):
            with self.assertRaises(BadSource, msg=text):
                parse_source(text)

    def test_chosen(self) -> None:
        """The first rule that applies counts; without one it is the usual source."""
        rules = RuledSources([parse_source(text) for text in (
            "boss@a.test boss.test 192.0.2.9", "a.test a.test 192.0.2.3", ".b.test b.test 192.0.2.4",
            "to c.test c.test 192.0.2.5")], USUAL)
        for sender, recipient, expected in (
            ("boss@A.test", "x@y.test", "boss.test"), ("x@a.test", "x@c.test", "a.test"),
            ("x@sub.b.test", "x@y.test", "b.test"), ("x@b.test", "x@y.test", "mail.test"),
            ("", "x@C.test", "c.test"), ("", "x@y.test", "mail.test"),
        ):
            self.assertEqual(now(rules.choose(sender, recipient, "d")).name, expected, (sender, recipient))

    def test_family(self) -> None:
        """A source without IPv6 goes to IPv4 where it can; one without any address goes anywhere."""
        four, six = (Candidate("mx", address, 25, Protection()) for address in ("192.0.2.5", "2001:db8::5"))
        self.assertEqual(USUAL.reachable([six, four]), [four])
        self.assertEqual(USUAL.reachable([six]), [six])
        self.assertEqual(Source("x").reachable([six, four]), [six, four])
        self.assertEqual(SECOND.reachable([six, four]), [six, four])


class Service:
    """A service whose answers a test chooses."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.answers: list[Any] = []
        self.gate: Deferred[None] | None = None

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None,
        seconds: float = 60.0, most_octets: int = 64 * 1024,
    ) -> WebAnswer:
        """Answer."""
        assert (method, url, seconds) == ("POST", "https://choose.test/", 5.0)
        assert headers == {"Content-Type": "application/json"}
        assert most_octets < 100_000
        self.asked.append(json.loads(body or b""))
        if self.gate is not None:
            await self.gate
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, words = answer if isinstance(answer, tuple) else (200, answer)
        return WebAnswer(status, {}, words if isinstance(words, bytes) else json.dumps(words).encode())


class AskingTests(SynchronousTestCase):
    """A service that chooses."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.service = Service()
        rules = RuledSources([parse_source("far.test out2.test 192.0.2.2 2001:db8::2")], USUAL)
        self.sources = AskedSources(
            self.clock, self.service, AskingSettings("https://choose.test/"), rules,
            lambda address: address != "192.0.2.66")

    def choose(self, sender: str = "a@x.test", domain: str = "y.test") -> Source:
        """The source, however many times the service has to be asked."""
        chosen = Deferred.fromCoroutine(self.sources.choose(sender, f"b@{domain}", domain))
        self.clock.pump([0.2, 0.4, 0.8])
        return self.successResultOf(chosen)

    def test_answers(self) -> None:
        """Addresses with a name, or with the name that is configured for them, or ours."""
        for number, (answer, expected) in enumerate((
            ({"ipv4": "192.0.2.8", "name": "eight.test"}, Source("eight.test", "192.0.2.8")),
            ({"ip": "192.0.2.2"}, Source("out2.test", "192.0.2.2")),
            ({"ip": "192.0.2.7"}, Source("mail.test", "192.0.2.7")),
            ({"ipv4": "192.0.2.2", "ipv6": "2001:db8::2"}, SECOND),
            ({"ip": "2001:db8::9"}, Source("mail.test", "", "2001:db8::9")),
        )):
            self.service.answers = [answer]
            self.assertEqual(self.choose(domain=f"{number}.test"), expected)
        self.assertEqual(self.service.asked[0], {"sender": "a@x.test", "recipient": "b@0.test", "domain": "0.test"})

    def test_remembered(self) -> None:
        """The same sender and domain: one question for five minutes, and one for all who ask at once."""
        self.service.answers = [{"ip": "192.0.2.2"}, {"ip": "192.0.2.7"}]
        gate: Deferred[None] = Deferred()
        self.service.gate = gate
        both = [Deferred.fromCoroutine(self.sources.choose("a@x.test", "b@y.test", "y.test")) for _ in range(2)]
        gate.callback(None)
        self.assertEqual({self.successResultOf(one).name for one in both}, {"out2.test"})
        self.clock.advance(299)
        self.assertEqual(self.choose().name, "out2.test")
        self.assertEqual(len(self.service.asked), 1)
        self.clock.advance(2)
        self.assertEqual(self.choose().ipv4, "192.0.2.7")

    def test_again(self) -> None:
        """A service that fails is asked three times more; then the rules choose, for half a minute."""
        self.service.answers = [FetchFailed("x"), (503, {}), FetchFailed("x"), {"ip": "192.0.2.7"}]
        self.assertEqual(self.choose().ipv4, "192.0.2.7")
        self.service.answers = [FetchFailed("x")] * 4 + [{"ip": "192.0.2.7"}]
        self.assertEqual(self.choose("a@far.test"), SECOND)
        self.assertEqual(self.choose("a@far.test"), SECOND)
        self.assertEqual(len(self.service.asked), 8)
        self.clock.advance(31)
        self.assertEqual(self.choose("a@far.test").ipv4, "192.0.2.7")

    def test_nonsense(self) -> None:
        """What is no answer, or names an address that is not ours, is as if there were none; it is not asked again."""
        for number, answer in enumerate((
            b"nonsense", [], {}, {"ip": 1}, {"ip": "nowhere"}, {"ip": "192.0.2.66"},
            {"ipv4": "192.0.2.2", "name": "a b"},
            {"ip": "192.0.2.2", "name": 7}, {"ipv4": "192.0.2.2", "ip": "192.0.2.3"},
        )):
            self.service.answers = [answer]
            self.assertEqual(self.choose(domain=f"{number}.test"), USUAL, answer)


class DoubtTests(SynchronousTestCase):
    """Names and addresses that do not fit."""

    def doubts(self, records: dict[str, dict[str, list[str]]]) -> list[str]:
        """Of the usual source."""
        return now(doubts(Zone(records).resolver(), USUAL, lambda _address: True))

    def test_fits(self) -> None:
        """The PTR record says our name, and our name has the address."""
        self.assertEqual(self.doubts({
            "1.2.0.192.in-addr.arpa": {"PTR": ["mail.test."]}, "mail.test": {"A": ["192.0.2.1"]}}), [])

    def test_does_not(self) -> None:
        """Everything that does not fit is told."""
        cases: tuple[tuple[dict[str, dict[str, list[str]]], list[str]], ...] = (
            ({"mail.test": {"A": ["192.0.2.1"]}}, ["192.0.2.1 has no PTR record"]),
            ({"1.2.0.192.in-addr.arpa": {"PTR": ["x.test."]}, "mail.test": {"A": ["192.0.2.1"]}},
             ["says x.test, but we say mail.test"]),
            ({"1.2.0.192.in-addr.arpa": {"PTR": ["mail.test."]}, "mail.test": {"A": ["192.0.2.9"]}},
             ["mail.test does not have the address 192.0.2.1"]),
            ({"1.2.0.192.in-addr.arpa": {"PTR": ["mail.test."]}}, ["mail.test, which we say at 192.0.2.1"]),
            ({"1.2.0.192.in-addr.arpa": {"FAIL": []}, "mail.test": {"FAIL": []}},
             ["the PTR record of 192.0.2.1 cannot be looked up", "mail.test cannot be looked up"]),
        )
        for records, words in cases:
            found = self.doubts(records)
            self.assertEqual(len(found), len(words), found)
            for doubt, word in zip(found, words, strict=True):
                self.assertIn(word, doubt)

    def test_ours(self) -> None:
        """An address that this machine has not is told; loopback it has."""
        self.assertTrue(is_ours("127.0.0.1"))
        self.assertFalse(is_ours("192.0.2.1"))
        self.assertIn("is no address of this machine", now(doubts(Zone({}).resolver(), USUAL))[0])
