"""The octets of messages: read in pieces from their files, always with CRLF line ends."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.logger import Logger

from quantummail.store.errors import NoSuchMessage, StoreError, Unavailable
from quantummail.store.line_ends import Places
from quantummail.store.maildir import locate
from quantummail.store.spooled import SpooledBody

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from quantummail.store.records import Location, Message
    from quantummail.store.threads import Inline, Threads

_ROOM_REMEMBERED = 0.5
_MARGIN = 1 << 20
_SPARE_INODES = 16


class Bodies:
    """Reads messages, and makes the places where new ones are collected."""

    log = Logger(namespace="quantummail.store")

    def __init__(self, root: str, spool: str, threads: Inline | Threads) -> None:
        self._root = root
        self._spool = spool
        self._threads = threads
        self._places = Places()
        # Asked at every MAIL: the answer is good for a moment. Who comes too late is refused by the disk itself.
        self._room = (0.0, 0)

    def spooled(self) -> SpooledBody:
        """A place for a message that comes in."""
        return SpooledBody(self._spool, self._threads)

    def read(self, message: Message, start: int = 0, end: int | None = None) -> Deferred[bytes]:
        """Octets `start` to `end` (of the text with CRLF). `NoSuchMessage` when its file is gone."""
        return self._threads.run(self._read, message, start, end)

    def read_many(self, messages: Sequence[Message], limit: int) -> Deferred[list[bytes]]:
        """Whole messages from the first on, at least one, as long as they stay within `limit` octets together."""
        return self._threads.run(self._read_many, messages, limit)

    def read_here(self, message: Message, start: int, end: int) -> bytes:
        """The same as `read`, for those who are in a thread already."""
        return self._read(message, start, end)

    def has_room(self, size: int) -> bool:
        """Whether the disk takes a message of this size and keeps a margin of twice that, 1 % and some inodes."""
        asked, room = self._room
        now = time.monotonic()
        if now - asked > _ROOM_REMEMBERED or room < size * 2 + _MARGIN:
            room = min(_room(self._root), _room(self._spool))
            self._room = (now, room)
        return room >= max(size * 2, _MARGIN)

    def _read_many(self, messages: Sequence[Message], limit: int) -> list[bytes]:
        octets: list[bytes] = []
        total = 0
        for message in messages:
            if octets and total + message.size > limit:
                break
            try:
                octets.append(self._read(message, 0, None))
            except StoreError:
                if not octets:
                    raise
                break
            total += message.size
        return octets

    def _read(self, message: Message, start: int, end: int | None) -> bytes:
        location = message.location
        # what is read fits the size and the offsets in the index, even if somebody has added to the file
        end = message.size if end is None else min(end, message.size)
        descriptor = self._open(location)
        try:
            if location.bare_lf:
                octets = self._places.read(descriptor, start, end)
            else:
                octets = _pread(descriptor, start, end - start)
        except OSError as error:
            raise Unavailable("the message cannot be read") from error
        finally:
            os.close(descriptor)
        if len(octets) < end - start:
            self.log.error("{file} is shorter than it was", file=f"{location.directory}/{location.path}")
            raise Unavailable("the message's file is shorter than it was")
        return octets

    def _open(self, location: Location) -> int:
        directory = os.path.join(self._root, location.directory)
        try:
            return os.open(os.path.join(directory, location.path), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise Unavailable("the message cannot be read") from error
        # its flags changed since the row was read, or by another program
        for _ in range(2):
            path = locate(directory, os.path.basename(location.path).partition(":2,")[0])
            if path is None:
                break
            try:
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise Unavailable("the message cannot be read") from error
        raise NoSuchMessage("the message is gone")


def _room(path: str) -> int:
    """Octets that may still be written to a file system, 0 if it is as good as full."""
    try:
        disk = os.statvfs(path)
    except OSError:
        return 0
    free = disk.f_bavail * disk.f_frsize
    if free < disk.f_blocks * disk.f_frsize // 100 or (disk.f_files and disk.f_favail < _SPARE_INODES):
        return 0
    return free


def _pread(descriptor: int, start: int, length: int) -> bytes:
    if length <= 0:
        return b""
    octets = os.pread(descriptor, length, start)
    if len(octets) == length:
        return octets
    pieces = [octets]
    while octets and (length := length - len(octets)) > 0:
        start += len(octets)
        octets = os.pread(descriptor, length, start)
        pieces.append(octets)
    return b"".join(pieces)
