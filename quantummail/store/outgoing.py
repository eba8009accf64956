"""Outgoing mail that is kept until its fate is certain: what was accepted survives whatever happens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.message.ids import new_id
from quantummail.store import outgoing_lists as lists
from quantummail.store import outgoing_rows as rows
from quantummail.store.outgoing_lists import DestinationCount, Entry
from quantummail.store.outgoing_records import (
    Attempt,
    Claimed,
    OutgoingMessage,
    OutgoingRecipient,
    Selection,
    State,
)
from quantummail.store.outgoing_rows import NewOutgoing, Settled
from quantummail.store.transaction import Transaction, Work

if TYPE_CHECKING:
    from quantummail.store.database import Database
    from quantummail.store.intake import Intake
    from quantummail.store.journey import Journey
    from quantummail.store.queue_files import QueueFiles
    from quantummail.store.spooled import SpooledBody
    from quantummail.store.suppressions import Suppressions
    from quantummail.store.threads import Inline, Threads
    from quantummail.store.webhooks import Webhooks

# Octets of messages that are handed on without being read again
_AT_HAND = 256 * 1024
_AT_HAND_TOGETHER = 64 * 1024 * 1024
_STRAY_FOR = 7 * 86400.0
_AHEAD = 10 * 365 * 86400.0
_PAGE = 500
# Recipients that the journey names of one report
_ABOUT = 100


class Report:
    """A message of our own that goes out in the transaction that makes it true: a bounce, a warning."""

    __slots__ = ("about", "action", "message", "octets", "recipients")

    def __init__(
        self, message: OutgoingMessage, recipients: Sequence[OutgoingRecipient], octets: bytes, action: str = "",
        about: Sequence[str] = (),
    ) -> None:
        """`action`, `about`: what it says of whom, for the journey."""
        self.action = action
        self.about = tuple(about)
        self.message = message
        self.recipients = tuple(recipients)
        self.octets = octets


class Outgoing:
    """The queue as it is stored. One worker at a time calls itself `owner`; others may read, hold and delete."""

    log = Logger(namespace="quantummail.store")

    def __init__(
        self, database: Database, files: QueueFiles, threads: Inline | Threads, intake: Intake,
        journey: Journey, webhooks: Webhooks, suppressions: Suppressions,
    ) -> None:
        """`intake`: one that makes files durable on the queue's file system. `webhooks`: who is told of outcomes."""
        self._webhooks = webhooks
        self._journey = journey
        self._database = database
        self._files = files
        self._threads = threads
        self._intake = intake
        self._at_hand = 0
        self.suppressions = suppressions
        """Addresses that outcomes have shown not to exist."""
        self.owner = new_id()
        """Who holds the leases of this process."""

    @property
    def directory(self) -> str:
        """Where the octets are."""
        return self._files.directory

    async def start(self) -> None:
        """A server, the only one, makes due what an earlier one was trying when it ended."""
        count = await self._database.write(rows.release_txn, int(time.time()), True)
        if count:
            self.log.info("{count} recipients were being tried when the server ended: they are due again", count=count)
        # nobody writes here yet; the clock may have been a day ahead
        there = await self._threads.run(lambda: list(self._files.strays(-_AHEAD)))
        Deferred.fromCoroutine(self._sweep(there)).addErrback(
            lambda failure: self.log.failure("files of messages that have ended cannot be taken away", failure))

    async def _sweep(self, there: Sequence[str]) -> None:
        """A crash may have come between the end of a message and that of its file."""
        for start in range(0, len(there), _PAGE):
            for message_id in await self._database.run(rows.ended_txn, there[start : start + _PAGE]):
                await self._threads.run(self._files.remove, message_id)

    async def accept(
        self, message: OutgoingMessage, recipients: Sequence[OutgoingRecipient], heading: bytes, body: SpooledBody,
        *, body_start: int = 0, at_once: bool = True, state: State = State.DUE,
    ) -> tuple[Claimed, ...]:
        """Keep a message, `heading` and what of the body comes behind `body_start`; durable when it returns.

        :param at_once: the caller tries at once what comes back; otherwise it waits for `claim`.
        :raises StoreError: nothing is kept.
        """
        claimed: Deferred[tuple[Claimed, ...] | Exception] = Deferred()
        new = NewOutgoing(message, tuple(recipients), self.owner if at_once else "", state)
        kept: list[bytes] = []

        def write() -> list[Work]:
            try:
                with body.octets() as octets, memoryview(octets) as view, view[body_start:] as rest:
                    file = self._files.put(message.id, [heading, rest])
                    if at_once and message.size <= _AT_HAND:
                        kept.append(heading + bytes(rest))
            except Exception as error:  # noqa: BLE001  # whoever waits gets it
                self._database.report(claimed.callback, error)
                return []
            return [Work(rows.add_txn, new, claimed.callback, file)]

        if body.in_memory:
            self._intake.put(write)
        else:
            self._threads.submit(lambda: self._intake.take([write]))
        outcome = await claimed
        if isinstance(outcome, Exception):
            # the row is not there: its file is nobody's
            self._threads.submit(lambda: self._files.remove(message.id))
            raise outcome
        return self._with_content(outcome, kept)

    def _with_content(self, claims: tuple[Claimed, ...], kept: list[bytes]) -> tuple[Claimed, ...]:
        if not kept or self._at_hand + len(kept[0]) > _AT_HAND_TOGETHER:
            return claims
        self._at_hand += len(kept[0]) * len(claims)
        return tuple(Claimed(one.message, one.recipients, kept[0]) for one in claims)

    async def settle(self, settled: Settled, reports: Sequence[Report] = (), content: bytes | None = None) -> None:
        """Note what became of recipients, and send what has to be told about it, in one transaction.

        :param content: the octets that were at hand for this try.
        """
        if content is not None:
            self._at_hand -= len(content)
        outcome: Deferred[bool | Exception] = Deferred()
        if self._webhooks.active:
            settled = replace(settled, webhooks=self._webhooks.active)

        def settle_all_txn(transaction: Transaction, works: Sequence[Settled]) -> list[bool]:
            if reports:
                rows.add_txn(transaction, [NewOutgoing(one.message, one.recipients, "") for one in reports])
            return [rows.settle_txn(transaction, one) for one in works]

        if not reports:
            self._database.submit(Work(_settle_many_txn, settled, outcome.callback))
        else:
            await self._threads.run(self._write_reports, reports)
            self._database.submit(Work(settle_all_txn, settled, outcome.callback))
        result = await outcome
        if isinstance(result, Exception):
            raise result
        for one in settled.settlements:
            if one.suppress:
                self.suppressions.noted(one.recipient.address)
        for report in reports:
            self._journey.made(settled.message.id, report.message.id, "told", {
                "action": report.action, "about": report.about[:_ABOUT], "to": settled.message.sender})
        if result:
            self._threads.submit(lambda: self._files.remove(settled.message.id))

    def _write_reports(self, reports: Sequence[Report]) -> None:
        self._intake.make_durable([self._files.put(report.message.id, [report.octets]) for report in reports])

    def read(self, message_id: str, start: int, end: int) -> Deferred[bytes]:
        """Octets of a message. `NoSuchMessage` when its file is gone."""
        return self._threads.run(self._files.read, message_id, start, end)

    async def claim(self, destination: str, *, horizon: int, limit: int) -> list[Claimed]:
        """Take what is due for a destination, to try it."""
        return await self._database.write(
            rows.claim_txn, self.owner, destination, int(time.time()), horizon, limit)

    async def redirect(self, destinations: Sequence[tuple[OutgoingRecipient, str]]) -> None:
        """Give recipients that were claimed back for another destination, where they are due at once."""
        await self._database.write(rows.redirect_txn, self.owner, destinations, int(time.time()))

    async def due_destinations(self, *, horizon: int, limit: int) -> list[tuple[str, bool]]:
        """Where something is due for, and whether an administrator wants it tried at once."""
        return await self._database.run(rows.destinations_txn, int(time.time()), horizon, limit)

    async def entries(self, selection: Selection, *, limit: int = 1000, after: int = 0) -> list[Entry]:
        """Recipients in the order of their coming, with ids above `after`."""
        return await self._database.run(lists.entries_txn, selection, limit, after)

    async def latest(
        self, selection: Selection, *, limit: int = 100, before: int | None = None
    ) -> list[Entry]:
        """The same from the newest one back; `before`: the recipient's id of the last one seen."""
        return await self._database.run(lists.latest_txn, selection, limit, before)

    async def delivered(
        self, *, account_id: int | None = None, since: int = 0, limit: int = 100, before: int | None = None
    ) -> list[Entry]:
        """Recipients whose servers have taken a message: code, status and words of the reply, and when (`changed`)."""
        return await self.latest(
            Selection(states=(State.DELIVERED,), account_id=account_id, changed_since=since), limit=limit,
            before=before)

    async def bounced(
        self, *, account_id: int | None = None, since: int = 0, bounce: str = "", limit: int = 100,
        before: int | None = None,
    ) -> list[Entry]:
        """Recipients that were given up: the kind (`bounce`: hard, soft, transient, permanent), reason and codes."""
        return await self.latest(
            Selection(states=(State.FAILED,), account_id=account_id, changed_since=since, bounce=bounce),
            limit=limit, before=before)

    async def recipients_since(self, account_id: int, since: int) -> int:
        """How many recipients elsewhere an account has written to since a time, as far as it is remembered."""
        return await self._database.run(lists.recipients_since_txn, account_id, since)

    async def history(self, recipient_id: int) -> list[Attempt]:
        """All attempts for a recipient, the first one first."""
        return await self._database.run(lists.history_txn, recipient_id)

    async def named(self, header_id: str, *, limit: int = 50) -> list[str]:
        """Ids of messages with this Message-ID, the newest ones."""
        return await self._database.run(lists.named_txn, header_id, limit)

    async def counts(self, *, limit: int = 1000) -> list[DestinationCount]:
        """How much waits for each destination, the fullest first."""
        return await self._database.run(lists.counts_txn, limit)

    async def totals(self) -> dict[str, int]:
        """How many recipients are in each state."""
        return await self._database.run(lists.totals_txn)

    async def change(self, selection: Selection, state: State) -> int:
        """Hold (`HELD`), try at once (`DUE`) or give up (`DELETED`) what is selected and not just being tried."""
        count, finished = await self._database.write(lists.change_txn, selection, state)
        for message_id in finished:
            await self._threads.run(self._files.remove, message_id)
        return count

    async def renew(self) -> None:
        """Keep our leases, and take over those that nobody keeps."""
        now = int(time.time())
        await self._database.write(rows.renew_txn, self.owner, now)
        await self._database.write(rows.release_txn, now, False)

    async def purge(self, keep_for: float) -> int:
        """Forget what ended long ago: rows of messages, and files that belong to none. How many messages."""
        forgotten = await self._database.write(rows.purge_txn, int(time.time() - keep_for), _PAGE)
        await self.suppressions.purge()
        old = await self._threads.run(lambda: list(self._files.strays(_STRAY_FOR)))
        for start in range(0, len(old), _PAGE):
            page = old[start : start + _PAGE]
            known = await self._database.run(rows.known_txn, page)
            for message_id in page:
                if message_id not in known:
                    self.log.warn("the file {id} in the queue belongs to no message and is taken away", id=message_id)
                    await self._threads.run(self._files.remove, message_id)
        return forgotten


def _settle_many_txn(transaction: Transaction, works: Sequence[Settled]) -> list[bool]:
    return [rows.settle_txn(transaction, one) for one in works]
