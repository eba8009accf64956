"""Tests of quantummail.message.preview."""

from __future__ import annotations

import base64
import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.description import describe
from quantummail.message.preview import LENGTH, preview


def shown(message: bytes) -> str:
    return preview(describe(message).parts, lambda start, end: message[start:end])


class PreviewTests(SynchronousTestCase):
    """What of a message is shown."""

    CASES: list[tuple[bytes, str]] = [
        (b"", ""),
        (b"Subject: x\r\n\r\n", ""),
        (b"Subject: x\r\n\r\n  one\r\n\ttwo  \r\n\r\nthree\r\n", "one two three"),
        ((b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
          b"Gr=FC=DFe=\r\nn\r\n"), "Gr\u00fc\u00dfen"),
        (b"Content-Type: text/html\r\n\r\n<html><style>p {}</style><p>One<b>word</b><br>&amp; two</p>",
         "Oneword & two"),
        (b"\r\n> what you said\r\n> is right\r\nIt is not\r\n", "It is not"),
        (b"\r\n> only\r\n> this\r\n", "> only > this"),
        (b"Content-Type: application/pdf\r\n\r\nwords\r\n", ""),
        ((b"Content-Type: multipart/mixed; boundary=b\r\n\r\nno\r\n--b\r\nContent-Type: text/plain\r\n\r\n \r\n"
          b"--b\r\nContent-Type: image/png\r\n\r\nno\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>yes\r\n--b--\r\n"),
         "yes"),
        ("Content-Type: text/html; charset=utf-8\r\n\r\n\u200b&#847; &zwnj; \u200c a\u200cb\u00ad\r\n".encode(),
         "a\u200cb"),
        ((b"Content-Type: multipart/encrypted; boundary=b\r\n\r\n--b\r\n"
          b"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n--b--\r\n"), ""),
        (b"\r\na\0b\x1bc\r\n", "abc"),
    ]

    def test_shown(self) -> None:
        """The words of the first part with a text, as people read them."""
        for message, expected in self.CASES:
            self.assertEqual(shown(message), expected, message)

    def test_length(self) -> None:
        """It is cut after 200 characters, not between a letter and its accents."""
        self.assertEqual(shown(b"\r\n" + b"x" * 1000), "x" * LENGTH)
        text = "x" * (LENGTH - 1) + "e\u0301" + "y" * 50
        self.assertEqual(shown(b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + text.encode()),
                         "x" * (LENGTH - 1))

    def test_style(self) -> None:
        """HTML may begin with much that nobody sees."""
        page = b"<style>" + b"p { color: red }\r\n" * 5000 + b"</style><p>Hello</p>"
        message = b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(page)
        self.assertEqual(shown(message), "Hello")

    def test_bounded(self) -> None:
        """However large a part is, little of it is read."""
        for text in (b" ", b"> x\r\n", b"<p>", b"&nbsp;", b"x"):
            for kind in (b"plain", b"html"):
                message = b"Content-Type: text/%b\r\n\r\n%b" % (kind, text * 300_000)
                parts = describe(message).parts
                read: list[int] = []

                def count(start: int, end: int, message: bytes = message, read: list[int] = read) -> bytes:
                    read.append(end - start)
                    return message[start:end]

                began = time.process_time()
                self.assertLessEqual(len(preview(parts, count)), LENGTH)
                self.assertLess(time.process_time() - began, 1.0)
                self.assertLess(sum(read), 400_000)

    @given(st.binary(max_size=300))
    def test_any(self, body: bytes) -> None:
        """Whatever is in a message, what is shown can be sent."""
        for kind in (b"plain", b"html; charset=utf-16", b"plain; charset=utf-7", b"html"):
            found = shown(b"Content-Type: text/%b\r\n\r\n%b" % (kind, body))
            self.assertLessEqual(len(found), LENGTH)
            self.assertNotIn(b"\0", found.encode())
            self.assertNotIn("\n", found)
