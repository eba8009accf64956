r"""The messages that are \Recent in one session (RFC 3501 2.3.2): those it was told of before any other session."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right

_NONE = 1 << 32


class RecentUids:
    """Ranges of UIDs; each new one is above the others."""

    __slots__ = ("_firsts", "_lasts", "first")

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self.first = _NONE
        """The lowest one: most messages of a mailbox are below it."""

    def add(self, first: int, last: int) -> None:
        """The session is the first to hear of these."""
        if first > last:
            return
        if self._lasts and first <= self._lasts[-1] + 1:
            self._lasts[-1] = max(last, self._lasts[-1])
            return
        self._firsts.append(first)
        self._lasts.append(last)
        self.first = self._firsts[0]

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """First and last UID of each range, ascending."""
        return list(zip(self._firsts, self._lasts, strict=True))

    def __contains__(self, uid: int) -> bool:
        index = bisect_right(self._firsts, uid) - 1
        return index >= 0 and uid <= self._lasts[index]

    def count(self, uids: array[int]) -> int:
        """How many of these, which ascend, are recent."""
        return sum(
            bisect_left(uids, last + 1) - bisect_left(uids, first)
            for first, last in zip(self._firsts, self._lasts, strict=True)
        )
