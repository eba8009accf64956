"""Tests of quantummail.imap.grammar.url."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap.grammar.url import BadUrl, message_url, shown

Read = tuple[str | None, int | None, int, tuple[int, ...], str, tuple[int, int] | None]


class UrlTests(SynchronousTestCase):
    """URLs of messages."""

    CASES: list[tuple[bytes, Read | None]] = [
        (b"/INBOX/;UID=7", ("INBOX", None, 7, (), "", None)),
        (b"/inbox;uidvalidity=3/;uid=7", ("INBOX", 3, 7, (), "", None)),
        (b"/Lists/Python/;UID=7/;SECTION=1.2.MIME", ("Lists/Python", None, 7, (1, 2), "MIME", None)),
        (b"/Gr%C3%BC%C3%9Fe%20da/;UID=7/;SECTION=HEADER.FIELDS%20(To%20%22From%22)",
         ("Gr\u00fc\u00dfe da", None, 7, (), "HEADER.FIELDS", None)),
        (b"/a/;UID=7/;SECTION=TEXT/;PARTIAL=0.1024", ("a", None, 7, (), "TEXT", (0, 1024))),
        (b"/a/;UID=7/;PARTIAL=9", ("a", None, 7, (), "", (9, 0xFFFFFFFF))),
        (b";UID=7/;SECTION=1", (None, None, 7, (1,), "", None)),
        *[(url, None) for url in (
            b"", b"/", b"/INBOX", b"/INBOX;UID=7", b"INBOX/;UID=7", b"//host/INBOX/;UID=7", b"imap://h/INBOX/;UID=7",
            b"/INBOX/;UID=0", b"/INBOX/;UID=x", b"/INBOX;UIDVALIDITY=0/;UID=7", b"/INBOX/;UID=7/", b"/INBOX/;UID=7 ",
            b"/INBOX/;UID=7;URLAUTH=anonymous:internal:0", b"/%ff/;UID=7", b"/a%00b/;UID=7", b"/a%2f%2fb/;UID=7",
            b"/INBOX/;UID=7/;SECTION=", b"/INBOX/;UID=7/;SECTION=MIME", b"/INBOX/;UID=7/;SECTION=1]",
            b"/INBOX/;UID=7/;SECTION=%00", b"/INBOX/;UID=7/;PARTIAL=1.0", b"/INBOX/;UID=7\n",
        )],
    ]

    def test_read(self) -> None:
        """Each is read as what it says, or not at all."""
        for octets, expected in self.CASES:
            if expected is None:
                self.assertRaises(BadUrl, message_url, octets)
                continue
            url = message_url(octets)
            section = url.section
            self.assertEqual(
                (url.mailbox, url.uidvalidity, url.uid, section.path, section.text, section.partial), expected)

    def test_shown(self) -> None:
        """In the response a URL is printable, without the bracket that would end it."""
        self.assertEqual(shown(b"/a]\r\n\xff\0 b"), "/a%5D%0D%0A%FF%00 b")
        self.assertLess(len(shown(b"\0" * 100_000)), 2000)

    def test_linear(self) -> None:
        """A long URL costs no more than its length."""
        began = time.process_time()
        for octets in (b"/" * 8000, b"/a;" * 2700, b"/" + b"a" * 8000, b"/a/;UID=7/;SECTION=" + b"a/" * 4000):
            self.assertRaises(BadUrl, message_url, octets)
        self.assertLess(time.process_time() - began, 0.5)

    @given(st.binary(max_size=60))
    def test_any(self, octets: bytes) -> None:
        """Whatever stands in it, nothing but `BadUrl` comes of it."""
        for url in (octets, b"/INBOX/;UID=7/;SECTION=" + octets, b"/" + octets + b"/;UID=7"):
            try:
                message_url(url)
            except BadUrl:
                self.assertTrue(shown(url).isprintable())
