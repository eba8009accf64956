"""Tests of quantummail.store.bodies and store.line_ends."""

from __future__ import annotations

import os
import re
import tempfile

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import line_ends
from quantummail.store.errors import NoSuchMessage, Unavailable
from quantummail.store.line_ends import Places, with_crlf
from quantummail.store.records import Message
from tests.store.messages import PLAIN, append, box
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now

TEXT = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"bc"]), max_size=60).map(b"".join)


class LineEndTests(SynchronousTestCase):
    """Foreign files with LF line ends."""

    @given(TEXT)
    def test_every_line_end(self, text: bytes) -> None:
        """Every LF that has no CR before it gets one; nothing else changes."""
        self.assertEqual(with_crlf(text), re.sub(rb"(?<!\r)\n", b"\r\n", text))

    @given(TEXT, st.integers(1, 7), st.lists(st.tuples(st.integers(0, 130), st.integers(0, 130)), max_size=6))
    def test_pieces(self, text: bytes, block: int, pieces: list[tuple[int, int]]) -> None:
        """Pieces in any order are those of the whole text, wherever the blocks of the file end."""
        whole = with_crlf(text)
        before, line_ends._BLOCK = line_ends._BLOCK, block
        try:
            with tempfile.TemporaryFile() as file:
                file.write(text)
                file.flush()
                places = Places()
                for start, end in pieces:
                    self.assertEqual(places.read(file.fileno(), start, end), whole[start:end])
        finally:
            line_ends._BLOCK = before

    def test_linear(self) -> None:
        """Reading a file piece by piece reads each block of it about once."""
        self.patch(line_ends, "_BLOCK", 1000)
        count = 0
        pread = os.pread

        def counted(descriptor: int, size: int, position: int) -> bytes:
            nonlocal count
            count += 1
            return pread(descriptor, size, position)

        self.patch(os, "pread", counted)
        with tempfile.TemporaryFile() as file:
            file.write(b"123456789\n" * 20_000)
            file.flush()
            places = Places()
            whole = b"".join(places.read(file.fileno(), start, start + 500) for start in range(0, 220_000, 500))
        self.assertEqual(len(whole), 220_000)
        self.assertLess(count, 200 * 6)

    def test_bounded(self) -> None:
        """Places of only so many files are remembered."""
        places = Places()
        for _ in range(3 * line_ends._REMEMBERED):
            with tempfile.NamedTemporaryFile() as file:
                file.write(os.urandom(8))
                file.flush()
                places.read(file.fileno(), 0, 1)
        self.assertLessEqual(len(places._files), line_ends._REMEMBERED)


class ReadTests(SynchronousTestCase):
    """Reading messages."""

    def setUp(self) -> None:
        directory = temporary_directory(self)
        self.store = make_store(self, directory)
        self.user = make_user(self.store)
        self.inbox = box(self.store, self.user.id)
        self.maildir = directory / "mail/example.test/alice"

    def fetch(self) -> list[Message]:
        """All messages."""
        return now(self.store.messages.fetch(self.user.id, self.inbox.id, range(1, 10)))

    def read(self, message: Message, start: int = 0, end: int | None = None) -> bytes:
        """Octets of one."""

        async def read() -> bytes:
            return await self.store.bodies.read(message, start, end)

        return now(read())

    def read_many(self, messages: list[Message], limit: int) -> list[bytes]:
        """Whole messages."""

        async def read() -> list[bytes]:
            return await self.store.bodies.read_many(messages, limit)

        return now(read())

    def test_range(self) -> None:
        """A range gives these octets, as far as there are any."""
        append(self.store, self.inbox)
        (message,) = self.fetch()
        for start, end in ((0, None), (5, 9), (5, 10_000), (10_000, 20_000), (9, 5)):
            self.assertEqual(self.read(message, start, end), PLAIN[start:end])

    def test_grown(self) -> None:
        """Octets that somebody added to a file do not belong to the message."""
        append(self.store, self.inbox)
        (file,) = (self.maildir / "new").iterdir()
        file.write_bytes(PLAIN + b"more")
        (message,) = self.fetch()
        self.assertEqual(self.read(message), PLAIN)

    def test_shortened(self) -> None:
        """A file that has lost octets is not given as if it were whole."""
        append(self.store, self.inbox)
        (file,) = (self.maildir / "new").iterdir()
        file.write_bytes(PLAIN[:10])
        (message,) = self.fetch()
        self.assertRaises(Unavailable, self.read, message)
        self.assertEqual(self.read(message, 0, 10), PLAIN[:10])

    def test_gone(self) -> None:
        """A message whose file is gone is no more."""
        append(self.store, self.inbox)
        next((self.maildir / "new").iterdir()).unlink()
        (message,) = self.fetch()
        self.assertRaises(NoSuchMessage, self.read, message)

    def test_many(self) -> None:
        """As many whole messages as fit the limit, and one in any case."""
        for _ in range(3):
            append(self.store, self.inbox)
        messages = self.fetch()
        self.assertEqual(self.read_many(messages, 2 * len(PLAIN)), [PLAIN] * 2)
        self.assertEqual(self.read_many(messages, 1), [PLAIN])

    def test_many_until_trouble(self) -> None:
        """Those before a message that cannot be read are given; its own trouble is told when it is the first."""
        append(self.store, self.inbox)
        append(self.store, self.inbox)
        messages = self.fetch()
        (self.maildir / messages[1].location.path).unlink()
        self.assertEqual(self.read_many(messages, 10_000), [PLAIN])
        self.assertRaises(NoSuchMessage, self.read_many, messages[1:], 10_000)
