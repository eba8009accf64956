"""SMTP smuggling (CVE-2023-51764 and its kin): what is not CRLF.CRLF never ends a message."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.smtp.receivers import Server

HEAD = b"Subject: one\r\n\r\nHello"
SMUGGLED = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<b@example.test>\r\nDATA\r\nSubject: two\r\n\r\nSmuggled"
END = b"\r\n.\r\n"

_LF, _CR, _CRLF, _NUL = b"\n", b"\r", b"\r\n", b"\0"
# Sequences that some server somewhere took for the end of a message
TERMINATORS = [
    # line ends that are none, before and behind the dot
    *(before + b"." + after for before in (_LF, _CR, _CRLF, b"\n\n", b"\r\r", b"\n\r")
      for after in (_LF, _CR, _CRLF, b"\r\r\n") if before + b"." + after != END),
    # NUL around the dot
    _CRLF + _NUL + b"." + _CRLF, _CRLF + b"." + _NUL + _CRLF, _NUL + _CRLF + b"." + _LF,
    _CRLF + b"." + _CR + _NUL + _LF,
    _LF + _NUL + b"." + _CRLF, _CRLF + b"." + _CRLF[:1] + _NUL,
    # blanks and other white space
    _CRLF + b" ." + _LF, _CRLF + b". " + _LF, _LF + b".\t" + _CRLF, _CRLF + b".\x0b" + _LF, _CRLF + b".\x0c" + _LF,
    # line ends of other worlds: NEL, LINE SEPARATOR in UTF-8, 0x8d and 0x8a with the high bit cut
    b"\xc2\x85." + _LF, b"\xe2\x80\xa8." + _LF, b"\x8d\x8a.\x8d\x8a" + _LF, _LF + b"." + b"\xc2\x85",
    # several dots, several ends
    _LF + b".." + _LF, _CR + b".." + _CR, _LF + b"." + _LF + b"." + _LF,
]
# They are text: stored as it is
HARMLESS = [_CRLF + b".." + _CRLF, _CRLF + b". " + _CRLF, _CRLF + b" ." + _CRLF, _CRLF + b".\x0b" + _CRLF,
            b"\x8d\x8a.\x8d\x8a", b"\xc2\x85.\xc2\x85", b"." + _CRLF]


class SmugglingTests(SynchronousTestCase):
    """Each sequence, whole, octet by octet, and cut at every place around it."""

    def pieces(self, terminator: bytes) -> list[list[bytes]]:
        stream = HEAD + terminator + SMUGGLED + END
        around = range(len(HEAD) - 2, len(HEAD) + len(terminator) + 3)
        return [[stream], [stream[at:at + 1] for at in range(len(stream))],
                *([stream[:at], stream[at:]] for at in around),
                *([stream[:at], stream[at:-2], stream[-2:]] for at in around)]

    def send(self, terminator: bytes, pieces: list[bytes], **settings: Any) -> tuple[list[str], Server]:
        server = Server(**settings)
        server.begin()
        server.say(b"DATA\r\n")
        heard: list[str] = []
        for piece in pieces:
            heard += server.say(piece)
        if server.transport.disconnecting:
            self.assertEqual(server.say(b"NOOP\r\n"), [], terminator)
        else:
            self.assertEqual(server.say(b"NOOP\r\n"), ["250 2.0.0 OK"], terminator)
        self.assertEqual(len(server.receiver.senders), 1, terminator)
        return heard, server

    def test_count(self) -> None:
        """Forty sequences at least."""
        self.assertGreaterEqual(len(set(TERMINATORS)), 40)

    def test_refused(self) -> None:
        """One answer, 550, after the real end, and the end of the session; nothing is delivered, nothing executed."""
        for terminator in TERMINATORS:
            for pieces in self.pieces(terminator):
                heard, server = self.send(terminator, pieces)
                self.assertRegex(heard[0], r"550 5\.6\.(11|0) ", terminator)
                left = heard[0].startswith("550 5.6.11")
                self.assertEqual([line[:9] for line in heard[1:]], ["421 4.7.0"] * left, terminator)
                self.assertEqual(server.transport.disconnecting, left)
                self.assertEqual(server.delivered, [])

    def test_refused_lmtp(self) -> None:
        """An LMTP client hears its answer for each recipient before the end."""
        server = Server(mode="lmtp", client="127.0.0.1")
        server.say(b"LHLO c\r\nMAIL FROM:<a@example.org>\r\n")
        server.say(b"RCPT TO:<b@example.test>\r\nRCPT TO:<c@example.test>\r\nDATA\r\n")
        heard = server.say(b"bare\nline\r\n.\r\nRSET\r\n")
        self.assertEqual([line[:10] for line in heard], ["550 5.6.11", "550 5.6.11", "421 4.7.0 "])
        self.assertTrue(server.transport.disconnecting)

    def test_commands(self) -> None:
        """On port 25 a command that a bare LF ends is refused, and nothing behind it is executed."""
        for stream in (b"NOOP\nNOOP\r\n", b"MAIL FROM:<a@example.org>\nRSET\r\n", b"\nNOOP\r\n", b"NOOP\r\r\n\n"):
            server = Server()
            server.say(b"EHLO c\r\n")
            heard = server.say(stream)
            self.assertEqual([line[:9] for line in heard][-2:], ["550 5.5.2", "421 4.7.0"], stream)
            self.assertTrue(server.transport.disconnecting)
            self.assertEqual(server.receiver.senders, [])

    def test_commands_elsewhere(self) -> None:
        """Our own users' programs, and trusted networks, may end commands as they like."""
        for settings in ({"mode": "submission"}, {"mode": "lmtp"}, {"normalize_line_ends": True}):
            server = Server(**settings)
            server.heard()
            self.assertEqual(server.say(b"NOOP\n"), ["250 2.0.0 OK"])

    def test_normalized(self) -> None:
        """With normalize there is one message at most, and every octet of the smuggled one is in it."""
        for terminator in TERMINATORS:
            for pieces in self.pieces(terminator):
                heard, server = self.send(terminator, pieces, normalize_line_ends=True)
                self.assertEqual(len(heard), 1, (terminator, heard))
                if b"\0" in terminator:
                    self.assertEqual(server.delivered, [])
                else:
                    self.assertEqual(len(server.delivered), 1)
                    self.assertIn(SMUGGLED, server.delivered[0])
                    self.assertNotIn(b"\r", server.delivered[0].replace(b"\r\n", b""))

    def test_harmless(self) -> None:
        """Dots that are text come through as they are."""
        for terminator in HARMLESS:
            for pieces in self.pieces(terminator):
                _, server = self.send(terminator, pieces)
                whole = (HEAD + terminator + SMUGGLED + b"\r\n").replace(b"\r\n.", b"\r\n")
                self.assertEqual(server.delivered, [whole], terminator)
