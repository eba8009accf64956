"""The commands of the TRANSACTION state, and the UPDATE that QUIT begins (RFC 1939 5 to 7, RFC 2449)."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from twisted.logger import Logger

from quantummail.pop3.maildrop import UNKNOWN, Maildrop, NoMessage
from quantummail.pop3.multiline import END, Stuffing, Top, stuffed, top
from quantummail.pop3.retrieval import SMALL, Retrieval
from quantummail.store.errors import NoSuchMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quantummail.pop3.grammar import Command
    from quantummail.store.records import Message, Snapshot, User
    from quantummail.store.store import Store
    from quantummail.wire.connection import Connection

LINES = 500
PIECE = 128 * 1024
# Enough for nearly every header, so that TOP n 0 reads once
FIRST_PIECE = 16 * 1024

_log = Logger(namespace="quantummail.pop3")


class Interrupted(Exception):
    """A response has begun and cannot be finished: the only honest end is that of the connection."""


class Transaction:
    """One logged-in session: answers commands on `connection`.

    Methods raise `NoMessage`, errors of the store, or anything unexpected only before they have written
    anything; after that they raise `Interrupted`.
    """

    def __init__(self, connection: Connection, store: Store, user: User, snapshot: Snapshot,
                 most: int) -> None:
        self.user = user
        self._connection = connection
        self._store = store
        self._mailbox_id = snapshot.mailbox.id
        uids = snapshot.uids
        octets = snapshot.mailbox.size
        if most and len(uids) > most:
            uids, octets = uids[:most], UNKNOWN
        self._maildrop = Maildrop(snapshot.mailbox.uidvalidity, uids, octets)
        self._retrieval = Retrieval(store, user.id, self._mailbox_id, self._maildrop)

    def messages(self) -> int:
        """How many messages were there at the login."""
        return len(self._maildrop.uids)

    async def stat(self, command: Command) -> None:
        """STAT."""
        del command
        messages, octets = await self._totals()
        self._say(b"+OK %d %d" % (messages, octets))

    async def list(self, command: Command) -> None:
        """LIST [msg]."""
        maildrop = self._maildrop
        if command.number:
            row = await self._retrieval.row(command.number)
            self._say(b"+OK %d %d" % (command.number, row.size))
            return
        await self._retrieval.size_all()
        messages, octets = await self._totals()
        self._say(b"+OK %d messages (%d octets)" % (messages, octets))
        await self._lines(lambda number: f"{number} {maildrop.size(number)}\r\n")

    async def uidl(self, command: Command) -> None:
        """UIDL [msg]."""
        maildrop = self._maildrop
        if command.number:
            maildrop.check(command.number)
            self._say(f"+OK {command.number} {maildrop.unique_id(command.number)}".encode("ascii"))
            return
        self._say(b"+OK unique-ids follow")
        await self._lines(lambda number: f"{number} {maildrop.unique_id(number)}\r\n")

    async def retr(self, command: Command) -> None:
        """RETR msg."""
        row = await self._retrieval.row(command.number)
        if row.size > SMALL:
            await self._stream(row, command.number, None)
            return
        octets = await self._whole(row, command.number)
        self._connection.write(b"+OK %d octets\r\n" % len(octets) + stuffed(octets))

    async def top(self, command: Command) -> None:
        """TOP msg n."""
        row = await self._retrieval.row(command.number)
        if row.size > SMALL:
            await self._stream(row, command.number, Top(command.lines))
            return
        octets = await self._whole(row, command.number)
        self._connection.write(b"+OK top of message follows\r\n" + stuffed(top(octets, command.lines)))

    async def dele(self, command: Command) -> None:
        """DELE msg: a mark, until QUIT."""
        self._maildrop.delete(command.number)
        self._say(b"+OK message %d deleted" % command.number)

    async def rset(self, command: Command) -> None:
        """RSET."""
        del command
        self._maildrop.reset()
        messages, octets = await self._totals()
        self._say(b"+OK %d messages (%d octets)" % (messages, octets))

    async def noop(self, command: Command) -> None:
        """NOOP."""
        del command
        self._say(b"+OK")

    async def update(self) -> int:
        """Remove what is marked deleted, all of it or nothing (RFC 1939 6); how many it was."""
        uids = self._maildrop.deleted_uids()
        if uids:
            await self._store.messages.remove(self.user.id, self._mailbox_id, uids)
        return len(uids)

    def _say(self, line: bytes) -> None:
        self._connection.write(line + b"\r\n")

    async def _totals(self) -> tuple[int, int]:
        totals = self._maildrop.stat()
        while totals is None:
            await self._retrieval.size_all()
            totals = self._maildrop.stat()
        return totals

    async def _lines(self, line: Callable[[int], str]) -> None:
        """A line for every message, in pieces that the peer must take."""
        numbers: Iterator[int] = self._maildrop.present()
        while piece := "".join(map(line, islice(numbers, LINES))):
            self._connection.write(piece.encode("ascii"))
            await self._connection.drained()
        self._connection.write(END)

    async def _whole(self, row: Message, number: int) -> bytes:
        try:
            return await self._retrieval.whole(row, number)
        except NoSuchMessage:
            raise await self._missing(row, number) from None

    async def _missing(self, row: Message, number: int) -> NoMessage:
        """The error for a file that is not there: with its row, or in spite of it."""
        await self._retrieval.again(number)
        _log.error("the file of message {uid} in mailbox {mailbox} of {user} is gone", uid=row.uid,
                   mailbox=self._mailbox_id, user=self.user.address, connection=self._connection.connection_id)
        return NoMessage(f"[SYS/PERM] message {number} cannot be read")  # RFC 3206 4

    async def _stream(self, row: Message, number: int, cut: Top | None) -> None:
        """A big message, piece by piece: one at most waits for a peer that does not read."""
        size = FIRST_PIECE if cut is not None else PIECE
        try:
            octets = await self._retrieval.piece(row, 0, size)
        except NoSuchMessage:
            raise await self._missing(row, number) from None
        self._say(b"+OK %d octets" % row.size if cut is None else b"+OK top of message follows")
        try:
            await self._pieces(row, octets, cut)
        except Exception as error:  # whatever it is, a response has begun
            raise Interrupted(str(error)) from error

    async def _pieces(self, row: Message, octets: bytes, cut: Top | None) -> None:
        connection, stuffing = self._connection, Stuffing()
        start = 0
        while octets:
            start += len(octets)
            connection.write(stuffing.feed(octets if cut is None else cut.feed(octets)))
            await connection.drained()
            if cut is not None and cut.done:
                break
            octets = await self._retrieval.piece(row, start, start + PIECE)
        connection.write(stuffing.end())
