"""Where blocking work runs: in threads under a reactor, in place without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorFromThreads

T = TypeVar("T")
P = ParamSpec("P")


class Inline:
    """Runs work where it is called: for commands, which serve nobody meanwhile."""

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Do it now."""
        return maybeDeferred(work, *args, **kwargs)


class Threads:
    """A fixed number of threads."""

    def __init__(self, reactor: IReactorFromThreads, name: str, count: int) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=count, maxthreads=count, name=name)

    def start(self) -> None:
        """Start the threads."""
        self._pool.start()

    def stop(self) -> None:
        """Finish what was asked for, then end the threads. Blocks until then."""
        self._pool.stop()

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Do it in one of the threads."""
        return deferToThreadPool(self._reactor, self._pool, work, *args, **kwargs)
