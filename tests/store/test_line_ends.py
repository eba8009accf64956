"""Tests of quantummail.store.line_ends."""

from __future__ import annotations

from hypothesis import given, strategies
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.line_ends import Incoming, with_crlf


class IncomingTests(SynchronousTestCase):
    """A text that comes in pieces."""

    @given(strategies.lists(strategies.text("ab\r\n", max_size=4).map(str.encode)))
    def test_pieces(self, pieces: list[bytes]) -> None:
        """However it is cut, it becomes what it becomes whole."""
        incoming = Incoming()
        self.assertEqual(b"".join([incoming.converted(piece) for piece in pieces]), with_crlf(b"".join(pieces)))

    def test_empty_piece(self) -> None:
        """An empty piece between the halves of a line end is nothing."""
        incoming = Incoming()
        self.assertEqual(b"".join([incoming.converted(piece) for piece in (b"\r", b"", b"\n")]), b"\r\n")

    def test_correct(self) -> None:
        """What has CRLF already stays the same octets."""
        text = b"a\r\nb\r\n"
        self.assertIs(Incoming().converted(text), text)
