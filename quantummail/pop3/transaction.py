"""The commands of the TRANSACTION state, and the UPDATE that QUIT begins (RFC 1939 5 to 7, RFC 2449)."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import islice
from typing import TYPE_CHECKING

from twisted.logger import Logger

from quantummail.message.headers import header_end
from quantummail.message.parts import headers
from quantummail.pop3.maildrop import UNKNOWN, Maildrop, NoMessage
from quantummail.pop3.multiline import END, Stuffing, Top, stuffed, top
from quantummail.pop3.retrieval import SMALL, Retrieval
from quantummail.pop3.surrogate import Surrogate
from quantummail.store.errors import NoSuchMailbox, NoSuchMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quantummail.pop3.grammar import Command
    from quantummail.store.records import Mailbox, Message, User
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

    def __init__(
        self, connection: Connection, store: Store, user: User, mailbox: Mailbox, most: int, *, utf8: bool
    ) -> None:
        """
        :param mailbox: the INBOX as it is at the login.
        :param most: how many messages to show, the oldest ones; 0 for all.
        :param utf8: whether the client takes UTF-8 in headers.
        """
        self.user = user
        self._connection = connection
        self._store = store
        self._mailbox = mailbox
        self._most = most
        self._utf8 = utf8
        self._retrieval: Retrieval | None = None

    def welcome(self) -> str:
        """The words that end the login."""
        if self._most and self._mailbox.messages > self._most:
            return f"{self._most} messages, the oldest of {self._mailbox.messages}"
        return f"{self._mailbox.messages} messages"

    async def stat(self, command: Command) -> None:
        """STAT."""
        del command
        if self._retrieval is None and not 0 < self._most < self._mailbox.messages:
            # Programs that only look whether there is mail ask for no more: counters are enough for them
            messages, octets = self._mailbox.messages, self._mailbox.size
        else:
            messages, octets = await self._totals()
        self._say(b"+OK %d %d" % (messages, octets))

    async def list(self, command: Command) -> None:
        """LIST [msg]."""
        retrieval = await self._opened()
        maildrop = retrieval.maildrop
        if command.number:
            row = await retrieval.row(command.number)
            self._say(b"+OK %d %d" % (command.number, row.size))
            return
        await retrieval.size_all()
        messages, octets = await self._totals()
        self._say(b"+OK %d messages (%d octets)" % (messages, octets))
        await self._lines(maildrop, lambda number: f"{number} {maildrop.size(number)}\r\n")

    async def uidl(self, command: Command) -> None:
        """UIDL [msg]."""
        maildrop = (await self._opened()).maildrop
        if command.number:
            maildrop.check(command.number)
            self._say(f"+OK {command.number} {maildrop.unique_id(command.number)}".encode("ascii"))
            return
        self._say(b"+OK unique-ids follow")
        await self._lines(maildrop, lambda number: f"{number} {maildrop.unique_id(number)}\r\n")

    async def retr(self, command: Command) -> None:
        """RETR msg."""
        row = await (await self._opened()).row(command.number)
        if row.size > SMALL:
            await self._stream(row, command.number, None)
            self._retrieved(row)
            return
        octets = await self._readable(row, command.number)
        self._retrieved(row)
        self._connection.write(b"+OK %d octets\r\n" % len(octets) + stuffed(octets))

    def _retrieved(self, row: Message) -> None:
        self._store.journey.read(self.user.id, self.user.address, (row.email_id,), "POP3")

    async def top(self, command: Command) -> None:
        """TOP msg n."""
        row = await (await self._opened()).row(command.number)
        if row.size > SMALL:
            await self._stream(row, command.number, Top(command.lines))
            return
        octets = await self._readable(row, command.number)
        self._connection.write(b"+OK top of message follows\r\n" + stuffed(top(octets, command.lines)))

    async def dele(self, command: Command) -> None:
        """DELE msg: a mark, until QUIT."""
        (await self._opened()).maildrop.delete(command.number)
        self._say(b"+OK message %d deleted" % command.number)

    async def rset(self, command: Command) -> None:
        """RSET."""
        del command
        (await self._opened()).maildrop.reset()
        messages, octets = await self._totals()
        self._say(b"+OK %d messages (%d octets)" % (messages, octets))

    async def noop(self, command: Command) -> None:
        """NOOP."""
        del command
        self._say(b"+OK")

    async def update(self) -> int:
        """Remove what is marked deleted, all of it or nothing (RFC 1939 6); how many it was."""
        uids = self._retrieval.maildrop.deleted_uids() if self._retrieval is not None else []
        if uids:
            await self._store.messages.remove(self.user.id, self._mailbox.id, uids)
        return len(uids)

    async def _opened(self) -> Retrieval:
        """The messages with their numbers, given when they are first asked for. What came since the login has none."""
        if self._retrieval is None:
            mailbox = self._mailbox
            self._store.changes.opened(mailbox.id)
            snapshot = await self._store.messages.open(self.user.id, mailbox.id, claim_recent=False)
            if snapshot.mailbox.uidvalidity != mailbox.uidvalidity:
                self._store.inboxes.forget(self.user.id)
                raise NoSuchMailbox("the mailbox is another one now")
            uids = snapshot.uids[: bisect_left(snapshot.uids, mailbox.uidnext)]
            vanished = await self._vanished() if len(uids) < mailbox.messages else frozenset()
            if vanished:
                # they have numbers as well, since STAT has counted them
                uids = array(uids.typecode, sorted({*uids, *vanished}))
            octets = mailbox.size if len(uids) == mailbox.messages else UNKNOWN
            if 0 < self._most < len(uids):
                uids, octets = uids[: self._most], UNKNOWN
            maildrop = Maildrop(mailbox.uidvalidity, uids, octets)
            for number, uid in enumerate(uids, 1) if vanished else ():
                if uid in vanished:
                    maildrop.vanished(number)
            self._retrieval = Retrieval(self._store, self.user.id, mailbox.id, maildrop)
        return self._retrieval

    async def _vanished(self) -> frozenset[int]:
        """The UIDs of messages that were there at the login, as far as they are remembered, and are not any more."""
        mailbox = self._mailbox
        changes = await self._store.messages.changes(self.user.id, mailbox.id, mailbox.highestmodseq)
        if changes is None:
            raise NoSuchMailbox("the mailbox is gone")
        return frozenset(uid for uid in changes.vanished if uid < mailbox.uidnext)

    def _say(self, line: bytes) -> None:
        self._connection.write(line + b"\r\n")

    async def _totals(self) -> tuple[int, int]:
        retrieval = await self._opened()
        while (totals := retrieval.maildrop.stat()) is None:
            await retrieval.size_all()
        return totals

    async def _lines(self, maildrop: Maildrop, line: Callable[[int], str]) -> None:
        """A line for every message, in pieces that the peer must take."""
        numbers = maildrop.present()
        while piece := "".join(map(line, islice(numbers, LINES))):
            self._connection.write(piece.encode("ascii"))
            await self._connection.drained()
        self._connection.write(END)

    async def _whole(self, row: Message, number: int) -> bytes:
        try:
            return await (await self._opened()).whole(row, number)
        except NoSuchMessage:
            raise await self._missing(row, number) from None

    async def _readable(self, row: Message, number: int) -> bytes:
        """A message as this client can read it: RFC 6856 4."""
        octets = await self._whole(row, number)
        # most messages are ASCII; in others headers have UTF-8, those of parts too, or bodies alone
        if self._utf8 or octets.isascii() or (octets[: header_end(octets)].isascii() and b"\n--" not in octets):
            return octets
        surrogate = Surrogate(await self._headers(row))
        return surrogate.feed(octets) + surrogate.end()

    async def _headers(self, row: Message) -> Sequence[tuple[int, int]]:
        """Where the headers of a message are."""
        found = await self._store.messages.fetch(self.user.id, self._mailbox.id, [row.uid], contents=True)
        return [place for message in found if message.contents for place in headers(message.contents.parts)]

    async def _missing(self, row: Message, number: int) -> NoMessage:
        """The error for a file that is not there: with its row, or in spite of it."""
        await (await self._opened()).again(number)
        _log.error("the file of message {uid} in mailbox {mailbox} of {user} is gone", uid=row.uid,
                   mailbox=self._mailbox.id, user=self.user.address, connection=self._connection.connection_id)
        self._store.messages.vanished.missed(self.user.id, self._mailbox.id, [row.uid])
        return NoMessage(f"[SYS/PERM] message {number} cannot be read")  # RFC 3206 4

    async def _stream(self, row: Message, number: int, cut: Top | None) -> None:
        """A big message, piece by piece: one at most waits for a peer that does not read."""
        size = FIRST_PIECE if cut is not None else PIECE
        try:
            octets = await (await self._opened()).piece(row, 0, size)
        except NoSuchMessage:
            raise await self._missing(row, number) from None
        surrogate = Surrogate([] if self._utf8 else await self._headers(row))
        self._say(b"+OK %d octets" % row.size if cut is None else b"+OK top of message follows")
        try:
            await self._pieces(row, octets, surrogate, cut)
        except Exception as error:  # whatever it is, a response has begun
            raise Interrupted(str(error)) from error

    async def _pieces(self, row: Message, octets: bytes, surrogate: Surrogate, cut: Top | None) -> None:
        connection, stuffing = self._connection, Stuffing()
        start = 0
        while octets:
            start += len(octets)
            given = surrogate.feed(octets)
            connection.write(stuffing.feed(given if cut is None else cut.feed(given)))
            await connection.drained()
            if cut is not None and cut.done:
                break
            octets = await (await self._opened()).piece(row, start, start + PIECE)
        given = surrogate.end()
        connection.write(stuffing.feed(given if cut is None else cut.feed(given)) + stuffing.end())
