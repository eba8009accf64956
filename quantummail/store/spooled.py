"""A message while it comes in: in memory, beyond 256 KB in a file."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from quantummail.message.ids import new_id

if TYPE_CHECKING:
    from quantummail.store.threads import Inline, Threads

T = TypeVar("T")
P = ParamSpec("P")

IN_MEMORY = 256 * 1024
_WRITE_SIZE = 256 * 1024


class SpooledBody:
    """Collects the octets of one message. Whoever got it calls `discard` when it is not wanted any more."""

    __slots__ = ("_busy", "_chunks", "_descriptor", "_directory", "_discarded", "_held", "_path", "_threads", "size")

    def __init__(self, directory: str, threads: Inline | Threads) -> None:
        self.size = 0
        self._chunks: list[bytes] = []
        self._held = 0
        self._directory = directory
        self._threads = threads
        self._path: str | None = None
        self._descriptor = -1
        self._busy = False
        self._discarded = False

    async def write(self, data: bytes) -> None:
        """Append. Raises OSError when the disk has no room."""
        self.size += len(data)
        self._chunks.append(data)
        self._held += len(data)
        if self._held > IN_MEMORY:
            await self._in_thread(self._spill)

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something with the file in a thread; what is discarded meanwhile goes afterwards."""
        self._busy = True
        try:
            return await self._threads.run(work, *args, **kwargs)
        finally:
            self._busy = False
            if self._discarded:
                self.discard()

    def _spill(self) -> None:
        if self._descriptor < 0:
            self._path = os.path.join(self._directory, f"{new_id()}.tmp")
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        data = memoryview(b"".join(self._chunks))
        self._chunks.clear()
        self._held = 0
        write_all(self._descriptor, data)

    @property
    def in_memory(self) -> bool:
        """Whether it is small enough to have no file."""
        return self._descriptor < 0

    async def head(self, size: int) -> bytes:
        """The first octets, at most `size`."""
        if self._descriptor >= 0:
            return await self._threads.run(os.pread, self._descriptor, size, 0)
        if len(self._chunks) != 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0][:size]

    async def read(self, start: int, end: int) -> bytes:
        """Octets `start` to `end`."""
        if self.in_memory:
            return self._read(start, end)
        return await self._in_thread(self._read, start, end)

    def _read(self, start: int, end: int) -> bytes:
        if self._descriptor < 0:
            if len(self._chunks) != 1:
                self._chunks = [b"".join(self._chunks)]
            return self._chunks[0][start:end]
        if self._chunks:
            self._spill()
        return os.pread(self._descriptor, end - start, start)

    async def digest(self) -> bytes:
        """SHA-256 of all that was written."""
        return await self.examine(_digest)

    async def examine(self, look: Callable[[bytes | mmap.mmap], T]) -> T:
        """What `look` says of all that was written: in a thread, where that is much."""
        return self._look(look) if self.in_memory else await self._in_thread(self._look, look)

    def _look(self, look: Callable[[bytes | mmap.mmap], T]) -> T:
        with self.octets() as octets:
            return look(octets)

    @contextlib.contextmanager
    def octets(self) -> Iterator[bytes | mmap.mmap]:
        """All that was written, as one buffer; not to be kept. Blocks: call it in a thread."""
        if self._descriptor < 0:
            if len(self._chunks) != 1:
                self._chunks = [b"".join(self._chunks)]
            yield self._chunks[0]
            return
        self._spill()
        with mmap.mmap(self._descriptor, self.size, access=mmap.ACCESS_READ) as mapped:
            yield mapped

    def discard(self) -> None:
        """Free the memory and the file. May be called twice."""
        self._discarded = True
        if self._busy:
            # a thread uses the file: a descriptor closed under it could be another file's by then
            return
        self._chunks = []
        self._held = 0
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            self._path = None


def _digest(octets: bytes | mmap.mmap) -> bytes:
    return hashlib.sha256(octets).digest()


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write everything, however many calls it takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
