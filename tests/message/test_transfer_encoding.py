"""Tests of quantummail.message.transfer_encoding."""

from __future__ import annotations

import base64
import quopri
import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.transfer_encoding import Base64Encoder, TransferDecoder


def decoded(encoding: str, octets: bytes, piece: int = 1 << 30) -> bytes:
    """The octets in pieces, the last of which may be empty."""
    decoder = TransferDecoder(encoding)
    pieces = [decoder.decode(octets[start : start + piece], final=False) for start in range(0, len(octets), piece)]
    return b"".join(pieces) + decoder.decode(b"", final=True)


class TransferDecoderTests(SynchronousTestCase):
    """Encodings undone."""

    CASES: list[tuple[str, bytes, bytes]] = [
        ("7bit", b"a=41\r\n", b"a=41\r\n"),
        ("binary", b"\0\n\r", b"\0\n\r"),
        ("base64", b"", b""),
        ("base64", b"aGVs\r\nbG8g d29y\r\nbGQ=\r\n", b"hello world"),
        ("base64", b"aGVsbG8", b"hello"),
        ("base64", b"aGVsbG8=aGVsbG8=", b"hellohello"),
        ("base64", b"aGVs!!bG8=*", b"hello"),
        ("base64", b"aGVsb", b"hel"),
        ("base64", b"a", b""),
        ("base64", b"====", b""),
        ("base64", b"=aGVs", b"hel"),
        ("base64", b"\xff\xfe-_", b""),
        ("quoted-printable", b"a=3Db=\r\nc\r\n", b"a=bc\r\n"),
        ("quoted-printable", b"a \t\r\nb =20\r\nc= \r\nd ", b"a\r\nb  \r\ncd"),
        ("quoted-printable", b"a=ZZ=\x80=", b"a=ZZ=\x80"),
        ("quoted-printable", b"=3d=C3=bc", b"=\xc3\xbc"),
    ]

    def test_whole_and_in_pieces(self) -> None:
        """The same octets come out however they are cut."""
        for encoding, octets, expected in self.CASES:
            for piece in (1 << 30, 1, 2, 3, 5):
                self.assertEqual(decoded(encoding, octets, piece), expected, (encoding, octets, piece))

    def test_line_without_end(self) -> None:
        """A quoted-printable line that never ends is not collected, and no escape is torn."""
        octets = b"ab=3D \t" * 100_000
        decoder = TransferDecoder("quoted-printable")
        most, result = 0, b""
        for start in range(0, len(octets), 1001):
            result += decoder.decode(octets[start : start + 1001], final=False)
            most = max(most, len(decoder._rest))
        self.assertEqual(result + decoder.decode(b"", final=True), (b"ab= \t" * 100_000)[:-2])
        self.assertLess(most, 70_000)

    def test_unknown(self) -> None:
        """What we do not know is said."""
        self.assertEqual([TransferDecoder.knows(one) for one in ("base64", "8bit", "", "x-uuencode")],
                         [True, True, False, False])

    def test_linear(self) -> None:
        """Spaces and padding without end cost no more than other octets."""
        for encoding, octets in (("quoted-printable", b" " * 1_000_000), ("base64", b"A=" * 500_000)):
            began = time.process_time()
            decoded(encoding, octets, 65536)
            self.assertLess(time.process_time() - began, 2.0)

    @given(st.binary(max_size=300), st.integers(1, 40))
    def test_base64(self, octets: bytes, piece: int) -> None:
        """What Python encodes we decode."""
        self.assertEqual(decoded("base64", base64.encodebytes(octets).replace(b"\n", b"\r\n"), piece), octets)

    @given(st.binary(max_size=300), st.integers(1, 40))
    def test_quoted_printable(self, octets: bytes, piece: int) -> None:
        """The same for quoted-printable."""
        octets = octets.replace(b"\r", b"").replace(b"\n", b"")
        encoded = quopri.encodestring(octets).replace(b"\n", b"\r\n")
        self.assertEqual(decoded("quoted-printable", encoded, piece), octets)


class Base64EncoderTests(SynchronousTestCase):
    """The other direction."""

    @given(st.binary(max_size=500), st.integers(1, 200))
    def test_encoded(self, octets: bytes, piece: int) -> None:
        """Lines of 76 characters, in pieces as at once."""
        encoder = Base64Encoder()
        found = b"".join(
            encoder.encode(octets[start : start + piece], final=False) for start in range(0, len(octets), piece)
        ) + encoder.encode(b"", final=True)
        self.assertEqual(found, base64.encodebytes(octets).replace(b"\n", b"\r\n").removesuffix(b"\r\n"))
