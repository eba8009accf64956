"""How a message's file comes into its Maildir: written, synced, renamed, the directory synced. Then it may be named.

Blocking; runs in threads. Names that are on their way in are registered, so that a scan of the tree does not take a
file for a foreign one whose row is about to be committed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence

from quantummail.store.maildir import sync_directory
from quantummail.store.spooled import write_all

# What one system call is given at most: a buffer of a whole large message would be held twice
_PIECE = 1 << 20


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


def write_file(path: str, pieces: Sequence[bytes | memoryview], mtime: int | None = None) -> None:
    """Create a file durably (its octets, not yet its name)."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if sum(map(len, pieces)) <= _PIECE:
            write_all(descriptor, b"".join(bytes(piece) for piece in pieces))
        else:
            for piece in pieces:
                with memoryview(piece) as view:
                    for start in range(0, len(view), _PIECE):
                        write_all(descriptor, view[start : start + _PIECE])
        if mtime is not None:
            os.utime(descriptor, (mtime, mtime))
        os.fsync(descriptor)
    except BaseException:
        # never a second fsync on the same file: the kernel has dropped the pages that it could not write
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
    finally:
        os.close(descriptor)


def put(root: str, directory: str, path: str, pieces: Sequence[bytes | memoryview], mtime: int | None = None) -> None:
    """Write one file under `path` (``new/...`` or ``cur/...``) of a Maildir, durable with its name."""
    temporary = os.path.join(root, directory, "tmp", os.path.basename(path))
    final = os.path.join(root, directory, path)
    try:
        write_file(temporary, pieces, mtime)
    except FileExistsError:
        # left behind by a delivery that a crash ended
        os.unlink(temporary)
        write_file(temporary, pieces, mtime)
    os.rename(temporary, final)
    sync_directory(os.path.dirname(final))


def link(root: str, source: str, directory: str, path: str) -> None:
    """Give a file a second name in another Maildir. The directory is not synced: `sync` it after the last one."""
    with contextlib.suppress(FileExistsError):
        os.link(source, os.path.join(root, directory, path))


def remove(root: str, names: Iterable[tuple[str, str]]) -> None:
    """Take away files (directory, path) that will have no rows. Trouble is not reported: a scan finds what stays."""
    for directory, path in names:
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(root, directory, path))
