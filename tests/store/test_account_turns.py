"""Tests of quantummail.store.account_turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.account_turns import AccountTurns
from quantummail.store.threads import Threads


class Asked:
    """Threads that note what they are asked to do; the test does it."""

    def __init__(self) -> None:
        self.jobs: list[Callable[[], object]] = []

    def run(self, work: Callable[..., str], *arguments: object) -> Deferred[str]:
        """To be done later."""
        outcome: Deferred[str] = Deferred()
        self.jobs.append(lambda: maybeDeferred(work, *arguments).chainDeferred(outcome))
        return outcome


class AccountTurnsTests(SynchronousTestCase):
    """Two accounts that search."""

    def setUp(self) -> None:
        self.threads = Asked()
        self.turns = AccountTurns(cast("Threads", self.threads))

    def ask(self, account_id: int, word: str) -> Deferred[str]:
        """Something to do for an account."""
        return Deferred.fromCoroutine(self.turns.run(account_id, str.upper, word))

    def test_one_at_a_time(self) -> None:
        """What an account asks for at once is done one after the other; another account does not wait for it."""
        outcomes = [self.ask(1, "a"), self.ask(1, "b"), self.ask(2, "c")]
        self.assertEqual(len(self.threads.jobs), 2)
        self.threads.jobs.pop()()
        self.assertEqual(self.successResultOf(outcomes[2]), "C")
        self.threads.jobs.pop()()
        self.assertEqual(self.successResultOf(outcomes[0]), "A")
        self.threads.jobs.pop()()
        self.assertEqual(self.successResultOf(outcomes[1]), "B")

    def test_failure(self) -> None:
        """What fails ends its turn."""
        failed = Deferred.fromCoroutine(self.turns.run(1, int, "x"))
        after = self.ask(1, "a")
        self.threads.jobs.pop()()
        self.failureResultOf(failed, ValueError)
        self.threads.jobs.pop()()
        self.assertEqual(self.successResultOf(after), "A")
