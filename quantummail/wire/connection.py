"""A connection of a line protocol: one command at a time, replies in order, bounded in both directions."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHandshakeListener, ISSLTransport, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from zope.interface import implementer

from quantummail.message.ids import new_id
from quantummail.wire import turns
from quantummail.wire.deflate import Garbled
from quantummail.wire.lines import LineBuffer

if TYPE_CHECKING:

    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure

    from quantummail.wire.deflate import Deflate
    from quantummail.wire.factory import ConnectionFactory
    from quantummail.wire.tape import Tape
    from quantummail.wire.transcript import Redaction

READ_AHEAD = 64 * 1024
WRITE_AT_ONCE = 64 * 1024
# Compressed input is inflated in such pieces, and after so much of it others have their turn
INFLATE_AT_ONCE = 32 * 1024
INFLATE_IN_A_ROW = 512 * 1024
# Who pipelines works so many seconds at once, then others have their turn
AT_WORK = 0.01
STALLED_AFTER = 300.0
CLOSED_AFTER = 10.0
LEFT_AFTER = 1.0
# A step that fails again and again does not get anywhere: 451 for ever would be an endless loop
FAILURES_IN_A_ROW = 10


@implementer(IHandshakeListener)
class Connection(Protocol):
    """Runs :meth:`step` while there is input, and gives the transport no more than the peer takes.

    A subclass takes one command from :attr:`buffer` in each `step`, awaits what it must, and answers with `write`.
    While a step waits nothing else of this peer is looked at, so replies are in order however slow a check is.

    What `write` gets in one turn goes out in one segment; long results call ``await self.drained()``
    between their pieces, so a peer that does not read costs no memory.
    """

    log: ClassVar[Logger] = Logger(namespace="quantummail.wire")
    factory: ConnectionFactory
    redaction: ClassVar[type[Redaction] | None] = None
    """What leaves secrets out when the dialogue is recorded; None: it cannot be."""

    def __init__(self, clock: IReactorTime, idle_timeout: float) -> None:
        self.clock = clock
        self.idle_timeout = idle_timeout
        self.buffer = LineBuffer()
        self.connection_id = new_id()
        self.client = "unix"
        self.client_port = 0
        self.tls = False
        self.closing = False
        self.greeted = False
        """Whether the dialogue has begun: under TLS from the start it does after the handshake."""
        self.account = ""
        """The address of whoever has logged in."""
        self.tape: Tape | None = None
        """Records the dialogue; None almost always."""
        self._deflate: Deflate | None = None
        self._busy = False
        self._input_paused = False
        self._failures = 0
        self._full = False
        self._waiting: list[Deferred[None]] = []
        self._in_turn = False
        self._turn_began = 0.0
        self._inflated = 0
        self._output: list[bytes] = []
        self._output_size = 0
        self._timer: IDelayedCall | None = None
        self._stalled_timer: IDelayedCall | None = None

    # What a subclass says.

    async def greet(self) -> None:
        """Called once when the connection is there (under implicit TLS: when the handshake is done)."""

    async def step(self) -> bool:
        """Take one command from the buffer and answer it; False when more input is needed."""
        raise NotImplementedError  # pragma: no cover

    def timed_out(self) -> None:
        """The peer was silent for `idle_timeout` seconds: say so, the connection closes after this."""

    def garbled(self) -> None:
        """What the peer sends cannot be inflated: say so, the connection closes after this."""

    def failed(self) -> None:
        """An unexpected exception ended a step; answer with a temporary failure. The connection lives on."""

    def shutting_down(self) -> None:
        """The server stops: say so, the connection closes after this."""

    def closed(self) -> None:
        """The connection is gone: let go of what it held."""

    def interruptible(self) -> bool:
        """Whether a stopping server may end the connection now, between two steps."""
        return True

    # What a subclass uses.

    def write(self, data: bytes) -> None:
        """Send octets: those of one turn together, at its end."""
        self._output.append(data)
        self._output_size += len(data)
        if not self._in_turn or self._output_size > WRITE_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if self._output:
            data = self._output[0] if len(self._output) == 1 else b"".join(self._output)
            self._output.clear()
            self._output_size = 0
            if self.tape is not None:
                self.tape.said(data)
            if self._deflate is not None:
                data = self._deflate.deflated(data)
            if self.transport is not None:
                self.transport.write(data)

    def drained(self) -> Deferred[None]:
        """Fires at once, or when the peer has taken what waits. Fails with ConnectionDone if it never will."""
        self._flush()
        waiting: Deferred[None] = Deferred()
        if self._full:
            self._waiting.append(waiting)
        else:
            waiting.callback(None)
        return waiting

    def acknowledge(self) -> None:
        """Have TCP acknowledge what has come, now instead of after 40 ms: the peer waits for it (Nagle)."""
        connected = getattr(self.transport, "socket", None)
        if connected is not None and connected.family in (socket.AF_INET, socket.AF_INET6):
            with contextlib.suppress(OSError):
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    @property
    def compressed(self) -> bool:
        """Whether both directions are compressed."""
        return self._deflate is not None

    def start_compression(self, deflate: Deflate) -> None:
        """Compress from now on. The reply is written; what is in the buffer already was sent after the command."""
        self._flush()
        self._deflate = deflate
        deflate.feed(self.buffer.take_all())

    def end_compression(self) -> None:
        """The last reply was compressed, nothing more is. Input that was sent too early is lost with the session."""
        if self._deflate is not None:
            self._flush()
            self._deflate.close()
            self._deflate = None

    def start_tls(self, context_factory: object) -> None:
        """Begin the handshake. The caller has checked that the buffer is empty and has written its reply."""
        self._flush()
        self.buffer.clear()
        self.transport.startTLS(context_factory)  # type: ignore[union-attr]  # ITLSTransport: listeners are TCP
        self.tls = True

    def close(self) -> None:
        """Send what waits, then end the connection; a peer that does not take it is cut off after a while."""
        self._flush()
        if self.closing or self.transport is None:
            return
        self.closing = True
        if self._input_paused:
            # What still comes is read and thrown away, or TLS could not see the peer's end
            self._resume_input()
        self.transport.unregisterProducer()  # type: ignore[attr-defined]  # IConsumer: transports are
        self.transport.loseConnection()
        self._arm(CLOSED_AFTER)

    @property
    def tls_handle(self) -> Any:
        """OpenSSL's connection when the handshake is done; None without TLS."""
        if not self.tls or not self.greeted or self.transport is None:
            return None
        return self.transport.getHandle()  # type: ignore[attr-defined]  # ITCPTransport, here with TLS

    def belongs_to(self, address: str) -> None:
        """Somebody has logged in; empty: nobody is logged in any more."""
        self.account = address
        recorder = self.factory.recorder
        if self.tape is None or recorder is None:
            return
        if address:
            self.tape.belongs(recorder.of(address))
        if not self.tape.wanted or not address:
            self.tape = None

    @property
    def at_rest(self) -> bool:
        """Whether the next octet that comes begins something new."""
        return not self._busy and self._ahead() == 0 and self.interruptible()

    @property
    def busy(self) -> bool:
        """Whether a step is running."""
        return self._busy

    def wake(self) -> None:
        """Look at the buffer again, after something other than input made a step possible."""
        if not self._busy and not self.closing:
            self._take_turn(self._work())

    def _take_turn(self, work: turns.Work) -> None:
        """Run until something must be waited for, then send what was written."""
        self._busy = True
        self._begin_turn()
        turns.run(work)
        self._end_turn()

    def _begin_turn(self) -> None:
        self._in_turn = True
        self._turn_began = self.clock.seconds()
        self._inflated = 0

    def _end_turn(self) -> None:
        self._in_turn = False
        self._flush()

    # What Twisted calls.

    def connectionMade(self) -> None:
        transport = self.transport
        assert transport is not None
        peer = transport.getPeer()
        self.client = getattr(peer, "host", None) or "unix"
        self.client_port = getattr(peer, "port", 0)
        self.tls = ISSLTransport.providedBy(transport)
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
        transport.registerProducer(self, True)  # type: ignore[attr-defined]  # IConsumer; we produce replies
        self.factory.joined(self)
        self._arm(self.idle_timeout)
        if not self.tls:
            self._greet()

    def handshakeCompleted(self) -> None:
        """TLS is there: at the start of the connection, or after `start_tls`."""
        if not self.greeted:
            # What we offer depends on the version of TLS and on the client's certificate
            self._greet()

    def _greet(self) -> None:
        self.greeted = True
        if self.factory.recorder is not None:
            self.tape = self.factory.recorder.tape(self)
        self._take_turn(self._begin())

    def dataReceived(self, data: bytes) -> None:
        if self.closing:
            return
        if self._deflate is None:
            self._feed(data)
        else:
            self._deflate.feed(data)
        if not self._busy:
            self._take_turn(self._work())
        elif self._ahead() > READ_AHEAD and not self._input_paused:
            self._input_paused = True
            self.transport.pauseProducing()  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closing = True
        if self.tape is not None:
            self.tape.note("the connection is gone")
        self._output.clear()
        for timer in (self._timer, self._stalled_timer):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._stalled_timer = None
        self.factory.left(self)
        if self._deflate is not None:
            self._deflate.close()
        waiting, self._waiting = self._waiting, []
        for deferred in waiting:
            deferred.errback(reason)
        self.closed()

    # The transport calls these when it has enough, and when it wants more.

    def pauseProducing(self) -> None:
        if not self._full:
            self._full = True
            self._stalled_timer = self.clock.callLater(STALLED_AFTER, self.abort)

    def resumeProducing(self) -> None:
        self._full = False
        waiting, self._waiting = self._waiting, []
        if self._stalled_timer is not None:
            if self._stalled_timer.active():
                self._stalled_timer.cancel()
            self._stalled_timer = None
        for deferred in waiting:
            deferred.callback(None)

    def stopProducing(self) -> None:
        """The connection is lost; `connectionLost` follows."""

    # Our own.

    async def _begin(self) -> None:
        try:
            await self.greet()
        except Exception:  # noqa: BLE001  # the edge: the log gets the reason
            self.log.failure("unexpected error while greeting", connection=self.connection_id)
            self.close()
        await self._work()

    async def _work(self) -> None:
        progress = more = False
        while not self.closing:
            await self._before_step(more)
            if self.closing:
                break
            waiting = len(self.buffer)
            try:
                if self._full:
                    # Who pipelines and does not read waits for himself
                    await self.drained()
                more = await self.step()
                self._failures = 0
            except Exception:  # noqa: BLE001  # the edge: the peer gets a temporary failure, the log the reason
                more = self._step_failed()
            progress = progress or more or len(self.buffer) < waiting
            if self._input_paused and self._ahead() <= READ_AHEAD and not self.closing:
                self._resume_input()
            if not (more or self._inflates_more) or (self.factory.stopping and self.interruptible()):
                break
        self._busy = False
        if self.closing:
            return
        if progress and self._timer is not None:
            # A line that drips in does not count, so nobody holds a connection with an octet now and then
            self._timer.reset(self.idle_timeout)
        if self.factory.stopping and self.interruptible():
            self.leave()

    async def _before_step(self, more: bool) -> None:
        """Inflate what the step may read, and let others have their turn if this one has been long."""
        if self._deflate is not None and (not more or len(self.buffer) < READ_AHEAD):
            self._inflated += self._inflate(self._deflate)
        # 64 KB are thirty thousand empty lines, and two compressed kilobytes are a million of them
        long = more and self._ahead() and self.clock.seconds() - self._turn_began > AT_WORK
        if long or self._inflated > INFLATE_IN_A_ROW:
            await self._breathe()

    def _ahead(self) -> int:
        """Octets that have come and nobody has read."""
        return len(self.buffer) + (0 if self._deflate is None else self._deflate.unread)

    @property
    def _inflates_more(self) -> bool:
        """Whether a step that could not be taken may have more input without waiting."""
        return self._deflate is not None and self._deflate.more

    def _inflate(self, deflate: Deflate) -> int:
        """Have something more in the buffer; how much was added."""
        try:
            data = deflate.inflate(INFLATE_AT_ONCE)
        except Garbled as error:
            self.log.info("{client} sends what cannot be inflated: {reason}", client=self.client,
                          connection=self.connection_id, reason=str(error))
            self.garbled()
            self.close()
            return 0
        self._feed(data)
        return len(data)

    def _feed(self, data: bytes) -> None:
        if self.tape is not None:
            self.tape.heard(data)
        self.buffer.feed(data)

    def _breathe(self) -> Deferred[None]:
        """Let others have their turn, then take another one."""
        waiting: Deferred[None] = Deferred()
        self._flush()
        self.clock.callLater(0, self._take_another_turn, waiting)
        return waiting

    def _take_another_turn(self, waiting: Deferred[None]) -> None:
        self._begin_turn()
        waiting.callback(None)
        self._end_turn()

    def _step_failed(self) -> bool:
        """Answer an unexpected exception; whether there is more to do."""
        if self.transport is None or self.closing:
            return False
        self.log.failure("unexpected error in a session", connection=self.connection_id, client=self.client)
        self._failures += 1
        if self._failures > FAILURES_IN_A_ROW:
            self.close()
            return False
        self.failed()
        return len(self.buffer) > 0

    def _resume_input(self) -> None:
        self._input_paused = False
        self.transport.resumeProducing()  # type: ignore[union-attr]  # there while the connection is

    def leave(self) -> None:
        """End the connection because the server stops."""
        if not self.greeted:
            self.abort()
            return
        self.shutting_down()
        self.close()
        # The end of a TLS connection waits for the peer's, and most peers are asleep
        self._arm(LEFT_AFTER)

    def _arm(self, seconds: float) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self.clock.callLater(seconds, self._expired)

    def _expired(self) -> None:
        self._timer = None
        if self.closing or not self.greeted:
            self.abort()
        elif self._busy:
            self._arm(self.idle_timeout)
        else:
            self.log.info("{client} was silent for {seconds:g} s", connection=self.connection_id,
                          client=self.client, seconds=self.idle_timeout)
            self.timed_out()
            self.close()

    def abort(self) -> None:
        """End the connection at once, whatever waits."""
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]
