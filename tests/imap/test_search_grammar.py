"""Tests of quantummail.imap.grammar.search."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap.grammar import search
from quantummail.imap.grammar.charsets import BadCharset
from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.search import And, Body, Flagged, Header, Not, Or, Program, search_query


def read(text: str) -> Program:
    return search_query(Cursor(text.encode())).program


SEEN, DRAFT = Flagged("\\Seen"), Flagged("\\Draft")


class SearchQueryTests(SynchronousTestCase):
    """Keys of SEARCH."""

    CASES: list[tuple[str, Program]] = [
        ("SEEN", (SEEN,)),
        ("seen draft", (SEEN, DRAFT, And(2))),
        ("NOT SEEN", (SEEN, Not())),
        ("NOT NOT SEEN", (SEEN, Not(), Not())),
        ("OR SEEN DRAFT", (SEEN, DRAFT, Or())),
        ("OR NOT SEEN (DRAFT SEEN)", (SEEN, Not(), DRAFT, SEEN, And(2), Or())),
        ("(SEEN)", (SEEN,)),
        ("((SEEN) (DRAFT))", (SEEN, DRAFT, And(2))),
        ("OR OR SEEN DRAFT OR SEEN DRAFT UNSEEN", (SEEN, DRAFT, Or(), SEEN, DRAFT, Or(), Or(), SEEN, Not(), And(2))),
        ("NEW", (search.Recent(), SEEN, Not(), And(2))),
        ("NOT NEW", (search.Recent(), SEEN, Not(), And(2), Not())),
        ("NOT (SEEN DRAFT)", (SEEN, DRAFT, And(2), Not())),
        ("FROM smith SUBJECT \"a b\"", (Header("From", "smith"), Header("Subject", "a b"), And(2))),
        ("HEADER Message-ID <x@y>", (Header("Message-ID", "<x@y>"),)),
        ('HEADER X ""', (Header("X", ""),)),
        ("LARGER 100 SMALLER 200", (search.Size(101, search.LATEST), search.Size(0, 199), And(2))),
        ("KEYWORD $Forwarded UNKEYWORD foo", (Flagged("$Forwarded"), Flagged("foo"), Not(), And(2))),
        ("SINCE 2-Jan-1970", (search.InternalDate(1, search.LATEST),)),
        ("SENTBEFORE 2-Jan-1970", (search.SentDate(search.EARLIEST, 0),)),
        ("ON 2-Jan-1970", (search.InternalDate(1, 1),)),
        ("CHARSET UTF-8 BODY {2+}\r\n\u00e9", (Body("\u00e9"),)),
        ("CHARSET utf-8 BODY \"\u00e9\"", (Body("\u00e9"),)),
    ]

    def test_programs(self) -> None:
        """Keys and operators come in postfix order, whatever their nesting."""
        for text, program in self.CASES:
            self.assertEqual(read(text), program, text)

    def test_every_key(self) -> None:
        """All keys of RFC 3501 6.4.4 are known."""
        for text in (
            "ALL", "ANSWERED", "BCC x", "BEFORE 1-Feb-1994", "BODY x", "CC x", "DELETED", "DRAFT", "FLAGGED", "FROM x",
            "HEADER a b", "KEYWORD x", "LARGER 1", "NEW", "NOT ALL", "OLD", "ON 1-Feb-1994", "OR ALL ALL", "RECENT",
            "SEEN", "SENTBEFORE 1-Feb-1994", "SENTON 1-Feb-1994", "SENTSINCE 1-Feb-1994", "SINCE 1-Feb-1994",
            "SMALLER 1", "SUBJECT x", "TEXT x", "TO x", "UID 1:*", "UNANSWERED", "UNDELETED", "UNDRAFT", "UNFLAGGED",
            "UNKEYWORD x", "UNSEEN", "1:2,*",
        ):
            self.assertTrue(read(text), text)

    def test_refused(self) -> None:
        """What is no query is BadSyntax."""
        for text in (
            "", " ", "FOO", "NOT", "OR SEEN", "OR", "(", "()", "(SEEN", "SEEN)", "SEEN  DRAFT", "FROM", "LARGER x",
            "BEFORE yesterday", "NOT )", "(OR SEEN)", "OR (SEEN) ", "UID", "KEYWORD", "CHARSET UTF-8", "SEEN ()",
        ):
            self.assertRaises(BadSyntax, read, text)

    def test_charsets(self) -> None:
        """Unknown sets and 8-bit text without a set are BADCHARSET; utf-7 is never known."""
        for text in ("CHARSET utf-7 ALL", "CHARSET X-FOO ALL", "BODY \"\u00e9\""):
            self.assertRaises(BadCharset, read, text)
        self.assertEqual(
            search_query(Cursor(b"CHARSET ISO-8859-1 BODY {1}\r\n\xe9")).program, (Body("\u00e9"),)
        )

    def test_bounds(self) -> None:
        """Sixty-four keys, sixteen levels (I4)."""
        read(" ".join(["SEEN"] * 64))
        self.assertRaises(LimitExceeded, read, " ".join(["SEEN"] * 65))
        self.assertRaises(LimitExceeded, read, "NOT " * 17 + "SEEN")
        self.assertRaises(LimitExceeded, read, "BODY " + "x" * 2000)

    def test_parentheses(self) -> None:
        """A million parentheses are refused at once (I2)."""
        begin = time.process_time()
        self.assertRaises(LimitExceeded, read, "(" * 1_000_000)
        self.assertLess(time.process_time() - begin, 0.05)

    @given(st.lists(st.sampled_from(["NOT", "OR", "(", ")", "SEEN", "DRAFT", "1"]), max_size=14))
    def test_never_breaks(self, words: list[str]) -> None:
        """Whatever comes is a program with one value, or BadSyntax."""
        try:
            program = read(" ".join(words).replace("( ", "(").replace(" )", ")"))
        except (BadSyntax, LimitExceeded):
            return
        depth = 0
        for item in program:
            taken = item.count if isinstance(item, And) else {Or: 2, Not: 1}.get(type(item), 0)
            depth += 1 - taken
        self.assertEqual(depth, 1)
