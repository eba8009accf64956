"""Tests of quantummail.message.part_text."""

from __future__ import annotations

import base64
import codecs
import quopri

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.headers import Headers
from quantummail.message.part_text import PartText
from quantummail.message.parts import PartRange

WORD = "Grüße, 世界"


def text_of(octets: bytes, content_type: str, encoding: str = "8bit", size: int = 0) -> str:
    """The text of a part, given in pieces of this size (0: whole)."""
    media = content_type.partition(";")[0]
    part = PartRange(0, 0, len(octets), False, 0, 0, media, encoding)
    reader = PartText(part, Headers.scan(f"Content-Type: {content_type}\r\n\r\n".encode()))
    size = size or len(octets) or 1
    return "".join(
        reader.decode(octets[start : start + size], final=start + size >= len(octets))
        for start in range(0, len(octets), size))


class PartTextTests(SynchronousTestCase):
    """Texts as they are sent."""

    CASES = [
        ("こんにちは".encode("iso2022_jp"), "text/plain; charset=iso-2022-jp", "7bit", "こんにちは"),
        ("你好世界".encode("gb18030"), "text/plain; charset=gb2312", "8bit", "你好世界"),
        ("Привет".encode("koi8_r"), "text/plain; charset=KOI8-R", "8bit", "Привет"),
        # mislabelled: “quotes” of Windows, as everybody shows them
        (b"\x93Gr\xfc\xdfe\x94", "text/plain; charset=iso-8859-1", "8bit", "“Grüße”"),
        (b"Gr\xfc\xdfe", "text/plain; charset=us-ascii", "8bit", "Grüße"),
        (b"Gr\xfc\xdfe", "text/plain; charset=utf-8", "8bit", "Grüße"),
        (b"Gr\xfc\xdfe", "text/plain; charset=x-nobody-knows", "8bit", "Grüße"),
        ("Grüße".encode(), "text/plain", "8bit", "Grüße"),
        # soft line breaks inside of a word and of a character
        (b"inv=\r\noice Gr=C3=\r\n=BC=C3=9Fe", "text/plain; charset=utf-8", "quoted-printable", "invoice Grüße"),
        (b"=FCb=zz", "text/plain; charset=iso-8859-1", "quoted-printable", "üb=zz"),
        # base64 cut anywhere, with foreign characters, without its padding, in two runs
        (b"R3L\r\nDvM\r\n Of-ZQ==", "text/plain; charset=utf-8", "base64", "Grüße"),
        (b"R3LDvMOfZQ", "text/plain; charset=utf-8", "base64", "Grüße"),
        (b"aGVsbG8=\r\nd29ybGQ=\r\n", "text/plain", "base64", "helloworld"),
        (b"<p>Gr&uuml;&#223;e</p>", "text/html", "8bit", " Grüße "),
        ('<meta charset="koi8-r"><p>Привет'.encode("koi8_r"), "text/html", "8bit", "  Привет"),
    ]

    def test_cases(self) -> None:
        """Transfer encodings and character sets come out as text, in any pieces."""
        for octets, content_type, encoding, expected in self.CASES:
            for size in (0, 1, 2, 3, 7):
                if size and b"<meta" in octets:
                    continue
                found = text_of(octets, content_type, encoding, size)
                self.assertEqual(found, expected, (octets, content_type, size))

    def test_utf_16(self) -> None:
        """The first octets tell the order of the others, which is the network's where they do not."""
        for octets in (codecs.BOM_UTF16_LE + WORD.encode("utf-16-le"), WORD.encode("utf-16-be")):
            self.assertEqual(text_of(octets, "text/plain; charset=utf-16", "8bit").strip("\ufeff"), WORD)

    @given(st.text(max_size=300), st.sampled_from(["base64", "quoted-printable", "8bit"]), st.integers(1, 50))
    def test_pieces_do_not_matter(self, text: str, encoding: str, size: int) -> None:
        """However the octets are cut, the text comes out whole."""
        text = text.encode("utf-8", "ignore").decode().replace("\r", "").replace("\x00", "")
        octets = text.encode()
        octets = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}.get(encoding, bytes)(octets)
        self.assertEqual(text_of(octets, "text/plain; charset=utf-8", encoding, size), text)

    @given(st.binary(max_size=200), st.sampled_from(["utf-8", "iso-2022-jp", "gb18030", "big5", "euc-kr", "utf-16"]))
    def test_never_raises(self, octets: bytes, charset: str) -> None:
        """Any octets become some text."""
        for encoding in ("base64", "quoted-printable", "8bit"):
            text_of(octets, f"text/html; charset={charset}", encoding, 7)
