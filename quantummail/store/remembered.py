"""What was read from the database and is still true: answers to questions that are asked again and again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from quantummail.store.other_commits import OtherCommits

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST = 10_000


class Remembered(Generic[K, V]):
    """Answers by their keys, on the reactor. Commits of our own are told to it, others it sees for itself.

    What is not there is not remembered: nobody fills the memory with names that he makes up.
    """

    def __init__(self, others: OtherCommits) -> None:
        self._others = others
        self._answers: dict[K, tuple[int, V]] = {}
        self._reading: dict[K, object] = {}

    async def get(self, key: K, read: Callable[[], Awaitable[V | None]]) -> V | None:
        """The answer, read now unless it is known."""
        count = self._others.count()
        known = self._answers.get(key)
        if known is not None and known[0] == count:
            return known[1]
        reading = self._reading[key] = object()
        try:
            answer = await read()
            if self._reading.get(key) is reading:
                # nobody has changed it meanwhile
                self._keep(key, count, answer)
        finally:
            if self._reading.get(key) is reading:
                del self._reading[key]
        return answer

    def forget(self, key: K) -> None:
        """The answer has changed. One that is being read may be older than that."""
        self._answers.pop(key, None)
        self._reading.pop(key, None)

    def forget_reading(self) -> None:
        """Something has changed that a reading may be about."""
        self._reading.clear()

    def clear(self) -> None:
        """All may have changed."""
        self._answers.clear()
        self._reading.clear()

    def _keep(self, key: K, count: int, answer: V | None) -> None:
        self._answers.pop(key, None)
        if answer is not None:
            self._answers[key] = (count, answer)
            if len(self._answers) > MOST:
                del self._answers[next(iter(self._answers))]
