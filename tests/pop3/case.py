"""A POP3 server over a store in a temporary directory, for the tests of this package."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth.login import Authenticator, LoginLimits
from quantummail.pop3.maildrops import Maildrops
from quantummail.pop3.server import POP3Connection, POP3Factory, Pop3Settings
from quantummail.store.bodies import Bodies
from quantummail.store.records import Message
from quantummail.wire.admission import ConnectionLimits
from tests.auth.accounts import PASSWORDS, CountedHashing
from tests.support.stores import make_store, make_user, now
from tests.support.transport import MemoryTransport, connect

NAME, PASSWORD = "alice@example.test", "secret word"
LOGIN = f"USER {NAME}\r\nPASS {PASSWORD}\r\n".encode()

MESSAGES = (
    b"Subject: first\r\n\r\none line only\r\n",
    b"Subject: second\r\n\r\n.\r\n.a line with a dot\r\nand another\r\n",
    b"Subject: third\r\n\r\nwithout a line end",
)


class CountedBodies(Bodies):
    """The bodies of a store, counting what is read: how many messages at once, 0 for a part of one."""

    def __init__(self, bodies: Bodies) -> None:
        self.__dict__.update(bodies.__dict__)
        self.reads: list[int] = []
        self.failure: Exception | None = None
        self.before_read: Callable[[], object] = lambda: None

    def read(self, message: Message, start: int = 0, end: int | None = None) -> Deferred[bytes]:
        """Read, unless there is to be a failure."""
        self.before_read()
        if self.failure is not None:
            raise self.failure
        self.reads.append(1 if end is None else 0)
        return super().read(message, start, end)

    def read_many(self, messages: Sequence[Message], limit: int) -> Deferred[list[bytes]]:
        """Read, and count the messages."""
        result = super().read_many(messages, limit)
        self.reads.append(len(result.result))  # type: ignore[arg-type]  # the store of tests does it at once
        return result


class Pop3Case(SynchronousTestCase):
    """A user with some messages, a listener with TLS from the start."""

    settings = Pop3Settings(hostname="pop.example.test", implicit_tls=True)
    messages: tuple[bytes, ...] = MESSAGES

    def setUp(self) -> None:
        self.clock = Clock()
        self.store = make_store(self)
        self.bodies = CountedBodies(self.store.bodies)
        self.store.bodies = self.bodies
        self.user = make_user(self.store, NAME, PASSWORDS.hash(PASSWORD))
        inbox = now(self.store.mailboxes.find(self.user.id, "INBOX"))
        assert inbox is not None
        self.inbox = inbox.id
        for message in self.messages:
            self.deliver(message)
        self.hashing = CountedHashing()
        self.authenticator = Authenticator(self.store.users, self.hashing, self.clock, LoginLimits(free=100))
        self.maildrops = Maildrops(self.store)
        self.factory = self.listener()

    def listener(self, name: str = "pop3s", **changes: Any) -> POP3Factory:
        """A listener whose settings differ from the usual ones."""
        return POP3Factory(name, self.clock, ConnectionLimits(), replace(self.settings, **changes), self.maildrops,
                           self.authenticator, object())

    def deliver(self, data: bytes) -> int:
        """Put a message into INBOX; its UID."""
        body = self.store.bodies.spooled()
        now(body.write(data))
        return now(self.store.messages.append(self.user.id, self.inbox, body, flags=0, keywords=(),
                                              internal_date=None)).uid

    def uids(self) -> list[int]:
        """What is in INBOX."""
        return list(now(self.store.messages.open(self.user.id, self.inbox, claim_recent=False)).uids)

    def connect(self, factory: POP3Factory | None = None,
                client: str = "192.0.2.1") -> tuple[POP3Connection, MemoryTransport]:
        """A connection that has read its greeting."""
        connection, transport = connect(factory or self.factory, client)
        assert isinstance(connection, POP3Connection)
        transport.take()
        return connection, transport

    def logged_in(self, factory: POP3Factory | None = None) -> tuple[POP3Connection, MemoryTransport]:
        """A connection in the TRANSACTION state."""
        connection, transport = self.connect(factory)
        answer = self.say(connection, LOGIN)
        assert answer.endswith(b"messages\r\n") or b"the oldest of" in answer, answer
        return connection, transport

    def say(self, connection: POP3Connection, data: bytes) -> bytes:
        """What the server answers at once."""
        connection.dataReceived(data)
        transport = connection.transport
        assert isinstance(transport, MemoryTransport)
        return transport.take()
