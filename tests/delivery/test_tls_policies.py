"""What protection a delivery needs."""

from __future__ import annotations

from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery.hosts import Candidate, Demand, NoWay
from quantummail.delivery.sts import Discovered
from quantummail.delivery.tls_policies import PolicySettings, TlsPolicies
from quantummail.dns.exchange import mail_hosts
from quantummail.policy.mta_sts import parse_policy
from quantummail.store.errors import Unavailable
from quantummail.store.tls_results import TlsResult
from quantummail.tls.outbound import Mode, Protection, TlsState
from tests.support.stores import now
from tests.support.zone import Zone

TLSA = {"TLSA": ["3 1 1 " + "ab" * 32]}
ZONE = {
    "a.test": {"MX": ["10 mx1.a.test.", "20 mx2.a.test."]},
    "mx1.a.test": {"A": ["192.0.2.1"]},
    "mx2.a.test": {"A": ["192.0.2.2"]},
}
POLICY = "version: STSv1\nmode: enforce\nmx: mx1.a.test\nmax_age: 86400\n"
NOTHING = Discovered(None)


class FakeSts:
    """Knows one policy, or a problem."""

    def __init__(self, outcome: Discovered | Exception) -> None:
        self.outcome = outcome

    async def of(self, _domain: str) -> Discovered:
        """It."""
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def policy(text: str = POLICY) -> Discovered:
    """A policy that holds."""
    return Discovered(parse_policy(text.encode()))


class PolicyTestCase(SynchronousTestCase):
    """Policies of a.test."""

    def protect(
        self, sts: Discovered | Exception = NOTHING, *, secure: bool = False, demand: Demand = Demand.USUAL,
        records: dict[str, dict[str, list[str]]] | None = None, validating: bool = True, **settings: Any,
    ) -> list[tuple[str, str, str]]:
        """Host, mode and source for each host that may be used."""
        self.counted: list[TlsResult] = []
        resolver = Zone({**ZONE, **(records or {})}, secure=secure).resolver(validating=validating)
        self.policies = TlsPolicies(
            resolver, cast("Any", FakeSts(sts)), PolicySettings(**settings), self.counted.append)
        found = now(mail_hosts(resolver, "a.test"))
        self.ways = now(self.policies.protect("a.test", found, 25, demand))
        return [(host.name.partition(".")[0], protection.mode.value, protection.source)
                for host, protection in self.ways]

    def no_way(self, *arguments: Any, **rest: Any) -> str:
        """The answer where nothing may be used."""
        with self.assertRaises(NoWay) as caught:
            self.protect(*arguments, **rest)
        reply = caught.exception.reply
        return f"{reply.code} {reply.status}"


class DiscoveredTests(PolicyTestCase):
    """What domains ask for."""

    def test_nothing(self) -> None:
        """Without policies: what TLS there is."""
        self.assertEqual(self.protect(), [("mx1", "opportunistic", ""), ("mx2", "opportunistic", "")])

    def test_dane(self) -> None:
        """A host with TLSA records is held to them, also where others have none."""
        found = self.protect(secure=True, records={"_25._tcp.mx2.a.test": TLSA})
        self.assertEqual(found, [("mx1", "opportunistic", ""), ("mx2", "dane", "DANE")])

    def test_dane_needs_dnssec(self) -> None:
        """Records that nobody proves, or that a resolver proves which is none of ours, are none."""
        unproven: list[dict[str, Any]] = [
            {"secure": False}, {"secure": True, "validating": False}, {"secure": True, "dane": False}]
        for rest in unproven:
            found = self.protect(records={"_25._tcp.mx1.a.test": TLSA}, **rest)
            self.assertEqual({mode for _, mode, _ in found}, {"opportunistic"}, rest)

    def test_dane_unavailable(self) -> None:
        """A host whose TLSA records cannot be looked up is left out, never used without; without any other: later."""
        broken: dict[str, list[str]] = {"FAIL": []}
        self.assertEqual(self.protect(secure=True, records={"_25._tcp.mx1.a.test": broken}),
                         [("mx2", "opportunistic", "")])
        self.assertEqual((self.counted[0].result, self.counted[0].host), ("dnssec-invalid", "mx1.a.test"))
        self.assertEqual(self.no_way(
            secure=True, records={"_25._tcp.mx1.a.test": broken, "_25._tcp.mx2.a.test": broken}), "451 4.7.5")

    def test_sts(self) -> None:
        """In enforce only hosts that the policy names are used, and they have to prove it."""
        self.assertEqual(self.protect(policy()), [("mx1", "verify", "MTA-STS")])
        self.assertEqual(self.ways[0][1].names, ("mx1.a.test",))
        self.assertEqual(self.no_way(policy(POLICY.replace("mx1", "mx9"))), "451 4.7.5")
        self.assertEqual(self.counted[0].result, "validation-failure")

    def test_sts_testing(self) -> None:
        """In testing all hosts are used as if there were no policy; none is no policy at all."""
        self.assertEqual(self.protect(policy(POLICY.replace("enforce", "testing"))),
                         [("mx1", "opportunistic", "MTA-STS"), ("mx2", "opportunistic", "MTA-STS")])
        self.assertEqual(self.protect(policy(POLICY.replace("enforce", "none"))),
                         [("mx1", "opportunistic", ""), ("mx2", "opportunistic", "")])
        self.assertEqual(self.protect(policy(), mta_sts=False),
                         [("mx1", "opportunistic", ""), ("mx2", "opportunistic", "")])

    def test_dane_before_sts(self) -> None:
        """A host with TLSA records is held to those, whatever MTA-STS says; the others to MTA-STS."""
        found = self.protect(policy(), secure=True, records={"_25._tcp.mx2.a.test": TLSA})
        self.assertEqual(found, [("mx1", "verify", "MTA-STS"), ("mx2", "dane", "DANE")])

    def test_sts_problems(self) -> None:
        """A policy that could not be had is counted, and mail goes; one that we may have known defers it."""
        found = self.protect(Discovered(None, "sts-policy-invalid", "no mode"))
        self.assertEqual(len(found), 2)
        self.assertEqual(self.counted, [TlsResult(0, "a.test", "sts", "", "sts-policy-invalid", reason="no mode")])
        self.assertEqual(self.no_way(Unavailable("disk")), "451 4.3.0")


class ConfiguredTests(PolicyTestCase):
    """What the configuration says."""

    def test_patterns(self) -> None:
        """The first pattern that applies counts."""
        settings = PolicySettings([("a.test", "verify"), (".a.test", "none"), ("*", "encrypt")])
        for domain, expected in (("a.test", "verify"), ("b.a.test", "none"), ("ba.test", "encrypt")):
            self.assertEqual(settings.level(domain), expected)
        self.assertEqual(PolicySettings([(".a.test", "none")]).level("a.test"), "")

    def test_less(self) -> None:
        """The administrator may want no TLS, or no policies."""
        for level in ("none", "opportunistic"):
            self.assertEqual(self.protect(policy(), levels=[("a.test", level)]),
                             [("mx1", level, "configuration"), ("mx2", level, "configuration")])

    def test_more(self) -> None:
        """Or more than the domain asks for, never less."""
        dane = {"_25._tcp.mx2.a.test": TLSA}
        for level, expected in (("encrypt", "encrypt"), ("verify", "verify")):
            found = self.protect(secure=True, records=dane, levels=[("*", level)])
            self.assertEqual(found, [("mx1", expected, "configuration"), ("mx2", "dane", "DANE")])
        self.assertEqual(self.protect(policy(), levels=[("*", "encrypt")]), [("mx1", "verify", "MTA-STS")])

    def test_dane_only(self) -> None:
        """Only hosts with TLSA records, or later."""
        levels = [("a.test", "dane-only")]
        self.assertEqual(self.protect(policy(), secure=True, records={"_25._tcp.mx2.a.test": TLSA}, levels=levels),
                         [("mx2", "dane", "DANE")])
        self.assertEqual(self.no_way(policy(), secure=True, levels=levels), "451 4.7.5")


class DemandTests(PolicyTestCase):
    """What senders say (RFC 8689)."""

    def test_required(self) -> None:
        """DNSSEC or MTA-STS have to say which hosts these are; then each has to prove it."""
        self.assertEqual(self.protect(secure=True, demand=Demand.REQUIRED),
                         [("mx1", "verify", "REQUIRETLS"), ("mx2", "verify", "REQUIRETLS")])
        self.assertEqual(self.protect(policy(), demand=Demand.REQUIRED), [("mx1", "verify", "MTA-STS")])
        self.assertEqual(self.protect(policy(POLICY.replace("enforce", "testing")), demand=Demand.REQUIRED),
                         [("mx1", "verify", "REQUIRETLS")])
        dane = {"_25._tcp.mx1.a.test": TLSA, "_25._tcp.mx2.a.test": TLSA}
        self.assertEqual(self.protect(secure=True, demand=Demand.REQUIRED, records=dane),
                         [("mx1", "dane", "DANE"), ("mx2", "dane", "DANE")])

    def test_required_in_vain(self) -> None:
        """Where nobody says so it is final; where the policy cannot be had now, it is not."""
        self.assertEqual(self.no_way(demand=Demand.REQUIRED), "550 5.7.30")
        self.assertEqual(self.no_way(policy(POLICY.replace("enforce", "none")), demand=Demand.REQUIRED), "550 5.7.30")
        self.assertEqual(self.no_way(Discovered(None, "sts-policy-fetch-error", "x"), demand=Demand.REQUIRED),
                         "451 4.7.5")
        self.assertEqual(self.no_way(demand=Demand.REQUIRED, secure=True, levels=[("*", "none")]), "550 5.7.30")

    def test_waived(self) -> None:
        """TLS-Required: No overrides the domain's policies, not the configuration."""
        self.assertEqual({mode for _, mode, _ in self.protect(policy(), demand=Demand.WAIVED)}, {"opportunistic"})
        found = self.protect(policy(), demand=Demand.WAIVED, levels=[("*", "verify")])
        self.assertEqual({mode for _, mode, _ in found}, {"verify"})


class CountTests(PolicyTestCase):
    """What is counted for reports."""

    def result(self, protection: Protection, tls: TlsState | None, host: str = "mx1.a.test") -> tuple[str, str]:
        """Policy type and result of a connection."""
        self.counted.clear()
        self.policies.connected(Candidate(host, "192.0.2.1", 25, protection, "a.test"), "192.0.2.9", tls)
        return (self.counted[0].policy_type, self.counted[0].result) if self.counted else ("", "")

    def test_connections(self) -> None:
        """Successes and failures, by policy; in testing as if it were in force."""
        self.protect()
        plain, good = None, TlsState("TLSv1.3", "x", "certificate")
        bad = TlsState("TLSv1.3", "x", "", "certificate-expired")
        testing = Protection(source="MTA-STS", policy=tuple(POLICY.replace("enforce", "testing").splitlines()))
        for protection, tls, host, expected in (
            (Protection(), good, "mx1.a.test", ("no-policy-found", "")),
            (Protection(), bad, "mx1.a.test", ("no-policy-found", "")),
            (Protection(), plain, "mx1.a.test", ("no-policy-found", "starttls-not-supported")),
            (Protection(Mode.DANE, source="DANE"), good, "mx1.a.test", ("tlsa", "")),
            (Protection(Mode.VERIFY, source="MTA-STS"), good, "mx1.a.test", ("sts", "")),
            (testing, good, "mx1.a.test", ("sts", "")),
            (testing, good, "mx2.a.test", ("sts", "validation-failure")),
            (testing, bad, "mx1.a.test", ("sts", "certificate-expired")),
            (testing, plain, "mx1.a.test", ("sts", "starttls-not-supported")),
            (Protection(Mode.NONE, source="configuration"), plain, "mx1.a.test", ("", "")),
            (Protection(source="TLS-Required: No"), plain, "mx1.a.test", ("", "")),
        ):
            self.assertEqual(self.result(protection, tls, host), expected, (protection.source, tls, host))

    def test_failures(self) -> None:
        """A failure is told with where it was."""
        self.protect()
        protection = Protection(Mode.DANE, source="DANE", policy=("3 1 1 ab",))
        candidate = Candidate("mx1.a.test", "192.0.2.1", 25, protection, "a.test")
        self.policies.failed(candidate, "192.0.2.9", "tlsa-invalid", "another key")
        self.assertEqual(self.counted, [TlsResult(
            0, "a.test", "tlsa", "3 1 1 ab", "tlsa-invalid", "mx1.a.test", "192.0.2.1", "192.0.2.9", "another key")])
