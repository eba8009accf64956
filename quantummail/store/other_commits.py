"""Commits of other processes (commands, while a server runs): told by a file that they let grow.

So a server may remember what it has read, and ask with one system call whether it may have changed. Whoever writes into
the database by other means is noticed where the database itself is asked: `store.outside`, `auth.sessions`.
"""

from __future__ import annotations

import os

from twisted.logger import Logger

from quantummail.store.errors import Unavailable


class OtherCommits:
    """The file, for those who commit and for the one who wants to know of it."""

    log = Logger(namespace="quantummail.store")

    def __init__(self, path: str) -> None:
        self._path = path

    def announce(self) -> None:
        """Before a commit: what is read while it runs is not to be remembered for long. Raises `Unavailable`."""
        try:
            self._grow()
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be written: {error.strerror}") from error

    def done(self) -> None:
        """After a commit."""
        try:
            self._grow()
        except OSError as error:
            self.log.error("{path} cannot be written: {reason}", path=self._path, reason=error.strerror)

    def count(self) -> int:
        """Another number than before if somebody else may have committed something since."""
        try:
            return os.stat(self._path).st_size
        except OSError:
            return 0

    def _grow(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(descriptor, b".")
        finally:
            os.close(descriptor)
