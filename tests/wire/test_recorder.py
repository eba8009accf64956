"""Recordings: begun, filled, ended, and what they cost nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.wire.admission import ConnectionLimits
from quantummail.wire.connection import Connection
from quantummail.wire.factory import ConnectionFactory
from quantummail.wire.recorder import INTERVAL, Recorder
from quantummail.wire.recordings import Recording, Recordings
from quantummail.wire.transcript import Write
from tests.support.places import temporary_directory
from tests.support.transport import MemoryTransport, connect

ALICE = "alice@example.test"


class Plain:
    """Keeps everything as one line."""

    def __init__(self, write: Write) -> None:
        self.write = write

    def heard(self, data: bytes) -> None:
        if data == b"fail":
            raise ValueError("cannot be read")
        self.write("C", data.decode())

    def said(self, data: bytes) -> None:
        self.write("S", data.decode())


class Echo(Connection):
    """Says back what it hears; `login NAME` logs in, `logout` out."""

    redaction: ClassVar[type[Plain]] = Plain
    halfway = False

    async def greet(self) -> None:
        self.write(b"hello")

    async def step(self) -> bool:
        data = self.buffer.take_all()
        if data.startswith(b"login "):
            self.belongs_to(data[6:].decode())
        elif data == b"logout":
            self.belongs_to("")
        if data:
            self.write(data)
        return bool(data)

    def interruptible(self) -> bool:
        return not self.halfway


class Factory(ConnectionFactory):
    """Makes them."""

    def new_connection(self) -> Connection:
        return Echo(self.clock, 60.0)


class RecorderTests(SynchronousTestCase):
    """A server with a recorder, and somebody at the commands."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.recordings = Recordings(temporary_directory(self) / "recordings")
        self.factory = Factory("echo", self.clock, ConnectionLimits())
        self.factory.recorder = self.recorder()

    def recorder(self) -> Recorder:
        """One that runs until the test ends."""
        recorder = Recorder(
            self.recordings, self.clock, lambda: self.factory.connections, lambda: 1000 + self.clock.seconds())
        recorder.start()
        self.addCleanup(recorder.stop)
        return recorder

    def begin(self, address: str = ALICE, seconds: float = 60, limit: int = 10_000) -> Recording:
        """Have an account recorded, and wait until the server has seen that."""
        recording = self.recordings.begin(address, seconds, limit, 1000 + self.clock.seconds())
        self.clock.advance(INTERVAL)
        return recording

    def connect(self) -> tuple[Echo, MemoryTransport]:
        """A client."""
        connection, transport = connect(self.factory)
        assert isinstance(connection, Echo)
        return connection, transport

    def kept(self, recording: Recording) -> list[str]:
        """Who said what, without time and names."""
        (path,) = self.recordings.directory.glob(f"{recording.name}.*")
        return [" ".join(line.split(" ")[3:]) for line in path.read_text().splitlines()[1:]]

    def test_whole_dialogue(self) -> None:
        """A connection that is made meanwhile is recorded from its greeting on, once its account is known."""
        recording = self.begin()
        connection, _ = self.connect()
        connection.dataReceived(b"before")
        self.assertEqual(self.kept(recording), [])
        connection.dataReceived(b"login " + ALICE.encode())
        connection.dataReceived(b"after")
        self.assertEqual(self.kept(recording), [
            "S: hello", "C: before", "S: before", f"C: login {ALICE}", f"S: login {ALICE}", "C: after", "S: after"])

    def test_lines(self) -> None:
        """Each line has its time, listener and connection; the file is for nobody else's eyes."""
        recording = self.begin()
        connection, _ = self.connect()
        connection.dataReceived(b"login " + ALICE.encode())
        line = recording.path.read_text().splitlines()[1]
        self.assertEqual(line, f"1970-01-01T00:16:42.000Z echo {connection.connection_id} S: hello")
        self.assertEqual(recording.path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(recording.path.parent.stat().st_mode & 0o777, 0o700)

    def test_others(self) -> None:
        """Nobody else's dialogue is kept, nor that of who does not log in."""
        recording = self.begin()
        for words in (b"login bob@example.test", b"nothing"):
            connection, _ = self.connect()
            connection.dataReceived(words)
            connection.dataReceived(b"more")
        self.assertEqual(self.kept(recording), [])

    def test_session_that_was_there(self) -> None:
        """A session that was there before is recorded when it is at rest."""
        connection, _ = self.connect()
        connection.dataReceived(b"login " + ALICE.encode())
        connection.halfway = True
        recording = self.begin()
        connection.dataReceived(b"mail")
        self.assertEqual(self.kept(recording), [])
        connection.halfway = False
        self.clock.advance(INTERVAL)
        connection.dataReceived(b"words")
        self.assertEqual(self.kept(recording), [
            f"--: a session of {ALICE} from 192.0.2.1, which was there before", "C: words", "S: words"])

    def test_logged_out(self) -> None:
        """What is said after a logout belongs to somebody else."""
        recording = self.begin()
        connection, _ = self.connect()
        connection.dataReceived(b"login " + ALICE.encode())
        connection.dataReceived(b"logout")
        connection.dataReceived(b"login bob@example.test")
        self.assertEqual(self.kept(recording)[-1], "C: logout")

    def test_nothing_to_do(self) -> None:
        """While nothing is recorded no connection has a tape."""
        self.clock.advance(INTERVAL)
        connection, _ = self.connect()
        connection.dataReceived(b"login " + ALICE.encode())
        self.assertIsNone(connection.tape)

    def test_time_is_over(self) -> None:
        """A recording ends by itself."""
        connection, _ = self.connect()
        connection.dataReceived(b"login " + ALICE.encode())
        recording = self.begin(seconds=10)
        self.clock.pump([INTERVAL] * 5)
        connection.dataReceived(b"late")
        self.assertEqual(len(self.kept(recording)), 1)
        (found,) = self.recordings.list()
        self.assertEqual((found.path.suffix, found.runs(1000)), (".ended", False))

    def test_full(self) -> None:
        """A recording is never longer than it may be."""
        recording = self.begin(limit=600)
        connection, _ = self.connect()
        connection.dataReceived(b"login " + ALICE.encode())
        for _ in range(20):
            connection.dataReceived(b"x" * 50)
        (found,) = self.recordings.list()
        self.assertLessEqual(found.size, 600)
        self.assertGreater(len(self.kept(recording)), 3)
        self.clock.advance(INTERVAL)
        self.assertEqual(self.recordings.list()[0].path.suffix, ".ended")

    def test_ended_and_deleted_by_command(self) -> None:
        """The commands end a recording, and remove it."""
        connection, _ = self.connect()
        connection.dataReceived(b"login " + ALICE.encode())
        recording = self.begin()
        self.recordings.end(recording)
        self.clock.advance(INTERVAL)
        connection.dataReceived(b"late")
        self.assertEqual(len(self.kept(recording)), 1)
        for found in self.recordings.list():
            self.recordings.delete(found)
        self.assertEqual(self.recordings.list(), [])

    def test_restart(self) -> None:
        """A server that is started again goes on, and ends what ended while it was away."""
        recording, short = self.begin(), self.begin("bob@example.test", seconds=5)
        assert self.factory.recorder is not None
        self.factory.recorder.stop()
        self.clock.advance(10)
        self.factory.recorder = self.recorder()
        connection, _ = self.connect()
        connection.dataReceived(b"login " + ALICE.encode())
        self.assertEqual(self.kept(recording)[0], "S: hello")
        ended = [found.name for found in self.recordings.list() if found.path.suffix == ".ended"]
        self.assertEqual(ended, [short.name])

    def test_a_mistake_of_ours(self) -> None:
        """A dialogue that cannot be recorded goes on."""
        self.begin()
        connection, transport = self.connect()
        connection.dataReceived(b"login " + ALICE.encode())
        transport.take()
        connection.dataReceived(b"fail")
        self.assertEqual(transport.take(), b"fail")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_strange_files(self) -> None:
        """What is no recording is not one."""
        self.recordings.directory.mkdir()
        for name, text in (("a.running", "nonsense"), ("b.running", '{"address": 1}'), ("c.txt", ""),
                           ("d.ended", "[]")):
            Path(self.recordings.directory / name).write_text(text)
        self.clock.advance(INTERVAL)
        self.assertEqual(self.recordings.list(), [])
