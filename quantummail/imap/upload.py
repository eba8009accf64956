"""Messages on their way in: the octets of one APPEND or REPLACE, from the client into the spool, then into the store.

What a client is about to send is checked before it is asked for. What it has sent makes no message before all of it is
there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.logger import Logger

from quantummail.imap import shared
from quantummail.imap.cuts import Cut, chosen, cut, limited
from quantummail.imap.grammar.append import Begins, Ends, Messages, Octets, Step, Url, UrlComes
from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.literals import Announced, announced
from quantummail.imap.grammar.sequence import render
from quantummail.imap.grammar.url import BadUrl, MessageUrl, message_url, shown
from quantummail.imap.responses import Farewell, Refusal
from quantummail.message.binary_parts import Piece, pieces
from quantummail.message.transfer_encoding import Base64Encoder
from quantummail.store import line_ends
from quantummail.store.appends import Stretch
from quantummail.store.errors import NoSuchMailbox, NoSuchMessage, StoreError, Unavailable
from quantummail.store.flags import split
from quantummail.store.rights import flag_mask, may_set_keywords
from quantummail.wire.lines import LineTooLong

if TYPE_CHECKING:
    from quantummail.imap.session import Session
    from quantummail.store.records import Mailbox, Message, Quota
    from quantummail.store.spooled import SpooledBody
    from quantummail.wire.lines import LineBuffer

# Of what comes, and of what is read again: 57 octets become a line of base64
_PIECE = 57 * 1152
_LINE = 64 * 1024
_URL = 8 * 1024

log = Logger(namespace="quantummail.imap")


@dataclass(frozen=True, slots=True)
class Replaced:
    """The message that a new one takes the place of (RFC 8508)."""

    account_id: int
    mailbox_id: int
    uid: int
    size: int


@dataclass(frozen=True, slots=True)
class Destination:
    """Where messages go."""

    box: Mailbox
    quota: Quota
    replaced: Replaced | None = None


async def destination(session: Session, name: str, replaced: Replaced | None = None) -> Destination:
    """A mailbox that is to get messages."""
    box = await session.mailbox(name, "i", create=True)
    return Destination(box, await session.store.mailboxes.quota(box.account_id), replaced)


async def receive(session: Session, arguments: Cursor, prepare: Callable[[], Awaitable[Destination]]) -> None:
    """Run a command that brings messages; `prepare` reads the arguments before them."""
    upload = Upload(session, await prepare())
    session.coming = 0
    await upload.read(arguments, announced(arguments.data + b"\r\n"))


class Upload:
    """The messages of one command, then the end of the command."""

    __slots__ = (
        "_begun", "_binary", "_body", "_destination", "_error", "_line_ends", "_literal", "_messages", "_options",
        "_raw", "_remaining", "_session", "_start", "_stretches", "_total", "_url", "tag",
    )
    pushes = False
    interruptible = False

    def __init__(self, session: Session, where: Destination) -> None:
        self._session = session
        self._destination = where
        offers = session.settings.offers
        self._messages = Messages(offers, many=where.replaced is None and offers("MULTIAPPEND"))
        self._body = session.store.bodies.spooled()
        self._stretches: list[Stretch] = []
        self._total = 0
        self._error: Exception | None = None
        self.tag = session.tag
        # of the literal that comes
        self._literal: Announced | None = None
        self._remaining = 0
        self._url: bytearray | None = None
        # of the message that comes
        self._options = Begins((), None)
        self._start = 0
        self._begun = 0
        self._binary = False
        self._raw: SpooledBody | None = None
        # RFC 3501 4.3: a message has CRLF line ends; programs of Unix append what they have
        self._line_ends = line_ends.Incoming()

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
            await self._refuse(BadSyntax("Command line too long"), announced(error.tail))
            return True
        if line is None:
            if not len(buffer):
                # imaplib and others send the end of the line on its own, when the octets before are acknowledged
                self._session.wire.acknowledge()
            return False
        await self.read(Cursor(line.rstrip(b"\r\n"), utf8=self._session.utf8), announced(line))
        return True

    async def read(self, line: Cursor, literal: Announced | None) -> None:
        """Go on with a line of the command, behind whose end stands a literal, or nothing more."""
        try:
            await self._read(line, literal)
        except Exception as error:  # noqa: BLE001  # `_refuse` raises what it cannot answer
            await self._refuse(error, literal)
            return
        if literal is not None:
            self._session.dialogue = self
            if literal.synchronizing:
                self._session.write(b"+ OK\r\n")

    async def _read(self, line: Cursor, literal: Announced | None) -> None:
        if self._error is not None:
            raise self._error
        if self._url is not None:
            url, self._url = self._url, None
            await self._copy(bytes(url))
        for step in self._messages.read(line, literal):
            await self._take(step)
        if literal is None:
            await self._finish()

    async def _refuse(self, error: Exception, literal: Announced | None) -> None:
        self.close()
        self._session.dialogue = None
        if literal is None or literal.synchronizing:
            # RFC 3501 4.3: without "+" the client does not send it
            raise error
        self._session.read_over(self.tag, literal.size, error)

    async def _take(self, step: Step) -> None:
        match step:
            case Begins():
                self._begin(step)
            case Octets(literal, alone):
                self._expect(literal, alone=alone)
            case Url(url):
                await self._copy(url)
            case UrlComes(literal):
                if literal.size > _URL:
                    raise LimitExceeded(f"A URL has at most {_URL} octets")
                self._literal, self._remaining, self._url = literal, literal.size, bytearray()
            case Ends():
                await self._end()
        if self._session.closed:
            raise Farewell("The connection is gone")

    def _begin(self, options: Begins) -> None:
        self._options = options
        self._start = self._body.size
        self._begun = self._total
        self._binary = False
        self._line_ends = line_ends.Incoming()

    def _expect(self, literal: Announced, *, alone: bool) -> None:
        """Check whether the octets that are announced may come."""
        if alone and not literal.size:
            # RFC 3502 6.3.11: so a client gives up all of them
            raise Refusal("The message is empty", "CANNOT")
        self._make_room(literal.size)
        if self._raw is None and (literal.binary or not alone):
            # what is binary has to be looked through when all of the message is there
            self._raw = self._session.store.bodies.spooled()
        self._binary = self._binary or literal.binary
        self._literal, self._remaining = literal, literal.size

    def _make_room(self, size: int) -> None:
        """Count octets that come, unless they are too many, for the message or for all of them together."""
        session, where = self._session, self._destination
        if self._total - self._begun + size > session.settings.message_limit:
            # RFC 7889 section 4, RFC 4469 for the code
            raise Refusal(f"Messages may have {session.settings.message_limit} octets", "TOOBIG")
        self._total += size
        replaced = where.replaced
        if replaced is None or replaced.account_id != where.box.account_id:
            where.quota.check(self._total, len(self._stretches) + 1)
        else:
            where.quota.check(self._total - replaced.size, 0)
        if not session.store.bodies.has_room(self._total):
            raise Unavailable("the disk is full")

    async def _keep(self, data: bytes) -> None:
        """Take some octets of a literal."""
        if self._error is not None:
            return
        if self._url is not None:
            self._url += data
            return
        assert self._literal is not None
        if not self._literal.binary:
            if b"\0" in data:
                # RFC 3501 section 9: CHAR8 is no NUL
                self._fail(Refusal("NUL may stand in binary literals only", "CANNOT"))
                return
            data = self._line_ends.converted(data)
        else:
            self._line_ends.passed(data)
        try:
            await self._write(self._raw or self._body, data)
        except StoreError as error:
            self._fail(error)

    async def _write(self, body: SpooledBody, data: bytes) -> None:
        try:
            await body.write(data)
        except OSError as error:
            log.error("a message could not be spooled: {reason}", reason=str(error),
                      connection=self._session.wire.connection_id)
            raise Unavailable("the disk is full") from error

    def _fail(self, error: Exception) -> None:
        """The rest is read over, so that the answer comes where the client expects it."""
        self._error = error
        self.close()

    async def _copy(self, url: bytes) -> None:
        """Add what a URL names (RFC 4469 section 3)."""
        if self._raw is None:
            self._raw = self._session.store.bodies.spooled()
        try:
            message, named = await self._named(message_url(url))
            await self._copy_from(message, named)
        except (BadUrl, NoSuchMessage):
            raise Refusal("No such message, or part of one", f"BADURL {shown(url)}") from None

    async def _named(self, url: MessageUrl) -> tuple[Message, MessageUrl]:
        session = self._session
        if url.mailbox is None:
            view = session.view
            if view is None:
                raise BadUrl
            await session.know_rights()
            account_id, mailbox_id, uidvalidity = view.account_id, view.mailbox_id, view.uidvalidity
        else:
            box = await shared.find(session, url.mailbox)
            if box is None or "r" not in box.rights:
                raise BadUrl
            account_id, mailbox_id, uidvalidity = box.account_id, box.id, box.uidvalidity
        if url.uidvalidity not in (None, uidvalidity):
            raise BadUrl
        found = await session.store.messages.fetch(account_id, mailbox_id, [url.uid], contents=True)
        if not found:
            raise BadUrl
        return found[0], url

    async def _copy_from(self, message: Message, url: MessageUrl) -> None:
        assert self._raw is not None
        section, bodies = url.section, self._session.store.bodies
        where = cut(section, message)
        if where is None:
            raise BadUrl
        if section.fields:
            fields = chosen(section, await bodies.read(message, where.start, where.end))
            within = limited(section, Cut(0, len(fields)))
            self._make_room(within.end - within.start)
            await self._write(self._raw, fields[within.start : within.end])
            self._line_ends.passed(fields[within.start : within.end])
            return
        where = limited(section, where)
        self._make_room(where.end - where.start)
        for start in range(where.start, where.end, _PIECE):
            data = await bodies.read(message, start, min(start + _PIECE, where.end))
            if self._session.closed:
                raise Farewell("The connection is gone")
            self._line_ends.passed(data)
            await self._write(self._raw, data)

    async def _end(self) -> None:
        """A message is whole."""
        raw, self._raw = self._raw, None
        if raw is not None:
            try:
                await self._add(raw)
            finally:
                raw.discard()
        if self._body.size == self._start:
            raise Refusal("The message is empty", "CANNOT")
        flags, keywords = split(self._options.flags)
        # RFC 4314 section 4: those that may not be set are left out
        mask = flag_mask(self._destination.box.rights)
        flags, keywords = flags & mask, keywords if may_set_keywords(mask) else []
        self._stretches.append(Stretch(
            self._start, self._body.size, flags, tuple(keywords), self._options.internal_date
        ))

    async def _add(self, raw: SpooledBody) -> None:
        if not raw.size:
            return
        for piece in await raw.examine(pieces) if self._binary else (Piece(0, raw.size),):
            if piece.text:
                await self._write(self._body, piece.text)
            elif piece.encode:
                await self._encode(raw, piece)
            else:
                await self._add_text(raw, piece)

    async def _encode(self, raw: SpooledBody, piece: Piece) -> None:
        encoder = Base64Encoder()
        for start in range(piece.start, piece.end, _PIECE):
            end = min(start + _PIECE, piece.end)
            await self._write(self._body, encoder.encode(await raw.read(start, end), final=end == piece.end))
            self._check_connection()

    async def _add_text(self, raw: SpooledBody, piece: Piece) -> None:
        ends = line_ends.Incoming()
        for start in range(piece.start, piece.end, _PIECE):
            data = await raw.read(start, min(start + _PIECE, piece.end))
            if b"\0" in data and self._binary:
                # RFC 3516 section 4.4: there is no way to keep it
                raise Refusal("NUL stands where nothing can be encoded", "UNKNOWN-CTE")
            await self._write(self._body, ends.converted(data))
            self._check_connection()

    def _check_connection(self) -> None:
        if self._session.closed:
            # what was spooled is discarded already
            raise Farewell("The connection is gone")

    async def _finish(self) -> None:
        session = self._session
        session.dialogue = None
        try:
            if self._destination.box.owner:
                # a message may be long in coming, and what was allowed may not be any more
                await session.mailbox(self._destination.box.name, "i")
            numbers = await self._store()
        except NoSuchMailbox:
            # RFC 3501 6.3.11; deleted while the message came
            raise Refusal("No such mailbox", "TRYCREATE") from None
        finally:
            self.close()
        session.own_messages(self._destination.box.id, numbers[1:])
        code = ""
        # RFC 4315 section 3: UIDs are not for those who may not read the mailbox
        if session.settings.offers("UIDPLUS") and "r" in self._destination.box.rights:
            code = f"[APPENDUID {numbers[0]} {render(numbers[1:]).decode('ascii')}] "
        if self._destination.replaced is None:
            await session.complete(self.tag, f"{code}APPEND completed")
            return
        if code:
            # RFC 8508 section 4.3: before the EXPUNGE, which comes with the end of the command
            session.untagged(f"OK {code}Replacement is there")
        await session.complete(self.tag, "REPLACE completed")

    async def _store(self) -> list[int]:
        """UIDVALIDITY, then the UIDs."""
        store, where, stretches = self._session.store, self._destination, self._stretches
        box, replaced = where.box, where.replaced
        if replaced is not None:
            one = await store.appends.replace(
                box.account_id, box.id, self._body, stretches[0],
                (replaced.account_id, replaced.mailbox_id, replaced.uid),
            )
            return [one.uidvalidity, one.uid]
        first = stretches[0]
        if len(stretches) == 1:
            # as it came: what waits from other clients is stored with it
            one = await store.messages.append(
                box.account_id, box.id, self._body, flags=first.flags, keywords=first.keywords,
                internal_date=first.internal_date,
            )
            return [one.uidvalidity, one.uid]
        appended = await store.appends.append(box.account_id, box.id, self._body, stretches)
        return [appended[0].uidvalidity, *(one.uid for one in appended)]

    def close(self) -> None:
        """Free what was taken so far."""
        self._body.discard()
        if self._raw is not None:
            self._raw.discard()
            self._raw = None
