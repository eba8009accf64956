"""Reading a maildrop from the store: one message, or ahead of a client that wants one after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.pop3.maildrop import Maildrop
    from quantummail.store.records import Message
    from quantummail.store.store import Store

ROWS = 500
SMALL = 256 * 1024
"""Messages up to this size are read whole."""
AHEAD_FIRST, AHEAD_MOST = 64 * 1024, 1024 * 1024


class Retrieval:
    """Rows and octets of one session's messages.

    A message asked for out of order costs one row and one file. Messages in order are read ahead, more with
    every step, up to `ROWS` rows and `AHEAD_MOST` octets; when the order is left, what was read is thrown away.
    """

    def __init__(self, store: Store, account_id: int, mailbox_id: int, maildrop: Maildrop) -> None:
        self._store = store
        self._account_id = account_id
        self._mailbox_id = mailbox_id
        self.maildrop = maildrop
        self._rows: dict[int, Message] = {}
        self._octets: dict[int, bytes] = {}
        self._next = 1
        self._rows_ahead = 1
        self._octets_ahead = 0

    async def row(self, number: int) -> Message:
        """The row of a message; raises `NoMessage`."""
        self.maildrop.check(number)
        self._follow(number)
        row = self._rows.get(number)
        if row is None:
            await self._fetch(number, self._rows_ahead)
            self.maildrop.check(number)
            row = self._rows[number]
        return row

    async def again(self, number: int) -> None:
        """Look whether the row of a message is still there; raises `NoMessage` if not."""
        await self._fetch(number, 1)
        self.maildrop.check(number)

    async def whole(self, row: Message, number: int) -> bytes:
        """The octets of a message of at most `SMALL` octets, whose row was just asked for."""
        octets = self._octets.get(number)
        if octets is None:
            octets = await self._read(row, number)
        return octets

    async def piece(self, row: Message, start: int, end: int) -> bytes:
        """Some octets of a message; fewer only at its end."""
        return await self._store.bodies.read(row, start, end)

    async def size_all(self) -> None:
        """Make the maildrop know every size."""
        while (number := self.maildrop.unsized()):
            self._octets.clear()
            await self._fetch(number, ROWS)

    def _follow(self, number: int) -> None:
        """Read ahead further the longer the order is kept. TOP n and RETR n count once."""
        if number == self._next:
            self._rows_ahead = min(ROWS, self._rows_ahead * 4)
            for passed in [passed for passed in self._octets if passed < number]:
                del self._octets[passed]
        elif number != self._next - 1:
            self._rows_ahead = 1
            self._octets_ahead = 0
            self._octets.clear()
        self._next = number + 1

    async def _fetch(self, number: int, count: int) -> None:
        """Rows from `number` on, instead of those we had."""
        maildrop = self.maildrop
        wanted = maildrop.uids[number - 1 : number - 1 + count]
        found = await self._store.messages.fetch(self._account_id, self._mailbox_id, wanted)
        by_uid = {row.uid: row for row in found}
        self._rows = {}
        for position, uid in enumerate(wanted, number):
            row = by_uid.get(uid)
            if row is None:
                maildrop.vanished(position)
            else:
                self._rows[position] = row
                maildrop.learn(position, row.size)

    async def _read(self, row: Message, number: int) -> bytes:
        numbers = self._consecutive(number) if self._octets_ahead else [number]
        self._octets.clear()
        if len(numbers) == 1:
            octets = [await self._store.bodies.read(row)]
        else:
            octets = await self._store.bodies.read_many([self._rows[each] for each in numbers],
                                                         self._octets_ahead)
        self._octets_ahead = min(AHEAD_MOST, max(AHEAD_FIRST, self._octets_ahead * 4))
        self._octets = dict(zip(numbers, octets, strict=False))
        return octets[0]

    def _consecutive(self, number: int) -> Sequence[int]:
        """This message and the small ones that follow it, as far as their rows are there."""
        numbers: list[int] = []
        budget = self._octets_ahead
        while (row := self._rows.get(number)) is not None and row.size <= SMALL:
            budget -= row.size
            if numbers and budget < 0:
                break
            if number not in self.maildrop.deleted:
                numbers.append(number)
            number += 1
        return numbers
