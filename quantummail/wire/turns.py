"""Runs the coroutine of a connection. One that waits for nothing, as most commands do, costs no Deferred."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

Work = Coroutine[Deferred[Any], Any, None]


def run(work: Work) -> None:
    """Run until the coroutine waits for a Deferred, and go on when that has fired. It must raise nothing."""
    _step(work, None)


def _step(work: Work, result: object) -> None:
    try:
        waiting = result.throwExceptionIntoGenerator(work) if isinstance(result, Failure) else work.send(result)
    except StopIteration:
        return
    # awaiting one that has fired already does not come here: there is no recursion
    waiting.addBoth(lambda outcome: _step(work, outcome))
