"""The threads that hash passwords."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth.attempt import LoginUnavailable
from quantummail.auth.hashing import MAX_WAITING, THREADS, Hashing
from tests.auth.accounts import PASSWORDS


class DirectReactor:
    """Calls in the thread that asks for it."""

    def callFromThread(self, call: Callable[..., object], *args: Any, **kwargs: Any) -> None:  # noqa: N802
        call(*args, **kwargs)


class HashingTests(SynchronousTestCase):
    """Threads that are not started do not finish anything; then they do."""

    def setUp(self) -> None:
        self.hashing = Hashing(cast("Any", DirectReactor()), PASSWORDS)

    def finish(self) -> None:
        """Let the threads do what waits."""
        self.hashing.start()
        self.hashing.stop()

    def test_results(self) -> None:
        """Hashes are made and verified in the threads."""
        hashed = Deferred.fromCoroutine(self.hashing.hash("secret-x"))
        verified = Deferred.fromCoroutine(self.hashing.verify("secret-x", PASSWORDS.hash("secret-x")))
        self.assertNoResult(hashed)
        self.finish()
        self.assertEqual(PASSWORDS.verify("secret-x", self.successResultOf(hashed)), (True, None))
        self.assertEqual(self.successResultOf(verified), (True, None))

    def test_bounded(self) -> None:
        """More than the queue holds is refused at once, and what waits is done all the same (faults.md P1)."""
        waiting = [Deferred.fromCoroutine(self.hashing.dummy("x")) for _ in range(THREADS + MAX_WAITING)]
        self.failureResultOf(Deferred.fromCoroutine(self.hashing.dummy("x")), LoginUnavailable)
        self.finish()
        for done in waiting:
            self.successResultOf(done)
        self.assertEqual(self.hashing._unfinished, 0)

    def test_beside(self) -> None:
        """What nobody waits for takes no place from logins."""
        first = Deferred.fromCoroutine(self.hashing.run_beside(PASSWORDS.dummy, "x"))
        waiting = [Deferred.fromCoroutine(self.hashing.dummy("x")) for _ in range(THREADS)]
        self.failureResultOf(Deferred.fromCoroutine(self.hashing.run_beside(PASSWORDS.dummy, "x")), LoginUnavailable)
        self.finish()
        for done in (first, *waiting):
            self.successResultOf(done)

    def test_failure(self) -> None:
        """A calculation that fails makes room too."""
        def broken() -> None:
            raise MemoryError

        failing = Deferred.fromCoroutine(self.hashing.run(broken))
        self.finish()
        self.failureResultOf(failing, MemoryError)
        self.assertEqual(self.hashing._unfinished, 0)
