"""What a session and its connection need of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quantummail.imap.framing import Refused
    from quantummail.wire.lines import LineBuffer


class Dialogue(Protocol):
    """A command that reads more than its line: IDLE, AUTHENTICATE, APPEND. It takes all input until it is over."""

    tag: str
    pushes: bool
    """Whether news of the mailbox may be told while the client is silent."""
    interruptible: bool
    """Whether a stopping server may break it off."""

    async def step(self, buffer: LineBuffer) -> bool:
        """Take what is there; False when more input is needed."""

    def close(self) -> None:
        """The connection is gone, or the dialogue is broken off: let go of what it holds."""


class Wire(Protocol):
    """What a session needs of its connection."""

    client: str
    connection_id: str
    tls: bool

    @property
    def tls_handle(self) -> Any:
        """OpenSSL's connection when the handshake is done; None without TLS."""

    def write(self, data: bytes) -> None:
        """Send octets."""

    def drained(self) -> Awaitable[None]:
        """Wait until the client has taken what was sent."""

    def pause(self, seconds: float) -> Awaitable[None]:
        """Wait; with zero, let others have their turn."""

    def wake(self) -> None:
        """Look at the dialogue again."""

    def begin_tls(self, tag: str) -> None:
        """Answer STARTTLS, begin the handshake, forget the session."""

    def logged_in(self) -> None:
        """The limits of an authenticated client hold from now on."""

    def logged_out(self) -> None:
        """The limits of a client that has not logged in hold again."""

    def every(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Call again and again, for the first time after an interval, until the returned function is called."""

    def finish(self) -> None:
        """End the connection after what is sent."""

    def expel(self) -> None:
        """End the connection: the account may not be used any more."""

    @property
    def compressed(self) -> bool:
        """Whether both directions are compressed."""

    def compress(self) -> None:
        """Compress from now on, behind what has been written."""

    def end_compression(self) -> None:
        """Compress no more, behind what has been written."""

    def acknowledge(self) -> None:
        """Let the client know at once that its octets have come: it waits for that before it sends the rest."""

    def swallow(self, size: int, refused: Refused) -> None:
        """Read over the octets of a refused literal and the rest of its command, then say so."""
