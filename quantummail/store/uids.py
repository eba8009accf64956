"""Sets of UIDs as conditions of statements: a few ranges, or pages of single ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, bindparam

from quantummail.store.tables import messages

PAGE = 500
_FEW_RANGES = 16

IN_RANGE: ColumnElement[bool] = messages.c.uid.between(bindparam("first_uid"), bindparam("last_uid"))
IN_PAGE: ColumnElement[bool] = messages.c.uid.in_(bindparam("uids", expanding=True))


def ranges(uids: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of consecutive UIDs as (first, last). `uids` ascend."""
    found: list[tuple[int, int]] = []
    if not uids:
        return found
    first = last = uids[0]
    for uid in uids:
        if uid > last + 1:
            found.append((first, last))
            first = uid
        last = uid
    found.append((first, last))
    return found


def conditions(uids: Sequence[int]) -> Iterator[tuple[ColumnElement[bool], dict[str, Any]]]:
    """Conditions, with their parameters, that together select exactly these UIDs, in ascending order."""
    if not uids:
        return
    # ascending without holes, the common case of 1:*, is seen without a walk
    runs = [(uids[0], uids[-1])] if uids[-1] - uids[0] + 1 == len(uids) else ranges(uids)
    if len(runs) <= _FEW_RANGES:
        for first, last in runs:
            yield IN_RANGE, {"first_uid": first, "last_uid": last}
    else:
        for start in range(0, len(uids), PAGE):
            yield IN_PAGE, {"uids": list(uids[start : start + PAGE])}
