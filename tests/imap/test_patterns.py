"""Tests of quantummail.imap.grammar.patterns."""

from __future__ import annotations

import re
import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap.grammar.cursor import LimitExceeded
from quantummail.imap.grammar.patterns import ListPattern

_word = st.text("ab/", max_size=12)
_pattern = st.text("ab/*%", max_size=10)


class ListPatternTests(SynchronousTestCase):
    """Matching."""

    CASES = [
        ("*", "a/b/c", True), ("%", "a", True), ("%", "a/b", False), ("a/%", "a/b", True), ("a/%", "a/b/c", False),
        ("a/*", "a", False), ("a*", "a", True), ("%/%", "a/b", True), ("%/%", "a", False), ("*b", "a/b", True),
        ("%b", "a/b", False), ("a*b*c", "aXbYc", True), ("a*b*c", "acb", False), ("", "", True), ("a", "A", False),
        ("inbox", "INBOX", True), ("inb%", "INBOX", True), ("INBOX/*", "INBOX/x", True), ("inbox/%", "INBOX/x", True),
        ("*%", "a/b", True), ("%*", "a/b", True), ("ab*ba", "aba", False), ("*a", "ba", True), ("%a%b", "ab", True),
    ]

    def test_cases(self) -> None:
        """``%`` stops at a delimiter, ``*`` does not; only INBOX disregards case."""
        for pattern, name, expected in self.CASES:
            self.assertEqual(ListPattern(pattern).matches(name), expected, (pattern, name))

    @given(_pattern, _word)
    def test_like_a_regular_expression(self, pattern: str, name: str) -> None:
        """The matcher agrees with the regular expression of the same meaning."""
        expression = "".join(".*" if part == "*" else "[^/]*" if part == "%" else re.escape(part) for part in pattern)
        self.assertEqual(ListPattern(pattern).matches(name), re.fullmatch(expression, name) is not None)

    def test_wildcards_are_bounded(self) -> None:
        """At most ten wildcards, after neighbours have become one (I3)."""
        ListPattern("*" * 500 + "%" * 500)
        ListPattern("*a" * 10)
        self.assertRaises(LimitExceeded, ListPattern, "*a" * 500)

    def test_fast(self) -> None:
        """Ten wildcards on 10 000 names of 200 letters take no time to speak of (I3)."""
        pattern = ListPattern("*a" * 9 + "*b")
        begin = time.process_time()
        for _ in range(10_000):
            pattern.matches("a" * 200)
        self.assertLess(time.process_time() - begin, 0.4)
