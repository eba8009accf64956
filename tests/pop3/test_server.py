"""POP3 on a connection: what the dialogues cannot tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol

from quantummail.auth.hashing import MAX_WAITING, THREADS, Hashing
from quantummail.auth.login import Authenticator, Peer
from quantummail.pop3.server import POP3Connection, POP3Factory
from quantummail.store import removals
from quantummail.store.errors import Unavailable
from quantummail.store.records import User
from quantummail.wire.admission import ConnectionLimits
from tests.auth.accounts import PASSWORDS
from tests.pop3.case import LOGIN, MESSAGES, NAME, PASSWORD, Pop3Case
from tests.support.stores import now
from tests.support.transport import MemoryTransport


class LockTests(Pop3Case):
    """One session has the maildrop (RFC 1939 4, faults.md I11)."""

    def refused(self, factory: POP3Factory | None = None) -> bool:
        connection, _ = self.connect(factory)
        return b"-ERR [IN-USE] " in self.say(connection, LOGIN)

    def test_second_session(self) -> None:
        """A second session is refused, and may try again on the same connection."""
        first, _ = self.logged_in()
        second, _ = self.connect()
        self.assertIn(b"-ERR [IN-USE] ", self.say(second, LOGIN))
        self.say(first, b"QUIT\r\n")
        self.assertIn(b"+OK 3 messages", self.say(second, LOGIN))

    def test_other_listener(self) -> None:
        """The lock holds for all listeners."""
        self.logged_in()
        self.assertTrue(self.refused(self.listener("pop3", implicit_tls=False, plaintext_login=True))
                        or self.refused(self.listener("other")))

    def test_released_before_the_answer(self) -> None:
        """Who has read the answer to QUIT can log in at once, though the connection is not closed yet."""
        first, transport = self.logged_in()
        self.say(first, b"QUIT\r\n")
        self.assertTrue(transport.disconnecting)
        self.assertFalse(self.refused())

    def test_released_when_lost(self) -> None:
        """A connection that is lost has no lock."""
        _, transport = self.logged_in()
        transport.lose()
        self.assertFalse(self.refused())

    def test_released_after_silence(self) -> None:
        """A session that is silent loses it with its connection."""
        _, transport = self.logged_in()
        self.clock.pump([60.0] * 11)
        self.assertTrue(transport.disconnecting)
        transport.lose()
        self.assertFalse(self.refused())

    def test_released_after_failure(self) -> None:
        """A maildrop that could not be opened is not locked."""
        async def locked(user: User) -> Any:
            raise Unavailable("database is locked")

        usual = self.maildrops.open
        self.maildrops.open = locked  # type: ignore[method-assign]  # a store that is busy
        connection, _ = self.connect()
        self.assertIn(b"-ERR [SYS/TEMP] database is locked", self.say(connection, LOGIN))
        self.maildrops.open = usual  # type: ignore[method-assign]  # as above
        self.assertIn(b"+OK 3 messages", self.say(connection, LOGIN))

    def test_lost_while_logging_in(self) -> None:
        """A connection that is gone when the password was checked takes no lock."""
        waiting: Deferred[None] = Deferred()
        factory = self.listener()

        class Slow:
            sessions = self.authenticator.sessions

            async def login(self, *args: str, **kwargs: str) -> User:
                await waiting
                return user

        user = self.user
        factory.authenticator = Slow()  # type: ignore[assignment]  # waits as long as the test wants
        connection, transport = self.connect(factory)
        self.say(connection, LOGIN)
        transport.lose()
        waiting.callback(None)
        self.assertFalse(self.refused())


class UpdateTests(Pop3Case):
    """Deletions take effect at QUIT, or not at all (RFC 1939 6)."""

    def test_quit(self) -> None:
        """QUIT removes what is marked, and nothing else."""
        connection, _ = self.logged_in()
        self.say(connection, b"DELE 1\r\nDELE 3\r\nQUIT\r\n")
        self.assertEqual(self.uids(), [2])

    def test_reset(self) -> None:
        """After RSET nothing."""
        connection, _ = self.logged_in()
        self.say(connection, b"DELE 1\r\nRSET\r\nQUIT\r\n")
        self.assertEqual(self.uids(), [1, 2, 3])

    def test_lost(self) -> None:
        """A lost connection removes nothing."""
        connection, transport = self.logged_in()
        self.say(connection, b"DELE 1\r\n")
        transport.lose()
        self.assertEqual(self.uids(), [1, 2, 3])

    def test_stopping(self) -> None:
        """Nor does a server that stops."""
        connection, transport = self.logged_in()
        self.say(connection, b"DELE 1\r\n")
        self.factory.drain(10)
        self.assertTrue(transport.disconnecting)
        self.assertEqual(self.uids(), [1, 2, 3])

    def test_new_mail(self) -> None:
        """What comes during the session is neither shown nor removed."""
        connection, _ = self.logged_in()
        self.deliver(b"Subject: new\r\n\r\n")
        self.assertIn(b"+OK 3 124", self.say(connection, b"STAT\r\n"))
        self.say(connection, b"DELE 1\r\nDELE 2\r\nDELE 3\r\nQUIT\r\n")
        self.assertEqual(self.uids(), [4])

    def test_failure(self) -> None:
        """When the store cannot remove them the client is told, and the session is over."""
        connection, transport = self.logged_in()
        self.say(connection, b"DELE 1\r\n")

        async def full(*args: Any) -> Any:
            raise Unavailable("disk full")

        self.store.messages.remove = full  # type: ignore[method-assign,assignment]  # a store that cannot write
        self.assertIn(b"-ERR [SYS/TEMP] deleted messages were not removed", self.say(connection, b"QUIT\r\n"))
        self.assertTrue(transport.disconnecting)
        self.assertEqual(len(self.flushLoggedErrors(Unavailable)), 1)

    def test_stable_unique_ids(self) -> None:
        """UIDL gives a message the same id in the next session, whatever was removed in between."""
        connection, _ = self.logged_in()
        before = self.say(connection, b"UIDL\r\n").splitlines()
        self.say(connection, b"DELE 1\r\nQUIT\r\n")
        again, _ = self.logged_in()
        after = self.say(again, b"UIDL\r\n").splitlines()
        self.assertEqual([line.split()[1] for line in before[2:4]], [line.split()[1] for line in after[1:3]])


class ElsewhereTests(Pop3Case):
    """Messages that go away during the session, by IMAP (faults.md I11)."""

    def remove(self, *uids: int) -> None:
        now(self.store.messages.remove(self.user.id, self.inbox, uids))

    def test_never_another_message(self) -> None:
        """A number that was told never comes to mean another message."""
        connection, _ = self.logged_in()
        self.say(connection, b"UIDL 1\r\n")
        self.remove(1)
        self.assertEqual(self.say(connection, b"RETR 1\r\n"), b"-ERR message 1 was removed by another session\r\n")
        self.assertIn(b"Subject: second", self.say(connection, b"RETR 2\r\n"))

    def test_after_reading_ahead(self) -> None:
        """Nor when its row was read before it went."""
        connection, _ = self.logged_in()
        self.say(connection, b"LIST\r\n")
        self.remove(2)
        now(self.store.mirror.catch_up())
        self.assertEqual(self.say(connection, b"RETR 2\r\n"), b"-ERR message 2 was removed by another session\r\n")

    def test_totals(self) -> None:
        """LIST and STAT leave it out as soon as it is known to be gone."""
        connection, _ = self.logged_in()
        self.say(connection, b"UIDL\r\n")
        self.remove(2)
        self.assertEqual(self.say(connection, b"LIST\r\n"), b"+OK 2 messages (69 octets)\r\n1 33\r\n3 36\r\n.\r\n")
        self.assertEqual(self.say(connection, b"STAT\r\n"), b"+OK 2 69\r\n")

    def test_before_numbers_are_told(self) -> None:
        """What goes between the login and the first number keeps its own: a client may count on those of STAT."""
        connection, _ = self.logged_in()
        self.assertEqual(self.say(connection, b"STAT\r\n"), b"+OK 3 124\r\n")
        self.deliver(b"Subject: fourth\r\n\r\n")
        self.remove(2, 4)
        self.assertEqual(self.say(connection, b"RETR 2\r\n"), b"-ERR message 2 was removed by another session\r\n")
        self.assertIn(b"Subject: third", self.say(connection, b"RETR 3\r\n"))
        self.assertEqual(self.say(connection, b"RETR 4\r\n"), b"-ERR there is no message 4\r\n")
        self.assertEqual(self.say(connection, b"LIST\r\n"), b"+OK 2 messages (69 octets)\r\n1 33\r\n3 36\r\n.\r\n")
        self.assertEqual(self.say(connection, b"STAT\r\n"), b"+OK 2 69\r\n")

    def test_forgotten(self) -> None:
        """Where too much went to be remembered, numbers are those of what is left."""
        self.patch(removals, "KEPT_TOMBSTONES", 0)
        connection, _ = self.logged_in()
        self.remove(1)
        self.deliver(b"Subject: fourth\r\n\r\n")
        self.remove(4)
        self.assertEqual(self.say(connection, b"LIST\r\n"), b"+OK 2 messages (91 octets)\r\n1 55\r\n2 36\r\n.\r\n")

    def test_another_inbox(self) -> None:
        """An INBOX that was made anew has other messages: the session cannot go on with it."""
        connection, _ = self.logged_in()
        assert connection.transaction is not None
        connection.transaction._mailbox = replace(connection.transaction._mailbox, uidvalidity=1)
        self.assertTrue(self.say(connection, b"LIST\r\n").startswith(b"-ERR [SYS/TEMP] "))

    def test_deleted_on_both_sides(self) -> None:
        """What both have deleted is deleted."""
        connection, _ = self.logged_in()
        self.say(connection, b"DELE 1\r\nDELE 2\r\n")
        self.remove(1)
        self.assertIn(b"+OK bye", self.say(connection, b"QUIT\r\n"))
        self.assertEqual(self.uids(), [3])

    def test_file_gone(self) -> None:
        """A row whose file is not there is for the operator: [SYS/PERM], and a log line."""
        connection, _ = self.logged_in()
        for path in (Path(self.store._root) / "example.test/alice").rglob("*"):
            if path.is_file() and b"second" in path.read_bytes():
                path.unlink()
        self.assertEqual(self.say(connection, b"RETR 2\r\n"), b"-ERR [SYS/PERM] message 2 cannot be read\r\n")
        self.assertIn(b"Subject: third", self.say(connection, b"RETR 3\r\n"))
        self.assertEqual(self.uids(), [1, 3])


class TroubleTests(Pop3Case):
    """What goes wrong on our side is [SYS/TEMP], and the session lives on."""

    def test_store(self) -> None:
        """A store that is unavailable."""
        connection, _ = self.logged_in()
        self.bodies.failure = Unavailable("the message cannot be read")
        self.assertEqual(self.say(connection, b"RETR 1\r\n"), b"-ERR [SYS/TEMP] the message cannot be read\r\n")
        self.bodies.failure = None
        self.assertIn(b"+OK 33 octets", self.say(connection, b"RETR 1\r\n"))

    def test_unexpected(self) -> None:
        """An exception that nobody thought of."""
        connection, _ = self.logged_in()
        self.bodies.failure = KeyError("oops")
        self.assertTrue(self.say(connection, b"RETR 1\r\nNOOP\r\n").startswith(b"-ERR [SYS/TEMP] "))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_login_unavailable(self) -> None:
        """A login that cannot be checked is not called wrong; it counts against the connection all the same."""
        pool = Hashing(None, PASSWORDS)  # type: ignore[arg-type]  # never started
        pool._unfinished = THREADS + MAX_WAITING
        factory = self.listener()
        factory.authenticator = Authenticator(self.store.users, pool, self.clock)
        connection, transport = self.connect(factory)
        answer = self.say(connection, LOGIN * 3)
        self.assertEqual(answer.count(b"-ERR [SYS/TEMP] authentication is temporarily unavailable"), 3)
        self.assertTrue(transport.disconnecting)


class LimitTests(Pop3Case):
    """Limits of a session and of a listener."""

    def test_messages(self) -> None:
        """Of too many messages the oldest are served; the others wait for the next session."""
        connection, _ = self.connect(self.listener(max_messages=2))
        self.assertIn(b"+OK 2 messages, the oldest of 3", self.say(connection, LOGIN))
        self.assertEqual(self.say(connection, b"STAT\r\n"), b"+OK 2 88\r\n")
        self.assertEqual(self.say(connection, b"RETR 3\r\n"), b"-ERR there is no message 3\r\n")
        self.say(connection, b"DELE 1\r\nDELE 2\r\nQUIT\r\n")
        self.assertEqual(self.uids(), [3])

    def test_connections(self) -> None:
        """A refused client reads why."""
        factory = POP3Factory("pop3", self.clock, ConnectionLimits(total=1), self.settings, self.maildrops,
                              self.authenticator, None)
        self.connect(factory)
        refused = factory.buildProtocol(None)
        transport = MemoryTransport()
        assert isinstance(refused, Protocol)
        refused.makeConnection(transport)
        self.assertEqual(transport.take(), b"-ERR [SYS/TEMP] too many connections\r\n")

    def test_never_a_secret_in_the_greeting(self) -> None:
        """The greeting offers no APOP (RFC 1939 7)."""
        factory = self.listener()
        connection = factory.new_connection()
        connection.factory = factory
        transport = MemoryTransport()
        connection.makeConnection(transport)
        self.assertEqual(transport.take(), b"+OK pop.example.test POP3 ready\r\n")

    def test_clear_text_on_loopback(self) -> None:
        """Where the configuration says so this machine logs in without TLS, nobody else does."""
        factory = self.listener("pop3", implicit_tls=False, plaintext_login=True)
        for client, taken in [("127.0.0.1", True), ("192.0.2.1", False)]:
            connection, transport = self.connect(factory, client)
            self.assertEqual(b"+OK 3 messages" in self.say(connection, LOGIN), taken, client)
            transport.lose()

    def test_long_line_before_login(self) -> None:
        """A line without an end is not kept."""
        connection, _ = self.connect()
        for _ in range(100):
            connection.dataReceived(b"x" * 10_000)
        self.assertLess(len(connection.buffer), 20_000)
        self.assertEqual(self.say(connection, b"\r\nCAPA\r\n").partition(b"\r\n")[0], b"-ERR line too long")

    def test_long_line_ends_authentication(self) -> None:
        """A response beyond all limits ends the exchange, not the connection."""
        connection, transport = self.connect()
        self.say(connection, b"AUTH PLAIN\r\n")
        self.assertEqual(self.say(connection, b"A" * 20_000 + b"\r\n"), b"-ERR line too long\r\n")
        self.assertIn(b"+OK now", self.say(connection, f"USER {NAME}\r\n".encode()))
        self.assertFalse(transport.disconnecting)


class TlsTests(Pop3Case):
    """STLS (RFC 2595)."""

    def test_handshake(self) -> None:
        """The answer goes out before the handshake, with the listener's context."""
        factory = self.listener("pop3", implicit_tls=False)
        connection, transport = self.connect(factory)
        self.assertEqual(self.say(connection, b"STLS\r\n"), b"+OK begin TLS now\r\n")
        self.assertEqual(transport.tls_contexts, [factory.tls_context])

    def test_injected_octets(self) -> None:
        """Nothing that came before the handshake is looked at after it: there is no handshake."""
        for behind in (b"USER x\r\n", b"\r\n", b" ", b"QUIT\r\n", b"\x16\x03\x01"):
            connection, transport = self.connect(self.listener("pop3", implicit_tls=False))
            self.assertEqual(self.say(connection, b"STLS\r\n" + behind), b"-ERR nothing may follow STLS\r\n")
            self.assertTrue(transport.disconnecting)
            self.assertEqual(transport.tls_contexts, [])

    def test_no_certificate(self) -> None:
        """Without a certificate STLS is neither offered nor taken."""
        factory = self.listener("pop3", implicit_tls=False)
        factory.tls_context = None
        connection, _ = self.connect(factory)
        self.assertNotIn(b"STLS", self.say(connection, b"CAPA\r\n"))
        self.assertEqual(self.say(connection, b"STLS\r\n"), b"-ERR TLS is not available\r\n")


class OrderTests(Pop3Case):
    """One command at a time."""

    def test_slow_login(self) -> None:
        """What stands behind a slow login is answered after it, in order."""
        waiting: Deferred[None] = Deferred()
        user = self.user

        class Slow:
            sessions = self.authenticator.sessions

            async def login(self, *args: str, **kwargs: str) -> User:
                await waiting
                return user

        factory = self.listener()
        factory.authenticator = Slow()  # type: ignore[assignment]  # waits as long as the test wants
        connection, transport = self.connect(factory)
        self.assertEqual(self.say(connection, LOGIN + b"STAT\r\nQUIT\r\n"), b"+OK now the password\r\n")
        waiting.callback(None)
        self.assertEqual(transport.take(), b"+OK 3 messages\r\n+OK 3 124\r\n+OK bye\r\n")

    def test_name_of_the_listener_in_the_log(self) -> None:
        """The authenticator is told protocol, client and connection."""
        told: list[object] = []
        user = self.user

        class Curious:
            sessions = self.authenticator.sessions

            async def login(self, username: str, password: str, peer: Peer) -> User:
                told.extend((username, password, peer))
                return user

            def offered(self, channel: object, offers: object) -> tuple[str, ...]:
                return ()

        factory = self.listener("pop3s")
        factory.authenticator = Curious()  # type: ignore[assignment]  # asks back
        connection, _ = self.connect(factory, "192.0.2.9")
        self.say(connection, LOGIN)
        peer = Peer("pop3s", "192.0.2.9", connection.connection_id, None, connection.expel)
        self.assertEqual(told, [NAME, PASSWORD, peer])


class AccountTests(Pop3Case):
    """A session ends soon after its account may not be used any more."""

    def test_disabled(self) -> None:
        """A disabled account: the session is told to log in again, and its marks count for nothing."""
        connection, transport = self.logged_in()
        self.say(connection, b"DELE 1\r\n")
        now(self.store.users.set_enabled(NAME, False))
        self.clock.advance(5)
        self.assertEqual((transport.take(), transport.disconnecting), (b"-ERR [AUTH] log in again\r\n", True))
        transport.lose()
        self.assertEqual(self.uids(), [1, 2, 3])

    def test_ended(self) -> None:
        """Nobody is looked at whose session is over, or never began."""
        first, _ = self.logged_in()
        second, _ = self.connect()
        self.assertIn(b"-ERR [IN-USE]", self.say(second, LOGIN))
        self.say(first, b"QUIT\r\n")
        self.assertEqual(self.authenticator.sessions._open, {})


class ForgettingTests(Pop3Case):
    """A closed connection holds nothing."""

    def test_closed(self) -> None:
        """The maildrop goes with the connection."""
        connection, transport = self.logged_in()
        transport.lose()
        self.assertIsInstance(connection, POP3Connection)
        self.assertIsNone(connection.transaction)
        self.assertEqual(len(MESSAGES), len(self.uids()))
