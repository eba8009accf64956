"""A call that is made again and again. A command that is done at once has one too: it must cost next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime


class Repeated:
    """Calls for the first time after `seconds`, until it is stopped. No Deferred, nothing for the garbage collector."""

    __slots__ = ("_call", "_callback", "_clock", "_seconds")

    def __init__(self, clock: IReactorTime, seconds: float, callback: Callable[[], None]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._callback = callback
        self._call = clock.callLater(seconds, self._again)

    def stop(self) -> None:
        """No more calls."""
        if self._call.active():
            self._call.cancel()

    def _again(self) -> None:
        self._call = self._clock.callLater(self._seconds, self._again)
        self._callback()
