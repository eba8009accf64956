"""Tests of quantummail.store.spooled."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.spooled import IN_MEMORY, SpooledBody
from quantummail.store.threads import Inline


class Slow(Inline):
    """A thread that begins when it is told to."""

    def __init__(self) -> None:
        self.work: list[Callable[[], None]] = []

    def run(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Do it later."""
        done: Deferred[Any] = Deferred()
        self.work.append(lambda: done.callback(work(*args, **kwargs)))
        return done


class DiscardTests(SynchronousTestCase):
    """Giving a message up."""

    def test_while_a_thread_writes(self) -> None:
        """The file is closed and removed when the thread is done with it, not under its hands."""
        with tempfile.TemporaryDirectory() as directory:
            threads = Slow()
            body = SpooledBody(directory, threads)
            writing = Deferred.fromCoroutine(body.write(b"x" * (IN_MEMORY + 1)))
            body.discard()
            threads.work[0]()
            self.successResultOf(writing)
            self.assertEqual(os.listdir(directory), [])
            body.discard()
