"""Threads of a running server under strace, which kills it or makes its system calls fail."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.faults.case import tracer
from tests.support.server import RunningServer

# Everything that changes a file system; `?`: not every architecture has them all
CHANGES = (
    "?open,openat,write,pwrite64,writev,?rename,renameat,renameat2,?link,linkat,?unlink,unlinkat,fsync,fdatasync,"
    "syncfs,?mkdir,mkdirat,ftruncate"
)


def split_threads(server: RunningServer, write: Callable[[], object]) -> tuple[list[int], list[int]]:
    """The thread that writes the database, and those that work on files; not the reactor's.

    :param write: something that writes to the database and nowhere else, so that the thread shows itself.
    """
    before = _written(server)
    write()
    after = _written(server)
    writer = max(after, key=lambda thread: after[thread] - before.get(thread, 0))
    return [writer], [thread for thread in after if thread != writer]


def _written(server: RunningServer) -> dict[int, int]:
    written: dict[int, int] = {}
    for thread in _threads(server):
        lines = Path(f"/proc/{server.pid}/task/{thread}/io").read_text().splitlines()
        written[thread] = int(dict(line.split(": ") for line in lines)["wchar"])
    del written[server.pid]
    return written


def _threads(server: RunningServer) -> list[int]:
    return [int(name) for name in os.listdir(f"/proc/{server.pid}/task")]


class Traced:
    """strace at work on some threads, each with a count of its own, until the block ends.

    :param threads: of these alone; those of a whole process with `follow`.
    :param injections: what happens, as ``strace --inject`` wants it: ``fsync:error=EIO``.
    """

    def __init__(self, threads: Sequence[int], *injections: str, follow: bool = False) -> None:
        self._threads = threads
        calls = ",".join(injection.partition(":")[0] for injection in injections)
        with tempfile.NamedTemporaryFile(prefix="quantummail-strace-", delete=False) as output:
            self._output = Path(output.name)
        self._command = [
            tracer(), *(["-f"] if follow else []), "-o", str(self._output), "-e", f"trace={calls}", "-e", "signal=none",
            *(f"--inject={injection}" for injection in injections), *(f"--attach={thread}" for thread in threads),
        ]
        self._process: subprocess.Popen[bytes] | None = None
        self.injected: Counter[str] = Counter()
        """How often each system call was tampered with, when the block has ended."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        attached = 0
        while attached < len(self._threads):
            line = self._process.stderr.readline()
            if not line:
                raise AssertionError(f"strace ended with {self._process.wait()}")
            attached += b"attached" in line
            if b"strace: " in line and b"attached" not in line:
                raise AssertionError(line.decode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        assert process is not None
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        for line in self._output.read_text("utf-8", "replace").splitlines():
            if "(INJECTED)" in line:
                self.injected[line.partition("(")[0].split()[-1]] += 1
        self._output.unlink()


def died(server: RunningServer, patience: float) -> bool:
    """Whether the server ends within so many seconds."""
    assert server.process is not None
    deadline = time.monotonic() + patience
    while server.process.poll() is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
