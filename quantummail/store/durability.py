"""Files become durable in groups, in the stage before the writer (`store.intake`): no row names one that is not.

A few files are synced one by one, then their directories. Many are synced by one `syncfs` of the file system, which
costs one flush instead of one or two for each; only where its kernel side is known to write everything out, and not
while other programs keep the file system so busy that it takes long.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from twisted.logger import Logger

from quantummail.store.errors import Unavailable
from quantummail.store.maildir import sync_directory

_log = Logger(namespace="quantummail.store")
# From this many files on one syncfs is cheaper than syncing each
_MANY = 3
_SLOW = 0.25
_PATIENCE = 60.0
# statfs(2): ext2/3/4, XFS, btrfs. FUSE and network file systems answer without having done it.
_TRUSTED = frozenset((0xEF53, 0x58465342, 0x9123683E))


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file in its place, its descriptor still open because that is where the kernel reports write errors."""

    path: str
    descriptor: int

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)


class Syncing:
    """A sync under way, that those who name its files have to wait for."""

    def __init__(self, files: Sequence[WrittenFile]) -> None:
        self._outcomes: dict[WrittenFile, OSError | None] = {
            file: OSError(errno.EIO, "the sync has failed unexpectedly") for file in files
        }
        self._over = threading.Event()

    def run(self, durability: Durability) -> None:
        """Do it. Whatever happens, nobody waits for ever."""
        try:
            files = list(self._outcomes)
            if files:
                self._outcomes.update(zip(files, durability.sync(files), strict=True))
        finally:
            self._over.set()

    def outcome(self, file: WrittenFile) -> OSError | None:
        """Wait; None when the file is durable."""
        self._over.wait()
        return self._outcomes[file]


def not_durable(error: OSError) -> Unavailable:
    """What whoever waits for a file is told when its sync has failed; the log is told too."""
    _log.error("a message cannot be made durable: {reason}", reason=error.strerror)
    return Unavailable(f"the disk does not take the message: {error.strerror}")


class Durability:
    """Makes files below one directory durable."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._root_descriptor = -1
        self._not_before = 0.0

    def start(self) -> None:
        """Look what file system it is. The directory exists."""
        if _file_system(self._root) in _TRUSTED:
            self._root_descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def stop(self) -> None:
        """Let go of the directory."""
        if self._root_descriptor >= 0:
            os.close(self._root_descriptor)
            self._root_descriptor = -1

    def sync(self, files: Sequence[WrittenFile]) -> list[OSError | None]:
        """Make contents and names of files durable, and close them; an outcome for each.

        A file whose sync failed is lost to us: the kernel has dropped what it could not write, a second sync would
        succeed and lie.
        """
        try:
            # where that fails, each descriptor still tells of errors with its own file
            if len(files) >= _MANY and self._may_sync_all() and self._sync_all():
                return [None] * len(files)
            return self._sync_each(files)
        finally:
            for file in files:
                with contextlib.suppress(OSError):
                    file.close()

    def _may_sync_all(self) -> bool:
        return self._root_descriptor >= 0 and time.monotonic() >= self._not_before

    def _sync_all(self) -> bool:
        began = time.monotonic()
        if _libc.syncfs(self._root_descriptor) != 0:
            _log.error("the file system cannot be synced: {reason}", reason=os.strerror(ctypes.get_errno()))
            return False
        took = time.monotonic() - began
        if took > _SLOW:
            _log.info("the file system is busy: syncing took {took:.2f} s, files are synced one by one for a while",
                      took=took)
            self._not_before = time.monotonic() + _PATIENCE
        return True

    def _sync_each(self, files: Sequence[WrittenFile]) -> list[OSError | None]:
        outcomes: list[OSError | None] = []
        directories: dict[str, OSError | None] = {}
        for file in files:
            try:
                os.fsync(file.descriptor)
                outcomes.append(None)
            except OSError as error:
                outcomes.append(error)
            directories[os.path.dirname(file.path)] = None
        for directory in directories:
            try:
                sync_directory(directory)
            except OSError as error:
                directories[directory] = error
        return [
            outcome or directories[os.path.dirname(file.path)]
            for file, outcome in zip(files, outcomes, strict=True)
        ]


class _StatFs(ctypes.Structure):
    """The beginning of struct statfs: only the type is read."""

    _fields_ = [("f_type", ctypes.c_long), ("rest", ctypes.c_char * 240)]  # as ctypes wants it


_libc = ctypes.CDLL(None, use_errno=True)


def _file_system(path: str) -> int:
    buffer = _StatFs()
    if _libc.statfs(os.fsencode(path), ctypes.byref(buffer)) != 0:
        return 0
    return int(buffer.f_type) & 0xFFFFFFFF
