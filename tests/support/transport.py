"""A transport in memory that also speaks the parts of TCP and TLS that our connections use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import directlyProvides

if TYPE_CHECKING:
    from quantummail.wire.connection import Connection
    from quantummail.wire.factory import ConnectionFactory


class MemoryTransport(StringTransport):
    """Keeps what is written. `startTLS` only remembers its context: the handshake is taken as done.

    `full()` and `taken()` stand for a peer that stops reading and goes on: they pause and resume our
    producer. `lose()` stands for a peer that hangs up.
    """

    def __init__(self, client: str = "192.0.2.1", port: int = 40000) -> None:
        super().__init__(IPv4Address("TCP", "127.0.0.1", 25), IPv4Address("TCP", client, port), lenient=True)
        directlyProvides(self, ITCPTransport)  # as far as connections use it
        self.tls_contexts: list[object] = []
        self.no_delay = False
        self.connection: Connection | None = None

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802  # Twisted's name
        self.no_delay = enabled

    def startTLS(self, context: object) -> bool:  # noqa: N802  # Twisted's name
        self.tls_contexts.append(context)
        return True

    def getHandle(self) -> MemoryTransport:  # noqa: N802  # Twisted's name
        """What pyOpenSSL's connection says once TLS is there."""
        return self

    def get_protocol_version_name(self) -> str:
        return "TLSv1.3"

    def get_cipher_name(self) -> str:
        return "TLS_AES_256_GCM_SHA384"

    def full(self) -> None:
        """The peer does not read: ask the connection to stop writing."""
        assert self.producer is not None
        self.producer.pauseProducing()

    def taken(self) -> None:
        """The peer has read everything: the connection may write again."""
        assert self.producer is not None
        self.producer.resumeProducing()

    def lose(self) -> None:
        """The peer is gone."""
        if self.connected and self.connection is not None:
            self.connected = False
            self.connection.connectionLost(Failure(ConnectionDone()))

    def take(self) -> bytes:
        """What was written since the last call."""
        data: bytes = self.value()
        self.clear()
        return data


def connect(factory: ConnectionFactory, client: str = "192.0.2.1") -> tuple[Connection, MemoryTransport]:
    """Build one connection of a factory on a transport in memory, greeted; nothing is read from it yet."""
    connection = factory.buildProtocol(IPv4Address("TCP", client, 40000))
    transport = MemoryTransport(client)
    transport.connection = connection  # type: ignore[assignment]  # a refused client gets a Protocol of one sentence
    connection.makeConnection(transport)
    return connection, transport  # type: ignore[return-value]  # as above
