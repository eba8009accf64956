"""The threads in which passwords are hashed: few, with a short queue, so that guessing stops no mail."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from quantummail.auth.attempt import LoginUnavailable
from quantummail.auth.passwords import Passwords

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorFromThreads

T = TypeVar("T")

THREADS = 2
MAX_WAITING = 64


class Hashing:
    """Runs `Passwords` beside the reactor. Raises `LoginUnavailable` when `MAX_WAITING` wait."""

    def __init__(self, reactor: IReactorFromThreads, passwords: Passwords | None = None,
                 threads: int = THREADS) -> None:
        self._reactor = reactor
        self._passwords = passwords or Passwords()
        self._threads = threads
        self._pool = ThreadPool(threads, threads, name="passwords")
        self._unfinished = 0

    def start(self) -> None:
        """Start the threads (after a fork, not before)."""
        self._pool.start()

    def stop(self) -> None:
        """Finish what runs. Blocks for as long as one calculation takes."""
        self._pool.stop()

    async def verify(self, password: str, stored_hash: str) -> tuple[bool, str | None]:
        """See `Passwords.verify`."""
        return await self.run(self._passwords.verify, password, stored_hash)

    async def dummy(self, password: str) -> None:
        """Take the time of `verify` for nothing."""
        await self.run(self._passwords.dummy, password)

    async def hash(self, password: str) -> str:
        """See `Passwords.hash`."""
        return await self.run(self._passwords.hash, password)

    async def run_beside(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run what nobody waits for, unless all threads have logins to check: `LoginUnavailable` then."""
        if self._unfinished >= self._threads:
            raise LoginUnavailable
        return await self.run(work, *arguments)

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run in a thread, within the limits."""
        if self._unfinished >= self._threads + MAX_WAITING:
            raise LoginUnavailable
        self._unfinished += 1
        try:
            # deferToThreadPool wants the whole reactor for its callFromThread
            return await deferToThreadPool(self._reactor, self._pool, work, *arguments)
        finally:
            self._unfinished -= 1
