"""When a recipient is tried again, when its sender is warned, and when it is given up. No clock, no I/O."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """Times in seconds (RFC 5321 4.5.4.1)."""

    first: float = 240.0
    """Before the second attempt; every further wait is twice as long."""
    longest: float = 4 * 3600.0
    """No wait is longer."""
    lifetime: float = 5 * 86400.0
    """After this a recipient is given up."""
    least_attempts: int = 3
    """But not before so many attempts: a clock that jumps bounces nothing."""
    warn_after: float = 4 * 3600.0
    """When the sender is told that it takes long; 0 for never."""
    jitter: float = 0.2
    """Waits differ by this part, so that what failed together does not come back together."""
    random: Callable[[], float] = random.random

    @property
    def horizon(self) -> int:
        """Nothing is ever due later than so many seconds from now."""
        return int(self.longest * (1 + self.jitter)) + 1

    def next(self, now: float, attempts: int) -> int:
        """When to try again after so many attempts (at least one)."""
        # beyond 2**40 waits would not fit a float's patience either; `longest` comes far earlier
        wait = min(self.first * 2.0 ** min(attempts - 1, 40), self.longest)
        return int(now + wait * (1 + self.jitter * (2 * self.random() - 1))) + 1

    def expired(self, now: float, created: float, attempts: int) -> bool:
        """Whether it is given up after so many attempts."""
        return now - created >= self.lifetime and attempts >= self.least_attempts

    def overdue(self, now: float, created: float) -> bool:
        """Whether the sender should know that it takes long."""
        return 0 < self.warn_after <= now - created
