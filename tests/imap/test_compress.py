"""Tests of COMPRESS=DEFLATE (RFC 4978)."""

from __future__ import annotations

import os
import zlib
from typing import Any

from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.server import IMAPConnection
from quantummail.wire.connection import READ_AHEAD
from tests.imap.case import NAME, PASSWORD, ImapCase
from tests.support.transport import MemoryTransport


class CompressTests(ImapCase):
    """A client that compresses."""

    def setUp(self) -> None:
        super().setUp()
        self.connection = self.logged_in()
        self.begin()

    def begin(self) -> None:
        """A client whose streams are new."""
        self.compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
        self.inflater = zlib.decompressobj(-15)

    @property
    def transport(self) -> MemoryTransport:
        assert isinstance(self.connection.transport, MemoryTransport)
        return self.connection.transport

    def compressed(self, text: bytes) -> bytes:
        """What a client sends."""
        return self.compressor.compress(text) + self.compressor.flush(zlib.Z_SYNC_FLUSH)

    def heard_compressed(self) -> str:
        """What the server has said meanwhile."""
        return self.inflater.decompress(self.transport.take()).decode()

    def told(self, text: bytes) -> str:
        """The answer to a compressed command."""
        self.connection.dataReceived(self.compressed(text))
        return self.heard_compressed()

    def start(self, behind: bytes = b"") -> None:
        self.connection.dataReceived(b"c COMPRESS DEFLATE\r\n" + behind)
        reply = b"c OK Compression begins\r\n"
        said = self.transport.take()
        self.assertTrue(said.startswith(reply), said)
        self.transport.write(said[len(reply) :])

    def test_dialogue(self) -> None:
        """The reply to COMPRESS is the last that is not compressed; then commands and answers are."""
        self.start()
        self.assertEqual(self.told(b"a NOOP\r\n"), "a OK NOOP completed\r\n")
        self.deliver(b"Subject: x\r\n\r\n" + b"text\r\n" * 30_000)
        self.assertIn("* 1 EXISTS", self.told(b"b SELECT INBOX\r\n"))
        self.assertIn("text\r\n" * 30_000 + ")\r\nd OK", self.told(b"d FETCH 1 BODY.PEEK[]\r\n"))
        self.assertEqual(self.told(b"e COMPRESS DEFLATE\r\n"),
                         "e NO [COMPRESSIONACTIVE] Compression is active already\r\n")
        self.assertIn("f OK", self.told(b"f LOGOUT\r\n"))
        self.assertTrue(self.transport.disconnecting)
        self.transport.lose()
        self.assertEqual(len(self.factory.compressors), 0)

    def test_octet_by_octet(self) -> None:
        """Compressed octets may come one at a time."""
        self.start()
        for octet in self.compressed(b"a APPEND INBOX {12+}\r\nSubject: x\r\n\r\nb NOOP\r\n"):
            self.connection.dataReceived(bytes([octet]))
        self.assertRegex(self.heard_compressed(), r"\Aa OK .*\r\nb OK .*\r\n\Z")

    def test_idle(self) -> None:
        """News are compressed, too."""
        self.start()
        self.told(b"a SELECT INBOX\r\n")
        self.assertEqual(self.told(b"b IDLE\r\n"), "+ idling\r\n")
        self.deliver()
        self.assertIn("* 1 EXISTS\r\n", self.heard_compressed())
        self.assertIn("b OK", self.told(b"DONE\r\n"))

    def test_behind_in_the_same_packet(self) -> None:
        """What a client sends behind COMPRESS without waiting is compressed, if it can be read at all."""
        self.start(self.compressed(b"a NOOP\r\nb NOOP\r\n"))
        self.assertEqual(self.heard_compressed(), "a OK NOOP completed\r\nb OK NOOP completed\r\n")

    def test_not_compressed(self) -> None:
        """Commands behind COMPRESS that are not compressed are not run: BYE."""
        self.start(b"a CREATE x\r\nb CREATE y\r\n")
        self.assertRegex(self.heard_compressed(), r"\A\* BYE .*\r\n\Z")
        self.assertTrue(self.transport.disconnecting)
        self.assertNotIn("x", self.say(self.logged_in(), 'l LIST "" x'))

    def test_other_algorithms(self) -> None:
        """DEFLATE is the only algorithm; before login there is none."""
        self.assertIn("a BAD", self.say(self.connection, "a COMPRESS LZ4"))
        self.assertIn("b BAD", self.say(self.connection, "b COMPRESS"))
        self.assertIn("c BAD", self.say(self.connect()[0], "c COMPRESS DEFLATE"))

    def test_starttls(self) -> None:
        """TLS cannot begin below compression."""
        connection = self.logged_in()
        connection.compress()
        self.assertRaises(BadSyntax, connection.begin_tls, "a")

    def test_unauthenticate(self) -> None:
        """Who gives the connection to another user gives it without compression, which may begin again."""
        self.start()
        self.assertIn("a OK", self.told(b"a UNAUTHENTICATE\r\n"))
        self.assertEqual(len(self.factory.compressors), 0)
        self.assertIn("l OK", self.say(self.connection, f'l LOGIN {NAME} "{PASSWORD}"'))
        self.begin()
        self.start()
        self.assertIn("b OK", self.told(b"b NOOP\r\n"))

    def test_bomb(self) -> None:
        """A few octets that become many are read piece by piece: the buffer stays small, others have their turns."""
        self.start()
        sizes: list[int] = []
        later = self.clock.callLater

        def breathe(seconds: float, *call: Any) -> object:
            sizes.append(len(self.connection.buffer))
            return later(seconds, *call)

        self.patch(self.clock, "callLater", breathe)
        bomb = self.compressed(b"a " + b"x" * 20_000_000 + b"\r\nb NOOP\r\n")
        self.assertLess(len(bomb), 25_000)
        self.connection.dataReceived(bomb)
        self.clock.advance(0)
        self.assertGreater(len(sizes), 30)
        self.assertLess(max(sizes), 2 * READ_AHEAD)
        self.assertEqual(self.heard_compressed(), "a BAD Command line too long\r\nb OK NOOP completed\r\n")

    def test_input_is_bounded(self) -> None:
        """While a command waits, no more is taken from the transport than without compression."""
        self.start()
        self.transport.full()
        paused: list[str] = []
        self.patch(self.transport, "pauseProducing", lambda: paused.append("paused"))
        self.patch(self.transport, "resumeProducing", lambda: paused.append("resumed"))
        data = b"".join(b"%d NOOP %b\r\n" % (number, os.urandom(20).hex().encode()) for number in range(10_000))
        stream = self.compressed(data)
        for start in range(0, len(stream), 16384):
            self.connection.dataReceived(stream[start : start + 16384])
        self.assertEqual(paused, ["paused"])
        self.assertLess(len(self.connection.buffer), 2 * READ_AHEAD)
        self.transport.taken()
        while self.connection.busy:
            self.clock.advance(0)
        self.assertEqual(paused, ["paused", "resumed"])
        self.assertEqual(self.heard_compressed().count(" BAD "), 10_000)

    def test_memory(self) -> None:
        """Silent connections have neither compressor nor inflater."""
        connections = []
        for _ in range(100):
            connection = self.logged_in(self.listener(connections_per_user=0))
            connections.append(connection)
            self.hold(connection)
        self.assertLessEqual(len(connections[0].factory.compressors), 64)

    def hold(self, connection: IMAPConnection) -> None:
        self.say(connection, "c COMPRESS DEFLATE")
        self.say(connection, self.compressed(b"a NOOP\r\n"))
        self.compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
        assert connection._deflate is not None
        self.assertIsNone(connection._deflate._inflater)
