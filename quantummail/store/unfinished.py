"""What a crash may end between files and their rows: noted in the spool, taken away by the next start.

Without a note the scan of the tree would take such a link for somebody else's file, and a copied message would be there
twice, or one half of what a client appends together. Nobody was promised that a note survives a power cut: then it is.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select
from twisted.logger import Logger

from quantummail.message.ids import new_id
from quantummail.store.maildir import split_info
from quantummail.store.tables import messages
from quantummail.store.uids import PAGE

if TYPE_CHECKING:
    from quantummail.store.database import Database
    from quantummail.store.threads import Inline, Threads

_SUFFIX = ".copy"


@dataclass(frozen=True, slots=True)
class Note:
    """Links that have been made, or not; or new files, which are messages that nobody has anywhere else."""

    path: str
    account_id: int
    mailbox_id: int
    directory: str
    links: list[str]
    new: bool = False

    def write(self) -> None:
        """Before the first link is made, in a thread. A disk that is full has no room for it."""
        with contextlib.suppress(OSError), open(self.path, "x", encoding="ascii") as file:
            # dumps(): dump() would write it in thousands of pieces
            file.write(json.dumps([self.account_id, self.mailbox_id, self.directory, self.links, self.new]))


class Unfinished:
    """The notes of one spool."""

    log = Logger(namespace="quantummail.store")

    def __init__(self, database: Database, root: str, spool: str, threads: Inline | Threads) -> None:
        self._database = database
        self._root = root
        self._spool = spool
        self._threads = threads

    def note(
        self, account_id: int, mailbox_id: int, directory: str, links: Iterable[str], *, new: bool = False
    ) -> Note:
        """A note that is yet to be written."""
        return Note(
            os.path.join(self._spool, new_id() + _SUFFIX), account_id, mailbox_id, directory, list(links), new)

    def settle(self, note: Note) -> None:
        """The rows are committed, or the links taken away. Done soon, in a thread."""
        self._threads.submit(lambda: _remove(note.path))

    async def undo(self) -> None:
        """At start: take links away that have no rows. What they link has its other name."""
        for note in await self._threads.run(self._notes):
            known = await self._database.run(_known_txn, note)
            count = await self._threads.run(self._take_away, note, known)
            if count:
                self.log.info("{count} messages in {directory} were not finished, and are taken away",
                              count=count, directory=note.directory)

    def _notes(self) -> list[Note]:
        found: list[Note] = []
        for name in sorted(os.listdir(self._spool)):
            if name.endswith(_SUFFIX):
                path = os.path.join(self._spool, name)
                try:
                    with open(path, encoding="ascii") as file:
                        account_id, mailbox_id, directory, links, new = json.load(file)
                    found.append(Note(path, account_id, mailbox_id, directory, links, new))
                except (OSError, ValueError):
                    # it was being written: no link had been made
                    _remove(path)
        return found

    def _take_away(self, note: Note, known: frozenset[str]) -> int:
        count = 0
        for link in note.links:
            if _name(link) in known:
                continue
            path = os.path.join(self._root, note.directory, link)
            with contextlib.suppress(OSError):
                if os.lstat(path).st_nlink > 1:
                    os.unlink(path)
                    count += 1
                elif note.new:
                    # the only name of a message is never taken away; nobody reads tmp/
                    os.rename(path, os.path.join(self._root, note.directory, "tmp", os.path.basename(path)))
                    count += 1
        _remove(note.path)
        return count


def _name(link: str) -> str:
    return split_info(os.path.basename(link))[0]


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _known_txn(connection: Connection, note: Note) -> frozenset[str]:
    names = [_name(link) for link in note.links]
    known: set[str] = set()
    for start in range(0, len(names), PAGE):
        known.update(connection.execute(
            select(messages.c.file).where(
                messages.c.account_id == note.account_id, messages.c.mailbox_id == note.mailbox_id,
                messages.c.file.in_(names[start : start + PAGE]),
            )
        ).scalars())
    return frozenset(known)
