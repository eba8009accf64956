"""A connection of a line protocol, and the factory that makes it."""

from __future__ import annotations

from typing import cast

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.wire.admission import ConnectionLimits
from quantummail.wire.connection import CLOSED_AFTER, LEFT_AFTER, STALLED_AFTER, Connection
from quantummail.wire.factory import ConnectionFactory
from tests.support.transport import MemoryTransport, connect


class Echo(Connection):
    """Says each line back. `wait` waits for the factory's gate, `long` for the peer, `raise` raises, `bye` ends.

    `slow` takes four milliseconds.
    """

    factory: EchoFactory
    in_message = False
    steps = 0
    ended = 0

    async def greet(self) -> None:
        if self.factory.bad_greeting:
            raise RuntimeError("no greeting")
        self.write(b"hello\n")

    async def step(self) -> bool:
        if self.factory.stuck:
            raise RuntimeError("stuck")
        line = self.buffer.take_line(100)
        if line is None:
            return False
        self.steps += 1
        if line == b"wait\n":
            await self.factory.gate
        elif line == b"raise\n":
            raise RuntimeError("step")
        elif line == b"slow\n":
            cast("Clock", self.clock).rightNow += 0.004
        elif line == b"long\n":
            for _ in range(3):
                self.write(b"piece\n")
                await self.drained()
        self.write(line)
        if line == b"bye\n":
            self.close()
        return True

    def interruptible(self) -> bool:
        return not self.in_message

    def failed(self) -> None:
        self.write(b"failed\n")

    def timed_out(self) -> None:
        self.write(b"timeout\n")

    def shutting_down(self) -> None:
        self.write(b"shutdown\n")

    def closed(self) -> None:
        self.ended += 1


class EchoFactory(ConnectionFactory):
    """Makes Echo connections."""

    bad_greeting = False
    stuck = False

    def __init__(self, limits: ConnectionLimits) -> None:
        super().__init__("echo", Clock(), limits)
        self.gate: Deferred[None] = Deferred()

    def new_connection(self) -> Connection:
        return Echo(self.clock, 60)

    def refusal_line(self, reason: str) -> bytes:
        return b"refused: " + reason.encode() + b"\n"


class ConnectionTestCase(SynchronousTestCase):
    """One connection."""

    def setUp(self) -> None:
        self.factory = EchoFactory(ConnectionLimits())
        self.clock = cast("Clock", self.factory.clock)

    def connect(self) -> tuple[Echo, MemoryTransport]:
        connection, transport = connect(self.factory)
        transport.take()
        return cast("Echo", connection), transport


class StepTests(ConnectionTestCase):
    """Commands and answers."""

    def test_begin(self) -> None:
        """The greeting comes first, TCP does not wait, and the client is known."""
        connection, transport = connect(self.factory)
        self.assertEqual(transport.take(), b"hello\n")
        self.assertTrue(transport.no_delay)
        self.assertEqual((connection.client, connection.client_port, connection.tls), ("192.0.2.1", 40000, False))

    def test_unix(self) -> None:
        """A client on a unix socket has no address."""
        transport = MemoryTransport()
        transport.peerAddr = UNIXAddress(b"/run/x")
        connection = cast("Echo", self.factory.buildProtocol(UNIXAddress(None)))
        connection.makeConnection(transport)
        self.assertEqual(connection.client, "unix")

    def test_order(self) -> None:
        """A command that waits holds back those behind it."""
        connection, transport = self.connect()
        connection.dataReceived(b"a\nwait\nb\n")
        connection.dataReceived(b"c\n")
        self.assertEqual(transport.take(), b"a\n")
        self.assertTrue(connection.busy)
        self.factory.gate.callback(None)
        self.assertEqual(transport.take(), b"wait\nb\nc\n")
        self.assertFalse(connection.busy)

    def test_read_ahead(self) -> None:
        """While a command waits, 64 KB are read and then no more, until they are worked off."""
        connection, transport = self.connect()
        connection.dataReceived(b"wait\n" + b"\n" * 65536)
        self.assertEqual(transport.producerState, "producing")
        connection.dataReceived(b"\n")
        self.assertEqual(transport.producerState, "paused")
        self.factory.gate.callback(None)
        self.assertEqual(transport.producerState, "producing")

    def test_failure(self) -> None:
        """An unexpected exception is answered and logged, the connection lives on."""
        connection, transport = self.connect()
        connection.dataReceived(b"raise\na\n")
        self.assertEqual(transport.take(), b"failed\na\n")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_endless_failure(self) -> None:
        """A step that never gets anywhere does not run for ever."""
        connection, transport = self.connect()
        self.factory.stuck = True
        connection.dataReceived(b"a\n")
        self.assertTrue(transport.disconnecting)
        self.flushLoggedErrors(RuntimeError)

    def test_bad_greeting(self) -> None:
        """A greeting that fails ends the connection."""
        self.factory.bad_greeting = True
        _, transport = connect(self.factory)
        self.assertTrue(transport.disconnecting)
        self.flushLoggedErrors(RuntimeError)

    def test_lost_while_waiting(self) -> None:
        """When the peer is gone, what is behind a waiting command is not run."""
        connection, transport = self.connect()
        connection.dataReceived(b"wait\na\n")
        transport.lose()
        self.factory.gate.callback(None)
        self.assertEqual(connection.steps, 1)
        self.assertEqual(connection.ended, 1)

    def test_closed(self) -> None:
        """After close nothing is read, and a peer that does not hang up is cut off."""
        connection, transport = self.connect()
        connection.dataReceived(b"bye\na\n")
        connection.dataReceived(b"b\n")
        self.assertEqual(transport.take(), b"bye\n")
        self.assertTrue(transport.disconnecting)
        self.assertFalse(transport.disconnected)
        self.clock.advance(CLOSED_AFTER)
        self.assertTrue(transport.disconnected)

    def test_close_reads_on(self) -> None:
        """Closing while input is paused lets the input go on, for the peer's end to be seen."""
        connection, transport = self.connect()
        connection.dataReceived(b"wait\n")
        connection.dataReceived(b"x" * 70_000)
        self.assertEqual(transport.producerState, "paused")
        connection.close()
        self.assertEqual(transport.producerState, "producing")

    def test_start_tls(self) -> None:
        """TLS begins, and nothing from before it is left."""
        connection, transport = self.connect()
        connection.dataReceived(b"wait\nplain\n")
        context = object()
        connection.start_tls(context)
        self.factory.gate.callback(None)
        self.assertEqual(transport.tls_contexts, [context])
        self.assertTrue(connection.tls)
        self.assertEqual(connection.steps, 1)


class PressureTests(ConnectionTestCase):
    """Peers that do not read."""

    def test_drained(self) -> None:
        """A long answer waits for the peer between its pieces."""
        connection, transport = self.connect()
        connection.dataReceived(b"long\n")
        self.assertEqual(transport.take(), b"piece\n" * 3 + b"long\n")
        transport.full()
        connection.dataReceived(b"long\n")
        self.assertEqual(transport.take(), b"")
        transport.taken()
        self.assertEqual(transport.take(), b"piece\n" * 3 + b"long\n")

    def test_pipelining(self) -> None:
        """No command is run while the peer does not take the answers."""
        connection, transport = self.connect()
        transport.full()
        connection.dataReceived(b"a\nb\n")
        self.assertEqual(connection.steps, 0)
        transport.taken()
        self.assertEqual(transport.take(), b"a\nb\n")

    def test_turns(self) -> None:
        """Who pipelines lets others have their turn, and what each turn writes goes out together."""
        connection, transport = self.connect()
        connection.dataReceived(b"slow\n" * 7)
        self.assertEqual(connection.steps, 3)
        self.assertEqual(transport.take(), b"slow\n" * 3)
        self.assertTrue(connection.busy)
        connection.dataReceived(b"a\n")
        self.clock.advance(0)
        self.assertEqual(transport.take(), b"slow\n" * 4 + b"a\n")
        self.assertFalse(connection.busy)

    def test_lost_between_turns(self) -> None:
        """Who goes away between two turns is worked for no more."""
        connection, transport = self.connect()
        connection.dataReceived(b"slow\n" * 7)
        transport.lose()
        self.clock.advance(0)
        self.assertEqual((connection.steps, connection.ended), (3, 1))

    def test_stalled(self) -> None:
        """A peer that takes nothing for minutes is cut off."""
        connection, transport = self.connect()
        transport.full()
        connection.dataReceived(b"a\n")
        self.clock.advance(STALLED_AFTER - 1)
        self.assertFalse(transport.disconnected)
        self.clock.advance(1)
        self.assertTrue(transport.disconnected)

    def test_lost_while_full(self) -> None:
        """Who waits for the peer to read learns that it is gone."""
        connection, transport = self.connect()
        transport.full()
        waiting = connection.drained()
        connection.dataReceived(b"a\n")
        transport.lose()
        self.failureResultOf(waiting, ConnectionDone)
        self.assertEqual(connection.steps, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class TimeTests(ConnectionTestCase):
    """Timeouts."""

    def test_silence(self) -> None:
        """A silent peer is told so and let go."""
        _, transport = self.connect()
        self.clock.advance(60)
        self.assertEqual(transport.take(), b"timeout\n")
        self.assertTrue(transport.disconnecting)

    def test_commands_count(self) -> None:
        """Every command begins the time anew."""
        connection, transport = self.connect()
        for _ in range(5):
            self.clock.advance(59)
            connection.dataReceived(b"a\n")
        self.assertFalse(transport.disconnecting)

    def test_drips_do_not_count(self) -> None:
        """An octet now and then does not."""
        connection, transport = self.connect()
        for _ in range(6):
            connection.dataReceived(b"a")
            self.clock.advance(10)
        self.assertTrue(transport.disconnecting)

    def test_our_time(self) -> None:
        """While we work the peer has all the time of the world, and its own time afterwards."""
        connection, transport = self.connect()
        connection.dataReceived(b"wait\n")
        self.clock.pump([50] * 10)
        self.factory.gate.callback(None)
        self.clock.advance(59)
        self.assertEqual(transport.take(), b"wait\n")
        self.clock.advance(1)
        self.assertEqual(transport.take(), b"timeout\n")

    def test_nothing_left(self) -> None:
        """A lost connection leaves no timer."""
        _, transport = self.connect()
        transport.lose()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class FactoryTests(ConnectionTestCase):
    """Admission and the end of a server."""

    def test_refused(self) -> None:
        """A client too many reads why."""
        self.factory.admission.limits = ConnectionLimits(per_client=1)
        _, first = self.connect()
        _, transport = connect(self.factory)
        self.assertEqual(transport.take(), b"refused: too many connections from your address\n")
        self.assertTrue(transport.disconnecting)
        first.lose()
        _, transport = connect(self.factory)
        self.assertEqual(transport.take(), b"hello\n")

    def test_drain(self) -> None:
        """Idle connections end at once, a running command is finished and nothing behind it begun."""
        _, idle = self.connect()
        connection, busy = self.connect()
        connection.dataReceived(b"wait\na\n")
        stopped = self.factory.drain(30)
        self.assertEqual((idle.take(), idle.disconnecting), (b"shutdown\n", True))
        self.assertFalse(busy.disconnecting)
        self.factory.gate.callback(None)
        self.assertEqual((busy.take(), busy.disconnecting), (b"wait\nshutdown\n", True))
        idle.lose()
        self.assertNoResult(stopped)
        busy.lose()
        self.successResultOf(stopped)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_drain_in_message(self) -> None:
        """A connection that is in the middle of something ends after it."""
        connection, transport = self.connect()
        connection.in_message = True
        self.factory.drain(30)
        connection.dataReceived(b"a\n")
        self.assertEqual((transport.take(), transport.disconnecting), (b"a\n", False))
        connection.in_message = False
        connection.dataReceived(b"b\n")
        self.assertEqual((transport.take(), transport.disconnecting), (b"b\nshutdown\n", True))

    def test_drain_patience(self) -> None:
        """Who does not end is cut off."""
        connection, transport = self.connect()
        connection.dataReceived(b"wait\n")
        self.factory.drain(30)
        self.clock.advance(30)
        self.assertTrue(transport.disconnected)

    def test_drain_nobody(self) -> None:
        """Without connections it is done at once."""
        self.successResultOf(self.factory.drain(30))

    def test_drain_asleep(self) -> None:
        """A peer that does not hang up (a TLS client asleep) is cut off soon, however patient the server is."""
        _, transport = self.connect()
        self.factory.drain(30)
        self.clock.advance(LEFT_AFTER)
        self.assertTrue(transport.disconnected)

    def test_stopping(self) -> None:
        """A stopping server admits nobody."""
        self.factory.drain(30)
        _, transport = connect(self.factory)
        self.assertEqual(transport.take(), b"refused: the server is stopping\n")
