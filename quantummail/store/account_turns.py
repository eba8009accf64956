"""Turns at shared threads: an account works in one of them at a time, however much it asks for at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from twisted.internet.defer import DeferredLock

if TYPE_CHECKING:
    from quantummail.store.threads import Inline, Threads

T = TypeVar("T")


class AccountTurns:
    """Lets nobody wait for more than what one thread is doing for each other account."""

    def __init__(self, threads: Inline | Threads) -> None:
        self._threads = threads
        self._locks: dict[int, DeferredLock] = {}

    async def run(self, account_id: int, work: Callable[..., T], *arguments: object) -> T:
        """Do it in a thread, when what the account asked for before is done."""
        lock = self._locks.setdefault(account_id, DeferredLock())
        await lock.acquire()
        try:
            return await self._threads.run(work, *arguments)
        finally:
            lock.release()
            if not lock.locked:
                self._locks.pop(account_id, None)
