"""How much a user may send: mails a minute, and recipients elsewhere a day; who has had enough hears until when."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantummail.auth.throttle import Buckets
from quantummail.smtp.reply import Reply
from quantummail.store.errors import StoreError

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

_DAY = 86400
Counted = Callable[[int, int], Awaitable[int]]
"""How many recipients an account has written to since a time."""


@dataclass(frozen=True, slots=True)
class SendingLimits:
    """0 switches a limit off."""

    per_sender: int = 50
    """Mails a minute of one sender address."""
    per_user: int = 100
    """Mails a minute of one account, whatever addresses it writes under."""
    recipients_per_day: int = 10_000


class Limits:
    """Counts for all connections. What was sent within a minute is forgotten at a restart, the day's count is not."""

    def __init__(self, limits: SendingLimits, clock: IReactorTime, counted: Counted) -> None:
        self._limits = limits
        self._clock = clock
        self._counted = counted
        self._senders = Buckets(limits.per_sender, limits.per_sender * 60)
        self._users = Buckets(limits.per_user, limits.per_user * 60)
        self._days = Buckets(limits.recipients_per_day, limits.recipients_per_day / 24)
        self._known: set[int] = set()

    def mail(self, user: str, sender: str) -> Reply | None:
        """A user begins a mail, which counts; a refusal if there were too many."""
        now = self._clock.seconds()
        for buckets, name, most in (
            (self._senders, sender.lower(), self._limits.per_sender), (self._users, user, self._limits.per_user),
        ):
            if buckets.full(name, now):
                wait = _span(buckets.wait(name, now))
                return Reply(450, "4.7.1", f"No more than {most} mails a minute from {name}: try again in {wait}")
        self._senders.take(sender.lower(), now)
        self._users.take(user, now)
        return None

    async def recipient(self, account_id: int) -> Reply | None:
        """A user names a recipient elsewhere, who counts; a refusal if there were too many."""
        if not self._limits.recipients_per_day:
            return None
        if account_id not in self._known:
            await self._remember(account_id)
        now, name = self._clock.seconds(), str(account_id)
        if self._days.full(name, now):
            wait = _span(self._days.wait(name, now))
            return Reply(452, "4.5.3", f"No more than {self._limits.recipients_per_day} recipients in one day: "
                                       f"try again in {wait}")
        self._days.take(name, now)
        return None

    def give_back(self, account_id: int, count: int) -> None:
        """So many recipients got nothing after all."""
        for _ in range(count):
            self._days.give_back(str(account_id), self._clock.seconds())

    async def _remember(self, account_id: int) -> None:
        """What the account has sent before we were started: the queue knows."""
        try:
            count = await self._counted(account_id, int(time.time()) - _DAY)
        except StoreError:
            # the message will meet the same trouble
            return
        if account_id not in self._known:
            self._known.add(account_id)
            self._days.begin(str(account_id), count, self._clock.seconds())


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{max(1, int(seconds + 0.999))} s"
    if seconds < 7200:
        return f"{int(seconds / 60 + 0.999)} min"
    return f"{int(seconds / 3600 + 0.999)} h"
