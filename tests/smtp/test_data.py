"""The readers of DATA and BDAT."""

from __future__ import annotations

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.smtp.data import BARE_LINE_END, NUL_OCTET, TOO_BIG, ChunkReader, DataReader

END = b"\r\n.\r\n"
# What matters to the reader, so that hypothesis meets all of it often
octets = st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"a", b"bc"]), max_size=30).map(b"".join)


def read(reader: DataReader, pieces: list[bytes]) -> bytes:
    """Feed until done; what comes after the end stays out."""
    blocks = []
    for piece in pieces:
        blocks.append(reader.feed(piece))
        if reader.done:
            break
    return b"".join(blocks)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """`data` in pieces that end at `places`."""
    edges = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(edges)]


class DataTests(SynchronousTestCase):
    """DATA."""

    # stream -> message, what follows
    TABLE = {
        b".\r\n": (b"", b""),
        b"\r\n.\r\n": (b"\r\n", b""),
        b"a\r\n.\r\n": (b"a\r\n", b""),
        b"a\r\n.\r\nQUIT\r\n": (b"a\r\n", b"QUIT\r\n"),
        b"a\r\n.\r\n.\r\n": (b"a\r\n", b".\r\n"),
        b"..\r\n.\r\n": (b".\r\n", b""),
        b"..a\r\n...b\r\nc.\r\n.\r\n": (b".a\r\n..b\r\nc.\r\n", b""),
        b".a\r\n.\r\n": (b"a\r\n", b""),
        b"a\r\n..\r\n.\r\n": (b"a\r\n.\r\n", b""),
        b"\xff\x80\r\n.\r\n": (b"\xff\x80\r\n", b""),
        b"x" * 3000 + b"\r\n.\r\n": (b"x" * 3000 + b"\r\n", b""),
    }

    def test_whole(self) -> None:
        """The table in one piece, with what follows."""
        for stream, (message, rest) in self.TABLE.items():
            reader = DataReader(0)
            self.assertEqual((reader.feed(stream), reader.rest, reader.done), (message, rest, True), stream[:20])
            self.assertIsNone(reader.refusal)
            self.assertEqual(reader.size, len(message))

    def test_byte_by_byte(self) -> None:
        """The table octet by octet."""
        for stream, (message, _) in self.TABLE.items():
            reader = DataReader(0)
            self.assertEqual(read(reader, [stream[at:at + 1] for at in range(len(stream))]), message)
            self.assertTrue(reader.done)

    def test_every_boundary(self) -> None:
        """The table in two pieces, cut everywhere."""
        for stream, (message, _) in self.TABLE.items():
            for at in range(1, min(len(stream), 40)):
                reader = DataReader(0)
                self.assertEqual(read(reader, [stream[:at], stream[at:]]), message, (stream, at))

    @given(octets, st.lists(st.integers(0, 200)))
    def test_any_cut(self, message: bytes, places: list[int]) -> None:
        """How the network cuts the stream does not matter: refuse mode against a model."""
        stream = message + END
        end = (b"\r\n" + stream).index(END)
        body = (b"\r\n" + stream)[:end + 2]
        bare = body.count(b"\r\n") != body.count(b"\n") or body.count(b"\r\n") != body.count(b"\r")
        reader = DataReader(0)
        got = read(reader, cut(stream, places))
        self.assertTrue(reader.done)
        self.assertEqual(reader.refusal, BARE_LINE_END if bare else None)
        if not bare:
            self.assertEqual(got, body.replace(b"\r\n.", b"\r\n")[2:])

    @given(octets, st.lists(st.integers(0, 200)))
    def test_any_cut_normalized(self, message: bytes, places: list[int]) -> None:
        """In normalize mode neither, and the result has proper lines only."""
        stream = message + END
        whole, pieces = DataReader(0, normalize=True), DataReader(0, normalize=True)
        expected = whole.feed(stream)
        self.assertEqual(read(pieces, cut(stream, places)), expected)
        self.assertIsNone(whole.refusal)
        self.assertEqual(expected.count(b"\r\n"), expected.count(b"\n"))
        self.assertEqual(expected.count(b"\r\n"), expected.count(b"\r"))

    @given(st.lists(st.sampled_from([b".", b"\r\n", b"\r\n.", b"a"]), max_size=30).map(b"".join),
           st.lists(st.integers(0, 200)))
    def test_stuffed_comes_back(self, message: bytes, places: list[int]) -> None:
        """A message that a client has dot-stuffed comes back as it was."""
        if message and not message.endswith(b"\r\n"):
            message += b"\r\n"
        stuffed = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"
        reader = DataReader(0)
        self.assertEqual(read(reader, cut(stuffed, places)), message)
        self.assertTrue(reader.done)

    def test_bare(self) -> None:
        """A CR or LF that stands alone is refused after the real end, wherever it is."""
        for stream in (b"a\nb\r\n.\r\n", b"a\rb\r\n.\r\n", b"\n\r\n.\r\n", b"a\r\r\n.\r\n", b"a\n\r\n.\r\n",
                       b"\r\n\r.\r\n.\r\n"):
            for at in range(len(stream)):
                reader = DataReader(0)
                read(reader, [stream[:at], stream[at:]])
                self.assertTrue(reader.done)
                self.assertEqual(reader.refusal, BARE_LINE_END, (stream, at))

    def test_nul(self) -> None:
        """NUL is refused."""
        reader = DataReader(0)
        self.assertEqual(reader.feed(b"a\0b\r\n.\r\n"), b"")
        self.assertEqual(reader.refusal, NUL_OCTET)

    def test_limit(self) -> None:
        """Up to the limit everything is taken, beyond it nothing is kept and the end is still found."""
        reader = DataReader(10)
        self.assertEqual(reader.feed(b"..23456789\r\n"), b".23456789")
        self.assertEqual(reader.feed(b".\r\n"), b"")
        self.assertEqual(reader.refusal, TOO_BIG)
        self.assertTrue(reader.done)
        exact = DataReader(10)
        self.assertEqual(exact.feed(b"12345678\r\n.\r\n"), b"12345678\r\n")
        self.assertIsNone(exact.refusal)

    def test_beyond_the_limit_is_dropped(self) -> None:
        """A message without end costs no memory."""
        reader = DataReader(1000)
        for _ in range(100):
            self.assertLessEqual(len(reader.feed(b"x" * 65536)), 1000)
        self.assertLess(len(reader._held), 5)

    def test_linear(self) -> None:
        """A dripping stream of line ends costs the same per octet as any other."""
        reader = DataReader(0)
        begun = time.process_time()
        for _ in range(50_000):
            reader.feed(b"\r\n")
        self.assertLess(time.process_time() - begun, 5)


class ChunkTests(SynchronousTestCase):
    """BDAT."""

    def read(self, reader: ChunkReader, chunks: list[bytes], step: int = 1000) -> bytes:
        blocks = []
        for number, chunk in enumerate(chunks, 1):
            reader.begin(len(chunk), last=number == len(chunks))
            if not chunk:
                blocks.append(reader.feed(b""))
            for at in range(0, len(chunk), step):
                self.assertFalse(reader.done)
                blocks.append(reader.feed(chunk[at:at + step]))
            self.assertTrue(reader.done)
        return b"".join(blocks)

    def test_table(self) -> None:
        """Chunks are put together; a dot means nothing; a missing last line end is added."""
        for chunks, message in (
            ([b"a\r\n"], b"a\r\n"), ([b"a\r\n", b""], b"a\r\n"), ([b"a\r", b"\nb\r\n"], b"a\r\nb\r\n"),
            ([b".\r\n", b"\r\n.\r\n"], b".\r\n\r\n.\r\n"), ([b""], b""), ([b"a"], b"a\r\n"), ([b"a", b""], b"a\r\n"),
            ([b"a\r", b"\n", b""], b"a\r\n"),
        ):
            for step in (1, 2, 1000):
                reader = ChunkReader(0)
                self.assertEqual(self.read(reader, chunks, step), message, (chunks, step))
                self.assertIsNone(reader.refusal)
                self.assertEqual(reader.size, len(message))

    def test_refused(self) -> None:
        """Stray line ends, also at the border of chunks and at the end, and NUL."""
        for chunks, refusal in (
            ([b"a\nb"], BARE_LINE_END), ([b"a\r", b"b\r\n"], BARE_LINE_END), ([b"a\r"], BARE_LINE_END),
            ([b"a\r", b""], BARE_LINE_END), ([b"a", b"\n"], BARE_LINE_END), ([b"a\0\r\n"], NUL_OCTET),
        ):
            for step in (1, 1000):
                reader = ChunkReader(0)
                self.read(reader, chunks, step)
                self.assertEqual(reader.refusal, refusal, chunks)

    def test_normalized(self) -> None:
        """Normalize makes lines of them."""
        for chunks, message in (([b"a\nb\r"], b"a\r\nb\r\n"), ([b"a\r", b"\n\nb"], b"a\r\n\r\nb\r\n")):
            self.assertEqual(self.read(ChunkReader(0, normalize=True), chunks, 1), message)

    def test_binary(self) -> None:
        """BINARYMIME takes every octet as it is."""
        octets = bytes(range(256)) + b"\r"
        self.assertEqual(self.read(ChunkReader(0, binary=True), [octets[:100], octets[100:]], 7), octets)

    def test_limit(self) -> None:
        """A chunk that would exceed the limit is refused before its first octet, and swallowed."""
        reader = ChunkReader(10)
        self.assertEqual(self.read(reader, [b"12345678\r\n", b"x\r\n"]), b"12345678\r\n")
        self.assertEqual(reader.refusal, TOO_BIG)
