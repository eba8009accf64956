"""Tests of quantummail.message.html_text."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.html_text import HtmlText


def text_of(html: str, size: int = 0) -> str:
    """The text of a document, given in pieces of this size (0: whole)."""
    reader = HtmlText()
    size = size or len(html) or 1
    return "".join(
        reader.feed(html[start : start + size], final=start + size >= len(html))
        for start in range(0, len(html), size))


class HtmlTextTests(SynchronousTestCase):
    """What a reader sees."""

    CASES = [
        ("<p>one</p><p>two</p>", " one  two "),
        ("in<b>voi</b>ce", "invoice"),
        ("a<br>b<BR/>c", "a b c"),
        ("<title>t</title><style>p { x }</style>y<STYLE>z</STYLE >w", " t  y w"),
        ("<script>if (a < b && '</p>') { x }</script>end", " end"),
        ("<script src=x />shown", " shown"),
        ("a<!-- <p>b</p> -->c<!---->d", "acd"),
        ("&lt;p&gt; &amp;amp; &#x41;&#66;&Auml;", "<p> &amp; ABÄ"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<p", ""), ("x<!-- never ends", "x"), ("x<script>never ends", "x "), ("fish & chips", "fish & chips"),
        ("<!DOCTYPE html>x<?xml y?>z", " x z"),
    ]

    def test_cases(self) -> None:
        """Tags, comments, scripts and styles are left out, entities decoded, words parted where a line would end."""
        for html, expected in self.CASES:
            for size in (0, 1, 2, 5):
                self.assertEqual(text_of(html, size), expected, (html, size))

    @given(st.text("<>/!-&;pbscript \"'x", max_size=80), st.integers(1, 20))
    def test_pieces_do_not_matter(self, html: str, size: int) -> None:
        """However a document is cut, the text is the same."""
        self.assertEqual(text_of(html, size), text_of(html))

    def test_linear(self) -> None:
        """Nothing that is opened and never closed takes long."""
        for start in ("<", "< ", "<a ", "<!--", "<script>", "&", "&#", "<p <p "):
            began = time.process_time()
            text_of(start * (400_000 // len(start)), 65536)
            self.assertLess(time.process_time() - began, 3.0, start)

    def test_no_markup(self) -> None:
        """What only looks like markup is taken as fast as text, not octet by octet."""
        began = time.process_time()
        self.assertEqual(text_of("<" * 2_000_000, 65536), "<" * 2_000_000)
        self.assertLess(time.process_time() - began, 0.5)
