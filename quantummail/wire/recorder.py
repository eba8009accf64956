"""Records accounts' dialogues while somebody wants that: looks for recordings to begin and end, and hands out tapes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar

from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from quantummail.wire.recordings import RUNNING, Recording, Recordings
from quantummail.wire.tape import Tape

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from quantummail.wire.connection import Connection

INTERVAL = 2.0


class Running:
    """A recording that is added to. It ends when it is full, when its time is over, or when its file is renamed."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.wire")

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self._descriptor = os.open(recording.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._room = recording.limit - recording.size
        self.open = True

    def add(self, text: str) -> None:
        """Add whole lines."""
        if not self.open or not text:
            return
        data = text.encode("ascii", "backslashreplace")
        if len(data) > self._room:
            self.close("the recording is full")
            return
        try:
            os.write(self._descriptor, data)
            self._room -= len(data)
        except OSError as error:
            self.close(f"the recording cannot be written: {error.strerror}")

    def close(self, why: str) -> None:
        """Add nothing more."""
        if self.open:
            self.open = False
            os.close(self._descriptor)
            self.log.info("the recording {name} of {user} has ended: {why}", name=self.recording.name,
                          user=self.recording.address, why=why)


class Recorder:
    """One for the server. While nothing is recorded it looks at the time of a directory now and then, that is all.

    :param connections: all that there are now.
    """

    log: ClassVar[Logger] = Logger(namespace="quantummail.wire")

    def __init__(self, recordings: Recordings, clock: IReactorTime, connections: Callable[[], Iterable[Connection]],
                 wall: Callable[[], float] = time.time) -> None:
        self._recordings = recordings
        self._connections = connections
        self._wall = wall
        self._running: dict[str, Running] = {}
        """By name."""
        self._seen = 0
        self._loop = LoopingCall(self._look)
        self._loop.clock = clock

    def start(self) -> None:
        """Begin to look."""
        self._loop.start(INTERVAL)

    def stop(self) -> None:
        """Close what is open; it goes on after the next start, if its time is not over."""
        if self._loop.running:
            self._loop.stop()
        for running in self._running.values():
            running.close("the server stops")
        self._running.clear()

    def tape(self, connection: Connection) -> Tape | None:
        """A tape for a new connection, of which nobody knows whose it is; None while nothing is recorded."""
        redaction = connection.redaction
        if not self._running or redaction is None:
            return None
        return Tape(f"{connection.factory.name} {connection.connection_id}", redaction, self._wall)

    def of(self, address: str) -> Running | None:
        """The recording of an account, if there is one."""
        return next((running for running in self._running.values()
                     if running.recording.address == address and running.open), None)

    def record(self, connection: Connection) -> None:
        """Take up a connection that was there before; not in the middle of something, where mail looks like commands.
        """
        running = self.of(connection.account)
        if running is None or not connection.at_rest:
            return
        tape = self.tape(connection)
        if tape is not None:
            tape.belongs(running)
            tape.note(f"a session of {connection.account} from {connection.client}, which was there before")
            connection.tape = tape

    def _look(self) -> None:
        try:
            self._find()
        except Exception:  # noqa: BLE001  # the edge of a background task
            self.log.failure("unexpected error while recordings are looked for")

    def _find(self) -> None:
        now = self._wall()
        try:
            changed = os.stat(self._recordings.directory).st_mtime_ns
        except FileNotFoundError:
            changed = 0
        if changed != self._seen:
            self._seen = changed
            self._compare(now)
        for name, running in list(self._running.items()):
            if now >= running.recording.ends or not running.open:
                running.close("its time is over")
                del self._running[name]
                self._finish(running.recording)
        if self._running:
            for connection in self._connections():
                if connection.account and (connection.tape is None or not connection.tape.wanted):
                    self.record(connection)

    def _compare(self, now: float) -> None:
        """Begin and end what the commands have begun and ended."""
        found = self._recordings.list()
        wanted = {recording.name: recording for recording in found if recording.runs(now)}
        for recording in found:
            if recording.path.suffix == RUNNING and recording.name not in wanted:
                self._finish(recording)
        for name in self._running.keys() - wanted.keys():
            self._running.pop(name).close("it was ended by a command")
        for name in wanted.keys() - self._running.keys():
            recording = wanted[name]
            try:
                self._running[name] = Running(recording)
            except OSError as error:
                self.log.error("the recording {name} cannot be written: {reason}", name=name, reason=error.strerror)
                continue
            self.log.info("the dialogues of {user} are recorded: {name}", user=recording.address, name=name)

    def _finish(self, recording: Recording) -> None:
        try:
            self._recordings.end(recording)
        except OSError as error:
            self.log.error("the recording {name} cannot be renamed: {reason}", name=recording.name,
                           reason=error.strerror)
