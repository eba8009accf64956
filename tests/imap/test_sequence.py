"""Tests of quantummail.imap.grammar.sequence."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.sequence import MAX_RANGES, SequenceSet, common, holes, render, runs, sequence_set


def read(text: str) -> SequenceSet:
    return sequence_set(Cursor(text.encode()))


_member = st.one_of(st.integers(1, 60).map(str), st.just("*"))
_range = st.one_of(_member, st.tuples(_member, _member).map(":".join))


class SequenceSetTests(SynchronousTestCase):
    """Reading and resolving."""

    CASES = [
        ("1", 9, [(1, 1)]), ("2:4", 9, [(2, 4)]), ("4:2", 9, [(2, 4)]), ("*", 9, [(9, 9)]), ("1:*", 9, [(1, 9)]),
        ("*:4", 9, [(4, 9)]), ("20:*", 9, [(9, 9)]), ("1,3,2", 9, [(1, 3)]), ("5,1:2,*", 9, [(1, 2), (5, 5), (9, 9)]),
        ("1:*", 0, []), ("*", 0, []), ("*:*", 3, [(3, 3)]), ("8:20", 9, [(8, 9)]), ("10:20", 9, []),
        ("4294967295", 9, []), ("2,4:7,9,12:*", 15, [(2, 2), (4, 7), (9, 9), (12, 15)]),
    ]

    def test_resolved(self) -> None:
        """Ranges are ascending and disjoint; "*" is the largest number in use."""
        for text, last, ranges in self.CASES:
            self.assertEqual(read(text).within(last), ranges, text)

    def test_refused(self) -> None:
        """What is no set is BadSyntax."""
        for text in ("", "0", "1:0", "a", "1,,2", ",1", "1,", "1:2:3", ":1", "1:", "4294967296", "01", "-1", "**"):
            self.assertRaises(BadSyntax, read, text)

    def test_saved(self) -> None:
        """``$`` stands alone, and has no numbers of its own."""
        self.assertTrue(read("$").saved)
        self.assertFalse(read("$").exceeds(0))
        self.assertFalse(read("1").saved)

    def test_exceeds(self) -> None:
        """A written number beyond the last message is seen, "*" only if there is none."""
        self.assertTrue(read("1:7").exceeds(6))
        self.assertTrue(read("7:*").exceeds(6))
        self.assertFalse(read("1:*").exceeds(6))
        self.assertTrue(read("*").exceeds(0))

    def test_ranges_are_bounded(self) -> None:
        """At most 1000 ranges, counted after they are put together (I8)."""
        read(",".join(str(number) for number in range(1, 5000)))
        read(",".join(str(number * 2) for number in range(1, MAX_RANGES + 1)))
        self.assertRaises(LimitExceeded, read, ",".join(str(number * 2) for number in range(1, MAX_RANGES + 2)))

    def test_repeated_sets_cost_little(self) -> None:
        """``1:*,1:*,...`` is one range, at once (I8)."""
        begin = time.process_time()
        self.assertEqual(read(",".join(["1:*"] * 16000)).within(5), [(1, 5)])
        self.assertLess(time.process_time() - begin, 0.2)

    @given(st.lists(_range, min_size=1, max_size=8).map(",".join), st.integers(1, 50))
    def test_means_what_the_rfc_says(self, text: str, last: int) -> None:
        """The ranges contain exactly the numbers that a reading word by word gives."""
        expected: set[int] = set()
        for member in text.split(","):
            ends = [last if end == "*" else int(end) for end in member.split(":")]
            expected.update(range(min(ends), max(ends) + 1))
        found = [number for first, end in read(text).within(last) for number in range(first, end + 1)]
        self.assertEqual(found, sorted(number for number in expected if number <= last))


class RenderTests(SynchronousTestCase):
    """Writing."""

    @given(st.sets(st.integers(1, 200), min_size=1))
    def test_round_trip(self, numbers: set[int]) -> None:
        """What is written reads as the same numbers."""
        found = read(render(sorted(numbers)).decode()).within(300)
        self.assertEqual([number for first, end in found for number in range(first, end + 1)], sorted(numbers))

    def test_short(self) -> None:
        """Neighbours are one range."""
        self.assertEqual(render([1, 2, 3, 7, 9, 10]), b"1:3,7,9:10")
        self.assertEqual(render([]), b"")


class RangesTests(SynchronousTestCase):
    """Lists of ranges."""

    SETS = st.sets(st.integers(1, 40))

    @given(SETS, SETS)
    def test_common(self, one: set[int], other: set[int]) -> None:
        """What two lists have in common is the intersection."""
        self.assertEqual(common(runs(sorted(one)), runs(sorted(other))), runs(sorted(one & other)))

    @given(SETS, st.integers(0, 50))
    def test_holes(self, numbers: set[int], last: int) -> None:
        """Holes are all that is left up to the last number."""
        self.assertEqual(holes(sorted(numbers), last), runs(sorted(set(range(1, last + 1)) - numbers)))
