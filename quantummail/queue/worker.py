"""The worker: takes what is due, tries it, and notes what became of it. One for a server."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.task import deferLater
from twisted.logger import Logger

from quantummail.delivery.outcome import Delivered, Fate
from quantummail.delivery.route import LOCAL
from quantummail.queue.destinations import Destination
from quantummail.queue.settling import Verdict, judge, waiting
from quantummail.store.errors import StoreError
from quantummail.store.outgoing_rows import Settled

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from quantummail.queue.schedule import Schedule
    from quantummail.store.outgoing import Outgoing, Report
    from quantummail.store.outgoing_records import Claimed, Settlement


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How much at once; times in seconds."""

    deliveries: int = 100
    """Tries that go on at the same time."""
    deliveries_per_destination: int = 20
    in_memory: int = 10_000
    """Recipients that wait in memory; more wait in the database."""
    poll: float = 5.0
    """How often the database is asked for what is due."""
    unreachable_for: float = 60.0
    """How long a destination that nobody answers for is left alone at first."""
    unreachable_longest: float = 3600.0
    keep_history: float = 30 * 86400.0
    warn_always: bool = True
    """Tell senders of delays who did not ask for it."""


class Deliveries(Protocol):
    """Tries to deliver."""

    def deliver(self, claimed: Claimed) -> Awaitable[Delivered]:
        """Try once, for all recipients."""


class Reports(Protocol):
    """Makes bounces and warnings."""

    def reports(self, claimed: Claimed, verdict: Verdict) -> Awaitable[Sequence[Report]]:
        """The messages that tell senders what became of their mail."""


# How many destinations are looked at in one go, and how much of each
_DESTINATIONS = 1000
_PAGE = 200
_RENEW = 600.0
_PURGE = 3600.0


class Worker:
    """Keeps a bounded part of the queue in memory, in turns by destination and sender."""

    log = Logger(namespace="quantummail.queue")

    def __init__(
        self, clock: IReactorTime, outgoing: Outgoing, deliveries: Deliveries, reports: Reports, schedule: Schedule,
        settings: QueueSettings = QueueSettings(),  # a frozen value
    ) -> None:
        self._clock = clock
        self._outgoing = outgoing
        self._deliveries = deliveries
        self._reports = reports
        self._schedule = schedule
        self._settings = settings
        self._destinations: dict[str, Destination] = {}
        self._in_memory = 0
        self._running: set[Deferred[None]] = set()
        self._timer: IDelayedCall | None = None
        self._polling = False
        self._beginning = False
        self._again = False
        self._stopping = False
        self._next_renew = 0.0
        self._next_purge = 0.0
        self.told: Callable[[Claimed, Verdict], None] = lambda _claimed, _verdict: None
        """Called for every try whose outcome is stored."""

    @property
    def has_room(self) -> bool:
        """Whether something that was just accepted is tried at once; otherwise it waits in the database."""
        return not self._stopping and self._in_memory < self._settings.in_memory

    def start(self) -> None:
        """Begin to look for what is due."""
        now = self._clock.seconds()
        self._next_renew = now + _RENEW
        self._next_purge = now + _PURGE
        self.wake()

    async def stop(self, patience: float) -> None:
        """Begin nothing any more, and wait for what is being tried. What is left is due at the next start."""
        self._stopping = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if not self._running:
            return
        over: Deferred[None] = Deferred()
        timer = self._clock.callLater(patience, over.callback, None)
        # what is still being tried then stays leased, and is due again at the next start
        DeferredList(list(self._running)).addCallback(lambda _done: None if over.called else over.callback(None))
        await over
        if timer.active():
            timer.cancel()

    def take(self, claims: Iterable[Claimed]) -> None:
        """Try what somebody has claimed."""
        now = self._clock.seconds()
        for claimed in claims:
            destination = self._destination(claimed.destination)
            if now < destination.blocked_until:
                self._run(self._postpone([claimed], destination.blocked_until - now))
                continue
            self._in_memory += len(claimed.recipients)
            destination.add(claimed)
        self._begin()

    def wake(self) -> None:
        """Look into the database now: somebody has changed something there."""
        if self._polling:
            self._again = True
            return
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self._polling = True
        Deferred.fromCoroutine(self._poll()).addErrback(self._unexpected)

    # Looking for what is due.

    async def _poll(self) -> None:
        try:
            if not self._stopping:
                await self._keep_house()
                await self._claim_due()
        except StoreError as error:
            self.log.error("the queue cannot be read: {reason}", reason=str(error))
        finally:
            self._polling = False
            if not self._stopping:
                wait = 0.0 if self._again else self._settings.poll
                self._again = False
                self._timer = self._clock.callLater(wait, self.wake)

    async def _keep_house(self) -> None:
        now = self._clock.seconds()
        if now >= self._next_renew:
            self._next_renew = now + _RENEW
            await self._outgoing.renew()
        if now >= self._next_purge:
            self._next_purge = now + _PURGE
            await self._outgoing.purge(self._settings.keep_history)

    async def _claim_due(self) -> None:
        if self._in_memory >= self._settings.in_memory // 2:
            return
        due = await self._outgoing.due_destinations(horizon=self._schedule.horizon, limit=_DESTINATIONS)
        now = self._clock.seconds()
        for name, at_once in due:
            known = self._destinations.get(name)
            if known is not None and at_once:
                known.blocked_until = 0.0
            if known is not None and (len(known) >= _PAGE // 2 or now < known.blocked_until):
                continue
            if self._stopping or not self.has_room:
                return
            self.take(await self._outgoing.claim(name, horizon=self._schedule.horizon, limit=_PAGE))

    # Trying.

    def _destination(self, name: str) -> Destination:
        found = self._destinations.get(name)
        if found is None:
            most = self._settings.deliveries_per_destination
            # our own mailboxes need no caution
            found = Destination(name, most, limit=most if name == LOCAL else min(5, most))
            self._destinations[name] = found
        return found

    def _begin(self) -> None:
        """Try as much as may be tried, every destination in its turn."""
        self._beginning = False
        now = self._clock.seconds()
        progress = True
        while progress and len(self._running) < self._settings.deliveries and not self._stopping:
            progress = False
            for destination in list(self._destinations.values()):
                if len(self._running) < self._settings.deliveries and destination.ready(now):
                    self._try(destination, destination.take())
                    progress = True

    def _try(self, destination: Destination, claimed: Claimed) -> None:
        destination.active += 1
        self._run(self._tried(destination, claimed)).addBoth(self._over, destination, claimed)

    def _over(self, _result: object, destination: Destination, claimed: Claimed) -> None:
        destination.active -= 1
        self._in_memory -= len(claimed.recipients)
        if not destination.active and not len(destination) and not destination.failures:
            self._destinations.pop(destination.name, None)
        # not from within: a thousand that fail at once would be a thousand calls deep
        if not self._stopping and not self._beginning and self._in_memory:
            self._beginning = True
            self._clock.callLater(0, self._begin)

    async def _tried(self, destination: Destination, claimed: Claimed) -> None:
        try:
            delivered = await self._deliveries.deliver(claimed)
        except Exception as error:  # the edge: a bug, or trouble of our own, is no reason to lose mail
            self.log.failure("unexpected error while message {id} was tried", id=claimed.message.id)
            await self._settle(claimed, waiting([claimed], time.time() + self._settings.unreachable_for)[0][1])
            raise _Logged from error
        now = time.time()
        local = destination.name == LOCAL
        verdict = judge(claimed, delivered, self._schedule, now, local=local, warn_always=self._settings.warn_always)
        self._log(claimed, delivered)
        reports = await self._reported(claimed, verdict)
        await self._settle(claimed, verdict.settlements, reports)
        if reports:
            self.wake()
        self.told(claimed, verdict)
        if delivered.slowed:
            destination.slowed()
        elif delivered.reached:
            destination.succeeded()
        if not delivered.reached:
            await self._leave_alone(destination, delivered.reason)

    async def _reported(self, claimed: Claimed, verdict: Verdict) -> Sequence[Report]:
        try:
            return await self._reports.reports(claimed, verdict)
        except Exception:  # noqa: BLE001  # the edge: what was delivered is noted, or it would be delivered again
            self.log.failure("the sender of message {id} cannot be told what became of it", id=claimed.message.id)
            return ()

    async def _leave_alone(self, destination: Destination, reason: str) -> None:
        """Nobody answers there: what waits for it waits in the database."""
        settings = self._settings
        destination.unreachable(
            self._clock.seconds(), reason, settings.unreachable_for, settings.unreachable_longest)
        wait = destination.blocked_until - self._clock.seconds()
        self.log.warn("{destination} is not reached and left alone for {wait:.0f} s: {reason}",
                      destination=destination.name, wait=wait, reason=reason)
        left = list(destination.drain())
        self._in_memory -= sum(len(claimed.recipients) for claimed in left)
        await self._postpone(left, wait)

    async def _postpone(self, claims: Sequence[Claimed], seconds: float) -> None:
        """Let them wait in the database, where administrators see and change them."""
        for claimed, settlements in waiting(claims, time.time() + seconds):
            await self._settle(claimed, settlements)

    def _run(self, work: Coroutine[Deferred[None], object, None]) -> Deferred[None]:
        """Run something that `stop` waits for."""
        running = Deferred.fromCoroutine(work)
        self._running.add(running)
        running.addErrback(self._unexpected)
        return running.addBoth(lambda _result: self._running.discard(running))

    async def _settle(
        self, claimed: Claimed, settlements: tuple[Settlement, ...], reports: Sequence[Report] = ()
    ) -> None:
        """Note it, however long the database is in trouble: until then the recipients stay leased."""
        settled = Settled(self._outgoing.owner, claimed.message, settlements)
        content = claimed.content
        while True:
            try:
                await self._outgoing.settle(settled, reports, content)
            except StoreError as error:
                self.log.error("what became of message {id} cannot be noted: {reason}", id=claimed.message.id,
                               reason=str(error))
                if self._stopping:
                    return
                content = None
                await deferLater(self._clock, self._settings.poll)
            else:
                return

    def _log(self, claimed: Claimed, delivered: Delivered) -> None:
        for result in delivered.results:
            attempt = result.attempt
            level = self.log.info if result.fate is Fate.DELIVERED else self.log.warn
            level("message {id} to <{recipient}> {fate} by {host}: {code} {status} {answer}", id=claimed.message.id,
                  recipient=result.recipient.address, fate=result.fate.value, host=attempt.host or "us",
                  code=attempt.code, status=attempt.status, answer=attempt.answer, tls=attempt.tls,
                  sender=claimed.message.sender)

    def _unexpected(self, failure: object) -> None:
        if getattr(failure, "type", None) is not _Logged:
            self.log.failure("unexpected error in the queue", failure)  # type: ignore[arg-type]  # a Failure


class _Logged(Exception):
    """It is in the log already."""
