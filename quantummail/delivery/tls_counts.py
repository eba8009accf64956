"""Counts how TLS went on our connections, for the reports that domains ask for (RFC 8460)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.dns.errors import DnsError, NoRecords
from quantummail.policy.tls_rpt import report_targets
from quantummail.store.errors import StoreError
from quantummail.store.tls_results import TlsResult

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from quantummail.dns.resolver import Resolver
    from quantummail.store.tls_results import TlsResults

_EVERY = 60.0
# Different results that wait in memory; further ones are not counted until these are written
_MOST = 10_000
_DAY = 86_400


class TlsCounts:
    """Counters in memory, written every minute: a crash loses a minute's counts, and no mail waits for them."""

    log = Logger(namespace="quantummail.delivery")

    def __init__(
        self, clock: IReactorTime, resolver: Resolver, store: TlsResults, *, wall: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._resolver = resolver
        self._store = store
        self._wall = wall
        self._counts: Counter[TlsResult] = Counter()
        self._timer: IDelayedCall | None = None

    def count(self, result: TlsResult) -> None:
        """One connection more. Its day is today."""
        result = replace(result, day=int(self._wall() // _DAY))
        if result in self._counts or len(self._counts) < _MOST:
            self._counts[result] += 1
        if self._timer is None:
            self._timer = self._clock.callLater(_EVERY, self._write_soon)

    async def stop(self) -> None:
        """Write what is there. Nobody waits for DNS then: who wants no report does not get one later either."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        counts, self._counts = self._counts, Counter()
        await self._add(list(counts.items()))

    async def write(self) -> None:
        """Add to the database what was counted for domains that want reports."""
        counts, self._counts = self._counts, Counter()
        self._timer = None
        wanted = {domain: await self._is_wanted(domain) for domain in {result.domain for result in counts}}
        await self._add([(result, count) for result, count in counts.items() if wanted[result.domain]])

    async def _add(self, counts: Sequence[tuple[TlsResult, int]]) -> None:
        if not counts:
            return
        try:
            await self._store.add(counts)
        except StoreError as error:
            self.log.error("the results of TLS cannot be counted: {reason}", reason=str(error))

    def _write_soon(self) -> None:
        Deferred.fromCoroutine(self.write()).addErrback(
            lambda failure: self.log.failure("unexpected error while results of TLS were counted", failure))

    async def _is_wanted(self, domain: str) -> bool:
        try:
            return bool(await report_targets_of(self._resolver, domain))
        except DnsError:
            # it may have said so before, or say so later
            return True


async def report_targets_of(resolver: Resolver, domain: str) -> tuple[str, ...]:
    """Where a domain wants its reports, as URIs; none if it wants none. Raises `Unavailable`."""
    try:
        answer = await resolver.query(f"_smtp._tls.{domain}", "TXT")
    except (NoRecords, ValueError):
        return ()
    return report_targets([record for record in answer.records if isinstance(record, bytes)])
