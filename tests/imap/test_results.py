"""Tests of quantummail.imap.results and imap.grammar.results: what is asked of a search, and how it is told."""

from __future__ import annotations

import time
from array import array

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap import results
from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.multisearch import SELECTED, Source, sources
from quantummail.imap.grammar.results import Options, Partial, return_options
from quantummail.imap.grammar.sequence import sequence_set
from quantummail.imap.grammar.sort import DISPLAY_KEYS, KEYS, sort_criteria
from tests.imap.case import ImapCase


def read(text: str) -> Options | None:
    """The options before a search."""
    cursor = Cursor(text.encode() + b" ALL")
    found = return_options(cursor)
    assert cursor.data[cursor.position :].strip() == b"ALL", cursor.position
    return found


class OptionsTests(SynchronousTestCase):
    """Return options."""

    def test_read(self) -> None:
        """In any case and order; an empty list means ALL; no list at all is something else."""
        for text, names in (
            ("RETURN (MIN)", {"MIN"}), ("return (max min)", {"MIN", "MAX"}), ("RETURN ()", {"ALL"}),
            ("RETURN (SAVE)", {"SAVE"}), ("RETURN (PARTIAL 1:2 COUNT)", {"PARTIAL", "COUNT"}),
            ("RETURN (MIN MIN)", {"MIN"}), ("RETURN (UPDATE CONTEXT ALL)", {"UPDATE", "CONTEXT", "ALL"}),
        ):
            options = read(text)
            assert options is not None
            self.assertEqual(options.names, names, text)
        self.assertIsNone(read(""))

    def test_refused(self) -> None:
        """Unknown options, and those that exclude each other."""
        for text in (
            "RETURN (BEST)", "RETURN MIN", "RETURN (MIN", "RETURN (MIN  MAX)", "RETURN ( MIN)", "RETURN (PARTIAL)",
            "RETURN (PARTIAL 1)", "RETURN (PARTIAL 1:*)", "RETURN (PARTIAL 0:1)", "RETURN (PARTIAL 1:-1)",
            "RETURN (PARTIAL -1:1)", "RETURN (PARTIAL 1:4294967296)", "RETURN (PARTIAL 1:2 ALL)",
            "RETURN (PARTIAL 1:2 PARTIAL 1:2)", "RETURN (MIN)x",
        ):
            self.assertRaises(BadSyntax, read, text)

    @given(st.integers(1, 9), st.integers(1, 9), st.booleans(), st.integers(0, 7))
    def test_partial(self, one: int, other: int, backwards: bool, count: int) -> None:
        """A part is what positions say, counted from either end, in the order of the results."""
        first, last = sorted((one, other))
        found = list(range(100, 100 + count))
        wanted = [uid for place, uid in enumerate(found)
                  if first <= (count - place if backwards else place + 1) <= last]
        self.assertEqual(Partial(first, last, backwards).of(found), wanted)

    def test_referred(self) -> None:
        """What is saved: everything, or only what is returned (RFC 5182 2.4, RFC 9394 3.2)."""
        found = [2, 4, 6, 8]
        for names, partial, referred in (
            ({"SAVE"}, None, found), ({"ALL"}, None, found), ({"MIN"}, None, [2]), ({"MAX"}, None, [8]),
            ({"MIN", "MAX"}, None, [2, 8]), ({"MIN", "COUNT"}, None, found), ({"MIN", "ALL"}, None, found),
            ({"PARTIAL"}, Partial(2, 3), [4, 6]), ({"PARTIAL", "MIN"}, Partial(2, 3), [2, 4, 6]),
            ({"PARTIAL", "MAX", "MIN"}, Partial(2, 2), [2, 4, 8]), ({"PARTIAL", "COUNT"}, Partial(1, 1), found),
            ({"PARTIAL"}, Partial(5, 9), []),
        ):
            self.assertEqual(list(Options(frozenset(names), partial).referred(found)), referred, names)
        self.assertEqual(Options(frozenset({"MIN"})).referred([]), [])


class OtherGrammarTests(SynchronousTestCase):
    """SORT's criteria and ESEARCH's sources."""

    def test_criteria(self) -> None:
        """Keys in their order; what is there already decides nothing."""
        for text, found in (
            ("(DATE)", (("DATE", False),)), ("(reverse date subject)", (("DATE", True), ("SUBJECT", False))),
            ("(DATE REVERSE DATE SIZE)", (("DATE", False), ("SIZE", False))),
        ):
            self.assertEqual(sort_criteria(Cursor(text.encode()), KEYS), found)
        self.assertEqual(sort_criteria(Cursor(b"(DISPLAYTO)"), KEYS | DISPLAY_KEYS), (("DISPLAYTO", False),))

    def test_no_criteria(self) -> None:
        """Others are refused, and too many."""
        for text in ("()", "DATE", "(DATE", "(REVERSE)", "(REVERSE REVERSE DATE)", "(DATE,SIZE)", "(DISPLAYTO)",
                     "( DATE)"):
            self.assertRaises(BadSyntax, sort_criteria, Cursor(text.encode()), KEYS)
        self.assertRaises(LimitExceeded, sort_criteria, Cursor(b"(" + b"DATE " * 5000 + b"DATE)"), KEYS)

    def test_sources(self) -> None:
        """Words, and words with names."""
        for text, found in (
            ("", (SELECTED,)), ("IN (selected) ", (SELECTED,)),
            ("in (Personal mailboxes inbox) ", (Source("PERSONAL"), Source("MAILBOXES", ("INBOX",)))),
            ('IN (subtree ("a b" c) subtree-one d) ',
             (Source("SUBTREE", ("a b", "c")), Source("SUBTREE-ONE", ("d",)))),
        ):
            self.assertEqual(sources(Cursor(text.encode() + b"ALL")), found, text)

    def test_no_sources(self) -> None:
        """Others are refused, and too many."""
        for text in ("IN () ", "IN selected ", "IN (mailboxes) ", "IN (mailboxes ()) ", "IN (all) ", "IN (selected)",
                     "IN (selected (x)) ", "IN (selected-delayed) "):
            self.assertRaises(BadSyntax, sources, Cursor(text.encode()))
        self.assertRaises(LimitExceeded, sources, Cursor(b"IN (mailboxes (" + b"a " * 5000 + b"a)) "))
        self.assertRaises(LimitExceeded, sources, Cursor(b"IN (" + b"mailboxes a " * 5000 + b"mailboxes a) "))


class WrittenTests(ImapCase):
    """How numbers are written."""

    @given(st.lists(st.integers(1, 60), max_size=40, unique=True), st.booleans())
    def test_sets(self, uids: list[int], ascending: bool) -> None:
        """A set in pages is read as the same numbers, and in their order."""
        self.patch(results, "PAGE", 5)
        numbers = array("I", sorted(uids) if ascending else uids)
        text = b"".join(results._set_pages(numbers)) if numbers else b""
        self.assertEqual(
            [number for member in filter(None, text.split(b",")) for number in _expanded(member)], list(numbers))
        if text and ascending:
            # as short as can be: a range never goes on in the next one
            self.assertEqual(text.count(b",") + 1, len(sequence_set(Cursor(text)).ranges))

    def test_long(self) -> None:
        """Long answers come in pieces, between which others have their turn."""
        self.patch(results, "PAGE", 3)
        for _ in range(8):
            self.deliver()
        connection = self.selected()
        for command, expected in (
            ("SEARCH ALL", "* SEARCH 1 2 3 4 5 6 7 8\r\n"),
            ("SEARCH RETURN (ALL) 1,3,5,7", '* ESEARCH (TAG "a") ALL 1,3,5,7\r\n'),
            ("UID SORT (REVERSE ARRIVAL) UTF-8 ALL", "* SORT 1 2 3 4 5 6 7 8\r\n"),
        ):
            heard = self.say(connection, f"a {command}")
            self.assertNotIn("a OK", heard)
            for _ in range(4):
                self.clock.advance(0)
            heard += self.heard(connection)
            self.assertTrue(heard.startswith(expected), heard)
            self.assertIn("a OK", heard)


def _expanded(member: bytes) -> range:
    first, _, last = member.partition(b":")
    return range(int(first), int(last or first) + 1)


class WithinTests(ImapCase):
    """OLDER and YOUNGER (RFC 5032)."""

    def test_within(self) -> None:
        """Seconds before now, by the internal date."""
        for age in (10, 10_000, 1_000_000):
            self.deliver(date=int(time.time()) - age)
        connection = self.selected()
        for search, found in (
            ("YOUNGER 5000", " 1"), ("OLDER 5000", " 2 3"), ("OLDER 5000 YOUNGER 500000", " 2"), ("NOT OLDER 1", ""),
            ("YOUNGER 4294967295", " 1 2 3"),
        ):
            self.assertIn(f"* SEARCH{found}\r\n", self.say(connection, f"a SEARCH {search}"), search)
        for search in ("OLDER 0", "YOUNGER", "OLDER -1", "YOUNGER x", "OLDER 4294967296"):
            self.assertIn("a BAD", self.say(connection, f"a SEARCH {search}"), search)


class SwitchedOffTests(ImapCase):
    """Capabilities that an administrator has switched off are not there."""

    CASES = [
        ({"ESEARCH", "CONTEXT=SEARCH"}, "SEARCH RETURN (ALL) ALL"), ({"SEARCHRES"}, "SEARCH RETURN (SAVE) ALL"),
        ({"SEARCHRES"}, "SEARCH $"), ({"SEARCHRES"}, "FETCH $ UID"), ({"WITHIN"}, "SEARCH OLDER 5"),
        ({"PARTIAL", "CONTEXT=SEARCH"}, "SEARCH RETURN (PARTIAL 1:2) ALL"),
        ({"PARTIAL"}, "UID FETCH 1:* UID (PARTIAL 1:2)"), ({"CONTEXT=SEARCH"}, "SEARCH RETURN (UPDATE) ALL"),
        ({"SORT"}, "SORT (DATE) UTF-8 ALL"), ({"SORT=DISPLAY"}, "SORT (DISPLAYFROM) UTF-8 ALL"),
        ({"ESORT", "CONTEXT=SORT"}, "SORT RETURN () (DATE) UTF-8 ALL"), ({"MULTISEARCH"}, "ESEARCH IN (personal) ALL"),
        ({"THREAD=REFS"}, "THREAD REFS UTF-8 ALL"), ({"CONTEXT=SEARCH", "CONTEXT=SORT"}, 'CANCELUPDATE "a"'),
    ]

    def test_off(self) -> None:
        """Neither advertised nor understood."""
        self.deliver()
        for names, command in self.CASES:
            connection = self.selected(factory=self.listener(disabled=frozenset(names)))
            self.assertIn("a BAD", self.say(connection, f"a {command}"), command)
            advertised = self.say(connection, "b CAPABILITY").split()
            self.assertTrue(names.isdisjoint(advertised), command)

    def test_on(self) -> None:
        """Otherwise both."""
        self.deliver()
        connection = self.selected()
        advertised = self.say(connection, "b CAPABILITY").split()
        for names, command in self.CASES:
            self.assertIn("a OK", self.say(connection, f"a {command}"), command)
            self.assertLessEqual(names, set(advertised))
