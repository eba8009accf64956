"""Tests of quantummail.wire.turns: coroutines run as Deferreds would run them."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from quantummail.wire import turns


class TurnTests(SynchronousTestCase):
    """What a coroutine gets, and when."""

    def setUp(self) -> None:
        self.heard: list[Any] = []

    async def listen(self, *waiting: Deferred[Any]) -> None:
        """Hear what becomes of some Deferreds, one after another."""
        for each in waiting:
            try:
                self.heard.append(await each)
            except ValueError as error:
                self.heard.append(str(error))
        self.heard.append("end")

    def test_at_once(self) -> None:
        """Nothing to wait for: it is over when `run` returns."""
        turns.run(self.listen())
        self.assertEqual(self.heard, ["end"])

    def test_waiting(self) -> None:
        """Results and failures come when they come, of Deferreds in Deferreds too."""
        first: Deferred[int] = Deferred()
        second: Deferred[int] = Deferred()
        third: Deferred[int] = Deferred()
        inner: Deferred[int] = Deferred()
        third.addCallback(lambda _: inner)
        turns.run(self.listen(first, second, third))
        self.assertEqual(self.heard, [])
        first.callback(1)
        self.assertEqual(self.heard, [1])
        second.errback(ValueError("two"))
        self.assertEqual(self.heard, [1, "two"])
        third.callback(0)
        self.assertEqual(self.heard, [1, "two"])
        inner.callback(3)
        self.assertEqual(self.heard, [1, "two", 3, "end"])

    def test_fired_before(self) -> None:
        """What has fired is not waited for, however much of it there is."""
        fired = []
        for number in range(5000):
            each: Deferred[int] = Deferred()
            each.callback(number)
            fired.append(each)
        turns.run(self.listen(*fired))
        self.assertEqual(self.heard, [*range(5000), "end"])

    def test_in_turn(self) -> None:
        """Coroutines within it wait for it as well."""
        waiting: Deferred[int] = Deferred()

        async def outer() -> None:
            await self.listen(waiting)
            await Deferred.fromCoroutine(self.listen())
            self.heard.append("outer")

        turns.run(outer())
        waiting.callback(1)
        self.assertEqual(self.heard, [1, "end", "end", "outer"])
