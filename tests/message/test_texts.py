"""Values of header fields: encoded words, dates, identifiers, base subjects."""

from __future__ import annotations

import codecs

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.date import parse_date
from quantummail.message.encoded_word import codec, decode_charset, decode_text
from quantummail.message.message_id import message_id, message_ids
from quantummail.message.subject import base_subject, split_subject

WORDS = [
    (b"plain", "plain"),
    (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
    (b"=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
    (b"=?utf-8?b?R3LDvMOfZQ?=", "Grüße"),
    (b"=?iso-8859-1?Q?a_b=5F?= c", "a b_ c"),
    (b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
    (b"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
    (b"=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
    (b"=?utf-8?q?=C3?= =?iso-8859-1?q?=BC?=", "\ufffd¼"),
    (b"=?utf-8*de?q?a?=", "a"),
    (b"x=?utf-8?q?a?=y", "xay"),
    (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
    (b"=?utf-8?q?a", "=?utf-8?q?a"),
    (b"=?utf-8?q??=", ""),
    (b"=?utf-8?b?!!!!?=", ""),
    (b"=?gb2312?B?xOO6ww==?=", "你好"),
    (b"=?iso-2022-jp?B?GyRCRnxLXDhsGyhC?=", "日本語"),
    (b"=?koi8-r?B?8NLJ18XU?=", "Привет"),
    (b"=?utf-7?q?+AGE-?=", "+AGE-"),
    (b"=?rot13?q?nop?=", "nop"),
    (b"=?idna?q?xn--a?=", "xn--a"),
    (b"=?utf-8?q?a=0D=0AB=0Acc:_x?=", "a B cc: x"),
    (b"=?utf-8?b?4oCu?=evil", " evil"),
    (b"\xc3\xbc", "ü"),
    (b"\xfc", "ü"),
]

DATES = [
    (b"Thu, 1 Jan 1970 00:00:00 +0000", 0),
    (b"Fri, 20 Nov 2026 08:59:58 +0000", 1795165198),
    (b"20 Nov 2026 09:59:58 +0100", 1795165198),
    (b"Fri, 20 Nov 2026 03:59:58 EST", 1795165198),
    (b"Fri, 20 Nov 2026 01:59:58 -0700 (MST)", 1795165198),
    (b"Fri, 20 Nov 2026 08:59:58", 1795165198),
    (b"Fri, 20 Nov 2026 08:59:58 Z", 1795165198),
    (b"Fri, 20 Nov 2026 08:59:58 XYZ", 1795165198),
    (b"Fri,20-Nov-26 08:59:58 GMT", 1795165198),
    (b" fri , 20 nov 2026\r\n 08:59:58 -0000", 1795165198),
    (b"Fri (day), 20 Nov (m) 2026 08:59:58 (time) +0000", 1795165198),
    (b"Friday, 20 November 2026 08:59:58 GMT", 1795165198),
    (b"Fri Nov 20 08:59:58 2026", 1795165198),
    (b"Fri Nov 20 09:59:58 2026 +0100", 1795165198),
    (b"Fri Nov 20 03:59:58 EST 2026", 1795165198),
    (b"Fri, 20 Nov 2026 08:59 +0000", 1795165140),
    (b"Fri, 20 Nov 2026 08.59.58 +0000", 1795165198),
    (b"Fri, 20 Nov 126 08:59:58 +0000", 1795165198),
    (b"31 Dec 2016 23:59:60 +0000", 1483228800),
    (b"29 Feb 2000 00:00:00 +0000", 951782400),
    (b"31 Dec 69 23:59:59 +0000", -1),
    (b"1 Jan 49 00:00:00 +0000", 2493072000),
    (b"Fri, 20 Nov 2026 08:59:58 +9959", 1795165198 - 99 * 3600 - 59 * 60),
    (b"30 Feb 2026 00:00:00 +0000", None),
    (b"29 Feb 1900 00:00:00 +0000", None),
    (b"32 Jan 2026 00:00:00 +0000", None),
    (b"0 Jan 2026 00:00:00 +0000", None),
    (b"1 Foo 2026 00:00:00 +0000", None),
    (b"1 Jan 2026 24:00:00 +0000", None),
    (b"1 Jan 2026 00:60:00 +0000", None),
    (b"1 Jan 2026 00:00:61 +0000", None),
    (b"1 Jan 2026 00:00:00 +0060", None),
    (b"1 Jan 0000 00:00:00 +0000", None),
    (b"1 Jan 20266 00:00:00 +0000", None),
    (b"", None),
    (b"yesterday", None),
    (b"2026-11-20T08:59:58Z", None),
    (b" " * 300 + b"1 Jan 2026 00:00:00 +0000", None),
]

SUBJECTS = [
    ("", ""), ("Lunch", "Lunch"), ("Re: Lunch", "Lunch"), ("RE:Lunch", "Lunch"), ("re : Lunch", "Lunch"),
    ("Fwd: Re: Fw: Lunch", "Lunch"), ("Re[2]: Lunch", "Lunch"), ("Re [x] : Lunch", "Lunch"), ("[list] Lunch", "Lunch"),
    ("Re: [list] Lunch", "Lunch"), ("[list] Re: [other] Re: Lunch", "Lunch"), ("Lunch (fwd)", "Lunch"),
    ("Lunch (FWD) (fwd) ", "Lunch"), ("[fwd: Lunch]", "Lunch"), ("[Fwd: [fwd: Re: Lunch (fwd)]]", "Lunch"),
    ("[list]", "[list]"), ("[a] [b]", "[b]"), ("[a][b]", "[b]"), ("Re: [a]", "[a]"), ("Re:", ""), ("Re: Re:", ""),
    ("(fwd)", ""), ("Retry: x", "Retry: x"), ("Lunch Re: x", "Lunch Re: x"), ("  a \t b ", "a b"), ("[a", "[a"),
    ("[fwd: ]", ""), ("[fwd:", "[fwd:"), ("Fw[d]: x", "x"), ("[fwd: a] b", "b"),
]


class EncodedWordTests(SynchronousTestCase):
    """decode_text."""

    def test_cases(self) -> None:
        """Words of known character sets are decoded, all else is left as it is, on one line."""
        for value, text in WORDS:
            self.assertEqual(decode_text(value), text, value)

    def test_unknown_charsets(self) -> None:
        """Codecs that are no character sets are never used, whatever Python knows under the name (faults.md M6)."""
        for charset in ("utf-7", "idna", "punycode", "unicode_escape", "hex", "zlib", "rot13", "utf-16", "undefined"):
            self.assertEqual(decode_charset(b"+AGE- \\u0041 78", charset), "+AGE- \\u0041 78", charset)

    def test_codecs_exist(self) -> None:
        """Every character set we name is one that Python has, whatever the case of its name."""
        for charset in ("UTF-8", "us-ascii", "ISO-8859-16", "Windows-1252", "koi8-u", "GB2312", "iso-2022-jp"):
            codecs.lookup(codec(charset) or "")
        self.assertIsNone(codec("utf-7"))

    @given(st.lists(st.sampled_from([
        b"=?utf-8?q?", b"=?iso-2022-jp?b?", b"=?gb18030?Q?", b"=?", b"?=", b"=", b"C3", b"_", b" ", b"\x1b$B", b"YQ==",
        b"\r\n", b"\xff", b"?", b"big5",
    ]), max_size=20).map(b"".join))
    def test_never_raises(self, value: bytes) -> None:
        """Any octets give a text that cannot break a line."""
        self.assertNotIn("\n", decode_text(value))
        self.assertNotIn("\r", decode_text(value))


class DateTests(SynchronousTestCase):
    """parse_date."""

    def test_cases(self) -> None:
        """Dates of today, of RFC 822 and of ctime are understood, impossible ones are none."""
        for value, expected in DATES:
            self.assertEqual(parse_date(value), expected, value)

    @given(st.binary(max_size=60) | st.lists(st.sampled_from([
        b"Fri, ", b"20", b" ", b"Nov", b"2026", b":", b"59", b"+0000", b"(", b")", b"-", b"EST", b"9999",
    ]), max_size=16).map(b"".join))
    def test_never_raises(self, value: bytes) -> None:
        """Any octets give a number or None."""
        result = parse_date(value)
        self.assertTrue(result is None or abs(result) < 1 << 40)


class MessageIdTests(SynchronousTestCase):
    """message_ids and message_id."""

    def test_list(self) -> None:
        """All identifiers are found between words, comments and folding."""
        self.assertEqual(
            message_ids(b"Alice's message of <a@b>\r\n\t<c@d>(x)<e\r\n f@g> <> <h"), ("<a@b>", "<c@d>", "<ef@g>"))

    def test_single(self) -> None:
        """Message-ID is its first identifier, or its value when there are no brackets."""
        self.assertEqual(message_id(b" <a@b> <c@d>"), "<a@b>")
        self.assertEqual(message_id(b" a@b "), "a@b")
        self.assertEqual(message_id(b""), "")

    def test_limits(self) -> None:
        """Endless lists and endless identifiers are cut."""
        self.assertEqual(len(message_ids(b"<a@b>" * 5000)), 1000)
        self.assertEqual(message_ids(b"<" + b"a" * 2000 + b">"), ())


class BaseSubjectTests(SynchronousTestCase):
    """base_subject."""

    def test_cases(self) -> None:
        """Leaders, trailers, blobs and forwards go as RFC 5256 2.1 says."""
        for subject, base in SUBJECTS:
            self.assertEqual(base_subject(subject), base, subject)

    def test_answers(self) -> None:
        """What is taken away makes a reply or forward, unless it is a list's blob or space."""
        for subject in (
            "Re: x", "FW: x", "fwd: x", "x (fwd)", "[l] Re: x", "[fwd: x]", "re[2]: x", "Re:", "[fwd: Re: x]",
        ):
            self.assertTrue(split_subject(subject)[1], subject)
        for subject in ("x", "", " [l] x ", "[l]", "rex", "reply: x", "(fwd", "[fwd: x", "fwd", "x)"):
            self.assertFalse(split_subject(subject)[1], subject)

    @given(st.lists(
        st.sampled_from(["Re:", "[a]", "[fwd:", "]", "(fwd)", " ", "x", "[", "fw", ":"]), max_size=12).map("".join))
    def test_idempotent(self, subject: str) -> None:
        """A base subject has nothing more to take away."""
        base = base_subject(subject)
        self.assertEqual(base_subject(base), base)
