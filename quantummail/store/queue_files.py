"""The octets of outgoing messages: a file each in the queue's directory, as long as a recipient's fate is open."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from quantummail.store.durability import WrittenFile
from quantummail.store.errors import NoSuchMessage, Unavailable
from quantummail.store.spooled import write_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_UNFINISHED = ".tmp"


class QueueFiles:
    """Blocking; runs in threads."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    @property
    def directory(self) -> str:
        """Where the files are."""
        return self._directory

    def make(self) -> None:
        """Make the directory."""
        os.makedirs(self._directory, mode=0o700, exist_ok=True)

    def path(self, message_id: str) -> str:
        """The file of a message."""
        return os.path.join(self._directory, message_id)

    def put(self, message_id: str, pieces: Sequence[bytes | memoryview]) -> WrittenFile:
        """Write a file under its name; it is yet to be made durable. `Unavailable` if the disk does not take it."""
        final = self.path(message_id)
        temporary = final + _UNFINISHED
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                for piece in pieces:
                    write_all(descriptor, piece)
                os.rename(temporary, final)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise Unavailable(f"the disk does not take the message: {error.strerror}") from error
        return WrittenFile(final, descriptor)

    def read(self, message_id: str, start: int, end: int) -> bytes:
        """Octets of a message; fewer if its file is shorter."""
        try:
            descriptor = os.open(self.path(message_id), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NoSuchMessage(f"the file of message {message_id} is gone") from None
        except OSError as error:
            raise Unavailable(f"message {message_id} cannot be read: {error.strerror}") from error
        try:
            pieces = []
            while start < end:
                piece = os.pread(descriptor, end - start, start)
                if not piece:
                    break
                pieces.append(piece)
                start += len(piece)
            return b"".join(pieces)
        except OSError as error:
            raise Unavailable(f"message {message_id} cannot be read: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def remove(self, message_id: str) -> None:
        """Take a file away. What stays behind is found by `strays`."""
        with contextlib.suppress(OSError):
            os.unlink(self.path(message_id))

    def strays(self, older_than: float) -> Iterator[str]:
        """Ids of files that were last written so many seconds ago, or longer; half-written ones are taken away."""
        horizon = time.time() - older_than
        with os.scandir(self._directory) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.stat().st_mtime > horizon:
                        # somebody may be writing it
                        continue
                    if entry.name.endswith(_UNFINISHED):
                        os.unlink(entry.path)
                    else:
                        yield entry.name
