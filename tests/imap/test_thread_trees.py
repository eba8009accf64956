"""Tests of quantummail.imap.thread_trees and ancestry."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap import ancestry
from quantummail.imap.ancestry import NONE, Ancestry
from quantummail.imap.thread_trees import (
    CLOSE,
    FIRST,
    OPEN,
    Forest,
    Material,
    ordered_subject,
    references,
    refs,
    tokens,
)
from quantummail.store.steps import Steps

Mail = tuple[str, int, str]
"""Identifiers ("own ref ref"), date, subject."""
Algorithm = Callable[[Material], Steps[Forest]]


def made(
    by_date: Sequence[int], subjects: Sequence[int], no_subject: int, answers: Sequence[int],
    ids: Sequence[Sequence[int]],
) -> Material:
    """Material from one list of identifiers for each message."""
    begins = [0, *accumulate(map(len, ids))]
    return Material(
        by_date, subjects, no_subject, answers, [number for each in ids for number in each], begins[:-1], begins[1:])


def material(mails: Sequence[Mail]) -> Material:
    """What is known of these messages; ``-`` stands for no identifier."""
    numbers: dict[str, int] = {"-": 0}
    subjects = sorted({mail[2].removeprefix("Re: ").lower() for mail in mails})
    return made(
        sorted(range(len(mails)), key=lambda place: mails[place][1]),
        [subjects.index(mail[2].removeprefix("Re: ").lower()) for mail in mails],
        subjects.index("") if "" in subjects else -1,
        [mail[2].startswith("Re: ") for mail in mails],
        [[numbers.setdefault(name, len(numbers)) for name in mail[0].split()] for mail in mails],
    )


def finished(steps: Steps[Sequence[int]]) -> Sequence[int]:
    """The result of work in steps."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: Sequence[int] = end.value
            return result


def rendered(algorithm: Algorithm, known: Material) -> Sequence[int]:
    """The tokens of a forest."""

    def steps() -> Steps[list[int]]:
        forest = yield from algorithm(known)
        return (yield from tokens(forest, known.count))

    return finished(steps())


def threads(algorithm: Algorithm, *mails: Mail) -> str:
    """The response as a client sees it."""
    return "".join({OPEN: "(", CLOSE: ")"}.get(token, " " if token < FIRST else str(token - FIRST + 1))
                   for token in rendered(algorithm, material(mails)))


class ReferencesTests(SynchronousTestCase):
    """THREAD=REFERENCES, step by step (RFC 5256 section 3)."""

    CASES: list[tuple[str, list[Mail], str]] = [
        ("nothing", [], ""),
        ("one", [("a", 1, "x")], "(1)"),
        ("a chain", [("a", 1, "x"), ("b a", 2, "x"), ("c a b", 3, "x")], "(1 2 3)"),
        ("siblings, by date", [("a", 1, "x"), ("b a", 3, "x"), ("c a", 2, "x")], "(1 (3)(2))"),
        ("deeper", [("a", 1, "x"), ("b a", 2, "x"), ("c a b", 4, "x"), ("d a b", 3, "x"), ("e a", 5, "x")],
         "(1 (2 (4)(3))(5))"),
        ("the answer came first", [("b a", 2, "x"), ("a", 1, "x")], "(2 1)"),
        ("a message that is not there, one answer", [("b a", 2, "x")], "(1)"),
        ("two answers", [("b a", 2, "x"), ("c a", 1, "y")], "((2)(1))"),
        ("a missing one in between", [("a", 1, "x"), ("c a b", 2, "x"), ("d a b", 3, "x")], "(1 (2)(3))"),
        ("missing ones one above the other", [("c a b", 2, "x"), ("d a b", 3, "y"), ("e a", 1, "z")], "((3)(1)(2))"),
        ("missing ones, one of them an only child", [("c a b", 2, "x"), ("d a b", 3, "y")], "((1)(2))"),
        ("threads by date", [("a", 5, "x"), ("b", 3, "y"), ("c", 4, "z")], "(2)(3)(1)"),
        ("the same date", [("a", 1, "x"), ("b", 1, "y"), ("c", 1, "z")], "(1)(2)(3)"),
        ("a dummy is as old as its first child", [("c a", 4, "x"), ("d a", 2, "y"), ("e", 3, "z")], "((2)(1))(3)"),
        ("the same identifier twice", [("a", 1, "x"), ("a", 2, "y"), ("b a", 3, "z")], "(1 3)(2)"),
        ("no identifier", [("-", 1, "x"), ("- a", 2, "y"), ("a", 0, "z")], "(3 2)(1)"),
        ("a loop of two", [("a b", 1, "x"), ("b a", 2, "x")], "(2 1)"),
        ("itself", [("a a", 1, "x"), ("b b a b", 2, "x")], "(2 1)"),
        ("a loop of three", [("a c", 1, "x"), ("b a", 2, "x"), ("c b", 3, "x")], "(3 1 2)"),
        ("what others said is cut by the message itself", [("c a b", 1, "x"), ("b d", 2, "x"), ("d", 0, "x")],
         "(3 2 1)"),
        ("what has a parent keeps it", [("b a", 1, "x"), ("c d b", 2, "x"), ("a", 0, "x"), ("d", 3, "y")],
         "(3 1 2)(4)"),
        ("no references after all", [("c a b", 1, "x"), ("b", 0, "y")], "(2 1)"),
    ]

    SUBJECTS: list[tuple[str, list[Mail], str]] = [
        ("an answer below what it answers", [("a", 1, "x"), ("b", 2, "Re: X")], "(1 2)"),
        ("also if it is older", [("a", 2, "x"), ("b", 1, "Re: x")], "(1 2)"),
        ("two of a kind become siblings", [("a", 1, "x"), ("b", 2, "x")], "((1)(2))"),
        ("two answers too", [("a", 1, "Re: x"), ("b", 2, "Re: x")], "((1)(2))"),
        ("a third one joins them", [("a", 1, "x"), ("b", 2, "x"), ("c", 0, "x")], "((3)(1)(2))"),
        ("an answer joins siblings", [("a", 1, "x"), ("b", 2, "x"), ("c", 3, "Re: x")], "((1)(2)(3))"),
        ("no subject", [("a", 1, ""), ("b", 2, "")], "(1)(2)"),
        ("a dummy takes all", [("c a", 2, "x"), ("d a", 3, "y"), ("e", 1, "x")], "((3)(1)(2))"),
        ("two dummies become one", [("c a", 1, "x"), ("d a", 2, "y"), ("e b", 3, "x"), ("f b", 4, "z")],
         "((1)(2)(3)(4))"),
        ("whole threads", [("a", 1, "x"), ("b a", 2, "x"), ("c", 3, "Re: x"), ("d c", 4, "y")], "(1 (2)(3 4))"),
        ("only at the top", [("a", 1, "x"), ("b a", 2, "y"), ("c", 3, "y")], "(1 2)(3)"),
        ("order of threads after it", [("a", 5, "x"), ("b", 3, "y"), ("c", 1, "x")], "((3)(1))(2)"),
    ]

    def test_links(self) -> None:
        """Steps 1 to 4: by identifiers; what is missing, double or a loop does no harm."""
        for name, mails, expected in self.CASES:
            # step 5 left out: no two threads have a subject in common
            distinct = [(ids, date, f"{place}") for place, (ids, date, _) in enumerate(mails)]
            self.assertEqual(threads(references, *distinct), expected, name)

    def test_subjects(self) -> None:
        """Steps 5 and 6: threads with the same subject become one."""
        for name, mails, expected in self.SUBJECTS:
            self.assertEqual(threads(references, *mails), expected, name)

    def test_refs(self) -> None:
        """REFS leaves subjects alone; the thread that was answered last is the last."""
        self.assertEqual(threads(refs, ("a", 1, "x"), ("b", 2, "x"), ("c a", 3, "x")), "(2)(1 3)")
        self.assertEqual(threads(refs, ("a", 1, "x"), ("b", 9, "x"), ("c d", 3, "x"), ("e d", 5, "y")),
                         "(1)((3)(4))(2)")

    def test_ordered_subject(self) -> None:
        """ORDEREDSUBJECT: below the first message of a subject all others, by date."""
        self.assertEqual(
            threads(ordered_subject, ("a", 5, "x"), ("b", 1, "y"), ("c", 3, "Re: X"), ("d", 4, "x"), ("e", 2, "y")),
            "(2 5)(3 (4)(1))")


_name = st.sampled_from("abcdefgh-")
_mail = st.tuples(
    st.lists(_name, min_size=1, max_size=5).map(" ".join), st.integers(0, 4),
    st.sampled_from(["x", "y", "", "Re: x", "Re: y", "Re: "]))


class AnyTests(SynchronousTestCase):
    """Promises that hold for any messages."""

    @given(st.lists(_mail, max_size=12), st.sampled_from([references, refs, ordered_subject]))
    def test_everybody_once(self, mails: list[Mail], algorithm: Algorithm) -> None:
        """Every message is there exactly once, and parentheses match."""
        known = material([(ids.replace("-", "h") if " " in ids else ids, date, text) for ids, date, text in mails])
        output = rendered(algorithm, known)
        self.assertEqual(sorted(token - FIRST for token in output if token >= FIRST), list(range(len(mails))))
        depth = 0
        for token in output:
            depth += {OPEN: 1, CLOSE: -1}.get(token, 0)
            self.assertGreaterEqual(depth, 0)
        self.assertEqual(depth, 0)

    @given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=60), st.booleans())
    def test_ancestry(self, wishes: list[tuple[int, int]], patient: bool) -> None:
        """No loop ever, and no link refused that would make none: whichever way is taken."""
        self.patch(ancestry, "_PATIENCE", 1000 if patient else -1)
        forest = Ancestry(0)
        for _ in range(12):
            forest.add()
        for node, parent in wishes:
            forest.cut(node)
            above = [parent]
            while forest.parent[above[-1]] != NONE:
                above.append(forest.parent[above[-1]])
            self.assertEqual(forest.link(node, parent), node not in above)

    def test_hostile(self) -> None:
        """Long chains, loops and one identifier for all take no more than a few seconds' work for 20 000 messages."""
        many = 20_000
        shuffled = list(range(many))
        random.Random(5).shuffle(shuffled)
        for ids in (
            [[n + 1, n] for n in range(1, many)],
            [[n + 1, n] for n in reversed(range(1, many))],
            [[n + 1, n] for n in shuffled],
            [[n + 1, (n + 1) % many + 1] for n in range(many)],
            [[7, 7, 8]] * many,
            [[n + 1, 1, n + 2] for n in range(many)],
            # pairs that are hung below the end of a long chain, again and again
            [[n + 2, n + 1] for n in range(many // 2)]
            + [[many + 2 * (n // 2) + n % 2, *((many // 2,) if n % 2 else ()), many + 2 * (n // 2)]
               for n in range(many // 2)],
        ):
            start = time.process_time()
            count = len(ids)
            known = made(range(count), [0] * count, -1, bytes(count), ids)
            self.assertEqual(sum(token >= FIRST for token in rendered(references, known)), count)
            self.assertLess(time.process_time() - start, 5)
