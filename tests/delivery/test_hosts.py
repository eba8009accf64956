"""Which addresses a route leads to, and what protection each has to give."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery.hosts import Candidate, Demand, Hosts, NoWay, Opportunistic
from quantummail.delivery.route import Route, Routes, Way, parse_rule
from quantummail.smtp.client_session import Login
from quantummail.store.outgoing_records import OutgoingMessage
from tests.support.stores import now
from tests.support.zone import Zone

ZONE = Zone({
    "a.test": {"MX": ["10 mx.a.test."]}, "mx.a.test": {"A": ["192.0.2.1"]}, "relay.test": {"A": ["192.0.2.9"]},
})
LOGINS = {"us@a.test": Login("us", "secret")}


def message(*, require_tls: bool = False, tls_optional: bool = False) -> OutgoingMessage:
    """A message whose sender says something about TLS."""
    return OutgoingMessage("id", None, "x", "submission", "a@b", 1, require_tls=require_tls, tls_optional=tls_optional)


class DemandTests(SynchronousTestCase):
    """What senders say."""

    def test_of(self) -> None:
        """The envelope counts before the header."""
        self.assertEqual(
            [Demand.of(one) for one in (message(), message(require_tls=True), message(tls_optional=True),
                                        message(require_tls=True, tls_optional=True))],
            [Demand.USUAL, Demand.REQUIRED, Demand.WAIVED, Demand.REQUIRED])


class CandidateTests(SynchronousTestCase):
    """Addresses with their protection."""

    def candidates(self, target: str, demand: Demand = Demand.USUAL) -> list[Candidate]:
        """For a target as routes have it, or for a domain or an address literal."""
        if ":" in target and not target.startswith("["):
            rule = parse_rule(f"* {target}", LOGINS)
            assert rule.route is not None
            route = Routes([rule]).route(rule.route.name)
        else:
            route = Route(Way.MX, target)
        hosts = Hosts(ZONE.resolver(), Opportunistic(), family="ipv4", literals=True)
        return now(hosts.candidates(route, demand))

    def mode(self, target: str, demand: Demand = Demand.USUAL) -> str:
        """The protection of the first address."""
        return self.candidates(target, demand)[0].protection.mode.value

    def test_usual(self) -> None:
        """What policies and routes say. A relay that is found by MX gets no less than its route asks for."""
        for target, expected in (
            ("a.test", "opportunistic"), ("smtp://relay.test", "opportunistic"), ("smtp://relay.test?tls=none", "none"),
            ("smtp://a.test?mx=yes", "opportunistic"), ("smtp://a.test?mx=yes&tls=encrypt", "encrypt"),
            ("smtp://a.test?mx=yes&tls=verify", "verify"), ("submission://us@a.test?mx=yes", "verify"),
            ("smtp://a.test?mx=yes&tls=none", "none"),
        ):
            self.assertEqual(self.mode(target), expected, target)

    def test_names(self) -> None:
        """The host has to prove its own name."""
        (found,) = self.candidates("submission://us@a.test?mx=yes")
        self.assertEqual((found.hostname, found.protection.names), ("mx.a.test", ("mx.a.test",)))

    def test_required(self) -> None:
        """REQUIRETLS: every host has to prove its name, which an address cannot."""
        for target in ("a.test", "smtp://relay.test", "smtp://relay.test?tls=none", "smtp://a.test?mx=yes"):
            self.assertEqual(self.mode(target, Demand.REQUIRED), "verify", target)
        self.assertEqual(self.mode("[192.0.2.1]"), "opportunistic")
        with self.assertRaises(NoWay) as caught:
            self.candidates("[192.0.2.1]", Demand.REQUIRED)
        self.assertEqual(caught.exception.reply.status, "5.7.30")
