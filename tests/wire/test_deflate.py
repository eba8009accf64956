"""Tests of quantummail.wire.deflate."""

from __future__ import annotations

import random
import zlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.wire.deflate import Compressors, Deflate, Garbled


class Peer:
    """The other side."""

    def __init__(self, level: int = 6) -> None:
        self.compressor = zlib.compressobj(level, zlib.DEFLATED, -15)
        self.inflater = zlib.decompressobj(-15)

    def says(self, data: bytes, flush: int = zlib.Z_SYNC_FLUSH) -> bytes:
        return self.compressor.compress(data) + self.compressor.flush(flush)

    def hears(self, data: bytes) -> bytes:
        return self.inflater.decompress(data)


def everything(deflate: Deflate, most: int = 1 << 16) -> bytes:
    """All that can be read now."""
    found = b""
    while deflate.more:
        piece = deflate.inflate(most)
        assert len(piece) <= most
        found += piece
    return found


class DeflateTests(SynchronousTestCase):
    """One connection."""

    def setUp(self) -> None:
        self.compressors = Compressors(2)
        self.deflate = Deflate(self.compressors)
        self.peer = Peer()

    def test_told(self) -> None:
        """Each batch can be read by the peer as soon as it is there."""
        for text in (b"* OK\r\n", b"", b"x" * 100_000, b"a OK\r\n"):
            self.assertEqual(self.peer.hears(self.deflate.deflated(text)), text)

    def test_few_compressors(self) -> None:
        """Only those that spoke last have a compressor; the others go on with a new one."""
        others = [(Deflate(self.compressors), Peer()) for _ in range(5)]
        for number in range(20):
            for deflate, peer in others[: number % 6]:
                text = b"* %d EXISTS\r\n" % number * 10
                self.assertEqual(peer.hears(deflate.deflated(text)), text)
                self.assertLessEqual(len(self.compressors), 2)
        for deflate, _ in others:
            deflate.close()
        self.assertEqual(len(self.compressors), 0)

    def test_heard(self) -> None:
        """What the peer says is read, octet by octet if need be."""
        text = b"".join(b"a%d FETCH %d FLAGS\r\n" % (number, number) for number in range(300))
        for level in (0, 1, 9):
            peer, deflate = Peer(level), Deflate(self.compressors)
            found = b""
            for start in range(0, len(text), 100):
                for octet in peer.says(text[start : start + 100]):
                    deflate.feed(bytes([octet]))
                    found += everything(deflate)
            self.assertEqual(found, text)

    def test_silent(self) -> None:
        """A peer that has said little, and has flushed it, needs no inflater while it is silent."""
        for number in range(50):
            self.deflate.feed(self.peer.says(b"%d NOOP\r\n" % number))
            self.assertEqual(everything(self.deflate), b"%d NOOP\r\n" % number)
            self.assertIsNone(self.deflate._inflater)
        self.deflate.feed(self.peer.says(random.Random(1).randbytes(5000)))
        everything(self.deflate)
        self.assertIsNotNone(self.deflate._inflater)

    def test_no_flush(self) -> None:
        """Data that look like a flush are none."""
        peer = Peer(0)
        for text in (b"\0\0\xff\xff" * 10, b"a\0\0\xff\xff", b"b"):
            data = peer.says(text)
            for octet in data:
                self.deflate.feed(bytes([octet]))
                everything(self.deflate)
        self.deflate.feed(peer.says(b"tail"))
        self.assertEqual(everything(self.deflate), b"tail")

    def test_bomb(self) -> None:
        """However much it becomes, no more is inflated at once than is asked for."""
        bomb = self.peer.says(b"\0" * 10_000_000)
        self.assertLess(len(bomb), 12_000)
        self.deflate.feed(bomb)
        size = 0
        while self.deflate.more:
            piece = self.deflate.inflate(1000)
            self.assertLessEqual(len(piece), 1000)
            size += len(piece)
            if size == 100_000:
                self.assertGreater(self.deflate.unread, 9000)
        self.assertEqual(size, 10_000_000)

    def test_garbled(self) -> None:
        """What is not compressed is an error, and nothing is read any more."""
        self.deflate.feed(b"b NOOP\r\n" * 3)
        self.assertRaises(Garbled, everything, self.deflate)
        self.assertFalse(self.deflate.more)

    def test_ended(self) -> None:
        """Behind the end of the stream nothing can come."""
        self.deflate.feed(self.peer.says(b"a LOGOUT\r\n", zlib.Z_FINISH))
        self.assertEqual(everything(self.deflate), b"a LOGOUT\r\n")
        self.deflate.feed(b"x")
        self.assertRaises(Garbled, everything, self.deflate)

    @given(st.lists(st.tuples(st.binary(max_size=400), st.sampled_from(
        [zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_PARTIAL_FLUSH, zlib.Z_NO_FLUSH])), max_size=20),
        st.integers(1, 300), st.integers(1, 300))
    def test_any(self, texts: list[tuple[bytes, int]], piece: int, most: int) -> None:
        """Whatever is said, however it is cut and read, is heard."""
        peer, deflate, found = Peer(), Deflate(Compressors()), b""
        data = b"".join(peer.says(*text) for text in texts) + peer.says(b"")
        for start in range(0, len(data), piece):
            deflate.feed(data[start : start + piece])
            found += everything(deflate, most)
        self.assertEqual(found, b"".join(text for text, _ in texts))
