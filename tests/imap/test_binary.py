"""Tests of quantummail.imap.binary: BINARY of parts that are too large to be decoded at once."""

from __future__ import annotations

import base64
import quopri
import random

from quantummail.imap.fetching import WHOLE
from quantummail.store import decoded
from quantummail.store.records import Message
from tests.imap.case import ImapCase

DATA = random.Random(3516).randbytes(5 * WHOLE)
TEXT = b"Gr\xc3\xbc\xc3\x9fe = viele \t\r\n" * (WHOLE // 8)


def message(encoding: bytes, body: bytes) -> bytes:
    return b"Content-Transfer-Encoding: %b\r\n\r\n%b" % (encoding, body)


def lines(octets: bytes) -> bytes:
    return octets.replace(b"\n", b"\r\n")


class BinaryTests(ImapCase):
    """Large parts."""

    def fetched(self, item: str) -> bytes:
        """The value of the item, of the last message."""
        answer = self.say(self.selected(), f"f UID FETCH * ({item})").encode("latin-1")
        begin, _, rest = answer.partition(b"}\r\n")
        size = int(begin.rpartition(b"{")[2])
        assert rest[size:].startswith(b")\r\nf OK"), rest[size:][:100]
        return rest[:size]

    def size(self) -> int:
        answer = self.say(self.selected(), "f UID FETCH * (BINARY.SIZE[1])")
        return int(answer.split("BINARY.SIZE[1] ")[1].partition(")")[0])

    def test_whole(self) -> None:
        """All octets come as they were, and the size is exact."""
        for encoding, body, data in (
            (b"base64", lines(base64.encodebytes(DATA)), DATA),
            (b"base64", lines(base64.encodebytes(DATA)).replace(b"\r\n", b" !\r\n"), DATA),
            (b"base64", lines(base64.encodebytes(DATA))[:-9], DATA[: len(DATA) - len(DATA) % 3 - 3]),
            (b"quoted-printable", lines(quopri.encodestring(TEXT.replace(b"\r", b""))), TEXT),
            (b"8bit", TEXT, TEXT),
        ):
            self.deliver(message(encoding, body))
            self.assertEqual(self.size(), len(data))
            self.assertEqual(self.fetched("BINARY.PEEK[1]"), data)

    def test_partial(self) -> None:
        """Any range of them comes as well, up to the end and beyond it."""
        self.deliver(message(b"base64", lines(base64.encodebytes(DATA))))
        for first, count in ((0, 1), (0, 9), (1000, 200_000), (7, len(DATA)), (len(DATA) - 1, 5), (len(DATA), 5)):
            self.assertEqual(self.fetched(f"BINARY.PEEK[1]<{first}.{count}>"), DATA[first : first + count])

    def test_literal8(self) -> None:
        """Only octets with NUL come as literal8."""
        self.deliver(message(b"base64", lines(base64.encodebytes(DATA))))
        for partial, form in (("<0.9>", f"<0> {'~' * (0 in DATA[:9])}{{9}}"), ("", f" ~{{{len(DATA)}}}")):
            self.assertIn(f"BINARY[1]{form}\r\n", self.say(self.selected(), f"f FETCH 1 (BINARY.PEEK[1]{partial})"))

    def test_one_after_the_other(self) -> None:
        """Who asks for one piece after the other does not make us begin anew for each."""
        body = lines(base64.encodebytes(DATA * 4))
        self.deliver(message(b"base64", body))
        read: list[int] = []
        bodies = self.store.bodies
        original = bodies.read

        def counted(of: Message, start: int = 0, end: int | None = None) -> object:
            read.append((of.size if end is None else end) - start)
            return original(of, start, end)

        self.patch(bodies, "read", counted)
        connection, count, found = self.selected(), 32 * 1024, b""
        while len(found) < len(DATA) * 4:
            answer = self.say(connection, f"f FETCH 1 BINARY.PEEK[1]<{len(found)}.{count}>").encode("latin-1")
            found += answer.partition(b"}\r\n")[2].rpartition(b")\r\nf OK")[0]
        self.assertEqual(found, DATA * 4)
        pieces = len(DATA) * 4 // count + 1
        self.assertLess(sum(read), pieces * 4 * decoded._PIECE)

    def test_switched_off(self) -> None:
        """Without BINARY there are no such items."""
        connection = self.selected(factory=self.listener(disabled=frozenset({"BINARY"})))
        self.assertIn("a BAD", self.say(connection, "a FETCH 1 BINARY[1]"))
