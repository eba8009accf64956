"""Tests of quantummail.message.search_text and search_fields."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.description import describe
from quantummail.message.headers import Headers
from quantummail.message.search_fields import search_fields
from quantummail.message.search_text import Finder, body_text, fold, header_lines, read_header

NESTED = (
    b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
    b"--a\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
    b"--b\r\n\r\nplain   part\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>html&nbsp;part</p>\r\n--b--\r\n"
    b"--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: =?utf-8?q?inn=C3=A9r?=\r\n"
    b"Content-Type: multipart/mixed; boundary=c\r\n\r\n"
    b"--c\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    + "Привет".encode("koi8_r") + b"\r\n--c--\r\n"
    b"--a\r\nContent-Type: application/pdf\r\n"
    b"Content-Disposition: attachment; filename*=utf-8''%C3%BCber%20uns.pdf\r\n\r\nnot a text\r\n--a--\r\n"
)


def body_of(message: bytes) -> str:
    """The text of a message's body."""
    return "".join(body_text(describe(message).parts, lambda start, end: message[start:end]))


class FoldTests(SynchronousTestCase):
    """The form in which texts are compared."""

    def test_cases(self) -> None:
        """Case, composition, width, invisible characters and white space make no difference."""
        for one, other in (
            ("GRÜSSE", "grüße"), ("e\u0301tat", "ÉTAT"), ("\uff21BC", "abc"), ("ﬁn", "FIN"), ("a\u00a0\t\r\n b", "A B"),
            ("in\u00advoice", "invoice"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("a\0b", "a b"), ("I", "\u0131"),
        ):
            self.assertEqual(fold(one), fold(other), (one, other))
        self.assertEqual((fold(""), fold(" \r\n"), fold(" a ")), ("", " ", " a "))

    @given(st.text(st.characters(), max_size=30))
    def test_clean(self, text: str) -> None:
        """What SQLite or the separators of the index would stumble over is not in it."""
        folded = fold(text)
        folded.encode()
        self.assertNotIn("\n", folded)
        self.assertNotIn("\0", folded)
        self.assertNotIn("  ", folded)


class BodyTextTests(SynchronousTestCase):
    """What is found in bodies."""

    def test_nested(self) -> None:
        """Parts of any depth, messages inside with their headers, and the names of attachments."""
        text = body_of(NESTED)
        for wanted in ("plain part", "html part", "subject: innér", "привет", "filename=über uns.pdf"):
            self.assertIn(fold(wanted), text, wanted)
        for unwanted in ("outer", "not a text", "--a", "part subject"):
            self.assertNotIn(fold(unwanted), text, unwanted)

    def test_header(self) -> None:
        """Every field is a line, encoded words decoded; of the fields with keys of their own the values are kept."""
        message = (
            b"From: =?iso-8859-1?q?J=FCrgen?= <j@example.test>\r\nFROM: second@example.test\r\n"
            b"Subject: a\r\n  folded   one\r\nDate: Mon, 1 Feb 2021 23:30:00 -0800\r\nX-Odd : y\r\n\r\n"
        )
        headers = read_header(lambda start, end: message[start:end], len(message))
        self.assertIn(fold("from: Jürgen <j@example.test>"), list(header_lines(headers)))
        self.assertIn("x-odd: y", list(header_lines(headers)))
        fields = search_fields(headers)
        self.assertEqual(fields.from_, fold("Jürgen <j@example.test>") + "\nsecond@example.test")
        self.assertEqual((fields.subject, fields.to, fields.sent_day), ("a folded one", None, 18659))

    def test_long_header(self) -> None:
        """A header is searched up to 256 KB."""
        message = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(400)) + b"\r\n"
        lines = list(header_lines(read_header(lambda start, end: message[start:end], len(message))))
        self.assertTrue(lines[200].startswith("x-200: y"))
        self.assertLess(len(lines), 300)

    def test_lines_without_colon(self) -> None:
        """Lines of a header that are no fields are searched too (RFC 3501 6.4.4, TEXT)."""
        headers = Headers.scan(
            b" folded first\r\nSubject: a\r\nno colon Gr\xc3\xbc\xc3\x9fe\r\nTo: b\r\nlast\r\n\r\nbody\r\n")
        self.assertEqual(
            list(header_lines(headers)), ["folded first", "subject: a", fold("no colon Grüße"), "to: b", "last"])

    def test_odd_addresses(self) -> None:
        """An address is found as ENVELOPE shows it, wherever comments and white space stand (RFC 3501 6.4.4)."""
        for written in ("<joe (c)@ (d) example.org>", "joe @ example.org", '"joe"@example.org', "joe@example\r\n .org",
                        "jo\\e@example.org", "G: joe@ example.org;"):
            fields = search_fields(Headers.scan(f"From: {written}\r\n\r\n".encode()))
            self.assertIn("joe@example.org", fields.from_ or "", written)
        self.assertEqual(search_fields(Headers.scan(b'To: "J" <j@example.org>\r\n\r\n')).to, '"j" <j@example.org>')

    def test_odd_dates(self) -> None:
        """A leap second belongs to its day; white space may stand in the time; of two dates the shown one counts."""
        for header in (b"Date: Mon, 1 Feb 2021 23:59:60 +0100", b"Date: Mon, 1 Feb 2021 10 : 00 : 00 +0100",
                       b"Date: Sun, 31 Jan 2021 10:00:00 +0000\r\nDate: Mon, 1 Feb 2021 10:00:00 +0000"):
            self.assertEqual(search_fields(Headers.scan(header + b"\r\n\r\n")).sent_day, 18659, header)

    def test_no_date(self) -> None:
        """What is no date is on no day."""
        self.assertEqual(search_fields(Headers.scan(b"Date: whenever\r\n\r\n")).sent_day, None)


class FinderTests(SynchronousTestCase):
    """Texts in pieces."""

    @given(st.text("abs", max_size=30), st.text("abs", min_size=1, max_size=4), st.integers(1, 10))
    def test_pieces_do_not_matter(self, text: str, wanted: str, size: int) -> None:
        """A text is found across the borders of pieces, and only if it is there."""
        finder = Finder({wanted})
        for start in range(0, len(text), size):
            finder.feed(text[start : start + size])
        self.assertEqual(not finder.missing, wanted in text)
