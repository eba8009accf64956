"""Room on the disk that is kept back, so that mail can still be removed when somebody has filled the rest."""

from __future__ import annotations

import contextlib
import os
import time

from twisted.logger import Logger

_log = Logger(namespace="quantummail.store")
_MOST = 64 << 20
# The reserve is a sixteenth of the disk at most, and taken while four times as much is free
_SHARE = 16
_PLENTY = 4
_PATIENCE = 60.0


class Reserve:
    """A file of some size that nobody reads. Blocking; used by the writer's thread alone."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._there = False
        self._not_before = 0.0

    def renew(self) -> None:
        """Have the reserve, if the disk has plenty of room; looks at most once a minute."""
        now = time.monotonic()
        if self._there or now < self._not_before:
            return
        self._not_before = now + _PATIENCE
        try:
            disk = os.statvfs(os.path.dirname(self._path))
            size = min(_MOST, disk.f_blocks * disk.f_frsize // _SHARE)
            # what a server before us has left
            self._there = os.path.exists(self._path) and os.path.getsize(self._path) >= size
            if not self._there and disk.f_bavail * disk.f_frsize >= size * _PLENTY:
                self._take(size)
                self._there = True
        except OSError as error:
            self._there = False
            _log.warn("no room can be kept back for a full disk: {reason}", reason=error.strerror)

    def release(self) -> bool:
        """Give the room to whoever needs it now; whether there was any."""
        if not self._there:
            return False
        self._there = False
        self._not_before = time.monotonic() + _PATIENCE
        try:
            os.unlink(self._path)
        except OSError:
            return False
        _log.error("the disk is full: the room that was kept back is used now, so that mail can be removed")
        return True

    def _take(self, size: int) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            raise
        finally:
            os.close(descriptor)
