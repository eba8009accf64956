"""IDLE: the server tells news as they come (RFC 2177)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.wire.lines import LineTooLong

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session
    from quantummail.wire.lines import LineBuffer

IDLE = capabilities.offer("IDLE", before_login=True)
MAX_LINE = 8192


@command("IDLE", AUTHENTICATED, capability=IDLE)
async def idle(session: Session, arguments: Cursor) -> None:
    """IDLE (RFC 2177 section 3)."""
    arguments.end()
    session.dialogue = Idling(session)
    session.write(b"+ idling\r\n")


class Idling:
    """A client that waits for news. DONE ends it; what is pipelined behind DONE is read after it."""

    __slots__ = ("_session", "tag")
    pushes = True
    interruptible = True

    def __init__(self, session: Session) -> None:
        self._session = session
        self.tag = session.tag

    async def step(self, buffer: LineBuffer) -> bool:
        """Tell what is new, and look for DONE."""
        session = self._session
        if await session.push(idle=True):
            return True
        try:
            line = buffer.take_line(MAX_LINE)
        except LineTooLong:
            raise BadSyntax("Expected DONE") from None
        if line is None:
            return False
        session.dialogue = None
        if line.strip().upper() != b"DONE":
            raise BadSyntax("Expected DONE")
        await session.complete(self.tag, "IDLE terminated")
        return True

    def close(self) -> None:
        """Nothing is held."""
