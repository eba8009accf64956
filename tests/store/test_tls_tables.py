"""Policies of other domains, and how TLS went with them."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.sts_policies import KnownPolicy
from quantummail.store.tls_results import TlsResult
from tests.support.stores import make_store, now

KNOWN = KnownPolicy("example.com", "1", "version: STSv1\n", 1000, 2000)
GOOD = TlsResult(7, "example.com", "sts", "version: STSv1")
BAD = replace(GOOD, result="certificate-expired", host="mx.example.com", address="192.0.2.1", reason="expired")


class PolicyTests(SynchronousTestCase):
    """MTA-STS policies."""

    def setUp(self) -> None:
        self.policies = make_store(self).sts_policies

    def test_kept(self) -> None:
        """The newest policy of a domain is kept."""
        self.assertIsNone(now(self.policies.get("example.com")))
        newer = replace(KNOWN, policy_id="2", expires=3000)
        for one in (KNOWN, newer):
            now(self.policies.put(one))
        self.assertEqual(now(self.policies.get("example.com")), newer)

    def test_purged(self) -> None:
        """What expired is forgotten."""
        now(self.policies.put(KNOWN))
        self.assertEqual(now(self.policies.purge(2000)), 0)
        self.assertEqual(now(self.policies.purge(2001)), 1)
        self.assertIsNone(now(self.policies.get("example.com")))


class ResultTests(SynchronousTestCase):
    """Counters and reports."""

    def setUp(self) -> None:
        self.results = make_store(self).tls_results

    def test_added_up(self) -> None:
        """The same result is counted in one row, another one in another."""
        now(self.results.add([(GOOD, 2), (BAD, 1)]))
        now(self.results.add([(GOOD, 3), (replace(GOOD, policy="other"), 1)]))
        self.assertEqual(
            now(self.results.of(7, "example.com")), [(GOOD, 5), (BAD, 1), (replace(GOOD, policy="other"), 1)])

    def test_bounded(self) -> None:
        """A domain with ever new failures fills nothing; what is known is counted on."""
        now(self.results.add([(replace(BAD, reason=str(number)), 1) for number in range(600)]))
        now(self.results.add([(replace(BAD, reason="0"), 1)]))
        rows = now(self.results.of(7, "example.com"))
        self.assertEqual((len(rows), rows[0][1]), (500, 2))

    def test_due(self) -> None:
        """Days that are over, until their reports are finished."""
        now(self.results.add([(GOOD, 1), (replace(GOOD, day=8), 1), (replace(GOOD, domain="a.test"), 1)]))
        self.assertEqual(now(self.results.due(8)), [(7, "a.test"), (7, "example.com")])
        now(self.results.note(7, "a.test", "mailto:x@a.test", sent=False))
        now(self.results.note(7, "a.test", "mailto:x@a.test", sent=True))
        self.assertEqual(now(self.results.sent(7, "a.test")), {"mailto:x@a.test": (True, 2)})
        now(self.results.finish(7, "a.test"))
        self.assertEqual(now(self.results.due(9)), [(7, "example.com"), (8, "example.com")])
        self.assertEqual(now(self.results.sent(7, "a.test")), {"mailto:x@a.test": (True, 2)})

    def test_purged(self) -> None:
        """Old days are forgotten, with what was told about them."""
        now(self.results.add([(GOOD, 1), (replace(GOOD, day=8), 1)]))
        now(self.results.finish(7, "example.com"))
        now(self.results.purge(8))
        self.assertEqual(now(self.results.due(9)), [(8, "example.com")])
        now(self.results.add([(GOOD, 1)]))
        self.assertEqual(len(now(self.results.due(9))), 2)
