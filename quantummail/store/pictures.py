"""Pictures of mailboxes in memory: UIDs, flags and mod-sequences, shared by all sessions, kept for those lately used.

A picture is true at its mod-sequence. Who asks for one gets it as new as everything that was published before: what
has changed since is read from the store, all of it only once.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, bindparam, select, text

from quantummail.store.bundles import numbers_of, octets_of, picture_txn
from quantummail.store.columns import Columns
from quantummail.store.errors import NoSuchMailbox
from quantummail.store.flags import SEEN
from quantummail.store.prepared import Prepared
from quantummail.store.tables import messages, tombstones
from quantummail.store.views import mailbox_row_txn

if TYPE_CHECKING:
    from quantummail.store.bundles import Bundles
    from quantummail.store.database import Database

# A UID, flags, a mod-sequence
_OCTETS = 20
# For fewer messages than these no picture is kept on disk
WORTH_KEEPING = 1000
MOST_MESSAGES = 1_000_000
MOST_PICTURES = 1000
# After more changes than this the whole mailbox is read again: that is one walk, each change a search
MOST_CHANGES = 1000
_UNREAD = -1

_ALL = Prepared(
    select(messages.c.uid, messages.c.flags, messages.c.modseq)
    .where(messages.c.account_id == bindparam("account"), messages.c.mailbox_id == bindparam("box"))
    .order_by(messages.c.uid)
)
# as text: SQLAlchemy would add an OFFSET to what SQLite gets
_CHANGED = Prepared(text(
    "SELECT uid, flags, modseq FROM messages"
    f" WHERE account_id = :account AND mailbox_id = :box AND modseq > :since LIMIT {MOST_CHANGES + 1}"
))
_VANISHED = Prepared(text(
    "SELECT uid FROM tombstones"
    f" WHERE account_id = :account AND mailbox_id = :box AND modseq > :since LIMIT {MOST_CHANGES + 1}"
))
_GONE_SINCE = Prepared(
    select(tombstones.c.uid)
    .where(
        tombstones.c.account_id == bindparam("account"), tombstones.c.mailbox_id == bindparam("box"),
        tombstones.c.modseq > bindparam("since"), tombstones.c.uid < bindparam("uidnext"),
    )
)

_Row = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read for a picture."""

    modseq: int
    rows: Sequence[_Row]
    vanished: Sequence[int] = ()
    whole: bool = False
    """Whether the rows are all that there are."""
    kept: tuple[int, bytes] | None = None
    """A picture kept on disk, and its mod-sequence, that the rest has happened to since."""


class Picture:
    """One mailbox. To be read in one turn of the reactor; only `uids` may be kept, it is never changed in place."""

    __slots__ = ("_first_unseen", "account_id", "flags", "hinted", "modseq", "modseqs", "uids")

    def __init__(self, account_id: int) -> None:
        self.account_id = account_id
        self.modseq = _UNREAD
        """The mailbox's mod-sequence that all of this was read at."""
        self.hinted = 0
        """The highest mod-sequence that somebody spoke of."""
        self.uids = array("I")
        """Ascending."""
        self.flags = array("q")
        """In the order of `uids`, as `modseqs`."""
        self.modseqs = array("q")
        self._first_unseen: int | None = None

    @property
    def current(self) -> bool:
        """Whether nothing newer was spoken of."""
        return self.modseq >= self.hinted

    @property
    def first_unseen(self) -> int:
        """The place (from 1) of the first message without \\Seen, 0 if there is none."""
        if self._first_unseen is None:
            self._first_unseen = next((place for place, flags in enumerate(self.flags, 1) if not flags & SEEN), 0)
        return self._first_unseen

    def highest_modseq(self, uids: Iterable[int]) -> int:
        """The highest mod-sequence of these messages, 0 when none of them is there."""
        return max((self.modseqs[place] for uid in uids if (place := self._place(uid)) >= 0), default=0)

    def fill(self, modseq: int, rows: Sequence[_Row]) -> None:
        """Take all messages, in the order of UIDs."""
        uids, flags, modseqs = zip(*rows, strict=True) if rows else ((), (), ())
        self.uids, self.flags, self.modseqs = array("I", uids), array("q", flags), array("q", modseqs)
        self.modseq = modseq
        self._first_unseen = None

    def restore(self, modseq: int, octets: bytes) -> None:
        """Take what `octets` gave."""
        count = len(octets) // _OCTETS
        self.uids = numbers_of("I", octets[: 4 * count])
        self.flags = numbers_of("q", octets[4 * count : 12 * count])
        self.modseqs = numbers_of("q", octets[12 * count :])
        self.modseq = modseq
        self._first_unseen = None

    def octets(self) -> bytes:
        """Everything, to be kept."""
        return octets_of(self.uids) + octets_of(self.flags) + octets_of(self.modseqs)

    def learn(self, modseq: int, changed: Iterable[_Row], vanished: Iterable[int]) -> bool:
        """Take what has changed; False if that does not fit, and all has to be read again."""
        arrived: list[_Row] = []
        last = self.uids[-1] if self.uids else 0
        for row in sorted(changed):
            if row[0] > last:
                arrived.append(row)
                continue
            place = bisect_left(self.uids, row[0])
            if self.uids[place] != row[0]:
                return False
            self.flags[place], self.modseqs[place] = row[1:]
        gone = sorted(place for place in map(self._place, vanished) if place >= 0)
        if gone:
            self.uids, self.flags, self.modseqs = (
                _without(self.uids, gone), _without(self.flags, gone), _without(self.modseqs, gone))
        if arrived:
            uids, flags, modseqs = zip(*arrived, strict=True)
            self.uids = self.uids + array("I", uids)
            self.flags.extend(flags)
            self.modseqs.extend(modseqs)
        self.modseq = modseq
        self._first_unseen = None
        return True

    def columns(self, uids: array[int]) -> Columns:
        """The columns of these UIDs, which ascend; messages that are gone are missing."""
        first = bisect_left(self.uids, uids[0]) if uids else 0
        last = first + len(uids)
        if self.uids[first:last] == uids:
            return {"uid": uids, "flags": self.flags[first:last], "modseq": self.modseqs[first:last]}
        places = [place for place in map(self._place, uids) if place >= 0]
        return {
            "uid": [self.uids[place] for place in places], "flags": [self.flags[place] for place in places],
            "modseq": [self.modseqs[place] for place in places],
        }

    def _place(self, uid: int) -> int:
        place = bisect_left(self.uids, uid)
        return place if place < len(self.uids) and self.uids[place] == uid else -1


def _without(values: array[int], places: Sequence[int]) -> array[int]:
    """What is left when these places, which ascend, are taken out."""
    kept = array(values.typecode)
    start = 0
    for place in places:
        kept += values[start:place]
        start = place + 1
    kept += values[start:]
    return kept


class Pictures:
    """The pictures of the mailboxes that were used last; its methods are called on the reactor."""

    def __init__(self, database: Database, bundles: Bundles) -> None:
        self._database = database
        self._bundles = bundles
        # the one that was not used for the longest time comes first
        self._pictures: dict[int, Picture] = {}

    def hint(self, mailbox_id: int, modseq: int) -> None:
        """The mailbox has got this mod-sequence."""
        picture = self._pictures.get(mailbox_id)
        if picture is not None and modseq > picture.hinted:
            picture.hinted = modseq

    def peek(self, account_id: int, mailbox_id: int) -> Picture | None:
        """The picture, if it is here and current."""
        picture = self._pictures.get(mailbox_id)
        if picture is None or picture.account_id != account_id or picture.modseq < 0 or not picture.current:
            return None
        self._pictures[mailbox_id] = self._pictures.pop(mailbox_id)
        return picture

    def known(self, account_id: int, mailbox_id: int) -> bool:
        """Whether there is a picture, so that no more than the latest changes would have to be read."""
        picture = self._pictures.get(mailbox_id)
        return picture is not None and picture.account_id == account_id and picture.modseq >= 0

    def forget(self, mailbox_id: int) -> None:
        """Let go of a picture."""
        self._pictures.pop(mailbox_id, None)

    async def get(self, account_id: int, mailbox_id: int) -> Picture:
        """The picture with everything that was published before this call. Raises `NoSuchMailbox`."""
        picture = self._pictures.pop(mailbox_id, None)
        if picture is None or picture.account_id != account_id:
            picture = Picture(account_id)
        self._pictures[mailbox_id] = picture
        wanted = picture.hinted
        while picture.modseq < wanted or picture.modseq < 0:
            hinted, since = picture.hinted, picture.modseq
            read = await self._database.run(_read_txn, account_id, mailbox_id, since)
            if read is None:
                self.forget(mailbox_id)
                raise NoSuchMailbox("the mailbox does not exist (any more)")
            if picture.modseq < since:
                # somebody else has found that all has to be read again
                continue
            # somebody else may have read it meanwhile
            if read.modseq >= picture.modseq and not self._take(picture, mailbox_id, read):
                picture.modseq = _UNREAD
                continue
            if picture.hinted == hinted:
                # a hint may promise too much: that of CHECK, or of a mailbox that is gone
                picture.hinted = wanted = picture.modseq
            self._trim(mailbox_id)
        return picture

    def _take(self, picture: Picture, mailbox_id: int, read: _Read) -> bool:
        if read.kept is not None:
            picture.restore(*read.kept)
        if read.whole:
            picture.fill(read.modseq, read.rows)
        elif not picture.learn(read.modseq, read.rows, read.vanished):
            return False
        changes = len(read.rows) + len(read.vanished)
        if changes > MOST_CHANGES // 4 and len(picture.uids) >= WORTH_KEEPING:
            self._bundles.keep_picture(picture.account_id, mailbox_id, picture.modseq, picture.octets())
        return True

    async def uids_at(self, account_id: int, mailbox_id: int, modseq: int, uidnext: int) -> array[int]:
        """The UIDs that there were at a mod-sequence not long ago, when UIDNEXT was this. Not to be changed in place.

        Raises `NoSuchMailbox`, also if too much was expunged since.
        """
        self.hint(mailbox_id, modseq)
        picture = await self.get(account_id, mailbox_id)
        uids = picture.uids
        if uids and uids[-1] >= uidnext:
            uids = uids[: bisect_left(uids, uidnext)]
        if picture.modseq > modseq:
            gone = await self._database.run(_gone_txn, account_id, mailbox_id, modseq, uidnext)
            if gone:
                uids = array("I", sorted({*uids, *gone}))
        return uids

    def _trim(self, kept: int) -> None:
        total = sum(len(picture.uids) for picture in self._pictures.values())
        for mailbox_id in list(self._pictures):
            if total <= MOST_MESSAGES and len(self._pictures) <= MOST_PICTURES:
                return
            if mailbox_id != kept:
                total -= len(self._pictures.pop(mailbox_id).uids)


def _read_txn(connection: Connection, account_id: int, mailbox_id: int, since: int) -> _Read | None:
    """What has changed since a mod-sequence, or everything."""
    box = mailbox_row_txn(connection, account_id, mailbox_id)
    if box is None:
        return None
    kept = None
    if since < 0 and box.messages >= WORTH_KEEPING:
        kept = picture_txn(connection, account_id, mailbox_id)
        if kept is not None:
            since = kept[0]
    key = {"account": account_id, "box": mailbox_id}
    if since >= 0 and box.forgotten_modseq <= since:
        if box.highestmodseq <= since:
            return _Read(box.highestmodseq, (), kept=kept)
        rows = _CHANGED.tuples(connection, {**key, "since": since})
        vanished = [uid for uid, in _VANISHED.tuples(connection, {**key, "since": since})]
        if len(rows) <= MOST_CHANGES and len(vanished) <= MOST_CHANGES:
            return _Read(box.highestmodseq, rows, vanished, kept=kept)
    return _Read(box.highestmodseq, _ALL.tuples(connection, key), whole=True)


def _gone_txn(
    connection: Connection, account_id: int, mailbox_id: int, since: int, uidnext: int
) -> list[int]:
    box = mailbox_row_txn(connection, account_id, mailbox_id)
    if box is None or box.forgotten_modseq > since:
        raise NoSuchMailbox("the mailbox is not what it was any more")
    return [uid for uid, in _GONE_SINCE.tuples(
        connection, {"account": account_id, "box": mailbox_id, "since": since, "uidnext": uidnext})]
