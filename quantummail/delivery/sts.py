"""The MTA-STS policies of domains: discovered, fetched, remembered as long as they say (RFC 8461)."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from quantummail.dns.errors import DnsError
from quantummail.fetch.client import FetchFailed
from quantummail.policy.mta_sts import BadPolicy, StsPolicy, parse_policy, policy_id
from quantummail.store.errors import StoreError
from quantummail.store.sts_policies import KnownPolicy

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from quantummail.dns.resolver import Resolver
    from quantummail.fetch.client import WebClient
    from quantummail.store.sts_policies import StsPolicies

# RFC 8461 3.3: seconds for one fetch; a policy is no longer than this
_PATIENCE = 60.0
_MOST_OCTETS = 64 * 1024
# RFC 8461 3.3: after a fetch that failed
_LEAVE_ALONE = 300.0
_FRESH = 86_400
# Expired policies are kept for a while: the administrator may want to see them
_KEEP = 7 * 86_400
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Discovered:
    """What is known about a domain's policy."""

    policy: StsPolicy | None
    """One that holds, in any mode."""
    problem: str = ""
    """There is a policy that could not be had, and none from before: a result type of RFC 8460 4.3."""
    reason: str = ""


_NONE = Discovered(None)


class StsDiscovery:
    """Knows the policies. One for a server."""

    log = Logger(namespace="quantummail.delivery")

    def __init__(
        self, resolver: Resolver, web: WebClient, store: StsPolicies, *, port: int = 443,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """
        :param port: of web servers; another than 443 is for test networks.
        :param wall: the time of day: policies expire while we do not run, too.
        """
        self._resolver = resolver
        self._web = web
        self._store = store
        self._port = port
        self._wall = wall
        self._remembered: OrderedDict[str, tuple[KnownPolicy, StsPolicy] | None] = OrderedDict()
        self._failed: OrderedDict[tuple[str, str], tuple[float, Discovered]] = OrderedDict()
        self._fetching: dict[str, list[Deferred[Discovered]]] = {}
        self._refreshing: set[Deferred[Discovered]] = set()
        self._next_purge = 0.0

    async def of(self, domain: str) -> Discovered:
        """A domain's policy now. Raises StoreError: it is unknown whether we knew one."""
        known = await self._known(domain)
        try:
            # RFC 8461 3.1
            current = policy_id([
                record for record in (await self._resolver.query(f"_mta-sts.{domain}", "TXT")).records
                if isinstance(record, bytes)
            ])
        except (DnsError, ValueError):
            current = None
        if known is not None and current in (None, known[0].policy_id):
            # RFC 8461 3.3: what was promised holds, even if the promise has vanished from DNS
            if current is not None and self._is_stale(known[0]):
                self._refresh(domain, current)
            return Discovered(known[1])
        if current is None:
            return _NONE
        found = await self._fetched_once(domain, current)
        return Discovered(known[1]) if found.policy is None and known is not None else found

    async def stop(self) -> None:
        """Give up what is being fetched only to be fresh."""
        for fetching in list(self._refreshing):
            fetching.cancel()

    async def _known(self, domain: str) -> tuple[KnownPolicy, StsPolicy] | None:
        if domain not in self._remembered:
            stored = await self._store.get(domain)
            self._remember(domain, stored)
        known = self._remembered[domain]
        self._remembered.move_to_end(domain)
        return known if known is not None and known[0].expires > self._wall() else None

    def _remember(self, domain: str, stored: KnownPolicy | None) -> None:
        try:
            self._remembered[domain] = (stored, parse_policy(stored.text.encode())) if stored is not None else None
        except BadPolicy:
            # an older program has taken it
            self._remembered[domain] = None
        if len(self._remembered) > _MOST_REMEMBERED:
            self._remembered.popitem(last=False)

    def _is_stale(self, known: KnownPolicy) -> bool:
        """Whether it is time to look before it expires: whoever blocks us then has come too late (RFC 8461 10.2)."""
        lifetime = known.expires - known.fetched
        return self._wall() >= known.fetched + min(_FRESH, lifetime / 2)

    def _refresh(self, domain: str, current: str) -> None:
        if domain in self._fetching:
            return
        fetching = Deferred.fromCoroutine(self._fetched_once(domain, current))
        self._refreshing.add(fetching)
        fetching.addBoth(self._refreshed, fetching)

    def _refreshed(self, outcome: Discovered | Failure, fetching: Deferred[Discovered]) -> None:
        self._refreshing.discard(fetching)
        if not isinstance(outcome, Discovered) and not outcome.check(CancelledError):
            self.log.failure("unexpected error while a policy was refreshed", outcome)

    async def _fetched_once(self, domain: str, current: str) -> Discovered:
        """Fetch, unless somebody does already: then wait for that."""
        until, outcome = self._failed.get((domain, current), (0.0, _NONE))
        if self._wall() < until:
            return outcome
        waiting = self._fetching.get(domain)
        if waiting is not None:
            waiter: Deferred[Discovered] = Deferred()
            waiting.append(waiter)
            return await waiter
        self._fetching[domain] = []
        outcome = Discovered(None, "sts-policy-fetch-error", "the fetch was given up")
        try:
            outcome = await self._fetched(domain, current)
        finally:
            for one in self._fetching.pop(domain):
                one.callback(outcome)
        return outcome

    async def _fetched(self, domain: str, current: str) -> Discovered:
        try:
            octets = await self._fetch(domain)
            policy = parse_policy(octets)
        except FetchFailed as error:
            result = "sts-webpki-invalid" if error.certificate else "sts-policy-fetch-error"
            return self._leave_alone(domain, current, Discovered(None, result, str(error)))
        except BadPolicy as error:
            return self._leave_alone(domain, current, Discovered(None, "sts-policy-invalid", str(error)))
        now = int(self._wall())
        known = KnownPolicy(domain, current, policy.text, now, now + policy.max_age)
        self._remember(domain, known)
        try:
            await self._store.put(known)
            if now >= self._next_purge:
                self._next_purge = now + _FRESH
                await self._store.purge(now - _KEEP)
        except StoreError as error:
            # it holds all the same, as long as we run
            self.log.error("the MTA-STS policy of {domain} cannot be kept: {reason}", domain=domain, reason=str(error))
        self.log.info("{domain} has an MTA-STS policy: {mode}, {hosts}", domain=domain, mode=policy.mode,
                      hosts=", ".join(policy.hosts), policy_id=current)
        return Discovered(policy)

    async def _fetch(self, domain: str) -> bytes:
        # RFC 8461 3.3
        port = "" if self._port == 443 else f":{self._port}"
        url = f"https://mta-sts.{domain}{port}/.well-known/mta-sts.txt"
        answer = await self._web.request("GET", url, seconds=_PATIENCE, most_octets=_MOST_OCTETS)
        if answer.status != 200:
            raise FetchFailed(f"{url} answers with status {answer.status}")
        kind = answer.headers.get("content-type", "")
        if kind.partition(";")[0].strip().lower() != "text/plain":
            raise FetchFailed(f"{url} is {kind[:80] or 'of no type'}, not text/plain")
        return answer.body

    def _leave_alone(self, domain: str, current: str, outcome: Discovered) -> Discovered:
        self._failed[domain, current] = (self._wall() + _LEAVE_ALONE, outcome)
        if len(self._failed) > _MOST_REMEMBERED:
            self._failed.popitem(last=False)
        self.log.warn("the MTA-STS policy of {domain} cannot be had: {reason}", domain=domain, reason=outcome.reason,
                      result=outcome.problem)
        return outcome
