"""Daily reports about TLS."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery.tls_counts import TlsCounts
from quantummail.fetch.client import FetchFailed, WebAnswer
from quantummail.message.address import Address
from quantummail.policy.tls_rpt import FailureDetail, PolicySummary
from quantummail.queue.tls_reports import ReportSettings, TlsReports, summaries
from quantummail.store.outgoing_records import OutgoingMessage, OutgoingRecipient
from quantummail.store.tls_results import TlsResult
from tests.support.stores import make_store, now
from tests.support.zone import Zone

DAY = 86_400
GOOD = TlsResult(0, "a.test", "sts", "version: STSv1\nmode: enforce")
BAD = replace(GOOD, result="certificate-expired", host="mx.a.test")
ZONE: dict[str, dict[str, list[str]]] = {
    "_smtp._tls.a.test": {"TXT": ['"v=TLSRPTv1; rua=mailto:tls@a.test,https://a.test/tls"']},
    "_smtp._tls.broken.test": {"FAIL": []},
}


class FakeQueue:
    """Takes mail."""

    def __init__(self) -> None:
        self.taken: list[tuple[OutgoingMessage, Sequence[OutgoingRecipient], bytes]] = []

    async def destination(self, _sender: str, recipient: Address) -> str:
        """By domain."""
        return recipient.domain

    async def enqueue(
        self, message: OutgoingMessage, recipients: Sequence[OutgoingRecipient], heading: bytes, body: Any, _start: int
    ) -> None:
        """Remember it."""
        self.taken.append((message, recipients, heading + await body.head(1_000_000)))


class FakeWeb:
    """A web server that takes reports."""

    def __init__(self) -> None:
        self.status = 201
        self.posted: list[tuple[str, bytes]] = []

    async def request(self, method: str, url: str, **rest: Any) -> WebAnswer:
        """Remember it."""
        if not self.status:
            raise FetchFailed("refused")
        self.posted.append((f"{method} {url} {rest['headers']['Content-Type']}", rest["body"]))
        return WebAnswer(self.status, {}, b"")


class ReportingTestCase(SynchronousTestCase):
    """Counters and reports, in the middle of day 100."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.seconds = 100.5 * DAY
        store = make_store(self)
        self.results = store.tls_results
        self.zone = Zone(ZONE)
        resolver = self.zone.resolver(self.clock)
        self.counts = TlsCounts(self.clock, resolver, self.results, wall=lambda: self.seconds)
        self.queue, self.web = FakeQueue(), FakeWeb()
        self.reports = TlsReports(
            self.clock, self.results, resolver, cast("Any", self.web), cast("Any", self.queue), store.bodies,
            ReportSettings("Our Company", "postmaster@we.test", "mail.we.test"), wall=lambda: self.seconds)

    def report(self, *, day: float) -> None:
        """Report at that time."""
        self.seconds = day * DAY
        now(self.reports.report())


class CountTests(ReportingTestCase):
    """Counting."""

    def test_written(self) -> None:
        """What is counted is written after a minute, with its day."""
        for _ in range(3):
            self.counts.count(GOOD)
        self.counts.count(BAD)
        self.assertEqual(now(self.results.due(101)), [])
        self.clock.advance(60)
        self.assertEqual(now(self.results.of(100, "a.test")), [(replace(GOOD, day=100), 3), (replace(BAD, day=100), 1)])

    def test_written_at_the_end(self) -> None:
        """And at the end, without asking who wants it."""
        self.counts.count(GOOD)
        now(self.counts.stop())
        self.assertEqual(len(now(self.results.of(100, "a.test"))), 1)
        self.assertEqual(self.zone.asked, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unwanted(self) -> None:
        """For domains that want no reports nothing is kept; where that is not known now, it is."""
        for domain in ("b.test", "broken.test"):
            self.counts.count(replace(GOOD, domain=domain))
        self.clock.advance(60)
        self.assertEqual(now(self.results.due(101)), [(100, "broken.test")])


class ReportTests(ReportingTestCase):
    """Reporting."""

    def setUp(self) -> None:
        super().setUp()
        now(self.results.add([(replace(GOOD, day=100), 3), (replace(BAD, day=100), 1)]))

    def test_when(self) -> None:
        """Not before the day is over; then within some hours, and once."""
        for day, sent in ((100.9, 0), (101.0, 0), (101.2, 1), (101.3, 1), (102.5, 1)):
            self.report(day=day)
            self.assertEqual((len(self.queue.taken), len(self.web.posted)), (sent, sent), day)

    def test_mail(self) -> None:
        """A message from our address that says what was counted, and asks for no answer."""
        self.report(day=101.5)
        ((message, recipients, octets),) = self.queue.taken
        self.assertEqual((message.sender, message.source), ("postmaster@we.test", "tls-report"))
        self.assertEqual(message.size, len(octets))
        self.assertEqual([(one.address, one.destination, one.notify) for one in recipients],
                         [("tls@a.test", "a.test", frozenset({"NEVER"}))])
        self.assertIn(b"TLS-Report-Domain: a.test\r\n", octets)

    def test_posted(self) -> None:
        """A web server gets the document alone."""
        self.report(day=101.5)
        ((request, octets),) = self.web.posted
        self.assertEqual(request, "POST https://a.test/tls application/tlsrpt+gzip")
        content = json.loads(gzip.decompress(octets))
        self.assertEqual(content["policies"][0]["summary"], {
            "total-successful-session-count": 3, "total-failure-session-count": 1})

    def test_again(self) -> None:
        """What a web server does not take is tried again for two days, and that alone."""
        self.web.status = 0
        self.report(day=101.5)
        self.web.status = 500
        self.report(day=101.6)
        self.web.status = 200
        self.report(day=101.7)
        self.report(day=101.8)
        self.assertEqual((len(self.queue.taken), len(self.web.posted)), (1, 2))

    def test_given_up(self) -> None:
        """After that nothing more is done."""
        self.web.status = 0
        for day in (101.5, 103.1):
            self.report(day=day)
        self.web.status = 200
        self.report(day=103.5)
        self.assertEqual(self.web.posted, [])

    def test_unwanted(self) -> None:
        """A domain that wants no reports any more gets none; where that is not known now, later."""
        self.zone.records["_smtp._tls.a.test"] = {"FAIL": []}
        self.report(day=101.5)
        self.assertEqual(now(self.results.due(101)), [(100, "a.test")])
        self.zone.records["_smtp._tls.a.test"] = {}
        self.clock.advance(100)
        self.report(day=101.6)
        self.assertEqual((now(self.results.due(101)), self.queue.taken), ([], []))

    def test_forgotten(self) -> None:
        """Counts are not kept for ever."""
        self.report(day=131.5)
        self.assertEqual(now(self.results.of(100, "a.test")), [])

    def test_by_the_clock(self) -> None:
        """It looks by itself, until it is stopped."""
        self.seconds = 101.5 * DAY
        self.reports.start()
        self.clock.advance(5)
        self.assertEqual(len(self.queue.taken), 1)
        now(self.reports.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_summaries(self) -> None:
        """Each policy has a summary of its own."""
        other = replace(GOOD, policy_type="tlsa", policy="3 1 1 ab")
        self.assertEqual(summaries([(GOOD, 2), (BAD, 1), (other, 5)]), (
            PolicySummary("sts", ("version: STSv1", "mode: enforce"), 2,
                          (FailureDetail("certificate-expired", 1, "mx.a.test"),)),
            PolicySummary("tlsa", ("3 1 1 ab",), 5, ())))
