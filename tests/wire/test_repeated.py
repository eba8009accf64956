"""Tests of quantummail.wire.repeated."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.wire.repeated import Repeated


class RepeatedTests(SynchronousTestCase):
    """Calls by the clock."""

    def test_until_stopped(self) -> None:
        """The first call comes after an interval, the last one before it is stopped."""
        clock, calls = Clock(), []
        repeated = Repeated(clock, 10, lambda: calls.append(clock.seconds()))
        clock.pump([4] * 9)
        self.assertEqual(calls, [12, 24, 36])
        repeated.stop()
        clock.pump([20])
        self.assertEqual((len(calls), clock.getDelayedCalls()), (3, []))
        repeated.stop()

    def test_stopped_by_the_call(self) -> None:
        """The call itself may end it."""
        clock = Clock()
        repeated = Repeated(clock, 1, lambda: repeated.stop())
        clock.advance(1)
        self.assertEqual(clock.getDelayedCalls(), [])
