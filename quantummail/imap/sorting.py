"""Messages in the order of SORT (RFC 5256 section 3), from the ranks of their keys, and what THREAD begins with."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from quantummail.imap.thread_trees import Material
from quantummail.store.sort_keys import DATE, SUBJECT, THREAD
from quantummail.store.steps import STEP, Steps

if TYPE_CHECKING:
    from quantummail.store.orders import SortKeys

THREAD_KEYS = (DATE, SUBJECT, THREAD)


@dataclass(frozen=True, slots=True)
class Criterion:
    """One key, and whether it is turned."""

    key: str
    reverse: bool = False


Criteria = tuple[Criterion, ...]


def sorted_uids(keys: SortKeys, uids: array[int], criteria: Criteria) -> Steps[array[int]]:
    """These UIDs, which ascend, in the order of the criteria; of what is the same in all, the lowest first."""
    known = keys.recall(criteria, uids)
    if known is not None:
        return known
    places = yield from keys.places(uids)
    order = yield from _order(keys, places, criteria)
    result = array("I")
    for start in range(0, len(order), STEP * 4):
        if start:
            yield
        result.extend([uids[index] for index in order[start : start + STEP * 4]])
    keys.remember(criteria, uids, result)
    return result


def material(keys: SortKeys, uids: array[int]) -> Steps[Material]:
    """What is known of these messages, which ascend, to thread them. `THREAD_KEYS` are needed."""
    threads = keys.threads
    assert threads is not None
    places = yield from keys.places(uids)
    subjects = keys.columns[SUBJECT]
    # the empty text is before all others
    no_subject = 0 if subjects.values[:1] == [""] else -1
    of_each = yield from _ranks(subjects.ranks, places, no_subject)
    answers = yield from _ranks(threads.answers, places, 0)
    begins = yield from _ranks(threads.begins, places, 0)
    ends = yield from _ranks(threads.ends, places, 1)
    by_date = yield from _order(keys, places, (Criterion(DATE),))
    return Material(by_date, of_each, no_subject, answers, threads.numbers, begins, ends)


def _order(keys: SortKeys, places: Sequence[int], criteria: Criteria) -> Steps[Sequence[int]]:
    """The numbers from 0 of messages at these places, sorted: by the last criterion first, each time stably."""
    order: Sequence[int] = range(len(places))
    for criterion in reversed(criteria):
        column = keys.columns[criterion.key]
        values = len(column.values)
        ranks = yield from _ranks(column.ranks, places, 0)
        if criterion.reverse:
            for start in range(0, len(ranks), STEP * 4):
                if start:
                    yield
                ranks[start : start + STEP * 4] = [values - rank for rank in ranks[start : start + STEP * 4]]
        if len(order) <= STEP:
            order = sorted(order, key=ranks.__getitem__)
        else:
            order = yield from _counted(order, ranks, values)
    return order


def _ranks(ranks: Sequence[int], places: Sequence[int], missing: int) -> Steps[list[int]]:
    found: list[int] = []
    for start in range(0, len(places), STEP * 4):
        if start:
            yield
        found += [ranks[place] if place >= 0 else missing for place in places[start : start + STEP * 4]]
    return found


def _counted(order: Sequence[int], ranks: Sequence[int], most: int) -> Steps[list[int]]:
    """Sort by counting: linear, and to be left and taken up at any place."""
    counts = [0] * (most + 2)
    for start in range(0, len(ranks), STEP * 4):
        yield
        for rank in ranks[start : start + STEP * 4]:
            counts[rank + 1] += 1
    begins = list(accumulate(counts))
    result = [0] * len(order)
    for start in range(0, len(order), STEP * 4):
        yield
        for index in order[start : start + STEP * 4]:
            rank = ranks[index]
            result[begins[rank]] = index
            begins[rank] += 1
    return result
