"""How a message's file comes into its Maildir: written and renamed; `store.durability` then makes it durable.

Blocking; runs in threads. Names that are on their way in are registered, so that a scan of the tree does not take a
file for a foreign one whose row is about to be committed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence

from quantummail.store.durability import WrittenFile
from quantummail.store.own_changes import Change
from quantummail.store.spooled import write_all

_LARGE = 1 << 20


class Arrivals:
    """The names (mailbox directory, file) whose files may be there before their rows are."""

    def __init__(self) -> None:
        self._names: set[tuple[str, str]] = set()

    def expect(self, names: Iterable[tuple[str, str]]) -> None:
        """Before the first rename."""
        self._names.update(names)

    def settled(self, names: Iterable[tuple[str, str]]) -> None:
        """The rows are committed, or the files taken away again."""
        self._names.difference_update(names)

    def snapshot(self, directory: str) -> set[str]:
        """The names of one mailbox; taken after its directory was listed and before its rows are read."""
        return {file for where, file in self._names.copy() if where == directory}


def put(
    root: str, directory: str, path: str, pieces: Sequence[bytes | memoryview], mtime: int | None = None
) -> WrittenFile:
    """Write one file under `path` (``new/...`` or ``cur/...``) of a Maildir.

    Neither octets nor name are durable until `Durability.sync`: a crash before that may leave a torn file, which has
    no row, was promised to nobody, and tells by the ``S=`` in its name that it is not whole.
    """
    temporary = os.path.join(root, directory, "tmp", os.path.basename(path))
    final = os.path.join(root, directory, path)
    try:
        descriptor = _create(temporary)
    except FileExistsError:
        # left behind by a delivery that a crash ended
        os.unlink(temporary)
        descriptor = _create(temporary)
    try:
        for piece in pieces:
            write_all(descriptor, piece)
        if mtime is not None:
            os.utime(descriptor, (mtime, mtime))
        if sum(map(len, pieces)) > _LARGE:
            # its size would not tell if a hole was left in the middle: it is whole before it has its name
            os.fsync(descriptor)
        with Change(final):
            os.rename(temporary, final)
    except BaseException:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    return WrittenFile(final, descriptor)


def _create(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def link(root: str, source: str, directory: str, path: str) -> None:
    """Give a file a second name in another Maildir. Syncing the directory is the caller's, after the last one."""
    target = os.path.join(root, directory, path)
    with contextlib.suppress(FileExistsError), Change(target):
        os.link(source, target)


def remove(root: str, names: Iterable[tuple[str, str]]) -> None:
    """Take away files (directory, path) that will have no rows. Trouble is not reported: a scan finds what stays."""
    for directory, path in names:
        doomed = os.path.join(root, directory, path)
        with contextlib.suppress(OSError), Change(doomed):
            os.unlink(doomed)
