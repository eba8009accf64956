"""A caching stub resolver: asks the recursive resolvers that the administrator trusts."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.dns.errors import DnsError, NoRecords, Unavailable
from quantummail.dns.question import Answer, Question
from quantummail.dns.transport import ask

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from quantummail.dns.transport import Reactor

Ask = Callable[[tuple[str, int], Question, float], Awaitable[Answer]]

# Answers are kept as long as they say, but not for ever, and failures for a moment: a dead domain with a thousand
# messages in the queue is asked for once
_LONGEST = 86_400.0
_LONGEST_NEGATIVE = 900.0
_FAILURE = 5.0
_ROUNDS = 2


class Resolver:
    """Answers questions from memory, or from the servers."""

    log = Logger(namespace="quantummail.dns")

    def __init__(
        self, clock: IReactorTime, put: Ask, servers: Sequence[tuple[str, int]], *, timeout: float = 5.0,
        validating: bool | None = None, most_answers: int = 20_000,
    ) -> None:
        """
        :param servers: address and port of recursive resolvers, the best first.
        :param timeout: seconds for one question to one server; each is asked twice.
        :param validating: whether the servers' word on DNSSEC (AD) counts. None: if they are on this machine, where
            nobody can change their answers on the way (RFC 4035 4.9.3).
        """
        self._clock = clock
        self._put = put
        self._servers = tuple(servers)
        self._timeout = timeout
        self.validating = _all_local(servers) if validating is None else validating
        """Whether an answer can be `authenticated`: without that there is no DANE."""
        self._most = most_answers
        self._known: OrderedDict[tuple[str, str], tuple[float, Answer | DnsError]] = OrderedDict()
        self._waiting: dict[tuple[str, str], list[Deferred[Answer]]] = {}

    @classmethod
    def on(cls, reactor: Reactor, servers: Sequence[tuple[str, int]], *, timeout: float = 5.0,
           validating: bool | None = None) -> Resolver:
        """A resolver on the network."""
        async def put(server: tuple[str, int], question: Question, seconds: float) -> Answer:
            return await ask(reactor, server, question, seconds)

        return cls(reactor, put, servers, timeout=timeout, validating=validating)

    async def query(self, name: str, kind: str) -> Answer:
        """The records of a type (``MX``, ``AAAA`` ...) at a name.

        Raises `NoRecords` (of which `NoSuchName` is one), `Unavailable` when nobody could tell, and ValueError for
        what is no domain name.
        """
        question = Question(name, kind)
        key = (question.name, kind)
        outcome = self._remembered(key)
        if outcome is None:
            outcome = await self._asked_once(key, question)
        if isinstance(outcome, DnsError):
            # a copy: one exception raised for several would gather all their tracebacks
            raise copy(outcome)
        return outcome

    def forget(self) -> None:
        """Ask for everything anew."""
        self._known.clear()

    def _remembered(self, key: tuple[str, str]) -> Answer | DnsError | None:
        known = self._known.get(key)
        if known is None:
            return None
        expires, outcome = known
        left = expires - self._clock.seconds()
        if left <= 0:
            del self._known[key]
            return None
        self._known.move_to_end(key)
        return replace(outcome, ttl=min(outcome.ttl, int(left))) if isinstance(outcome, Answer) else outcome

    async def _asked_once(self, key: tuple[str, str], question: Question) -> Answer | DnsError:
        """Ask, unless somebody does already: then wait for that answer."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiter: Deferred[Answer] = Deferred()
            waiting.append(waiter)
            try:
                return await waiter
            except DnsError as error:
                return error
        self._waiting[key] = []
        outcome: Answer | DnsError = Unavailable(f"{question}: the question was given up")
        try:
            outcome = await self._asked(question)
            self._remember(key, outcome)
        finally:
            for one in self._waiting.pop(key):
                if isinstance(outcome, Answer):
                    one.callback(outcome)
                else:
                    one.errback(copy(outcome))
        return outcome

    async def _asked(self, question: Question) -> Answer | DnsError:
        failed: DnsError = Unavailable(f"{question}: there is no resolver to ask")
        for _round in range(_ROUNDS):
            for server in self._servers:
                try:
                    answer = await self._put(server, question, self._timeout)
                except NoRecords as error:
                    return error
                except Unavailable as error:
                    self.log.debug("{reason}", reason=str(error))
                    failed = error
                else:
                    return answer if self.validating else replace(answer, authenticated=False)
        return failed

    def _remember(self, key: tuple[str, str], outcome: Answer | DnsError) -> None:
        if isinstance(outcome, Answer):
            seconds = min(outcome.ttl, _LONGEST)
        elif isinstance(outcome, NoRecords):
            # RFC 2308 5
            seconds = min(outcome.ttl, _LONGEST_NEGATIVE)
        else:
            # RFC 9520 3.2: failures too
            seconds = _FAILURE
        self._known[key] = (self._clock.seconds() + seconds, outcome)
        if len(self._known) > self._most:
            self._known.popitem(last=False)


def _all_local(servers: Sequence[tuple[str, int]]) -> bool:
    return bool(servers) and all(ipaddress.ip_address(address).is_loopback for address, _ in servers)
