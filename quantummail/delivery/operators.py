"""How many connections each operator of mail servers gets from us at once, whatever domains it serves."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address

from publicsuffixlist import PublicSuffixList
from twisted.internet.defer import Deferred


@dataclass(slots=True)
class _Operator:
    limit: int
    active: int = 0
    good: int = 0
    waiting: deque[Deferred[None]] = field(default_factory=deque)


class Operators:
    """Slots by the registered domain of mail hosts: a thousand domains at one big provider share its limit."""

    def __init__(self, most: int, begin: int = 5) -> None:
        """
        :param most: connections to one operator at once.
        :param begin: with how many it begins; it grows while all goes well, and halves when less is asked for.
        """
        self._most = most
        self._begin = min(begin, most)
        self._operators: dict[str, _Operator] = {}

    async def enter(self, name: str) -> None:
        """Wait for a slot."""
        operator = self._operators.setdefault(name, _Operator(self._begin))
        if operator.active < operator.limit:
            operator.active += 1
            return
        turn: Deferred[None] = Deferred()
        operator.waiting.append(turn)
        await turn

    def leave(self, name: str, *, good: bool, slowed: bool = False) -> None:
        """Give a slot back, and say how it went."""
        operator = self._operators[name]
        operator.active -= 1
        if slowed:
            operator.good = 0
            operator.limit = max(1, operator.limit // 2)
        elif good:
            operator.good += 1
            if operator.good >= operator.limit:
                operator.good = 0
                operator.limit = min(self._most, operator.limit + 1)
        while operator.waiting and operator.active < operator.limit:
            operator.active += 1
            operator.waiting.popleft().callback(None)
        if not operator.active and not operator.waiting and operator.limit >= self._begin:
            del self._operators[name]


def operator_of(host: str) -> str:
    """Who runs a host: the domain that somebody registered; an address for itself."""
    try:
        return str(ip_address(host))
    except ValueError:
        return _suffixes().privatesuffix(host) or host


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
