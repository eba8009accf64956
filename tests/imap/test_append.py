"""Tests of quantummail.imap.upload: what is stored of messages that come in pieces, or do not come to their end."""

from __future__ import annotations

import base64
import os

from quantummail.store.spooled import IN_MEMORY
from tests.imap.case import ImapCase
from tests.support.stores import now
from tests.support.transport import MemoryTransport

PLAIN = b"Subject: plain\r\n\r\ntext\r\n"


def command(*parts: bytes) -> bytes:
    """Texts and literals by turns, those with NUL as literal8; nothing is waited for."""
    return b"".join(
        b"%b{%d+}\r\n%b" % (b"~" if b"\0" in part else b"", len(part), part) if index % 2 else part
        for index, part in enumerate(parts)
    ) + b"\r\n"


def message(encoding: bytes, body: bytes) -> bytes:
    """One part among others."""
    return (
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n"
        b"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: %b\r\n\r\n%b\r\n--b--\r\n"
    ) % (encoding, body)


class AppendTests(ImapCase):
    """What comes of APPEND."""

    def setUp(self) -> None:
        super().setUp()
        self.connection = self.logged_in()

    def spool(self) -> list[str]:
        """Files in the spool."""
        return os.listdir(self.store._spool)

    def stored(self) -> list[bytes]:
        """The messages of INBOX."""
        where = self.mailbox_id()
        uids = now(self.store.messages.open(self.user.id, where, claim_recent=False)).uids
        messages = now(self.store.messages.fetch(self.user.id, where, uids))

        async def read() -> list[bytes]:
            return [await self.store.bodies.read(message) for message in messages]

        return now(read())

    def in_pieces(self, data: bytes, size: int) -> str:
        """What the server says to a command that comes in pieces."""
        return "".join(self.say(self.connection, data[start : start + size]) for start in range(0, len(data), size))

    def test_pieces(self) -> None:
        """However a command is cut, the same messages are stored."""
        binary = message(b"binary", b"\0\r\n\n")
        data = command(
            b"a APPEND INBOX (\\Seen) ", PLAIN, b" ", binary, b" CATENATE (TEXT ", b"Subject: x\n\n",
            b' URL "/INBOX/;UID=1/;SECTION=TEXT" TEXT ', b"y\n", b") UTF8 (~", PLAIN, b")",
        )
        self.say(self.connection, command(b"s APPEND INBOX ", PLAIN))
        for size in (1, 2, 3, 7, 50, 1 << 20):
            self.assertIn("a OK [APPENDUID ", self.in_pieces(data, size), size)
        encoded = message(b"base64", base64.b64encode(b"\0\r\n\n"))
        self.assertEqual(
            self.stored(), [PLAIN, *[PLAIN, encoded, b"Subject: x\r\n\r\ntext\r\ny\r\n", PLAIN] * 6])
        self.assertEqual(self.spool(), [])

    def test_large_binary(self) -> None:
        """A binary part that is not kept in memory is encoded as well."""
        body = bytes(range(256)) * (IN_MEMORY // 200)
        connection = self.logged_in(self.listener(message_limit=10_000_000))
        answer = self.say(connection, command(b"a APPEND INBOX ", message(b"binary", body), b" ", PLAIN))
        self.assertIn("a OK", answer)
        encoded = base64.encodebytes(body).replace(b"\n", b"\r\n").removesuffix(b"\r\n")
        self.assertEqual(self.stored(), [message(b"base64", encoded), PLAIN])
        self.assertEqual(self.spool(), [])

    def test_binary_outside(self) -> None:
        """NUL in a header, where no encoding helps, is refused."""
        answer = self.say(self.connection, command(b"a APPEND INBOX ", PLAIN, b" ", b"Subject: \0\r\n\r\n"))
        self.assertTrue(answer.startswith("a NO [UNKNOWN-CTE]"), answer)
        self.assertEqual([self.stored(), self.spool()], [[], []])

    def test_switched_off(self) -> None:
        """An extension that is switched off is no syntax; what comes is read over all the same."""
        connection = self.logged_in(self.listener(
            disabled=frozenset({"MULTIAPPEND", "CATENATE", "BINARY", "UTF8=ACCEPT", "REPLACE"})))
        for arguments in (
            (b"a APPEND INBOX ", PLAIN, b" ", b"x LOGOUT\r\n"),
            (b"a APPEND INBOX CATENATE (TEXT ", b"x LOGOUT\r\n", b")"),
            (b"a APPEND INBOX ", b"\0\r\nx LOGOUT\r\n"),
            (b"a APPEND INBOX UTF8 (", b"\0\r\nx LOGOUT\r\n", b")"),
            (b"a REPLACE 1 INBOX ", b"x LOGOUT\r\n"),
        ):
            answer = self.say(connection, command(*arguments))
            self.assertRegex(answer, r"\Aa BAD [^\r]*\r\n\Z")
        self.assertEqual(self.stored(), [])

    def test_hanging_up(self) -> None:
        """Who hangs up before the end of the command has sent no message, and nothing stays of it."""
        large = b"Subject: large\r\n\r\n" + b"x" * 3 * IN_MEMORY
        data = command(b"a APPEND INBOX ", PLAIN, b" ", large, b" ", b"\0", b" CATENATE (TEXT ", PLAIN, b" x")
        for end in (30, 60, 80, 100_000, 700_000, len(data) - 40, len(data) - 3):
            connection = self.logged_in(self.listener(message_limit=10_000_000))
            self.assertNotIn("a ", self.say(connection, data[:end]))
            transport = connection.transport
            assert isinstance(transport, MemoryTransport)
            transport.lose()
            self.assertEqual([self.stored(), self.spool()], [[], []], end)

    def test_quota(self) -> None:
        """The quota is asked before a literal is, for all messages together."""
        now(self.store.users.set_quota(self.user.address, 2 * len(PLAIN) + 1, 0))
        self.assertEqual(self.say(self.connection, b"a APPEND INBOX {%d}\r\n" % len(PLAIN)), "+ OK\r\n")
        self.assertEqual(self.say(self.connection, PLAIN + b" {%d}\r\n" % len(PLAIN)), "+ OK\r\n")
        self.assertIn("a NO [OVERQUOTA]", self.say(self.connection, PLAIN + b" {2}\r\n"))
        self.assertEqual(self.stored(), [])
        now(self.store.users.set_quota(self.user.address, 0, 1))
        self.assertIn("b NO [OVERQUOTA]", self.say(self.connection, command(b"b APPEND INBOX ", PLAIN, b" ", PLAIN)))

    def test_replace_when_full(self) -> None:
        """REPLACE has the room of what it replaces; more is refused before it is asked for."""
        self.deliver(PLAIN)
        now(self.store.users.set_quota(self.user.address, len(PLAIN), 1))
        connection = self.selected()
        self.assertIn("a NO [OVERQUOTA]", self.say(connection, b"a REPLACE 1 INBOX {%d}\r\n" % (len(PLAIN) + 1)))
        shorter = PLAIN.replace(b"plain", b"new")
        self.assertIn("b OK", self.say(connection, command(b"b REPLACE 1 INBOX ", shorter)))
        self.assertEqual(self.stored(), [shorter])

    def test_replaced_meanwhile(self) -> None:
        """When the message is gone before its replacement has come, that does not come either."""
        self.deliver(PLAIN, flags=0)
        one, other = self.selected(), self.selected()
        self.say(one, b"a REPLACE 1 INBOX {%d+}\r\n" % len(PLAIN))
        self.say(other, "a STORE 1 +FLAGS (\\Deleted)")
        self.say(other, "b EXPUNGE")
        self.assertIn("a NO [EXPUNGEISSUED]", self.say(one, PLAIN + b"\r\n"))
        self.assertEqual(self.stored(), [])

    def test_deleted_meanwhile(self) -> None:
        """When the mailbox is gone before the messages have come, the client may create it."""
        self.say(self.connection, "a CREATE New")
        self.say(self.connection, b"b APPEND New {%d+}\r\n" % len(PLAIN))
        now(self.store.mailboxes.delete(self.user.id, "New"))
        self.assertIn("b NO [TRYCREATE]", self.say(self.connection, PLAIN + command(b" ", PLAIN)))

    def test_acknowledged(self) -> None:
        """A client that sends the last line end on its own is told at once that everything before has come."""
        acknowledged: list[int] = []
        self.patch(self.connection, "acknowledge", lambda: acknowledged.append(len(self.connection.buffer)))
        self.say(self.connection, b"a APPEND INBOX {%d+}\r\n" % len(PLAIN))
        self.say(self.connection, PLAIN[:5])
        self.assertEqual(acknowledged, [])
        self.say(self.connection, PLAIN[5:])
        self.assertEqual(acknowledged, [0])
        self.assertIn("a OK", self.say(self.connection, b"\r\n"))
