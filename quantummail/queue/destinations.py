"""What waits in memory, by destination: whose turn it is, and how much is tried at once. No clock, no I/O."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quantummail.store.outgoing_records import Claimed


@dataclass(slots=True)
class Destination:
    """Messages for one destination. Senders (lanes) take turns, so that none holds up another."""

    name: str
    most: int
    """How many are tried at once at best."""
    limit: int = 1
    """How many are tried at once now."""
    active: int = 0
    blocked_until: float = 0.0
    """Nobody answers there: until then it is not tried."""
    failures: int = 0
    """Tries one after another that did not reach it."""
    reason: str = ""
    """Why it is blocked."""
    _lanes: OrderedDict[str, deque[Claimed]] = field(default_factory=OrderedDict)
    _successes: int = 0

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    def add(self, claimed: Claimed) -> None:
        """A message more; within its lane those with lower priority numbers go first."""
        lane = self._lanes.setdefault(claimed.message.lane, deque())
        place = len(lane)
        while place and lane[place - 1].message.priority > claimed.message.priority:
            place -= 1
        lane.insert(place, claimed)

    def ready(self, now: float) -> bool:
        """Whether one may be tried."""
        return bool(self._lanes) and self.active < self.limit and now >= self.blocked_until

    def take(self) -> Claimed:
        """The next one. Its lane goes to the end of the turns."""
        lane, waiting = self._lanes.popitem(last=False)
        claimed = waiting.popleft()
        if waiting:
            self._lanes[lane] = waiting
        return claimed

    def drain(self) -> Iterator[Claimed]:
        """Everything that waits."""
        while self._lanes:
            yield self.take()

    def succeeded(self) -> None:
        """The other side takes mail: a little more at once, in time."""
        self.failures = 0
        self.blocked_until = 0.0
        self._successes += 1
        if self._successes >= 2 * self.limit:
            self._successes = 0
            self.limit = min(self.most, self.limit + 1)

    def slowed(self) -> None:
        """The other side asks for less (421, 450, 451, 452)."""
        self._successes = 0
        self.limit = max(1, self.limit // 2)

    def unreachable(self, now: float, reason: str, shortest: float, longest: float) -> None:
        """Nobody answered: leave it alone for a while, longer each time. Several tries at once count as one."""
        if now < self.blocked_until:
            return
        self.slowed()
        self.failures += 1
        self.blocked_until = now + min(shortest * 2.0 ** min(self.failures - 1, 20), longest)
        self.reason = reason
