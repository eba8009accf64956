"""Tells domains that ask for it how TLS went on our connections to them, once a day (RFC 8460)."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.delivery.tls_counts import report_targets_of
from quantummail.dns.errors import Unavailable
from quantummail.fetch.client import FetchFailed
from quantummail.message.address import Address
from quantummail.message.ids import new_id
from quantummail.policy.tls_rpt import FailureDetail, PolicySummary, TlsReport, document, mail_address, message
from quantummail.store.errors import StoreError
from quantummail.store.outgoing_records import OutgoingMessage, OutgoingRecipient

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from quantummail.dns.resolver import Resolver
    from quantummail.fetch.client import WebClient
    from quantummail.queue.queue import Queue
    from quantummail.store.bodies import Bodies
    from quantummail.store.tls_results import TlsResult, TlsResults

_DAY = 86_400
# Seconds until the first look, and between looks
_FIRST = 5.0
_EVERY = 600.0
# RFC 8460 4.1: not all reports of the world at midnight
_SPREAD = 4 * 3600
# Days for which it is tried
_TRY_FOR = 2
_PATIENCE = 120.0


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """Who reports."""

    organization: str
    contact: str
    """An address of ours: the sender of reports. Its domain signs them."""
    hostname: str
    keep_for: int = 30
    """Days for which counts are kept."""


class TlsReports:
    """Makes reports of days that are over, and sends them."""

    log = Logger(namespace="quantummail.queue")

    def __init__(
        self, clock: IReactorTime, results: TlsResults, resolver: Resolver, web: WebClient, queue: Queue,
        bodies: Bodies, settings: ReportSettings, *, wall: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._results = results
        self._resolver = resolver
        self._web = web
        self._queue = queue
        self._bodies = bodies
        self._settings = settings
        self._wall = wall
        self._timer: IDelayedCall | None = None
        self._running: Deferred[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Look now and then whether something is to be reported."""
        self._timer = self._clock.callLater(_FIRST, self._look)

    async def stop(self) -> None:
        """Send no more. What was not sent is sent later."""
        self._stopping = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._running is not None:
            self._running.cancel()

    def _look(self) -> None:
        self._running = Deferred.fromCoroutine(self.report())
        self._running.addErrback(self._unexpected).addBoth(self._looked)

    def _looked(self, _result: object) -> None:
        self._running = None
        if not self._stopping:
            self._timer = self._clock.callLater(_EVERY, self._look)

    def _unexpected(self, failure: object) -> None:
        if not self._stopping:
            self.log.failure("unexpected error in reports about TLS", failure)  # type: ignore[arg-type]  # a Failure

    async def report(self) -> None:
        """Send what is to be sent now."""
        today = int(self._wall() // _DAY)
        try:
            for day, domain in await self._results.due(today):
                # always the same moment for a domain, and a few minutes for what is still being counted
                if self._wall() >= (day + 1) * _DAY + 300 + zlib.crc32(domain.encode()) % _SPREAD:
                    await self._report(day, domain)
            await self._results.purge(today - self._settings.keep_for)
        except StoreError as error:
            self.log.error("results of TLS cannot be read: {reason}", reason=str(error))

    async def _report(self, day: int, domain: str) -> None:
        late = self._wall() >= (day + 1 + _TRY_FOR) * _DAY
        try:
            targets = await report_targets_of(self._resolver, domain)
        except Unavailable as error:
            self.log.warn("where {domain} wants reports is not known now: {reason}", domain=domain, reason=str(error))
            if late:
                await self._results.finish(day, domain)
            return
        sent = await self._results.sent(day, domain)
        open_targets = [uri for uri in targets if not sent.get(uri, (False, 0))[0]]
        if open_targets:
            report = self._made(day, domain, await self._results.of(day, domain))
            done = [await self._send(report, uri) for uri in open_targets]
            if not all(done) and not late:
                return
        await self._results.finish(day, domain)

    def _made(self, day: int, domain: str, counts: Sequence[tuple[TlsResult, int]]) -> TlsReport:
        settings = self._settings
        return TlsReport(domain, day, settings.organization, settings.contact, summaries(counts))

    async def _send(self, report: TlsReport, uri: str) -> bool:
        address = mail_address(uri)
        try:
            if address:
                await self._mail(report, Address.parse(address))
            else:
                await self._post(report, uri)
        except (FetchFailed, ValueError, StoreError) as error:
            self.log.warn("the report about TLS to {domain} does not get to {uri}: {reason}", domain=report.domain,
                          uri=uri, reason=str(error))
            await self._results.note(report.day, report.domain, uri, sent=False)
            return False
        self.log.info("{domain} is told at {uri} how TLS went on day {day}", domain=report.domain, uri=uri,
                      day=report.id[:10])
        await self._results.note(report.day, report.domain, uri, sent=True)
        return True

    async def _post(self, report: TlsReport, uri: str) -> None:
        # RFC 8460 5.4
        answer = await self._web.request(
            "POST", uri, headers={"Content-Type": "application/tlsrpt+gzip"}, body=document(report), seconds=_PATIENCE)
        if not 200 <= answer.status < 300:
            raise FetchFailed(f"status {answer.status}")

    async def _mail(self, report: TlsReport, to: Address) -> None:
        settings = self._settings
        octets = message(report, str(to), settings.hostname, self._wall())
        recipient = OutgoingRecipient(
            0, str(to), await self._queue.destination(settings.contact, to), frozenset({"NEVER"}))
        body = self._bodies.spooled()
        try:
            await body.write(octets)
            await self._queue.enqueue(
                OutgoingMessage(new_id(), None, "tls-reports", "tls-report", settings.contact, len(octets),
                                created=int(self._wall())),
                [recipient], b"", body, 0)
        finally:
            body.discard()


def summaries(counts: Sequence[tuple[TlsResult, int]]) -> tuple[PolicySummary, ...]:
    """Counters by the policy that they are about."""
    policies: dict[tuple[str, str], list[tuple[TlsResult, int]]] = {}
    for result, count in counts:
        policies.setdefault((result.policy_type, result.policy), []).append((result, count))
    return tuple(
        PolicySummary(
            kind, tuple(policy.splitlines()), sum(count for result, count in found if not result.result),
            tuple(FailureDetail(result.result, count, result.host, result.address, result.source, result.reason)
                  for result, count in found if result.result))
        for (kind, policy), found in policies.items()
    )
