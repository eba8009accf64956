"""Messages that a client appends together, or in place of another one: all of them, in one transaction, or none.

Their files come first, as always. What a crash leaves of them is taken away by the next start: nobody was promised
anything, and a part of it would be more than none.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from quantummail.message.ids import new_id
from quantummail.store import files
from quantummail.store.additions import Addition, Additions
from quantummail.store.durability import WrittenFile
from quantummail.store.errors import NoSuchMailbox, NoSuchMessage, Unavailable
from quantummail.store.maildir import DISK_MASK, IN_NEW, file_name, path_of
from quantummail.store.records import Appended
from quantummail.store.removals import remove_txn
from quantummail.store.storing import NewMessage, rendered_of, write_message
from quantummail.store.tables import mailboxes
from quantummail.store.transaction import Transaction

if TYPE_CHECKING:
    from quantummail.store.database import Database
    from quantummail.store.files import Arrivals
    from quantummail.store.intake import Intake
    from quantummail.store.journey import Journey
    from quantummail.store.spooled import SpooledBody
    from quantummail.store.threads import Inline, Threads
    from quantummail.store.unfinished import Note, Unfinished

# Files that are open at once
_SYNCED_TOGETHER = 128


@dataclass(frozen=True, slots=True)
class Stretch:
    """One message among the octets of a body, from `start` to `end`."""

    start: int
    end: int
    flags: int = 0
    """System flags."""
    keywords: tuple[str, ...] = ()
    internal_date: int | None = None
    """Seconds since the epoch; None for now."""


@dataclass(frozen=True, slots=True)
class _File:
    """A file to be, and its message."""

    message: NewMessage
    name: str
    on_disk: int
    size: int

    @property
    def path(self) -> str:
        return path_of(self.name, self.on_disk)


class Appends:
    """Adds the messages of clients."""

    def __init__(
        self, database: Database, root: str, threads: Inline | Threads, intake: Intake, additions: Additions,
        arrivals: Arrivals, unfinished: Unfinished, journey: Journey,
    ) -> None:
        self._journey = journey
        self._database = database
        self._root = root
        self._threads = threads
        self._intake = intake
        self._additions = additions
        self._arrivals = arrivals
        self._unfinished = unfinished

    async def append(
        self, account_id: int, mailbox_id: int, body: SpooledBody, stretches: Sequence[Stretch]
    ) -> list[Appended]:
        """Store one message or more; the body is consumed, whatever happens."""

        async def commit(group: list[Addition]) -> list[Appended]:
            appended: list[Appended] = await self._database.write_together(self._additions.add_txn, group)
            return appended

        return await self._store(account_id, mailbox_id, body, stretches, commit)

    async def replace(
        self, account_id: int, mailbox_id: int, body: SpooledBody, stretch: Stretch, replaced: tuple[int, int, int]
    ) -> Appended:
        """Store a message and expunge another one (account id, mailbox id, UID), whose room it may take.

        `NoSuchMessage` when that is gone already.
        """

        async def commit(group: list[Addition]) -> list[Appended]:
            return await self._database.write(self._replace_txn, replaced, group)

        (appended,) = await self._store(account_id, mailbox_id, body, [stretch], commit)
        return appended

    async def _store(
        self, account_id: int, mailbox_id: int, body: SpooledBody, stretches: Sequence[Stretch],
        commit: Callable[[list[Addition]], Awaitable[list[Appended]]],
    ) -> list[Appended]:
        done = False
        wanted = [_file(stretch) for stretch in stretches]
        try:
            directory = await self._database.run(_directory_txn, account_id, mailbox_id)
            arriving = [(directory, one.name) for one in wanted]
            note = self._unfinished.note(account_id, mailbox_id, directory, [one.path for one in wanted], new=True)
            self._arrivals.expect(arriving)
            try:
                group = await self._threads.run(self._write, account_id, mailbox_id, directory, wanted, body, note)
                appended = await commit(group)
                done = True
                for addition, one in zip(group, appended, strict=True):
                    self._journey.appended(addition, one)
                return appended
            finally:
                if not done:
                    await self._threads.run(files.remove, self._root, [(directory, one.path) for one in wanted])
                self._unfinished.settle(note)
                self._arrivals.settled(arriving)
        finally:
            body.discard()

    def _write(
        self, account_id: int, mailbox_id: int, directory: str, wanted: Sequence[_File], body: SpooledBody,
        note: Note,
    ) -> list[Addition]:
        """Put all of them into the Maildir, durably."""
        now = int(time.time())
        group = []
        note.write()
        written: list[WrittenFile] = []
        try:
            with body.octets() as octets:
                for one in wanted:
                    description, file = write_message(self._root, [(directory, one.path)], one.message, octets)
                    if file is not None:
                        written.append(file)
                    date = one.message.internal_date
                    group.append(Addition(
                        account_id, mailbox_id, one.name, one.on_disk, one.size, one.message.id,
                        now if date is None else date, one.message.flags, one.message.keywords,
                        rendered=rendered_of(description),
                    ))
                    if len(written) == _SYNCED_TOGETHER:
                        together, written = written, []
                        self._intake.make_durable(together)
            together, written = written, []
            self._intake.make_durable(together)
        except OSError as error:
            raise Unavailable(f"the disk does not take the message: {error.strerror}") from error
        finally:
            for file in written:
                file.close()
        return group

    def _replace_txn(
        self, transaction: Transaction, replaced: tuple[int, int, int], group: list[Addition]
    ) -> list[Appended]:
        account_id, mailbox_id, uid = replaced
        if not remove_txn(transaction, account_id, mailbox_id, [uid]):
            raise NoSuchMessage("the message is gone")
        # its room is free now: see RFC 8508 4.2
        (outcome,) = self._additions.add_txn(transaction, [group])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def _file(stretch: Stretch) -> _File:
    message = NewMessage(
        new_id(), b"", stretch.flags, stretch.keywords, stretch.internal_date, stretch.start, stretch.end
    )
    size = stretch.end - stretch.start
    # a file without flags waits in new/, as Maildir wants it
    on_disk = stretch.flags & DISK_MASK or IN_NEW
    return _File(message, file_name(int(time.time()), f"Q{message.id}R0", size), on_disk, size)


def _directory_txn(connection: Connection, account_id: int, mailbox_id: int) -> str:
    directory = connection.execute(
        select(mailboxes.c.directory).where(mailboxes.c.id == mailbox_id, mailboxes.c.account_id == account_id)
    ).scalar()
    if directory is None:
        raise NoSuchMailbox("the mailbox does not exist (any more)")
    return str(directory)
