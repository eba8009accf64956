"""Long work in steps, between which others have their turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Gives way after every few milliseconds of work; the result comes at the end."""
Pause = Callable[[], Awaitable[None]]
"""Lets others have their turn."""

STEP = 4000
"""Simple things to do in one step."""


async def finished(steps: Steps[T], pause: Pause) -> T:
    """The result."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        await pause()
