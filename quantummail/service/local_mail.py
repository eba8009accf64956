"""Where programs of this machine hand in mail: a socket while the server runs, a directory while it does not."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import socket
import stat
import struct
import time
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import TimeoutMixin

from quantummail.message.drop import MOST_OCTETS, read_line
from quantummail.reception.local import EX_DATAERR, EX_OK, EX_TEMPFAIL, LocalUser, Taken
from quantummail.service.listeners import open_unix
from quantummail.service.unix_port import AdoptedUnixPort
from quantummail.store.errors import StoreError
from quantummail.store.threads import Threads

if TYPE_CHECKING:
    from pathlib import Path

    from twisted.internet.interfaces import IDelayedCall
    from twisted.python.failure import Failure

    from quantummail.message.drop import Drop
    from quantummail.reception.local import LocalReceiver
    from quantummail.store.bodies import Bodies
    from quantummail.store.spooled import SpooledBody

_LOOK = 0.5
_TRY_AGAIN = 30.0
# A command that was killed leaves half a file
_HALF_FOR = 86400.0
_PIECE = 256 * 1024
_WAITING = 1 << 20
_MOST_CONNECTIONS = 100
_PATIENCE = 120.0
_UNFINISHED = "."
# struct ucred of Linux: process, user, group
_CREDENTIALS = "3i"
DROP_MODE = 0o1730
"""Of the drop directory: its group may put files there, and neither list them nor take away those of others."""


def user_of(uid: int) -> LocalUser:
    """What this machine knows of a user."""
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return LocalUser(f"user{uid}", uid)
    return LocalUser(entry.pw_name, uid, entry.pw_gecos.partition(",")[0].replace("&", entry.pw_name.capitalize()))


class LocalMail:
    """Takes what is handed in, from `start` to `stop`."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.service")

    def __init__(
        self, reactor: Any, receiver: LocalReceiver, bodies: Bodies, *, socket_path: Path | None, socket_mode: int,
        drop_directory: Path | None,
    ) -> None:
        self.reactor = reactor
        self._receiver = receiver
        self._bodies = bodies
        self._socket_path = socket_path
        self._socket_mode = socket_mode
        self._drops = _Drops(drop_directory) if drop_directory is not None else None
        self._threads = Threads(reactor, "local-mail", 1)
        self._port: AdoptedUnixPort | None = None
        self._timer: IDelayedCall | None = None
        self._looking: Deferred[None] | None = None
        self._not_before: dict[str, float] = {}
        self._stopping = False
        self.connections: set[LocalConnection] = set()

    def start(self) -> None:
        """Begin. What does not work is logged: other mail comes all the same."""
        self._threads.start()
        if self._socket_path is not None:
            try:
                opened = open_unix(str(self._socket_path), self._socket_mode)
                opened.setblocking(False)
                with opened:
                    self._port = AdoptedUnixPort(opened, _LocalFactory(self), self.reactor)
                self._port.startListening()
            except OSError as error:
                self.log.error("programs of this machine cannot hand in mail at {path}: {reason}",
                               path=str(self._socket_path), reason=error.strerror or str(error))
        if self._drops is not None:
            try:
                self._drops.make()
            except OSError as error:
                self.log.error("nothing can be left in {path}: {reason}", path=self._drops.directory,
                               reason=error.strerror)
                self._drops = None
            else:
                self._look()

    async def stop(self) -> None:
        """Finish what is being taken."""
        self._stopping = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._port is not None:
            await self._port.stopListening()
            with contextlib.suppress(OSError):
                os.unlink(str(self._socket_path))
        for connection in list(self.connections):
            await connection.finished()
        if self._looking is not None:
            await self._looking
        self._threads.stop()

    async def take_from(self, uid: int, line: bytes, connection: LocalConnection) -> Taken:
        """A message that comes by the socket."""
        try:
            drop = read_line(line)
        except ValueError as error:
            return Taken(EX_DATAERR, f"this is no message: {error}")
        most = self._receiver.settings.max_size
        if most and drop.size > most:
            return Taken(69, f"the message is bigger than {most} octets")
        body = self._bodies.spooled()
        try:
            left = drop.size
            while left:
                piece = await connection.some(min(left, _PIECE))
                await body.write(piece)
                left -= len(piece)
            return await self._receiver.take(user_of(uid), drop, body)
        finally:
            body.discard()

    # The directory.

    def _look(self) -> None:
        self._looking = Deferred.fromCoroutine(self._take_all())

    async def _take_all(self) -> None:
        assert self._drops is not None
        try:
            now = self.reactor.seconds()
            for name in self._drops.names(time.time()):
                if self._stopping:
                    break
                if self._not_before.get(name, 0.0) <= now and not await self._take_file(name):
                    self._not_before[name] = now + _TRY_AGAIN
                else:
                    self._not_before.pop(name, None)
        except Exception:  # noqa: BLE001  # the edge of a background task: the next look may go better
            self.log.failure("unexpected error while messages were taken from the drop directory")
        if not self._stopping:
            self._timer = self.reactor.callLater(_LOOK, self._look)

    async def _take_file(self, name: str) -> bool:
        """Take one message; False if it has to be tried again."""
        drops = self._drops
        assert drops is not None
        try:
            found = await self._threads.run(drops.open, name)
        except OSError as error:
            self.log.error("{name} in the drop directory cannot be read: {reason}", name=name, reason=error.strerror)
            return False
        if found is None:
            self.log.warn("{name} in the drop directory is no message of its owner and is taken away", name=name)
            drops.remove(name)
            return True
        descriptor, uid, line = found
        body = self._bodies.spooled()
        try:
            drop = read_line(line)
            start = len(line)
            while piece := await self._threads.run(os.pread, descriptor, _PIECE, start + body.size):
                await body.write(piece)
            taken = await self._taken_whole(user_of(uid), drop, body)
        except ValueError as error:
            self.log.warn("{name} in the drop directory is no message and is taken away: {reason}", name=name,
                          reason=str(error))
            taken = Taken(EX_DATAERR, str(error))
        except (StoreError, OSError) as error:
            self.log.warn("{name} in the drop directory is not taken yet: {reason}", name=name, reason=str(error))
            return False
        finally:
            os.close(descriptor)
            body.discard()
        if taken.code == EX_TEMPFAIL:
            self.log.warn("{name} in the drop directory is not taken yet: {reason}", name=name, reason=taken.text)
            return False
        # what it says is durable elsewhere
        drops.remove(name)
        return True


    async def _taken_whole(self, user: LocalUser, drop: Drop, body: SpooledBody) -> Taken:
        if body.size != drop.size:
            raise ValueError(f"it has {body.size} octets and not {drop.size}")
        taken = await self._receiver.take(user, drop, body)
        if taken.code not in (EX_OK, EX_TEMPFAIL):
            await self._receiver.report(user, drop, body, taken)
        return taken


class _Drops:
    """The directory. Blocking."""

    def __init__(self, directory: Path) -> None:
        self.directory = str(directory)
        self._seen = (0, 0.0)

    def make(self) -> None:
        """Make it, if it is not there."""
        if not os.path.isdir(self.directory):
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            # after the fact: the umask does not count then
            os.chmod(self.directory, DROP_MODE)

    def names(self, now: float) -> list[str]:
        """Messages, the oldest first; half-written files that are old are taken away."""
        changed = os.stat(self.directory).st_mtime
        found: list[tuple[float, str]] = []
        # a look costs nothing while nothing changes; a change may hide behind another one of the same moment
        if self._seen == (0, changed) and now - changed > 2 * _LOOK + 1:
            return []
        with os.scandir(self.directory) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    written = entry.stat(follow_symlinks=False).st_mtime
                    if not entry.name.startswith(_UNFINISHED):
                        found.append((written, entry.name))
                    elif now - written > _HALF_FOR:
                        os.unlink(entry.path)
        self._seen = (len(found), changed)
        return [name for _, name in sorted(found)]

    def open(self, name: str) -> tuple[int, int, bytes] | None:
        """A file, its owner, and its first line; None for what nobody has put there as a message of his own."""
        path = os.path.join(self.directory, name)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            if stat.S_ISREG(os.lstat(path).st_mode):
                raise
            return None
        status = os.fstat(descriptor)
        # a second name: somebody has linked a file of somebody else's here
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            os.close(descriptor)
            return None
        line = os.pread(descriptor, MOST_OCTETS, 0).partition(b"\n")[0] + b"\n"
        return descriptor, status.st_uid, line

    def remove(self, name: str) -> None:
        """Take a file away."""
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(self.directory, name))


class _LocalFactory(Factory):
    noisy = False

    def __init__(self, mail: LocalMail) -> None:
        self._mail = mail

    def buildProtocol(self, _addr: Any) -> Protocol | None:
        return LocalConnection(self._mail)


class LocalConnection(Protocol, TimeoutMixin):
    """One program: a line, the octets, and our answer, which is JSON in a line."""

    def __init__(self, mail: LocalMail) -> None:
        self._mail = mail
        self._buffer = bytearray()
        self._waiting: Deferred[None] | None = None
        self._over: Deferred[None] | None = None
        self._lost = False

    def connectionMade(self) -> None:
        transport: Any = self.transport
        self.callLater = self._mail.reactor.callLater  # type: ignore[method-assign]  # TimeoutMixin wants it so
        credentials = transport.socket.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize(_CREDENTIALS))
        _process, uid, _group = struct.unpack(_CREDENTIALS, credentials)
        self._mail.connections.add(self)
        self.setTimeout(_PATIENCE)
        self._over = Deferred.fromCoroutine(self._serve(uid))

    def dataReceived(self, data: bytes) -> None:
        self.resetTimeout()
        self._buffer += data
        if len(self._buffer) > _WAITING:
            self.transport.pauseProducing()  # type: ignore[union-attr]  # connections have it
        self._wake()

    def connectionLost(self, _reason: Failure = connectionDone) -> None:
        self.setTimeout(None)
        self._lost = True
        self._mail.connections.discard(self)
        self._wake()

    async def finished(self) -> None:
        """The answer is given; who is still sending is sent away, and may leave the message in the directory."""
        if self._waiting is not None:
            self.transport.abortConnection()  # type: ignore[union-attr]  # connected
        if self._over is not None:
            await self._over

    async def some(self, most: int) -> bytes:
        """Octets, at least one. OSError when the other side has gone."""
        while not self._buffer:
            await self._more()
        piece = bytes(self._buffer[:most])
        del self._buffer[:most]
        return piece

    async def _serve(self, uid: int) -> None:
        try:
            if len(self._mail.connections) > _MOST_CONNECTIONS:
                taken = Taken(EX_TEMPFAIL, "too many programs send mail")
            else:
                taken = await self._mail.take_from(uid, await self._line(), self)
        except OSError as error:
            taken = Taken(EX_TEMPFAIL, str(error))
        except Exception:  # noqa: BLE001  # the edge: the program gets a temporary failure
            self._mail.log.failure("unexpected error while a local program handed in a message")
            taken = Taken(EX_TEMPFAIL, "local error")
        if not self._lost:
            answer = json.dumps({"code": taken.code, "text": taken.text}) + "\n"
            self.transport.write(answer.encode())  # type: ignore[union-attr]  # connected
            self.transport.loseConnection()  # type: ignore[union-attr]

    async def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MOST_OCTETS:
                return b""
            await self._more()
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line

    async def _more(self) -> None:
        if self._lost:
            raise ConnectionResetError("the program has gone")
        self._waiting = Deferred()
        self.transport.resumeProducing()  # type: ignore[union-attr]  # connections have it
        await self._waiting

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)
