"""Some columns of many messages, as plain sequences: what FETCH shows of thousands is not made into values first."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from quantummail.store.bundles import BLOCK, BUNDLED, Bundles, block_of, bundle_txn
from quantummail.store.rows import rows_among
from quantummail.store.views import mailbox_row_txn

if TYPE_CHECKING:
    from quantummail.store.database import Database
    from quantummail.store.pictures import Pictures

Columns = dict[str, Sequence[Any]]
"""Values by column name, in the order of UIDs. ``uid`` is always there."""
IN_PICTURE = frozenset(("uid", "flags", "modseq"))
"""What a picture has."""

PAGE = 1000
# For fewer messages of a block than these it is not worth reading its bundles
_FEW = 128


def pages(uids: array[int]) -> Iterator[array[int]]:
    """UIDs, which ascend, in pages to ask for: at most `BLOCK`, from one block where it has many of them."""
    start = 0
    while start < len(uids):
        end = _end_of_block(uids, start)
        while end < len(uids) and end - start < PAGE // 2:
            next_end = _end_of_block(uids, end)
            if end - start >= _FEW or next_end - end >= _FEW:
                break
            end = next_end
        yield uids[start:end]
        start = end


def _end_of_block(uids: array[int], start: int) -> int:
    return bisect_left(uids, (block_of(uids[start]) + 1) * BLOCK, start)


class ColumnReader:
    """Reads columns from where they are had soonest: pictures, bundles, rows."""

    def __init__(self, database: Database, pictures: Pictures, bundles: Bundles) -> None:
        self._database = database
        self._pictures = pictures
        self._bundles = bundles

    async def read(
        self, account_id: int, mailbox_id: int, uids: array[int], names: tuple[str, ...], *, many: bool
    ) -> Columns:
        """See `Messages.columns`."""
        bundled = BUNDLED.intersection(names)
        others = frozenset(names) - bundled
        seen = IN_PICTURE.issuperset(others) and (many or self._pictures.known(account_id, mailbox_id))
        if seen and not bundled:
            return (await self._pictures.get(account_id, mailbox_id)).columns(uids)
        if not bundled or len(uids) < _FEW or block_of(uids[0]) != block_of(uids[-1]):
            return await self._database.run(rows_txn, account_id, mailbox_id, uids, names)
        ask = tuple(sorted(bundled)) if seen else (*sorted(bundled), *sorted(others))
        found, missed = await self._database.run(_bundled_txn, account_id, mailbox_id, uids, ask)
        if missed:
            self._bundles.missed(account_id, mailbox_id, block_of(uids[0]), bundled)
        if not seen or others <= {"uid"}:
            return found
        left = found["uid"] if isinstance(found["uid"], array) else array("I", found["uid"])
        return _joined(found, (await self._pictures.get(account_id, mailbox_id)).columns(left))


def rows_txn(
    connection: Connection, account_id: int, mailbox_id: int, uids: Sequence[int], names: tuple[str, ...]
) -> Columns:
    """Columns from the rows."""
    names = ("uid", *[name for name in names if name != "uid"])
    rows = rows_among(connection, account_id, mailbox_id, uids, names)
    # an iterator for each row, as zip(*rows) wants, would only give work to the garbage collector
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def _bundled_txn(
    connection: Connection, account_id: int, mailbox_id: int, uids: array[int], names: tuple[str, ...]
) -> tuple[Columns, bool]:
    """Columns from bundles of a block, the others from rows; whether a bundle could be there and is not."""
    found: Columns = {"uid": uids}
    block = block_of(uids[0])
    for name in names:
        if name in BUNDLED:
            bundle = bundle_txn(connection, account_id, mailbox_id, name, block)
            if bundle is None:
                box = mailbox_row_txn(connection, account_id, mailbox_id)
                complete = box is not None and box.uidnext >= (block + 1) * BLOCK
                return rows_txn(connection, account_id, mailbox_id, uids, names), complete
            found = _joined(found, {"uid": bundle[0], name: bundle[1]})
    others = tuple(name for name in names if name not in BUNDLED and name != "uid")
    if others:
        found = _joined(found, rows_txn(connection, account_id, mailbox_id, uids, others))
    return found, False


def _joined(one: Columns, other: Columns) -> Columns:
    """Columns of the messages that both have."""
    if one["uid"] == other["uid"] or list(one["uid"]) == list(other["uid"]):
        return {**other, **one}
    both = sorted(set(one["uid"]).intersection(other["uid"]))
    joined: Columns = {"uid": both}
    for each in (one, other):
        places = {uid: place for place, uid in enumerate(each["uid"])}
        for name, values in each.items():
            if name != "uid":
                joined[name] = [values[places[uid]] for uid in both]
    return joined
