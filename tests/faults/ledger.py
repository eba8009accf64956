"""What the server has promised, and whether it keeps it: after each crash the ledger looks at everything again."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.case import address, imap
from tests.faults.wire import Imap, eventually
from tests.support.server import RunningServer

Place = tuple[str, str, int]
"""User, mailbox, UID."""
_TOKEN = re.compile(rb"^Message-ID: <([a-z0-9.]+)@ledger>\r\n", re.MULTILINE)
_LISTED = re.compile(rb'\* LIST \([^)]*\) "/" "?([^"\r]+)"?')


def token(kind: str, number: object, size: int) -> str:
    """A name for a message, from which all of it can be made again."""
    return f"{kind}.{number}.{size}"


def message(name: str) -> bytes:
    """The message of a token: about as many octets as it says, all different from those of others."""
    head = (f"From: ledger@example.net\r\nTo: somebody@example.test\r\nSubject: {name}\r\n"
            f"Message-ID: <{name}@ledger>\r\n\r\n").encode()
    line = hashlib.sha256(name.encode()).hexdigest().encode() + b"\r\n"
    lines = max(int(name.rpartition(".")[2]) // len(line), 1)
    return head + line * lines + b"the end of " + name.encode() + b"\r\n"


def whole(octets: bytes) -> str:
    """The token of a message that came back; fails unless every octet of it is there."""
    found = _TOKEN.search(octets)
    if found is None:
        raise AssertionError(f"a message that nobody sent, {len(octets)} octets: {octets[:400]!r}")
    name = found[1].decode()
    if not octets.endswith(message(name)):
        raise AssertionError(f"{name} has changed: {len(octets)} octets, {octets[-100:]!r}")
    return name


@dataclass(slots=True)
class _Box:
    """What was seen of a mailbox."""

    uidvalidity: int = 0
    uidnext: int = 1
    tokens: dict[int, str] = field(default_factory=dict)


class Ledger:
    """Promises and observations, over all crashes of one server.

    What senders write: `delivered` (user to tokens that were acknowledged), `placed` (APPENDUID, COPYUID), `flagged`,
    `leaving` (asked to go, not yet answered), `gone` (answered), `dead` (tokens that must not come back).
    """

    def __init__(self, server: RunningServer, users: Sequence[str]) -> None:
        self.server = server
        self.users = users
        self.delivered: dict[str, set[str]] = {user: set() for user in users}
        self.placed: dict[Place, str] = {}
        self.flagged: set[Place] = set()
        self.leaving: set[Place] = set()
        self.gone: set[Place] = set()
        self.dead: dict[str, set[str]] = {user: set() for user in users}
        self.copies = 0
        """Messages that are there twice, which is allowed: their sender did not hear the answer."""
        self._boxes: dict[tuple[str, str], _Box] = {}

    @property
    def acknowledged(self) -> int:
        """Messages that were promised."""
        return sum(map(len, self.delivered.values()))

    def check(self) -> None:
        """Look at all mailboxes, the index and the tree; fail at the first broken promise."""
        eventually(lambda: not strays(self.server), 20)
        lost = rows_without_files(self.server)
        if lost:
            raise AssertionError(f"rows without files: {sorted(lost)[:5]}")
        integrity(self.server.database)
        for user in self.users:
            self._check_user(user)

    def _check_user(self, user: str) -> None:
        there: Counter[str] = Counter()
        with imap(self.server, user) as client:
            for line in client.must('LIST "" *').untagged:
                found = _LISTED.match(line)
                if found is not None:
                    there.update(self._check_box(client, user, found[1].decode()))
        missing = self.delivered[user] - there.keys()
        if missing:
            raise AssertionError(f"{user} lost {len(missing)} acknowledged messages: {sorted(missing)[:5]}")
        undead = self.dead[user] & there.keys()
        if undead:
            raise AssertionError(f"{user}: acknowledged expunges are undone: {sorted(undead)[:5]}")
        self.copies = sum(count - 1 for count in there.values())

    def _check_box(self, client: Imap, user: str, mailbox: str) -> list[str]:
        box = self._boxes.setdefault((user, mailbox), _Box())
        text = b"".join(client.must(f'EXAMINE "{mailbox}"').untagged)
        uidvalidity, uidnext = (int(re.findall(rb"\[%s ([0-9]+)\]" % word, text)[0])
                                for word in (b"UIDVALIDITY", b"UIDNEXT"))
        uids = client.must("UID SEARCH ALL").numbers()
        where = f"{user} {mailbox}"
        if box.uidvalidity not in (0, uidvalidity):
            raise AssertionError(f"{where}: UIDVALIDITY was {box.uidvalidity}, is {uidvalidity}")
        new = [uid for uid in uids if uid not in box.tokens]
        if uidnext < box.uidnext or any(uid < box.uidnext for uid in new) or any(uid >= uidnext for uid in uids):
            raise AssertionError(f"{where}: UIDNEXT was {box.uidnext}, is {uidnext}, new are {new[:5]}")
        if new:
            box.tokens.update((uid, whole(octets)) for uid, octets in client.bodies(f"{new[0]}:*").items())
        self._compare(user, mailbox, set(uids), box.tokens)
        marked = set(client.must("UID SEARCH KEYWORD $Marked FLAGGED").numbers())
        for place in self.flagged:
            if place[:2] == (user, mailbox) and place[2] in set(uids) - marked:
                raise AssertionError(f"{place}: acknowledged flags are lost")
        box.uidvalidity, box.uidnext = uidvalidity, uidnext
        return [box.tokens[uid] for uid in uids]

    def _compare(self, user: str, mailbox: str, uids: set[int], tokens: dict[int, str]) -> None:
        for uid in tokens.keys() - uids:
            if (user, mailbox, uid) not in self.leaving | self.gone:
                raise AssertionError(f"{user} {mailbox} {uid} ({tokens[uid]}) has vanished")
        for place, name in self.placed.items():
            if place[:2] != (user, mailbox) or place in self.leaving or place in self.gone:
                continue
            if tokens.get(place[2]) != name:
                raise AssertionError(f"{place} should be {name}, is {tokens.get(place[2])}")
        for place in self.gone:
            if place[:2] == (user, mailbox) and place[2] in uids:
                raise AssertionError(f"{place}: an acknowledged expunge is undone")


def _index(server: RunningServer, query: str) -> list[tuple[str, str]]:
    connection = sqlite3.connect(f"file:{server.database}?mode=ro", uri=True, timeout=10)
    try:
        return list(connection.execute(query))
    finally:
        connection.close()


def files(server: RunningServer) -> set[tuple[str, str]]:
    """All messages of the tree: Maildir, and name without flags."""
    root = server.mail_root
    return {(str(path.parent.parent.relative_to(root)), path.name.partition(":2,")[0])
            for part in ("new", "cur") for path in Path(root).glob(f"**/{part}/*")}


def _rows(server: RunningServer) -> set[tuple[str, str]]:
    return set(_index(server, "SELECT b.directory, m.file FROM messages m JOIN mailboxes b ON b.id = m.mailbox_id"))


def rows_without_files(server: RunningServer) -> set[tuple[str, str]]:
    """Messages that the index shows and the tree lacks."""
    rows = _rows(server)
    return rows - files(server)


def strays(server: RunningServer) -> set[tuple[str, str]]:
    """Files that are neither in the index nor about to go: a scan has to find them."""
    there = files(server)
    return there - _rows(server) - set(_index(server, "SELECT directory, file FROM removals"))


def integrity(database: Path) -> None:
    """SQLite's own opinion of the database."""
    connection = sqlite3.connect(database, timeout=10)
    try:
        (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
    finally:
        connection.close()
    if answer != "ok":
        raise AssertionError(f"the database is broken: {answer}")


def account(server: RunningServer, user: str) -> str:
    """The address that senders write to."""
    return address(server, user)
