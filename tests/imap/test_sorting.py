"""Tests of quantummail.imap.sorting."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap import sorting
from quantummail.imap.sorting import Criterion, sorted_uids
from quantummail.store.orders import SortKeys
from quantummail.store.steps import Steps

Row = tuple[int, int, str]


def result(steps: Steps[array[int]]) -> list[int]:
    """What comes of work in steps."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return list(end.value)


class SortedTests(SynchronousTestCase):
    """Messages in order."""

    @given(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.sampled_from("abc")), max_size=30),
        st.lists(st.tuples(st.sampled_from(["ARRIVAL", "SIZE", "SUBJECT"]), st.booleans()), min_size=1, max_size=3),
        st.sets(st.integers(1, 40)), st.booleans(),
    )
    def test_order(self, rows: list[Row], order: list[tuple[str, bool]], wanted: set[int], counted: bool) -> None:
        """By one key after the other, each turned or not; then by number."""
        if counted:
            self.patch(sorting, "STEP", 3)
        keys = SortKeys(1)
        for _ in keys.extend(range(1, len(rows) + 1), ("ARRIVAL", "SIZE", "SUBJECT"),
                             [[row[place] for row in rows] for place in range(3)]):
            pass
        expected = sorted(uid for uid in wanted if uid <= len(rows))
        for key, reverse in reversed(order):
            place = ("ARRIVAL", "SIZE", "SUBJECT").index(key)
            values = {uid: row[place] for uid, row in enumerate(rows, 1)}
            # equal ones keep their order, turned or not
            expected.sort(key=values.__getitem__, reverse=reverse)
        uids = array("I", sorted(uid for uid in wanted if uid <= len(rows)))
        criteria = tuple(Criterion(key, reverse) for key, reverse in order)
        for _ in range(2):
            self.assertEqual(result(sorted_uids(keys, uids, criteria)), expected)

    def test_gone(self) -> None:
        """A message that nothing is known of any more does not disturb the others."""
        keys = SortKeys(1)
        for _ in keys.extend([1, 3], ("SIZE",), [[20, 10]]):
            pass
        found = result(sorted_uids(keys, array("I", [1, 2, 3]), (Criterion("SIZE"),)))
        self.assertEqual(sorted(found), [1, 2, 3])
        self.assertLess(found.index(3), found.index(1))
