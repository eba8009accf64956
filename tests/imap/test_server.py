"""Tests of quantummail.imap.server: limits, and what a connection costs."""

from __future__ import annotations

import gc
import os
import tracemalloc
from typing import Any

from twisted.internet.defer import Deferred

from quantummail.auth.login import Peer
from quantummail.imap.server import IMAPConnection
from quantummail.store.records import Snapshot
from quantummail.wire.admission import ConnectionLimits
from tests.auth.accounts import PASSWORDS
from tests.imap.case import NAME, PASSWORD, ImapCase
from tests.support.stores import now
from tests.support.transport import MemoryTransport


class LiteralTests(ImapCase):
    """Octets that nobody asked for (I1)."""

    def test_upload_in_small_pieces(self) -> None:
        """A message that comes octet by octet is stored as it is, with the next command behind it."""
        connection = self.logged_in()
        data = b"a APPEND INBOX {30+}\r\nSubject: x\r\n\r\nb LOGOUT\r\nxyz\r\n\r\nc NOOP\r\n"
        answers = "".join(self.say(connection, data[at : at + 1]) for at in range(len(data)))
        self.assertRegex(answers, r"^a OK \[APPENDUID \d+ 1\] APPEND completed\r\nc OK NOOP completed\r\n$")

    def test_upload_is_not_kept_in_memory(self) -> None:
        """A big message goes to disk while it comes."""
        connection = self.logged_in(self.listener(message_limit=40_000_000))
        self.assertEqual(self.say(connection, "a APPEND INBOX {30000000}"), "+ OK\r\n")
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for _ in range(29):
            connection.dataReceived(b"x" * 1_000_000)
        self.assertLess(tracemalloc.get_traced_memory()[1], 8_000_000)

    def test_hung_up_during_upload(self) -> None:
        """A client that hangs up in the middle of a message leaves nothing in the spool."""
        connection = self.logged_in(self.listener(message_limit=40_000_000))
        self.say(connection, "a APPEND INBOX {30000000}")
        connection.dataReceived(b"x" * 1_000_000)
        transport = connection.transport
        assert isinstance(transport, MemoryTransport)
        transport.lose()
        self.assertEqual(os.listdir(self.store.bodies._spool), [])

    def test_mailbox_deleted_meanwhile(self) -> None:
        """A mailbox that is deleted while the message comes: the client may make it again (RFC 3501 6.3.11)."""
        connection = self.logged_in()
        self.say(connection, "a APPEND Trash {3}")
        now(self.store.mailboxes.delete(self.user.id, "Trash"))
        self.assertIn("a NO [TRYCREATE] ", self.say(connection, b"abc\r\n"))

    def test_many_literals(self) -> None:
        """A command of a thousand and one literals is refused, the next one is read."""
        connection = self.logged_in()
        answer = self.say(connection, b"a SEARCH" + b" {1+}\r\nx" * 1001 + b"\r\n")
        self.assertEqual(answer, "a BAD [TOOBIG] Literal too large\r\n")
        self.assertEqual(self.say(connection, "b NOOP"), "b OK NOOP completed\r\n")


class HungUpTests(ImapCase):
    """Clients that go while the server works for them."""

    def hold(self, owner: object, name: str) -> Deferred[None]:
        """Make a coroutine of the store or the authenticator wait for the returned Deferred."""
        waiting: Deferred[None] = Deferred()
        original = getattr(owner, name)

        async def held(*args: object, **options: object) -> object:
            await waiting
            return await original(*args, **options)

        self.patch(owner, name, held)
        return waiting

    def lose(self, connection: IMAPConnection) -> None:
        transport = connection.transport
        assert isinstance(transport, MemoryTransport)
        transport.lose()

    def test_during_login(self) -> None:
        """Who is gone before the password was checked does not count against the user's limit."""
        factory = self.listener(connections_per_user=1)
        connection, _ = self.connect(factory)
        waiting = self.hold(self.authenticator, "login")
        self.say(connection, 'a LOGIN alice@example.test "secret word"')
        self.lose(connection)
        waiting.callback(None)
        self.assertTrue(factory.sessions.enter(self.user.id, 1))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_during_select(self) -> None:
        """Who is gone before the mailbox was open leaves no watcher behind."""
        connection = self.logged_in()
        waiting = self.hold(self.store.messages, "open")
        self.say(connection, "a SELECT INBOX")
        self.lose(connection)
        waiting.callback(None)
        self.assertEqual(self.store.changes._watchers, {})
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_during_sync(self) -> None:
        """News for a client that is gone are nobody's."""
        connection = self.selected()
        waiting = self.hold(self.store.messages, "changes")
        self.say(connection, "a IDLE")
        self.deliver()
        self.lose(connection)
        waiting.callback(None)
        self.assertEqual(self.store.changes._watchers, {})
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_mail_while_selecting(self) -> None:
        """What arrives while a mailbox is being opened is told."""
        connection = self.logged_in()
        opened = self.store.messages.open

        async def slow(*args: Any, **options: Any) -> Snapshot:
            snapshot = await opened(*args, **options)
            self.deliver()
            return snapshot

        self.patch(self.store.messages, "open", slow)
        answer = self.say(connection, "a SELECT INBOX")
        self.assertIn("* 0 EXISTS", answer)
        self.assertIn("* 1 EXISTS\r\n* 1 RECENT\r\na OK", answer)


class LogTests(ImapCase):
    """What the log says of logins."""

    def test_listener(self) -> None:
        """The name of the listener, with TLS from the start and without."""
        told: list[str] = []
        login = self.authenticator.login

        async def listening(username: str, password: str, peer: Peer) -> Any:
            told.append(peer.protocol)
            return await login(username, password, peer)

        self.patch(self.authenticator, "login", listening)
        self.logged_in()
        connection, _ = self.connect(self.listener(implicit_tls=False, plaintext_login=True), "127.0.0.1")
        self.say(connection, f'a LOGIN {NAME} "{PASSWORD}"')
        self.assertEqual(told, ["imaps", "imap"])


class AccountTests(ImapCase):
    """A session ends soon after its account may not be used any more."""

    def test_password(self) -> None:
        """A changed password ends the sessions that were there, also idle ones, and no later one."""
        before, idle = self.selected(), self.selected()
        self.say(idle, "a IDLE")
        now(self.store.users.set_password(NAME, PASSWORDS.hash("another word")))
        self.clock.advance(5)
        for connection in (before, idle):
            self.assertEqual(self.heard(connection), "* BYE [UNAVAILABLE] Log in again, please\r\n")
            self.assertTrue(connection.closing)
        after, _ = self.connect()
        self.assertIn("a OK", self.say(after, f'a LOGIN {NAME} "another word"'))
        self.clock.advance(5)
        self.assertFalse(after.closing)

    def test_deleted(self) -> None:
        """So does the end of an account, whether a mailbox was selected or not."""
        connection = self.logged_in()
        now(self.store.users.delete(NAME))
        self.clock.advance(5)
        self.assertTrue(connection.closing)

    def test_busy(self) -> None:
        """Whoever is in the middle of a command is cut off."""
        connection = self.selected()
        self.patch(self.store.messages, "changes", lambda *_: Deferred())
        self.deliver()
        self.say(connection, "a NOOP")
        now(self.store.users.set_enabled(NAME, False))
        self.clock.advance(5)
        self.assertEqual((self.heard(connection), self.authenticator.sessions._open), ("", {}))
        transport = connection.transport
        assert isinstance(transport, MemoryTransport)
        self.assertTrue(transport.disconnected)

    def test_ended(self) -> None:
        """Nobody is looked at whose session is over, or never began."""
        connection = self.logged_in()
        transport = connection.transport
        assert isinstance(transport, MemoryTransport)
        transport.lose()
        self.assertEqual(self.authenticator.sessions._open, {})
        factory = self.listener(connections_per_user=1)
        self.logged_in(factory)
        other, _ = self.connect(factory)
        self.assertIn("a NO [LIMIT]", self.say(other, f'a LOGIN {NAME} "{PASSWORD}"'))
        self.assertEqual(len(self.authenticator.sessions._open[self.user.id]), 1)


class CostTests(ImapCase):
    """What an idle client costs."""

    def test_memory(self) -> None:
        """An idle connection with a mailbox of ten messages takes less than 15 KB, its transport included."""
        for _ in range(10):
            self.deliver()
        factory = self.listener(connections_per_user=0)
        factory.admission.limits = ConnectionLimits(0, 0, 0)
        connections = [self.selected(factory=factory)]
        gc.collect()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for _ in range(50):
            connections.append(self.selected(factory=factory))
            self.say(connections[-1], "i IDLE")
        gc.collect()
        self.assertLess(tracemalloc.get_traced_memory()[0] / 50, 15_000)


class RefusedTests(ImapCase):
    """Who does not come in."""

    def test_too_many(self) -> None:
        """A client too many reads why, in IMAP."""
        self.factory.admission.limits = ConnectionLimits(total=1)
        self.connect()
        protocol = self.factory.buildProtocol(None)
        transport = MemoryTransport()
        protocol.makeConnection(transport)
        self.assertEqual(transport.value(), b"* BYE [LIMIT] too many connections\r\n")

    def test_stopping_during_upload(self) -> None:
        """A message that is half here is stored before the connection ends."""
        connection = self.logged_in()
        self.say(connection, "a APPEND INBOX {10}")
        self.say(connection, b"Subje")
        self.factory.drain(5)
        self.assertEqual(self.heard(connection), "")
        self.assertRegex(self.say(connection, b"ct: x\r\n"), r"^a OK \[APPENDUID [^\r]*\r\n\* BYE [^\r]*\r\n$")

    def test_stopping(self) -> None:
        """When the server stops, clients read so."""
        connection = self.selected()
        self.factory.drain(5)
        self.assertEqual(self.heard(connection), "* BYE [UNAVAILABLE] The server is stopping\r\n")
