"""SAVEDATE: when a message came into its mailbox (RFC 8514)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.attributes import RENDERERS, Columns, Renderer, date_times
from quantummail.imap.grammar import dates, fetch, search
from quantummail.imap.searching import ROW_RANGES, ROW_TESTS, Test, within

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.view import View
    from quantummail.store.records import Message

SAVEDATE = capabilities.offer("SAVEDATE")
_DAY = 86400


@dataclass(frozen=True, slots=True)
class SaveDate:
    """Messages that came into the mailbox on a day from `first` to `last` (days since the epoch, both included)."""

    first: int
    last: int


def _reader(relation: str) -> search.Reader:
    def read(cursor: Cursor, _codec: str) -> search.Program:
        cursor.space()
        day = dates.day(cursor)
        first, last = {
            "before": (search.EARLIEST, day - 1), "on": (day, day), "since": (day, search.LATEST)
        }[relation]
        return (SaveDate(first, last),)

    return read


def _range(key: SaveDate) -> tuple[str, int, int]:
    # RFC 8514 4.3: the time of day and the zone count for nothing; in UTC, as INTERNALDATE
    return "save_date", key.first * _DAY, (key.last + 1) * _DAY - 1


def _test(_view: View, key: SaveDate) -> Test:
    return within(*_range(key))


def _save_date(_view: View, message: Message) -> bytes:
    return b"SAVEDATE " + dates.render_date_time(message.save_date)


fetch.READERS["SAVEDATE"] = lambda _: fetch.Attribute("SAVEDATE")
RENDERERS["SAVEDATE"] = Renderer(
    _save_date, contents=False, columns=Columns(b"SAVEDATE %b", ("save_date",), date_times))
search.READERS["SAVEDBEFORE"] = _reader("before")
search.READERS["SAVEDON"] = _reader("on")
search.READERS["SAVEDSINCE"] = _reader("since")
# RFC 8514 4.3: every mailbox of ours keeps it, so all messages match
search.READERS["SAVEDATESUPPORTED"] = lambda _cursor, _codec: (search.All(),)
ROW_RANGES[SaveDate] = _range
ROW_TESTS[SaveDate] = _test
