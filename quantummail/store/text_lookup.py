"""Asking an account's file which messages fulfil conditions: one consistent answer, in a thread."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quantummail.store.text_conditions import Anywhere, Condition, InBody, InHeader, OfFields, OfTexts, trigrams
from quantummail.store.text_files import PARTIAL, UNREAD, TextFiles, errors, json_list

# Instructions of SQLite's machine between two questions whether to go on
_STEPS = 100_000
_ONLY = "json_each(?) j CROSS JOIN headers h ON h.email_id = j.value"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a file says. Messages are told by their EMAILIDs."""

    found: list[list[str]]
    """For each condition the messages that fulfil it."""
    undecided: list[set[str]]
    """For each condition the messages of which too little is known."""
    missing: set[str]
    """Those of the messages asked for that are not in the file."""


class Stopped(Exception):
    """Nobody wants to know any more."""


def lookup(
    files: TextFiles, name: str, conditions: Sequence[Condition], only: Sequence[str] | None, asked: Sequence[str],
    stopped: Callable[[], bool],
) -> Answer:
    """Look among some messages only, or among all; and which of those `asked` for are there at all.

    Raises Broken, Unavailable, Stopped.
    """
    # to let go of a map costs more than the copies that it saves, unless whole texts are read
    mapped = only is None and any(isinstance(condition, OfTexts) for condition in conditions)
    with contextlib.closing(files.connect(name, mapped=mapped)) as connection, errors():
        connection.set_progress_handler(stopped, _STEPS)
        try:
            connection.execute("BEGIN")
            found = [_found(connection, condition, only) for condition in conditions]
            incomplete = dict(connection.execute("SELECT email_id, state FROM headers WHERE state"))
            missing = _missing(connection, asked)
        except sqlite3.OperationalError:
            if stopped():
                raise Stopped from None
            raise
    undecided = []
    for condition, yes in zip(conditions, found, strict=True):
        lacking = UNREAD | PARTIAL if isinstance(condition, InBody | Anywhere) else UNREAD
        undecided.append({one for one, state in incomplete.items() if state & lacking}.difference(yes))
    return Answer(found, undecided, missing)


def _found(connection: sqlite3.Connection, condition: Condition, only: Sequence[str] | None) -> list[str]:
    where, parameters = condition.sql()
    of_fields = isinstance(condition, OfFields)
    words = "" if of_fields else trigrams(getattr(condition, "text", ""))
    # CROSS JOIN keeps SQLite to this order
    if words:
        tables = "words CROSS JOIN texts t ON t.id = words.rowid CROSS JOIN headers h ON h.id = t.id"
        if only is not None:
            # the plus, too: candidates are looked up among the few, not the few in the index one by one
            where = f"+words.rowid IN (SELECT h.id FROM {_ONLY}) AND {where}"
            parameters = (json_list(only), *parameters)
        where = f"words MATCH ? AND {where}"
        parameters = (words, *parameters)
    elif only is not None:
        tables = _ONLY if of_fields else f"{_ONLY} CROSS JOIN texts t ON t.id = h.id"
        parameters = (json_list(only), *parameters)
    elif of_fields:
        tables = "headers h"
    else:
        tables = "texts t CROSS JOIN headers h ON h.id = t.id"
    if not isinstance(condition, InHeader):
        return [row[0] for row in connection.execute(f"SELECT h.email_id FROM {tables} WHERE {where}", parameters)]
    rows = connection.execute(f"SELECT h.email_id, t.header FROM {tables} WHERE {where}", parameters)
    return [email_id for email_id, header in rows if condition.in_lines(header.split("\n"))]


def _missing(connection: sqlite3.Connection, asked: Sequence[str]) -> set[str]:
    if not asked:
        return set()
    rows = connection.execute(f"SELECT h.email_id FROM {_ONLY}", (json_list(asked),))
    return set(asked).difference(row[0] for row in rows)
