"""Tests of quantummail.message.binary_parts."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.binary_parts import pieces
from quantummail.message.transfer_encoding import Base64Encoder

MULTIPART = (
    b"Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: binary\r\n\r\n--b\r\n\r\ntext\r\n"
)


def encoded(message: bytes) -> bytes:
    """The message as it is stored."""
    return b"".join([
        piece.text or (
            Base64Encoder().encode(message[piece.start : piece.end], final=True) if piece.encode
            else message[piece.start : piece.end]
        ) for piece in pieces(message)
    ])


class PiecesTests(SynchronousTestCase):
    """Which parts become base64."""

    CASES: list[tuple[bytes, bytes]] = [
        (b"", b""),
        (b"Subject: x\r\n\r\ntext\r\n", b"Subject: x\r\n\r\ntext\r\n"),
        (b"Content-Transfer-Encoding: binary\r\n\r\ntext\r\n", b"Content-Transfer-Encoding: binary\r\n\r\ntext\r\n"),
        (b"Content-Transfer-Encoding: Binary\r\nSubject: x\r\n\r\n\0\n",
         b"Content-Transfer-Encoding: base64\r\nSubject: x\r\n\r\nAAo="),
        (b"Content-Transfer-Encoding:\r\n binary\r\n\r\na\nb", b"Content-Transfer-Encoding: base64\r\n\r\nYQpi"),
        (b"Subject: x\r\n\r\n\0", b"Content-Transfer-Encoding: base64\r\nSubject: x\r\n\r\nAA=="),
        (b"Content-Transfer-Encoding: base64\r\n\r\nAA\0==", b"Content-Transfer-Encoding: base64\r\n\r\nAA\0=="),
        (MULTIPART + b"--b\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\r\n\r\n--b--\r\n",
         MULTIPART + b"--b\r\nContent-Transfer-Encoding: base64\r\n\r\nAA0K\r\n--b--\r\n"),
    ]

    def test_encoded(self) -> None:
        """Binary parts are encoded, everything else stays as it came."""
        for message, expected in self.CASES:
            self.assertEqual(encoded(message), expected, message)

    def test_cover(self) -> None:
        """Pieces follow each other without a gap."""
        message = self.CASES[-1][0] * 3
        found = pieces(message)
        self.assertEqual([piece.start for piece in found[1:]], [piece.end for piece in found[:-1]])
        self.assertEqual((found[0].start, found[-1].end), (0, len(message)))
