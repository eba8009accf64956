"""Messages of mailboxes: read, stored, flagged, copied, expunged. What has returned is on stable storage."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.message.ids import new_id
from quantummail.store import files
from quantummail.store.additions import Addition, Additions, check_room
from quantummail.store.bundles import Bundles
from quantummail.store.columns import ColumnReader, Columns
from quantummail.store.copying import Copier, Place
from quantummail.store.durability import WrittenFile
from quantummail.store.errors import NoSuchMailbox, Unavailable
from quantummail.store.files import Arrivals
from quantummail.store.flag_changes import Operation, set_flags_txn
from quantummail.store.maildir import path_of
from quantummail.store.pictures import Pictures
from quantummail.store.ranges import in_range_txn
from quantummail.store.recent import Recent
from quantummail.store.records import Appended, Changes, Copied, FlagChange, Message, Snapshot
from quantummail.store.removals import remove_txn
from quantummail.store.storing import NewMessage, Target, store_files
from quantummail.store.tables import accounts, mailboxes, messages
from quantummail.store.transaction import Work
from quantummail.store.unfinished import Unfinished
from quantummail.store.vanished import Vanished
from quantummail.store.views import changes_txn, count_between_txn, count_recent_txn, fetch_txn, snapshot_txn

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from quantummail.store.database import Database
    from quantummail.store.intake import Intake
    from quantummail.store.journey import Journey
    from quantummail.store.spooled import SpooledBody
    from quantummail.store.threads import Inline, Threads


class Messages:
    """The messages of all accounts. Sequences of UIDs ascend."""

    log = Logger(namespace="quantummail.store")

    def __init__(
        self, database: Database, root: str, spool: str, threads: Inline | Threads, intake: Intake,
        additions: Additions, clock: IReactorTime | None = None, journey: Journey | None = None,
    ) -> None:
        self._database = database
        self._journey = journey
        self._intake = intake
        self._root = root
        self._threads = threads
        self._additions = additions
        self.arrivals = Arrivals()
        self.recent = Recent(database, clock)
        self.bundles = Bundles(database, clock)
        self.pictures = Pictures(database, self.bundles)
        self._columns = ColumnReader(database, self.pictures, self.bundles)
        self._miscounted: set[int] = set()
        self.vanished = Vanished(database, root, threads)
        self.unfinished = Unfinished(database, root, spool, threads)
        self._copier = Copier(
            database, root, threads, self._additions, self.arrivals, self.vanished, self.unfinished)

    async def open(
        self, account_id: int, mailbox_id: int, *, claim_recent: bool, late_above: int | None = None,
        name: str | None = None,
    ) -> Snapshot:
        """A mailbox as it is now, for SELECT (which claims what is \\Recent) or EXAMINE (which does not).

        `NoSuchMailbox` also if it does not have this name any more.

        The UIDs of more than `late_above` messages are left for later, unless they are at hand.
        """
        if mailbox_id in self._miscounted:
            late_above = None
        picture = self.pictures.peek(account_id, mailbox_id)
        known = -1 if picture is None else picture.modseq
        snapshot = await self._database.run(snapshot_txn, account_id, mailbox_id, late_above, known)
        box = snapshot.mailbox
        if name is not None and box.name != name:
            raise NoSuchMailbox("the mailbox has another name now")
        self.pictures.hint(mailbox_id, box.highestmodseq)
        if claim_recent:
            first = self.recent.claim(mailbox_id, box.uidnext, snapshot.recent_from)
        else:
            first = self.recent.first(mailbox_id, snapshot.recent_from)
        snapshot = snapshot if first == snapshot.recent_from else replace(snapshot, recent_from=first)
        if not snapshot.late:
            return snapshot
        if picture is not None and picture.modseq == box.highestmodseq:
            return replace(snapshot, uids=picture.uids, first_unseen=picture.first_unseen, late=False)
        if late_above is None:
            uids = await self.uids_at(account_id, mailbox_id, box.highestmodseq, box.uidnext)
            return replace(snapshot, uids=uids, late=False)
        if first < box.uidnext:
            recent = await self._database.run(count_between_txn, account_id, mailbox_id, first, box.uidnext)
            return replace(snapshot, recent=recent)
        return snapshot

    def counters_wrong(self, mailbox_id: int) -> None:
        """A mailbox does not have as many messages as its row says: it is counted from now on."""
        self.log.error("the counters of mailbox {mailbox} are wrong", mailbox=mailbox_id)
        self._miscounted.add(mailbox_id)

    async def uids_at(self, account_id: int, mailbox_id: int, modseq: int, uidnext: int) -> array[int]:
        """The UIDs that a snapshot has left out, ascending; not to be changed in place."""
        return await self.pictures.uids_at(account_id, mailbox_id, modseq, uidnext)

    async def count_recent(self, account_id: int, mailbox_id: int) -> int:
        """How many messages are \\Recent: no session has been told of them (RFC 3501 2.3.2)."""
        return await self._database.run(count_recent_txn, account_id, mailbox_id, self.recent.first(mailbox_id))

    async def changes(self, account_id: int, mailbox_id: int, since_modseq: int) -> Changes | None:
        """What has happened since a mod-sequence; None if the mailbox is gone."""
        return await self._database.run(changes_txn, account_id, mailbox_id, since_modseq)

    async def in_range(self, account_id: int, mailbox_id: int, column: str, first: int, last: int) -> set[int]:
        """The UIDs of messages whose `internal_date`, `save_date` or `size` is between two values, both included."""
        return await self._database.run(in_range_txn, account_id, mailbox_id, column, first, last)

    async def fetch(
        self, account_id: int, mailbox_id: int, uids: Sequence[int], *, contents: bool = False
    ) -> list[Message]:
        """Rows in the order of UIDs; those that are gone are missing. Ask for at most 500 at once."""
        return await self._database.run(fetch_txn, account_id, mailbox_id, uids, contents)

    async def columns(
        self, account_id: int, mailbox_id: int, uids: array[int], names: tuple[str, ...], *, many: bool = False
    ) -> Columns:
        """Columns of `messages` and `contents` for one of the `columns.pages` of UIDs; those gone are missing.

        None stands where a message has lost its contents. `many`: so much will be asked for that the whole mailbox is
        worth being looked at, if that is enough.
        """
        return await self._columns.read(account_id, mailbox_id, uids, names, many=many)

    async def set_flags(
        self,
        account_id: int,
        mailbox_id: int,
        uids: Sequence[int],
        operation: Operation,
        flags: int,
        keywords: Sequence[str],
        *,
        unchanged_since: int | None = None,
        within: int = -1,
    ) -> FlagChange:
        """Change flags (a mask of system flags) and keywords; `LimitReached` when there are too many keywords.

        Bits that are not in `within` stay as they are: see `rights.flag_mask`.
        """
        return await self._database.write(
            set_flags_txn, account_id, mailbox_id, uids, operation, flags, keywords, unchanged_since, within
        )

    async def expunge(
        self, account_id: int, mailbox_id: int, uids: Sequence[int] | None = None
    ) -> tuple[int, ...]:
        """Remove those flagged \\Deleted, of these UIDs or of all; the UIDs that are removed now."""
        return await self._remove(account_id, mailbox_id, uids, only_deleted=True)

    async def remove(self, account_id: int, mailbox_id: int, uids: Sequence[int]) -> tuple[int, ...]:
        """Remove these messages, flagged or not."""
        return await self._remove(account_id, mailbox_id, uids, only_deleted=False)

    async def _remove(
        self, account_id: int, mailbox_id: int, uids: Sequence[int] | None, *, only_deleted: bool
    ) -> tuple[int, ...]:
        email_ids: list[str] = []
        removed = await self._database.write(
            remove_txn, account_id, mailbox_id, uids, only_deleted=only_deleted, email_ids=email_ids)
        if removed and self._journey is not None:
            self._journey.removed(account_id, mailbox_id, email_ids)
        return removed

    async def copy(
        self, account_id: int, mailbox_id: int, uids: Sequence[int], destination_id: int, *,
        destination_account: int | None = None, within: int = -1,
    ) -> Copied:
        """Copy to a mailbox: all of those that are there, or nothing (`OverQuota`, `NoSuchMessage`).

        It is one of the same account unless another one is named. Flags that are not in `within` are not copied.
        """
        there = Place(account_id if destination_account is None else destination_account, destination_id)
        return await self._copier.copy(Place(account_id, mailbox_id), uids, there, within, move=False)

    async def move(
        self, account_id: int, mailbox_id: int, uids: Sequence[int], destination_id: int, *,
        destination_account: int | None = None, within: int = -1,
    ) -> Copied:
        """The same in one transaction with removing them."""
        there = Place(account_id if destination_account is None else destination_account, destination_id)
        return await self._copier.copy(Place(account_id, mailbox_id), uids, there, within, move=True)

    async def append(
        self,
        account_id: int,
        mailbox_id: int,
        body: SpooledBody,
        *,
        flags: int,
        keywords: Sequence[str],
        internal_date: int | None,
    ) -> Appended:
        """Store one message as it is; the body is consumed, whatever happens."""
        try:
            directory = await self._database.run(_directory_txn, account_id, mailbox_id)
            message = NewMessage(new_id(), b"", flags, tuple(keywords), internal_date)
            (outcome,) = await self.deliver([Target(account_id, mailbox_id, directory)], message, body)
        finally:
            body.discard()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def deliver(
        self, targets: Sequence[Target], message: NewMessage, body: SpooledBody
    ) -> list[Appended | Exception]:
        """Store one message for each target; an outcome for each, in their order. The body stays the caller's.

        From the thread that wrote the file it goes to the writer's without a detour by the reactor.
        """
        outcomes: list[Deferred[Appended | Exception]] = [Deferred() for _ in targets]

        def write() -> list[Work]:
            try:
                additions, file = store_files(self._root, self.arrivals, targets, message, body)
            except Exception as error:  # noqa: BLE001  # whoever waits for the outcomes gets it
                for outcome in outcomes:
                    self._database.report(outcome.callback, error)
                return []
            return [
                self._work(addition, target, outcome.callback, file)
                for addition, target, outcome in zip(additions, targets, outcomes, strict=True)
            ]

        if body.in_memory:
            self._intake.put(write)
        else:
            self._threads.submit(lambda: self._intake.take([write]))
        return [await outcome for outcome in outcomes]

    async def holders(self, email_id: str, account_ids: Sequence[int]) -> set[int]:
        """Those of the accounts that have a message with this EMAILID, in any mailbox."""
        return await self._database.run(_holders_txn, email_id, account_ids)

    async def room_for(self, account_id: int, size: int) -> None:
        """Raise `OverQuota` if a message of this size does not fit."""
        await self._database.run(_room_txn, account_id, size)

    def _work(
        self, addition: Addition, target: Target, done: Callable[[Any], None], file: WrittenFile | None
    ) -> Work:
        def committed(result: Any) -> None:
            outcome = result if isinstance(result, Exception) else result[0]
            self._settle(addition, target, isinstance(outcome, Exception))
            done(outcome)

        return Work(self._additions.add_txn, [addition], committed, file)

    def _settle(self, addition: Addition, target: Target, failed: bool) -> None:
        if failed:
            files.remove(self._root, [(target.directory, path_of(addition.file, addition.on_disk))])
        self.arrivals.settled([(target.directory, addition.file)])


def _directory_txn(connection: Connection, account_id: int, mailbox_id: int) -> str:
    directory = connection.execute(
        select(mailboxes.c.directory).where(mailboxes.c.id == mailbox_id, mailboxes.c.account_id == account_id)
    ).scalar()
    if directory is None:
        raise NoSuchMailbox("the mailbox does not exist (any more)")
    return str(directory)


def _holders_txn(connection: Connection, email_id: str, account_ids: Sequence[int]) -> set[int]:
    return set(connection.execute(
        select(messages.c.account_id).where(messages.c.account_id.in_(account_ids), messages.c.email_id == email_id)
    ).scalars())


def _room_txn(connection: Connection, account_id: int, size: int) -> None:
    row = connection.execute(
        select(
            accounts.c.quota_bytes, accounts.c.quota_messages, accounts.c.used_bytes, accounts.c.used_messages
        ).where(accounts.c.id == account_id)
    ).one_or_none()
    if row is None:
        raise Unavailable("the account is gone")
    check_room(row, size, 1)
