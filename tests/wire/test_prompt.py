"""Tests of quantummail.wire.prompt. A pair of connected sockets stands for a network that never loses anything."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase

from quantummail.wire.prompt import PromptServer


class Watched:
    """The part of a reactor that transports use; knows who waits for what."""

    def __init__(self) -> None:
        self.writers: list[object] = []

    def addReader(self, reader: object) -> None:  # noqa: N802  # Twisted's name
        """Nobody reads here."""

    def removeReader(self, reader: object) -> None:  # noqa: N802  # Twisted's name
        """Nobody reads here."""

    def addWriter(self, writer: object) -> None:  # noqa: N802  # Twisted's name
        self.writers.append(writer)

    def removeWriter(self, writer: object) -> None:  # noqa: N802  # Twisted's name
        self.writers.remove(writer)


class Listening:
    """The part of a port that its connections use."""

    _realPortNumber = 25  # noqa: N815  # Twisted's name


class PromptTests(SynchronousTestCase):
    """What is written goes out at once, if it can."""

    def setUp(self) -> None:
        ours, self.peer = socket.socketpair()
        for end in (ours, self.peer):
            self.addCleanup(end.close)
            end.setblocking(False)
        self.reactor = Watched()
        port = cast("Any", Listening())
        self.transport = PromptServer(ours, Protocol(), ("192.0.2.1", 40000), port, 1, cast("Any", self.reactor))

    def received(self) -> bytes:
        """Everything that the peer can read now."""
        octets = b""
        try:
            while piece := self.peer.recv(1 << 20):
                octets += piece
        except BlockingIOError:
            pass
        return octets

    def test_at_once(self) -> None:
        """An answer is with the peer when `write` returns, and the reactor has nothing to do."""
        self.transport.write(b"250 Ok\r\n")
        self.assertEqual((self.received(), self.reactor.writers), (b"250 Ok\r\n", []))

    def test_more_than_the_kernel_takes(self) -> None:
        """The rest is sent by the reactor as the peer reads, in its order, with what is written meanwhile."""
        self.transport.write(b"a" * 10_000_000)
        self.assertEqual(self.reactor.writers, [self.transport])
        self.transport.write(b"b")
        octets = self.received()
        while self.reactor.writers:
            self.transport.doWrite()
            octets += self.received()
        self.assertEqual(octets, b"a" * 10_000_000 + b"b")
        self.transport.write(b"c")
        self.assertEqual((self.received(), self.reactor.writers), (b"c", []))

    def test_end(self) -> None:
        """What is written before the end of the connection comes before it; the end is the reactor's to make."""
        self.transport.write(b"221 Bye\r\n")
        self.transport.loseConnection()
        self.assertEqual((self.received(), self.reactor.writers), (b"221 Bye\r\n", [self.transport]))

    def test_end_in_answer(self) -> None:
        """An end that answers what the peer has sent takes no other turn of the reactor."""
        self.ending(lambda: None)
        self.peer.send(b"QUIT\r\n")
        self.assertIs(self.transport.doRead(), CONNECTION_DONE)
        self.assertEqual((self.received(), self.reactor.writers), (b"221 Bye\r\n", []))

    def test_end_behind_what_waits(self) -> None:
        """Unless something waits to be sent: then the end comes behind it."""
        self.ending(lambda: self.transport.write(b"a" * 10_000_000))
        self.peer.send(b"QUIT\r\n")
        self.assertIsNone(self.transport.doRead())
        self.assertEqual(self.reactor.writers, [self.transport])
        octets, why = self.received(), None
        while why is None:
            why = self.transport.doWrite()
            octets += self.received()
        self.assertIs(why, CONNECTION_DONE)
        self.assertTrue(octets.endswith(b"a221 Bye\r\n"))

    def ending(self, before: Callable[[], None]) -> None:
        """A protocol that ends the connection when something comes."""

        def end(_data: bytes) -> None:
            before()
            self.transport.write(b"221 Bye\r\n")
            self.transport.loseConnection()

        self.patch(self.transport.protocol, "dataReceived", end)

    def test_peer_gone(self) -> None:
        """A peer that is gone is noticed by the reactor, which tells the protocol."""
        self.peer.close()
        self.transport.write(b"250 Ok\r\n")
        self.assertEqual(self.reactor.writers, [self.transport])
