"""Which changes of Maildirs are our own, as far as the times of their directories can tell.

The time of a directory is that of its last change, whoever made it. Around each of our changes it is looked at: a time
that was ours before makes the next one ours. What somebody else does between the two looks, or in the same tick of the
file system's clock, goes unnoticed: `store.following` looks again later. One for the process, as the tree is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from types import TracebackType

# ext4, XFS and btrfs take the time of the last timer interrupt: 10 ms at most
_TICK_NS = 20_000_000
_TRIES = 3

_known: dict[str, int] = {}


class Change:
    """``with Change(path)``: an entry of a directory is made, renamed or removed. Costs nothing where nobody looks."""

    __slots__ = ("_before", "_directory")

    def __init__(self, path: str) -> None:
        self._directory = os.path.dirname(path) if _known else ""
        self._before: int | None = None

    def __enter__(self) -> None:
        known = _known.get(self._directory) if self._directory else None
        if known is not None and _time(self._directory) == known:
            self._before = known

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None and _known.get(self._directory) == self._before:
            _known[self._directory] = _time(self._directory)


def begin(directories: Sequence[str]) -> tuple[int, ...]:
    """Take everything that is in directories now for known: they are about to be listed. Their times.

    Not known, however often we look, is what lies in directories that change all the time. Blocking.
    """
    forget(directories)
    found = times(directories)
    for _ in range(_TRIES):
        if not 0 <= time.time_ns() - max(found) < _TICK_NS:
            _known.update(zip(directories, found, strict=True))
            break
        time.sleep(_TICK_NS / 1e9)
        found = times(directories)
    return found


def times(directories: Sequence[str]) -> tuple[int, ...]:
    """When directories were changed last."""
    return tuple(map(_time, directories))


def unknown(directories: Sequence[str]) -> bool:
    """Whether somebody else may have changed directories."""
    return any(_known.get(directory) != _time(directory) for directory in directories)


def forget(directories: Sequence[str]) -> None:
    """Nobody looks any more."""
    for directory in directories:
        _known.pop(directory, None)


def _time(directory: str) -> int:
    try:
        return os.stat(directory).st_mtime_ns
    except OSError:
        return -1
