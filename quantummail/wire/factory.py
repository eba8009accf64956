"""What the connections of one listener share: who is admitted, who is there, and how all of them end."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.logger import Logger

from quantummail.wire.admission import Admission, ConnectionLimits

if TYPE_CHECKING:
    from twisted.internet.interfaces import IAddress, IReactorTime

    from quantummail.wire.connection import Connection
    from quantummail.wire.recorder import Recorder


class _Refused(Protocol):
    """Says one sentence and hangs up."""

    def __init__(self, farewell: bytes) -> None:
        self.farewell = farewell

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self.farewell)
        self.transport.loseConnection()


class ConnectionFactory(ServerFactory):
    """Makes the connections of one listener, within its limits."""

    noisy = False
    log: ClassVar[Logger] = Logger(namespace="quantummail.wire")

    def __init__(self, name: str, clock: IReactorTime, limits: ConnectionLimits) -> None:
        self.name = name
        self.clock = clock
        self.admission = Admission(limits)
        self.connections: set[Connection] = set()
        self.stopping = False
        self.recorder: Recorder | None = None
        """Records dialogues for whom somebody asks for that."""
        self._stopped: Deferred[None] | None = None

    # What a subclass says.

    def new_connection(self) -> Connection:
        """The protocol for one admitted client."""
        raise NotImplementedError  # pragma: no cover

    def refusal_line(self, reason: str) -> bytes:
        """The one line that a refused client reads."""
        raise NotImplementedError  # pragma: no cover

    # What Twisted calls.

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        client = getattr(addr, "host", None) or "unix"
        reason = "the server is stopping" if self.stopping else self.admission.refusal(client, self.clock.seconds())
        if reason is not None:
            self.log.info("{listener} refused {client}: {reason}", listener=self.name, client=client, reason=reason)
            return _Refused(self.refusal_line(reason))
        connection = self.new_connection()
        connection.factory = self
        return connection

    # What connections and the service call.

    def joined(self, connection: Connection) -> None:
        """A connection was made."""
        self.connections.add(connection)
        self.admission.joined(connection.client)

    def left(self, connection: Connection) -> None:
        """A connection was lost."""
        if connection in self.connections:
            self.connections.discard(connection)
            self.admission.left(connection.client)
        if self._stopped is not None and not self.connections:
            stopped, self._stopped = self._stopped, None
            stopped.callback(None)

    def drain(self, patience: float) -> Deferred[None]:
        """Let every running command finish, end the connections, cut off after `patience` seconds what is left."""
        self.stopping = True
        for connection in list(self.connections):
            if not connection.greeted or (not connection.busy and connection.interruptible()):
                connection.leave()
        stopped: Deferred[None] = Deferred()
        if not self.connections:
            stopped.callback(None)
            return stopped
        self._stopped = stopped
        timer = self.clock.callLater(patience, self._cut_off)

        def done(_: None) -> None:
            if timer.active():
                timer.cancel()

        return stopped.addCallback(done)

    def _cut_off(self) -> None:
        for connection in list(self.connections):
            connection.abort()
