"""The texts of an account's mail, for searching: one SQLite file for each account, apart from the database.

All of it is made from the messages: a file that is lost or broken is made again, and is no part of a backup. Names
are ``account-format-generation.sqlite``; a file is never written anew under its old name, so the name tells whether
it is still the same.

A trigram index says which texts may contain what is looked for, the texts themselves decide.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from quantummail.store.errors import Unavailable

if TYPE_CHECKING:
    from quantummail.message.search_fields import SearchFields

# To be raised when texts are extracted, folded or laid out differently: all files are made again then
FORMAT = 1
_name = re.compile(r"(\d+)-(\d+)-[0-9a-f]{8}\.sqlite")

PARTIAL = 1
"""State of a message whose text is longer than what is kept of it."""
UNREAD = 2
"""State of a message that could not be read: nothing is known of it."""
_MERGED = 500
_VACUUMED = 1000

_COLUMNS = "from_, to_, cc, bcc, subject, sent_day"
_SCHEMA = """
CREATE TABLE headers (
    id INTEGER PRIMARY KEY, email_id TEXT NOT NULL UNIQUE, state INTEGER NOT NULL,
    from_ TEXT, to_ TEXT, cc TEXT, bcc TEXT, subject TEXT, sent_day INTEGER
);
CREATE INDEX headers_state ON headers (state) WHERE state;
CREATE TABLE texts (id INTEGER PRIMARY KEY, body TEXT NOT NULL, header TEXT NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(text, content = '', detail = none, tokenize = 'trigram case_sensitive 1');
"""
_ADD_HEADER = f"INSERT INTO headers (email_id, state, {_COLUMNS}) VALUES ({', '.join('?' * 8)})"
_ADD_TEXT = "INSERT INTO texts (id, body, header) VALUES (?, ?, ?)"
_ADD_WORDS = "INSERT INTO words (rowid, text) VALUES (?1, ?2 || char(10) || ?3)"
_REMOVE_WORDS = (
    "INSERT INTO words (words, rowid, text) SELECT 'delete', id, body || char(10) || header FROM texts WHERE id = ?"
)
_WITHOUT_ANY = (None,) * 6


@dataclass(frozen=True, slots=True)
class TextRow:
    """What is kept of one message."""

    email_id: str
    state: int
    fields: SearchFields | None
    body: str
    header: str
    """Lines, with a line end before and behind each."""


class Broken(Exception):
    """The file is not there any more, or damaged."""


class TextFiles:
    """Which file each account has."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._names: dict[int, str] = {}

    def start(self, *, tidy: bool) -> None:
        """See what is there; `tidy`: take away what is of no use."""
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        self._names.clear()
        # of two files of an account, which a crash may leave behind, the younger one is as good as the other
        for name in sorted(os.listdir(self._directory)):
            match = _name.fullmatch(name)
            if match is not None and int(match[2]) == FORMAT and int(match[1]) not in self._names:
                self._names[int(match[1])] = name
            elif match is not None and tidy:
                self._remove(name)

    def name(self, account_id: int) -> str | None:
        """The name of the account's file, None if there is none."""
        return self._names.get(account_id)

    def accounts(self) -> list[int]:
        """The accounts that have a file."""
        return list(self._names)

    def lost(self) -> list[int]:
        """The accounts whose files somebody has taken away."""
        return [
            account_id for account_id, name in list(self._names.items())
            if not os.path.exists(os.path.join(self._directory, name))
        ]

    def drop(self, account_id: int) -> None:
        """Take the account's file away."""
        name = self._names.pop(account_id, None)
        if name is not None:
            self._remove(name)

    def writer(self, account_id: int) -> TextWriter:
        """The account's file, opened for writing; made if there is none. Raises Broken and Unavailable."""
        name = self._names.get(account_id)
        if name is None:
            name = f"{account_id}-{FORMAT}-{secrets.token_hex(4)}.sqlite"
            path = os.path.join(self._directory, name)
            with errors(), contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(f"BEGIN;{_SCHEMA}COMMIT;")
            os.chmod(path, 0o600)
            self._names[account_id] = name
        return TextWriter(self.connect(name))

    def connect(self, name: str, *, mapped: bool = False) -> sqlite3.Connection:
        """A connection to a file that is there. Raises Broken. `mapped`: it is going to read much of the file."""
        path = os.path.join(self._directory, name)
        if not os.path.exists(path):
            raise Broken(f"{path} is gone")
        with errors():
            # never makes a file
            connection = sqlite3.connect(
                f"file:{_quoted(path)}?mode=rw", uri=True, isolation_level=None, check_same_thread=False)
            try:
                for pragma in ("busy_timeout = 5000", "synchronous = NORMAL", "cache_size = -8192"):
                    connection.execute(f"PRAGMA {pragma}")
                if mapped:
                    connection.execute("PRAGMA mmap_size = 1073741824")
            except BaseException:
                connection.close()
                raise
            return connection

    def _remove(self, name: str) -> None:
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self._directory, name + suffix))


class TextWriter:
    """An account's file while it is written to, by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # what is deleted must not be legible in the file any more
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA journal_size_limit = 16777216")

    def close(self) -> None:
        """Done."""
        self._connection.close()

    def missing(self, email_ids: Sequence[str]) -> list[str]:
        """Those that are not here, or could not be read when they were looked at."""
        with errors():
            here = {
                row[0] for row in self._connection.execute(
                    f"SELECT h.email_id FROM json_each(?) j CROSS JOIN headers h ON h.email_id = j.value"
                    f" WHERE NOT h.state & {UNREAD}", (json_list(email_ids),))
            }
        return [one for one in dict.fromkeys(email_ids) if one not in here]

    def add(self, rows: Sequence[TextRow]) -> None:
        """Add messages, or put them into the place of what was known of them."""
        with self._transaction() as connection:
            self._delete(connection, [row.email_id for row in rows])
            for row in rows:
                fields = _WITHOUT_ANY if row.fields is None else astuple(row.fields)
                place = connection.execute(_ADD_HEADER, (row.email_id, row.state, *fields)).lastrowid
                connection.execute(_ADD_TEXT, (place, row.body, row.header))
                connection.execute(_ADD_WORDS, (place, row.body, row.header))

    def remove(self, email_ids: Sequence[str]) -> None:
        """Forget messages, so that none of their words is left."""
        with self._transaction() as connection:
            removed = self._delete(connection, email_ids)
        if removed:
            with errors():
                # the words go when the pieces of the index are merged
                self._connection.execute("INSERT INTO words (words, rank) VALUES ('merge', ?)", (-_MERGED,))
                self._connection.execute(f"PRAGMA incremental_vacuum({_VACUUMED})").fetchall()

    def email_ids(self, after: str, limit: int) -> list[str]:
        """The messages that are here, in the order of their ids."""
        with errors():
            return [row[0] for row in self._connection.execute(
                "SELECT email_id FROM headers WHERE email_id > ? ORDER BY email_id LIMIT ?", (after, limit))]

    @staticmethod
    def _delete(connection: sqlite3.Connection, email_ids: Sequence[str]) -> int:
        places = [row[0] for row in connection.execute(
            "SELECT h.id FROM json_each(?) j CROSS JOIN headers h ON h.email_id = j.value", (json_list(email_ids),))]
        for place in places:
            connection.execute(_REMOVE_WORDS, (place,))
            connection.execute("DELETE FROM texts WHERE id = ?", (place,))
            connection.execute("DELETE FROM headers WHERE id = ?", (place,))
        return len(places)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def json_list(texts: Sequence[str]) -> str:
    """Ids as SQLite's json_each takes them: they have no character that would have to be escaped."""
    return '["' + '","'.join(texts) + '"]' if texts else "[]"


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """What SQLite says in our words: Broken or Unavailable."""
    try:
        yield
    except sqlite3.OperationalError as error:
        # a file that was just begun when the power failed has no tables
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CANTOPEN or str(error).startswith("no such table"):
            raise Broken(str(error)) from error
        raise Unavailable(f"the index of texts is not available: {error}") from error
    except sqlite3.DatabaseError as error:
        raise Broken(str(error)) from error


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
