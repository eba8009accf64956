"""APPEND: a message goes straight from the client into the store (RFC 3501 6.3.11, RFC 4315, RFC 7889)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from quantummail.imap import capabilities
from quantummail.imap.framing import Refused
from quantummail.imap.grammar.append import AppendOptions, append_mailbox, append_options
from quantummail.imap.grammar.cursor import BadSyntax, Cursor
from quantummail.imap.grammar.literals import Announced, announced
from quantummail.imap.grammar.mailbox import InvalidMailbox
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.imap.responses import Farewell, Refusal
from quantummail.imap.session import refusal_of
from quantummail.store import line_ends
from quantummail.store.errors import NoSuchMailbox, Unavailable
from quantummail.store.flags import split
from quantummail.wire.lines import LineTooLong

if TYPE_CHECKING:
    from quantummail.imap.session import Session
    from quantummail.store.records import Mailbox
    from quantummail.wire.lines import LineBuffer

APPENDLIMIT = capabilities.offer("APPENDLIMIT", value=lambda settings: str(settings.message_limit))
_PIECE = 64 * 1024
_LINE = 64 * 1024

log = Logger(namespace="quantummail.imap")


def message_comes(arguments: bytes) -> bool:
    """Whether the literal announced at the end of these arguments is the message, and not the mailbox's name."""
    try:
        append_mailbox(Cursor(arguments))
    except InvalidMailbox:
        return True
    except BadSyntax:
        # a mailbox given as a literal is not there yet; any other mistake is found once the command is whole
        return False
    return True


@command("APPEND", AUTHENTICATED, streams=message_comes)
async def append(session: Session, arguments: Cursor) -> None:
    """APPEND (RFC 3501 6.3.11). Everything is checked before the client is asked for the message."""
    literal = announced(arguments.data + b"\r\n")
    if literal is None:
        raise BadSyntax("Expected the message as a literal")
    try:
        box, options = await _prepared(session, arguments, literal)
    except Exception as error:
        if literal.synchronizing:
            # RFC 3501 4.3: without "+" the client does not send it
            raise
        refusal = refusal_of(error)
        if refusal is None:
            log.failure("unexpected error in APPEND", connection=session.wire.connection_id)
            refusal = Refusal("Internal error, please try again later", "SERVERBUG")
        session.wire.swallow(literal.size, Refused(session.tag, refusal.response, refusal.text))
        return
    if session.closed:
        raise Farewell("The connection is gone")
    session.dialogue = Upload(session, box, options, literal.size)
    if literal.synchronizing:
        session.write(b"+ OK\r\n")


async def _prepared(session: Session, arguments: Cursor, literal: Announced) -> tuple[Mailbox, AppendOptions]:
    name = append_mailbox(arguments)
    options = append_options(arguments)
    box = await session.mailbox(name, create=True)
    if literal.size == 0:
        raise Refusal("The message is empty", "CANNOT")
    if literal.size > session.settings.message_limit:
        # RFC 7889 section 4, RFC 4469 for the code
        raise Refusal(f"Messages may have {session.settings.message_limit} octets", "TOOBIG")
    await session.store.messages.room_for(session.account_id, literal.size)
    if not session.store.bodies.has_room(literal.size):
        raise Unavailable("the disk is full")
    return box, options


class Upload:
    """The octets of one message, then the end of the command."""

    __slots__ = ("_body", "_box", "_error", "_line_ends", "_options", "_remaining", "_session", "tag")
    pushes = False
    interruptible = False

    def __init__(self, session: Session, box: Mailbox, options: AppendOptions, size: int) -> None:
        self._session = session
        self._box = box
        self._options = options
        self._remaining = size
        self._body = session.store.bodies.spooled()
        # RFC 3501 4.3: a message has CRLF line ends; programs of Unix append what they have
        self._line_ends = line_ends.Incoming()
        self._error: Exception | None = None
        self.tag = session.tag

    async def step(self, buffer: LineBuffer) -> bool:
        """Take what is there."""
        while self._remaining:
            data = buffer.take(min(self._remaining, _PIECE))
            if not data:
                return False
            self._remaining -= len(data)
            await self._keep(data)
        try:
            line = buffer.take_line(_LINE)
        except LineTooLong as error:
            line = error.tail
        if line is None:
            return False
        self._session.dialogue = None
        try:
            await self._finish(line)
        finally:
            self.close()
        return True

    async def _keep(self, data: bytes) -> None:
        if self._error is not None:
            return
        try:
            await self._body.write(self._line_ends.converted(data))
        except OSError as error:
            # the rest is read over, so that the answer comes where the client expects it
            log.error("a message could not be spooled: {reason}", reason=str(error),
                      connection=self._session.wire.connection_id)
            self._error = Unavailable("the disk is full")
            self._body.discard()

    async def _finish(self, line: bytes) -> None:
        session = self._session
        if line.rstrip(b"\r\n"):
            literal = announced(line)
            if literal is not None and not literal.synchronizing:
                session.wire.swallow(literal.size, Refused(self.tag, "BAD", "Only one message at a time"))
                return
            raise BadSyntax("Only one message at a time")
        if self._error is not None:
            raise self._error
        flags, keywords = split(self._options.flags)
        try:
            appended = await session.store.messages.append(
                session.account_id, self._box.id, self._body, flags=flags, keywords=keywords,
                internal_date=self._options.internal_date,
            )
        except NoSuchMailbox:
            # RFC 3501 6.3.11; deleted while the message came
            raise Refusal("No such mailbox", "TRYCREATE") from None
        code = f"[APPENDUID {appended.uidvalidity} {appended.uid}] " if session.settings.offers("UIDPLUS") else ""
        await session.complete(self.tag, f"{code}APPEND completed")

    def close(self) -> None:
        """Free what was taken so far."""
        self._body.discard()
