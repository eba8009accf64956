"""Behind the commits: the texts of new messages are put into the account's file, those of removed ones taken out.

Nothing is noted in the database, and no delivery waits. What has to be done is found by comparing the messages with
the file: all of them after a start, then those with UIDs above the ones seen. So a crash, an older copy of either, or
a file that is gone mend themselves; until then a search reads the messages that are not in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.store.errors import NoSuchMessage, StoreError, Unavailable
from quantummail.store.text_files import Broken, TextFiles, TextRow, TextWriter
from quantummail.store.text_places import Page, accounts_txn, boxes_txn, contents_txn, page_txn
from quantummail.store.text_reading import groups, text_row, unread

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from quantummail.store.bodies import Bodies
    from quantummail.store.database import Database
    from quantummail.store.messages import Messages
    from quantummail.store.records import Message
    from quantummail.store.threads import Inline, Threads

T = TypeVar("T")

PAGE = 500
# One step of work: it computes in a thread for some milliseconds, then everybody else has his turn
STEP_MESSAGES = 16
STEP_OCTETS = 256 * 1024
# Mail comes in bursts: first it is taken in, then indexed, but not later than so many seconds
QUIET = 0.5
LATEST = 60.0
# Removed messages are looked for, and other processes' doings, no more often than this
SWEEP = 60.0
_MARGIN = 64 * 1024 * 1024


class Indexing:
    """Works in the background, one step at a time; its methods are called on the reactor."""

    log = Logger(namespace="quantummail.store")

    def __init__(
        self, database: Database, messages: Messages, bodies: Bodies, files: TextFiles, threads: Inline | Threads,
        clock: IReactorTime | None,
    ) -> None:
        self._database = database
        self._messages = messages
        self._bodies = bodies
        self._files = files
        self._threads = threads
        self._clock = clock
        self._below: dict[int, int] = {}
        """Mailbox to a UID: all messages below it are in the account's file."""
        self._account_of: dict[int, int] = {}
        self._buried: dict[int, int] = {}
        """Mailbox to the mod-sequence of the last removal that was looked at."""
        self._waiting: dict[int, None] = {}
        """Mailboxes to look into, the oldest first."""
        self._removed_from: dict[int, None] = {}
        """Accounts that may have lost messages."""
        self._timer: IDelayedCall | None = None
        self._sweep: IDelayedCall | None = None
        self._running: Deferred[None] | None = None
        self._woken = self._since = 0.0
        self._writer: TextWriter | None = None
        self._written: str | None = None
        self._stopped = False

    def start(self) -> None:
        """Look at everything, then at what changes."""
        if self._clock is not None:
            self._begin_sweep()

    async def stop(self) -> None:
        """Finish the step at hand."""
        self._stopped = True
        for timer in (self._timer, self._sweep):
            if timer is not None and timer.active():
                timer.cancel()
        if self._running is not None:
            await self._running

    # What searches ask.

    def indexed_below(self, mailbox_id: int) -> int:
        """Messages of the mailbox with UIDs below this one are in the account's file, as it is named now."""
        return self._below.get(mailbox_id, 0)

    def broken(self, account_id: int, name: str, reason: str) -> None:
        """The account's file is of no use: make it anew."""
        if self._files.name(account_id) != name:
            return
        self.log.error("the index of texts {name} is made again: {reason}", name=name, reason=reason)
        self.forget(account_id)
        self._wake()

    def forget(self, account_id: int) -> None:
        """Throw the account's file away, and begin again."""
        self._files.drop(account_id)
        for mailbox_id, owner in self._account_of.items():
            if owner == account_id:
                self._below.pop(mailbox_id, None)
                self._waiting[mailbox_id] = None

    # When it is done.

    def changed(self, mailbox_ids: Sequence[int]) -> None:
        """Something was committed in mailboxes."""
        if self._clock is None or self._stopped:
            return
        for mailbox_id in mailbox_ids:
            self._waiting[mailbox_id] = None
        self._wake()

    def _wake(self) -> None:
        if self._clock is None or self._stopped:
            return
        self._woken = self._clock.seconds()
        if self._timer is None and self._running is None:
            self._since = self._woken
            self._timer = self._clock.callLater(QUIET, self._begin)

    def _begin(self) -> None:
        assert self._clock is not None
        self._timer = None
        now = self._clock.seconds()
        if now - self._woken < QUIET and now - self._since < LATEST:
            self._timer = self._clock.callLater(QUIET, self._begin)
            return
        running = self._running = Deferred.fromCoroutine(self.catch_up())
        running.addErrback(self._failed)
        running.addCallback(self._finished)

    def _finished(self, _result: None) -> None:
        self._running = None
        if self._waiting and not self._stopped:
            self._wake()

    def _failed(self, failure: Any) -> None:
        # the sweep comes back to what is left
        self._waiting.clear()
        if failure.check(StoreError):
            self.log.warn("texts are not indexed: {reason}", reason=failure.getErrorMessage())
        else:
            self.log.failure("unexpected error while texts are indexed", failure=failure)

    def _begin_sweep(self) -> None:
        assert self._clock is not None
        self._sweep = self._clock.callLater(SWEEP, self._begin_sweep)
        if self._running is None:
            self._waiting[_EVERYTHING] = None
            self._wake()

    # What is done.

    async def catch_up(self) -> None:
        """Do all there is to do. Without a reactor nothing is done but by calling this."""
        if self._clock is None:
            self._waiting[_EVERYTHING] = None
        try:
            while self._waiting and not self._stopped:
                mailbox_id = next(iter(self._waiting))
                del self._waiting[mailbox_id]
                if mailbox_id == _EVERYTHING:
                    await self._look_around()
                else:
                    await self._mailbox(mailbox_id)
        finally:
            await self._threads.run(self._close)

    async def _look_around(self) -> None:
        """Find the mailboxes that have changed, and what is left of accounts that are gone."""
        accounts = set(await self._database.run(accounts_txn))
        for account_id in self._files.accounts():
            if account_id not in accounts:
                await self._run(self._files.drop, account_id)
        for account_id in await self._run(self._files.lost):
            self.forget(account_id)
        boxes = await self._database.run(boxes_txn)
        for gone in self._account_of.keys() - {box.id for box in boxes}:
            self._gone(gone)
        for box in boxes:
            self._account_of[box.id] = box.account_id
            if self._buried.get(box.id) != box.buried:
                self._buried[box.id] = box.buried
                self._removed_from[box.account_id] = None
            if self._files.name(box.account_id) is None:
                # somebody took it away
                self._below.pop(box.id, None)
            if self._below.get(box.id, 0) < box.uidnext:
                self._waiting[box.id] = None
        await self._clean()

    async def _mailbox(self, mailbox_id: int) -> None:
        """Index what is new in a mailbox."""
        while not self._stopped:
            first = self._below.get(mailbox_id, 0)
            page = await self._database.run(page_txn, mailbox_id, first, PAGE)
            if page is None:
                self._gone(mailbox_id)
                return
            self._account_of[mailbox_id] = page.account_id
            if page.uids:
                try:
                    whole = await self._page(mailbox_id, page)
                except Broken as error:
                    name = self._files.name(page.account_id)
                    if name is not None:
                        self.broken(page.account_id, name, str(error))
                    return
                if not whole or self._below.get(mailbox_id, 0) != first:
                    continue
            self._below[mailbox_id] = page.uids[-1] + 1 if len(page.uids) == PAGE else page.uidnext
            if len(page.uids) < PAGE:
                return

    def _gone(self, mailbox_id: int) -> None:
        self._below.pop(mailbox_id, None)
        self._buried.pop(mailbox_id, None)
        account_id = self._account_of.pop(mailbox_id, None)
        if account_id is not None:
            self._removed_from[account_id] = None

    async def _page(self, mailbox_id: int, page: Page) -> bool:
        """Put those messages of a page into the file that are not there; False if the file is not the same any more."""
        missing = set(await self._run(self._missing, page.account_id, page.email_ids))
        name = self._files.name(page.account_id)
        # of copies in one mailbox one is read: they have one place in the file
        first = dict(zip(reversed(page.email_ids), reversed(page.uids), strict=True))
        uids = sorted(uid for email_id, uid in first.items() if email_id in missing)
        for start in range(0, len(uids), STEP_MESSAGES):
            messages = await self._messages.fetch(
                page.account_id, mailbox_id, uids[start : start + STEP_MESSAGES], contents=True)
            for step in groups(messages, STEP_OCTETS):
                if self._stopped:
                    return False
                if not self._bodies.has_room(_MARGIN):
                    raise Unavailable("the disk is full")
                await self._run(self._add, page.account_id, step)
        return name is not None and self._files.name(page.account_id) == name

    async def _clean(self) -> None:
        """Take the texts of messages out that are gone."""
        while self._removed_from and not self._stopped:
            account_id = next(iter(self._removed_from))
            del self._removed_from[account_id]
            after = ""
            while (name := self._files.name(account_id)) is not None and not self._stopped:
                try:
                    email_ids = await self._run(self._listed, account_id, after)
                except Broken as error:
                    self.broken(account_id, name, str(error))
                    break
                if not email_ids:
                    break
                after = email_ids[-1]
                there = await self._database.run(contents_txn, account_id, email_ids)
                gone = [one for one in email_ids if one not in there]
                for start in range(0, len(gone), STEP_MESSAGES):
                    await self._run(self._forget, account_id, gone[start : start + STEP_MESSAGES])

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        """Work in a thread, then give way: as long as it took while mail comes in, a little otherwise."""
        if self._clock is None:
            return await self._threads.run(work, *arguments)
        began = self._clock.seconds()
        result = await self._threads.run(work, *arguments)
        now = self._clock.seconds()
        busy = now - self._woken < QUIET
        await self._pause(min(1.0, (now - began) * (4 if busy else 0.25)))
        return result

    def _pause(self, seconds: float) -> Deferred[None]:
        assert self._clock is not None
        waiting: Deferred[None] = Deferred()
        self._clock.callLater(seconds, waiting.callback, None)
        return waiting

    # In a thread.

    def _open(self, account_id: int) -> TextWriter:
        """The account's file; that of the account before is closed, which writes its log back."""
        if self._writer is not None and self._files.name(account_id) != self._written:
            self._close()
        if self._writer is None:
            self._writer = self._files.writer(account_id)
            self._written = self._files.name(account_id)
        return self._writer

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = self._written = None

    def _missing(self, account_id: int, email_ids: Sequence[str]) -> list[str]:
        return self._open(account_id).missing(email_ids)

    def _add(self, account_id: int, messages: Sequence[Message]) -> None:
        rows: list[TextRow] = []
        for message in messages:
            try:
                rows.append(text_row(self._bodies, message))
            except StoreError as error:
                if not isinstance(error, NoSuchMessage):
                    self.log.warn("message {email_id} cannot be indexed: {reason}",
                                  email_id=message.email_id, reason=str(error))
                rows.append(unread(message))
        self._open(account_id).add(rows)

    def _listed(self, account_id: int, after: str) -> list[str]:
        return self._open(account_id).email_ids(after, PAGE)

    def _forget(self, account_id: int, email_ids: Sequence[str]) -> None:
        self._open(account_id).remove(email_ids)


_EVERYTHING = 0
"""Stands for all mailboxes among those that wait."""
