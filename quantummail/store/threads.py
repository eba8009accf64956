"""Where blocking work runs: in threads under a reactor, in place without one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

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

    def submit(self, job: Callable[[], None]) -> None:
        """Do a job that reports for itself."""
        job()


class Threads:
    """A fixed number of threads. Leaner than Twisted's pool: a delivery costs two hops between threads, not four."""

    def __init__(self, reactor: IReactorFromThreads, name: str, count: int) -> None:
        self._reactor = reactor
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True) for number in range(count)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish what was asked for, then end the threads. Blocks until then."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Do it in one of the threads."""
        outcome: Deferred[T] = Deferred()

        def job() -> None:
            result: Any
            try:
                result = work(*args, **kwargs)
            except BaseException:  # noqa: BLE001  # whatever it is, the waiting one gets it
                result = Failure()
            self._reactor.callFromThread(outcome.callback, result)

        self._jobs.put(job)
        return outcome

    def submit(self, job: Callable[[], None]) -> None:
        """Do a job that raises nothing and reports for itself."""
        self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
