"""Tests of quantummail.imap.message_sets."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap.grammar.search import All, And, Not, Or
from quantummail.imap.message_sets import Universe, Value, evaluated
from tests.support.steps import at_once

MESSAGES = 4
# a key is told by what it says of each message: found, not found, not known
_keys = st.lists(st.sampled_from([True, False, None]), min_size=MESSAGES, max_size=MESSAGES).map(tuple)
_trees = st.recursive(
    _keys,
    lambda trees: st.one_of(
        st.tuples(st.just("not"), trees), st.tuples(st.just("or"), trees, trees),
        st.tuples(st.just("and"), trees, trees, trees)),
    max_leaves=8,
)


def truth(tree: object, message: int) -> bool | None:
    """The value of a tree for one message, in the logic that has a third value for what is not known."""
    assert isinstance(tree, tuple)
    if tree[0] == "not":
        value = truth(tree[1], message)
        return None if value is None else not value
    if tree[0] in ("or", "and"):
        values = [truth(each, message) for each in tree[1:]]
        decisive = tree[0] == "or"
        return decisive if decisive in values else None if None in values else not decisive
    found: bool | None = tree[message]
    return found


def program_of(tree: object, universe: Universe) -> tuple[list[object], list[Value | None]]:
    """The tree in postfix order, with the values of its keys."""
    assert isinstance(tree, tuple)
    if tree[0] not in ("not", "or", "and"):
        uids = universe.uids
        found = at_once(universe.having({uid for uid, value in zip(uids, tree, strict=True) if value}))
        possible = at_once(universe.having({uid for uid, value in zip(uids, tree, strict=True) if value is not False}))
        return [All()], [Value(found, possible) if found or possible != universe.everything else None]
    program: list[object] = []
    values: list[Value | None] = []
    for each in tree[1:]:
        keys, known = program_of(each, universe)
        program += keys
        values += known
    operator = {"not": Not(), "or": Or(), "and": And(3)}[tree[0]]
    return [*program, operator], [*values, None]


class EvaluatedTests(SynchronousTestCase):
    """Programs in postfix order."""

    @given(_trees)
    def test_three_values(self, tree: object) -> None:
        """A search says of each message what its keys say, and leaves open what they leave open."""
        universe = Universe(array("I", [3, 5, 6, 900]))
        program, values = program_of(tree, universe)
        value = evaluated(tuple(program), values, universe.everything)
        expected = [truth(tree, message) for message in range(MESSAGES)]
        self.assertEqual(
            list(universe.uids_of(value.found)),
            [uid for uid, each in zip(universe.uids, expected, strict=True) if each])
        self.assertEqual(
            list(universe.uids_of(value.undecided)),
            [uid for uid, each in zip(universe.uids, expected, strict=True) if each is None])


class UniverseTests(SynchronousTestCase):
    """Sets and UIDs."""

    def test_places(self) -> None:
        """Ranges of numbers become the messages that have them."""
        universe = Universe(array("I", range(10, 30)))
        self.assertEqual(list(universe.uids_of(universe.between([(1, 2), (20, 20)]))), [10, 11, 29])

    def test_many(self) -> None:
        """Many messages are looked up in steps."""
        universe = Universe(array("I", range(1, 50_001)))
        steps = universe.having({1, 25_000, 50_000, 60_000})
        next(steps)
        self.assertEqual(list(universe.uids_of(at_once(steps))), [1, 25_000, 50_000])

    def test_empty(self) -> None:
        """An empty mailbox has one set."""
        universe = Universe(array("I"))
        self.assertEqual(universe.uids_of(universe.everything), array("I"))
