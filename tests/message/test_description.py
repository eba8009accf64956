"""Whole messages: a corpus of awkward ones, and hostile ones in bounded time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.description import Description, describe
from tests.message.rendering import rendering

CORPUS = Path(__file__).parent / "corpus"

# Attacks of faults.md take milliseconds here; a busy machine may need many times as long, a quadratic parser minutes
PATIENCE = 3.0

_string = re.compile(rb'"(?:[\x01-\x09\x0b\x0c\x0e-!#-\[\]-\x7f]|\\["\\])*"|\{(\d+)\}\r\n|[ ()]|NIL|\d+')


def is_well_formed(response: bytes) -> bool:
    """Whether a response is a list of balanced parentheses, strings and numbers, nothing else."""
    position = depth = 0
    while position < len(response):
        match = _string.match(response, position)
        if match is None:
            return False
        position = match.end() + int(match[1] or 0)
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
        if depth == 0 and position != len(response):
            return False
    return depth == 0 and position == len(response)


class CorpusTests(SynchronousTestCase):
    """The messages of tests/message/corpus with what is expected beside them."""

    maxDiff = None

    def test_corpus(self) -> None:
        """Each message is rendered as it is written down beside it."""
        messages = sorted(CORPUS.glob("*.eml"))
        self.assertGreater(len(messages), 50)
        for message in messages:
            data = message.read_bytes()
            expected = message.with_suffix(".expected").read_text(encoding="utf-8")
            self.assertEqual(rendering(describe(data), data), expected, message.name)

    def test_well_formed(self) -> None:
        """What clients get is always IMAP's syntax."""
        for message in CORPUS.glob("*.eml"):
            description = describe(message.read_bytes())
            for response in (description.envelope, description.body, description.bodystructure):
                self.assertTrue(is_well_formed(response), message.name)

    def test_cut_anywhere(self) -> None:
        """A message that breaks off anywhere is still described."""
        for message in CORPUS.glob("*.eml"):
            data = message.read_bytes()
            for end in range(0, len(data), 37):
                self.assertTrue(is_well_formed(describe(data[:end]).bodystructure), message.name)


class AnyOctetsTests(SynchronousTestCase):
    """describe never raises."""

    @given(st.binary(max_size=300))
    def test_binary(self, data: bytes) -> None:
        """Random octets are a message."""
        self._check(data)

    @given(st.lists(st.sampled_from([
        b"From", b"Subject", b"Date", b"Content-Type", b"Content-Disposition", b": ", b":", b"\r\n",
        b"\r\n ", b"\n", b'"', b"\\", b"<", b">", b"a@b", b",", b";", b"(", b")", b"=?utf-8?q?", b"?=",
        b"multipart/mixed; boundary=x", b"--x", b"\0", b"\xff", b"text/plain", b"n*0*=x", b"\r", b"\t",
        b"References", b"Content-Language", b"Content-Location", b"Content-MD5",
    ]), max_size=40).map(b"".join))
    def test_header_like(self, data: bytes) -> None:
        """Nor does anything that looks like a header break it."""
        self._check(data)

    def _check(self, data: bytes) -> None:
        description = describe(data)
        for response in (description.envelope, description.body, description.bodystructure):
            self.assertTrue(is_well_formed(response), response)
        for text in (description.subject, description.base_subject, description.from_, description.message_id):
            self.assertNotIn("\n", text)
        rendering(description, data)


def nested(kind: bytes, depth: int) -> bytes:
    """A message of `depth` levels."""
    if kind == b"message":
        return b"Content-Type: message/rfc822\r\n\r\n" * depth
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=b%05d\r\n\r\n--b%05d\r\n" % (level, level) for level in range(depth))


def everything(description: Description) -> None:
    """Ask for all that is worked out late."""
    _ = (
        description.subject, description.base_subject, description.from_, description.to, description.cc,
        description.sent, description.message_id, description.in_reply_to, description.references,
    )


N = 1_000_000
MULTIPART = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n"
DEEP = nested(b"multipart", 100)

HOSTILE: list[tuple[str, Callable[[], bytes]]] = [
    ("M1 depth 10 000, multipart", lambda: nested(b"multipart", 10_000)),
    ("M1 depth 10 000, message", lambda: nested(b"message", 10_000)),
    ("M1 100 000 parts", lambda: MULTIPART + b"--a\r\n\r\nx\r\n" * 100_000),
    ("M1 100 000 parts without a header", lambda: MULTIPART + b"--a\r\n" * 100_000),
    ("M1 10 000 multiparts", lambda: MULTIPART + (b"--a\r\n" + MULTIPART[:-4] + b"b\r\n\r\n--ab--\r\n") * 10_000),
    ("M1 300 000 lines at depth 100", lambda: DEEP + b"x\r\n" * 300_000),
    ("M1 almost delimiters at depth 100", lambda: DEEP + b"--\r\n" * (N // 4)),
    ("M1 delimiters of other boundaries at depth 100", lambda: DEEP + b"--b\r\n--c99999999999999999\r\n" * (N // 26)),
    ("M1 one line of dashes", lambda: MULTIPART + b"-" * N),
    ("M1 parts whose headers never end", lambda: MULTIPART + b"--a\r\nX: y\r\n" * (N // 11)),
    ("M2 To of 1 MB", lambda: b"To: " + b"a@b, " * (N // 5) + b"\r\n\r\n"),
    ("M2 To of commas", lambda: b"To: " + b"," * N + b"\r\n\r\n"),
    ("M2 To of brackets", lambda: b"To: " + b"<" * N + b"\r\n\r\n"),
    ("M2 To of comments", lambda: b"To: " + b"(" * N + b"\r\n\r\n"),
    ("M2 To of quotes", lambda: b"To: " + b'"\\' * (N // 2) + b"\r\n\r\n"),
    ("M2 To of routes", lambda: b"To: <@" + b"a,@" * (N // 3) + b"\r\n\r\n"),
    ("M2 To of words", lambda: b"To: " + b"a " * (N // 2) + b"\r\n\r\n"),
    ("M2 folded without end", lambda: b"To: a\r\n" + b" b\r\n" * (N // 4) + b"\r\n"),
    ("M2 100 000 fields", lambda: b"X: y\r\n" * 100_000 + b"\r\n"),
    ("M2 100 000 From fields", lambda: b"From: a@b\r\n" * 100_000 + b"\r\n"),
    ("M2 100 000 lines without a colon", lambda: b"xxxxxxxx\r\n" * 100_000 + b"\r\n"),
    ("M3 200 000 semicolons", lambda: b'Content-Type: a/b; a="' + b";" * 200_000 + b"\r\n\r\n"),
    ("M3 open quotes", lambda: b"Content-Type: a/b" + b';a="\\' * 50_000 + b"\r\n\r\n"),
    ("M3 white space", lambda: b"Content-Type: a/b; a=" + b" " * 200_000 + b"b\r\n\r\n"),
    ("M3 comments", lambda: b"Content-Type: " + b"(" * 200_000 + b"\r\n\r\n"),
    ("M3 encoded words", lambda: b"Subject: " + b"=?utf-8?q?" * 20_000 + b"\r\n\r\n"),
    ("M3 encoded words, two charsets", lambda: b"Subject: " + b"=?utf-8?b?YQ==?= =?big5?q?a?= " * 8_000 + b"\r\n\r\n"),
    ("M3 a blob for a subject", lambda: b"Subject: " + b"[a]" * 80_000 + b"\r\n\r\n"),
    ("M3 forwards", lambda: b"Subject: " + b"[fwd:" * 25_000 + b"]" * 25_000 + b"(fwd)" * 10_000 + b"\r\n\r\n"),
    ("M3 references", lambda: b"References: " + b"<a" * 120_000 + b"\r\n\r\n"),
    ("M3 a date of brackets", lambda: b"Date: " + b"(" * 200_000 + b"\r\n\r\n"),
    ("M4 16 000 parameters", lambda: b"Content-Type: a/b" + b"; a=b" * 16_000 + b"\r\n\r\n"),
    ("M4 16 000 continuations", lambda: b"Content-Type: a/b;" + b";".join(b"a*%d=b" % n for n in range(16_000)) ),
    ("M6 iso-2022-jp", lambda: b"Subject: =?iso-2022-jp?q?" + b"\x1b$B" * 60_000 + b"?=\r\n\r\n"),
    ("NUL", lambda: b"\0" * N),
    ("CR", lambda: b"\r" * N),
    ("LF", lambda: b"\n" * N),
    ("colons", lambda: b":\n" * (N // 2)),
    ("one long line", lambda: b"From: " + b"x" * N),
]


class HostileTests(SynchronousTestCase):
    """Attacks on parsers of mail (faults.md M1 to M6): linear, and nothing recurses."""

    def test_bounded(self) -> None:
        """Each hostile megabyte is described within the bound, and what comes out is well-formed."""
        for name, make in HOSTILE:
            data = make()
            began = time.perf_counter()
            description = describe(data)
            everything(description)
            self.assertLess(time.perf_counter() - began, PATIENCE, name)
            self.assertTrue(is_well_formed(description.envelope), name)
            self.assertTrue(is_well_formed(description.bodystructure), name)

    def test_large(self) -> None:
        """A message of 25 MB with one attachment is a matter of finding its end."""
        line = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n"
        data = (
            MULTIPART + b"--a\r\n\r\ntext\r\n"
            + b"--a\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + line * 330_000 + b"--a--\r\n")
        began = time.perf_counter()
        description = describe(data)
        self.assertLess(time.perf_counter() - began, 1.0)
        self.assertIn(b'"base64" %d' % (len(line) * 330_000 - 2), description.body)
