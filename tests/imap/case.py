"""An IMAP server over a store in a temporary directory, for the tests of this package."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth.login import Authenticator, LoginLimits
from quantummail.imap.server import IMAPConnection, IMAPFactory, ImapSettings
from quantummail.store.records import User
from quantummail.wire.admission import ConnectionLimits
from tests.auth.accounts import PASSWORDS, CountedHashing
from tests.support.stores import make_store, make_user, now
from tests.support.transport import MemoryTransport, connect

NAME, PASSWORD = "alice@example.test", "secret word"
# 17-Jul-1996 02:44:25 UTC
DATE = 837571465


class ImapCase(SynchronousTestCase):
    """Alice, a listener with TLS from the start, and an empty INBOX."""

    settings = ImapSettings(hostname="imap.example.test", implicit_tls=True, message_limit=200_000)

    def setUp(self) -> None:
        self.clock = Clock()
        self.store = make_store(self)
        self.user = make_user(self.store, NAME, PASSWORDS.hash(PASSWORD))
        self.authenticator = Authenticator(self.store.users, CountedHashing(), self.clock, LoginLimits(free=100))
        self.factory = self.listener()

    def listener(self, **changes: Any) -> IMAPFactory:
        """A listener whose settings differ from the usual ones."""
        settings = replace(self.settings, **changes)
        return IMAPFactory("imap", self.clock, ConnectionLimits(), settings, self.store, self.authenticator, object())

    def mailbox_id(self, name: str = "INBOX", user: User | None = None) -> int:
        """The id of a mailbox."""
        box = now(self.store.mailboxes.find((user or self.user).id, name))
        assert box is not None
        return box.id

    def deliver(
        self, data: bytes = b"Subject: test\r\n\r\ntext\r\n", mailbox: str = "INBOX", *, flags: int = 0,
        keywords: tuple[str, ...] = (), date: int = DATE,
    ) -> int:
        """Put a message into a mailbox; its UID."""
        body = self.store.bodies.spooled()
        now(body.write(data))
        return now(self.store.messages.append(
            self.user.id, self.mailbox_id(mailbox), body, flags=flags, keywords=keywords, internal_date=date
        )).uid

    def connect(
        self, factory: IMAPFactory | None = None, client: str = "192.0.2.1"
    ) -> tuple[IMAPConnection, MemoryTransport]:
        """A connection that has read its greeting."""
        connection, transport = connect(factory or self.factory, client)
        assert isinstance(connection, IMAPConnection)
        transport.take()
        return connection, transport

    def logged_in(self, factory: IMAPFactory | None = None, name: str = NAME) -> IMAPConnection:
        """A connection in the authenticated state."""
        connection, _ = self.connect(factory)
        answer = self.say(connection, f'l LOGIN {name} "{PASSWORD}"')
        assert answer.startswith("l OK "), answer
        return connection

    def selected(self, mailbox: str = "INBOX", factory: IMAPFactory | None = None) -> IMAPConnection:
        """A connection with a mailbox selected."""
        connection = self.logged_in(factory)
        answer = self.say(connection, f"s SELECT {mailbox}")
        assert "s OK [READ-WRITE]" in answer, answer
        return connection

    def say(self, connection: IMAPConnection, command: str | bytes) -> str:
        """What the server answers to a command at once."""
        if isinstance(command, str):
            command = command.encode() + b"\r\n"
        connection.dataReceived(command)
        transport = connection.transport
        assert isinstance(transport, MemoryTransport)
        return transport.take().decode("latin-1")

    def heard(self, connection: IMAPConnection) -> str:
        """What the server has said without being asked."""
        transport = connection.transport
        assert isinstance(transport, MemoryTransport)
        return transport.take().decode("latin-1")
