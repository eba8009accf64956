"""The letters of keywords in file names, as Dovecot has them: behind the flags, ``a`` for the first keyword.

The file ``dovecot-keywords`` of a Maildir says which letter is which keyword, with a number and a name in each line. A
letter belongs to its keyword for good, and the file says so durably before any name has it: whenever a crash comes, a
rebuilt index gives no message a keyword that it did not have. There are letters for 26 keywords of a mailbox; further
ones are in the index only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select
from twisted.logger import Logger

from quantummail.store.errors import StoreError, Unavailable
from quantummail.store.flags import MAX_KEYWORD_LENGTH
from quantummail.store.maildir import IN_NEW, LETTER_SHIFT, replace_file, split_info
from quantummail.store.tables import mailboxes
from quantummail.store.transaction import Transaction

if TYPE_CHECKING:
    from quantummail.store.database import Database
    from quantummail.store.threads import Inline, Threads

FILE = "dovecot-keywords"
MOST_LETTERS = 26
_ALL = (1 << MOST_LETTERS) - 1
# flag-keyword = atom (RFC 3501 9): anything else would break the responses that name it
_KEYWORD = re.compile(r'[^\x00-\x20\x7f-\U0010ffff(){%*"\]\\]+')


@dataclass(frozen=True, slots=True)
class Letters:
    """What the file of one Maildir says. Letters are bits here: 1 for ``a``."""

    names: Mapping[int, str]
    """By their numbers: what cannot be a keyword of ours keeps its number too."""

    @property
    def known(self) -> int:
        """The letters that have names."""
        return sum(1 << number for number in self.names if number < MOST_LETTERS)

    def keywords(self, letters: int) -> list[str]:
        """The keywords behind letters."""
        return [
            name for number, name in sorted(self.names.items())
            if number < MOST_LETTERS and letters >> number & 1
            and len(name) <= MAX_KEYWORD_LENGTH and _KEYWORD.fullmatch(name)
        ]

    def of(self, keywords: Iterable[str]) -> int:
        """The letters of keywords (any case), as far as they have any."""
        wanted = {name.lower() for name in keywords}
        found: dict[str, int] = {}
        for number, name in sorted(self.names.items()):
            if number < MOST_LETTERS and name.lower() in wanted:
                found.setdefault(name.lower(), number)
        return sum(1 << number for number in found.values())

    def missing(self, keywords: Iterable[str]) -> list[str]:
        """Those keywords that have none."""
        there = {name.lower() for number, name in self.names.items() if number < MOST_LETTERS}
        return [name for name in keywords if name.lower() not in there]


def letters_of(on_disk: int) -> int:
    """The letters in a file's name, by its `on_disk`."""
    return 0 if on_disk == IN_NEW else on_disk >> LETTER_SHIFT


def read(path: str) -> Letters:
    """What the file of a Maildir says."""
    names: dict[int, str] = {}
    try:
        with open(os.path.join(path, FILE), encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                number, _, name = line.strip().partition(" ")
                if number.isascii() and number.isdigit() and len(number) < 6 and name:
                    names[int(number)] = name
    except FileNotFoundError:
        pass
    return Letters(names)


class Lettering:
    """Gives letters to keywords."""

    log = Logger(namespace="quantummail.store")

    def __init__(self, database: Database, root: str, threads: Inline | Threads) -> None:
        self._database = database
        self._root = root
        self._threads = threads

    async def letters(
        self, account_id: int, mailbox_id: int, directory: str, keywords: Sequence[str]
    ) -> Letters | None:
        """The letters of a Maildir, with new ones for these keywords as long as there are any.

        None if they cannot be had now: the disk does not take them, or the mailbox was renamed.
        """
        path = os.path.join(self._root, directory)
        try:
            letters: Letters = await self._threads.run(read, path)
            missing = letters.missing(keywords)
            if not missing or letters.known == _ALL:
                return letters
            carried: int = await self._threads.run(_carried, path)
            # in a transaction because it is the only one, of all processes, that writes
            return await self._database.write(self._assign_txn, account_id, mailbox_id, directory, missing, carried)
        except (OSError, StoreError) as error:
            self.log.warn("the keywords of {directory} cannot be kept in its tree: {reason}",
                          directory=directory, reason=getattr(error, "strerror", None) or str(error))
            return None

    def _assign_txn(
        self, transaction: Transaction, account_id: int, mailbox_id: int, directory: str, keywords: Sequence[str],
        carried: int,
    ) -> Letters | None:
        current = transaction.connection.execute(
            select(mailboxes.c.directory).where(mailboxes.c.id == mailbox_id, mailboxes.c.account_id == account_id)
        ).scalar()
        if current != directory:
            return None
        path = os.path.join(self._root, directory)
        try:
            letters = read(path)
            taken = letters.known | carried
            free = [number for number in range(MOST_LETTERS) if not taken >> number & 1]
            new = dict(zip(free, letters.missing(keywords), strict=False))
            if not new:
                return letters
            letters = Letters({**letters.names, **new})
            replace_file(os.path.join(path, FILE), os.path.join(path, "tmp", FILE), "".join(
                f"{number} {name}\n" for number, name in sorted(letters.names.items())))
        except OSError as error:
            raise Unavailable(f"{FILE} cannot be written: {error.strerror}") from error
        return letters


def _carried(path: str) -> int:
    """The letters in the names of all files: one that the file does not name may mean something to somebody."""
    carried = 0
    with os.scandir(os.path.join(path, "cur")) as entries:
        for entry in entries:
            if ":2," in entry.name:
                carried |= letters_of(split_info(entry.name)[1])
    return carried
