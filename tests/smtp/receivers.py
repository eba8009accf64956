"""A receiver in memory, and connections that it stands behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from quantummail.auth import sasl
from quantummail.smtp.login import Outcome
from quantummail.smtp.reply import Reply
from quantummail.smtp.server import SMTPConnection, SMTPFactory, SmtpSettings
from quantummail.wire.admission import ConnectionLimits
from tests.support.transport import MemoryTransport, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quantummail.message.envelope import Client, Envelope, Recipient, Sender

OK = Reply(250, "2.1.0", "OK")


class MemoryContent:
    """Keeps what is written, and whether it was discarded."""

    def __init__(self) -> None:
        self.size = 0
        self.written: list[bytes] = []
        self.discarded = 0
        self.trouble: Exception | None = None
        self.gate: Deferred[None] | None = None

    async def write(self, data: bytes) -> None:
        if self.gate is not None:
            await self.gate
        if self.trouble is not None:
            raise self.trouble
        self.written.append(data)
        self.size += len(data)

    def discard(self) -> None:
        self.discarded += 1

    @property
    def octets(self) -> bytes:
        return b"".join(self.written)


class MemoryReceiver:
    """Takes mail for everybody but `unknown*`, from everybody but `bad*`; `slow*` waits for `gate`.

    `raises*` raises; the password is `secret`. A message that contains `REFUSE` is refused.
    """

    def __init__(self, *, lmtp: bool = False) -> None:
        self.lmtp = lmtp
        self.gate: Deferred[None] = Deferred()
        self.contents: list[MemoryContent] = []
        self.no_content: Exception | None = None
        self.write_trouble: Exception | None = None
        self.write_gate: Deferred[None] | None = None
        self.messages: list[tuple[Envelope, bytes]] = []
        self.clients: list[Client] = []
        self.senders: list[Sender] = []
        self.asked: list[str] = []
        self.ends: list[Callable[[], None]] = []
        self.disabled: frozenset[str] = frozenset()
        self.ended: list[tuple[str, Reply | None]] = []

    async def _decide(self, name: str, reply: Reply) -> Reply:
        if name.startswith("slow"):
            await self.gate
        if name.startswith("raises"):
            raise RuntimeError(name)
        if name.startswith("later"):
            return Reply(451, "4.7.1", "Not now")
        if name.startswith("leave"):
            return Reply(421, "4.7.0", "Go away")
        if name.startswith(("bad", "unknown")):
            return reply
        return OK

    async def mail(self, client: Client, sender: Sender) -> Reply:
        self.clients.append(client)
        self.senders.append(sender)
        name = sender.address.local_part if sender.address else ""
        return await self._decide(name, Reply(550, "5.7.1", "Not from you"))

    async def rcpt(self, client: Client, sender: Sender, recipient: Recipient) -> Reply:
        self.asked.append(str(recipient.address))
        return await self._decide(recipient.address.local_part, Reply(550, "5.1.1", "No such user"))

    async def vrfy(self, client: Client, argument: str) -> Reply:
        return Reply(252, "2.1.5", f"Send mail to {argument} and see")

    def content(self) -> MemoryContent:
        if self.no_content is not None:
            raise self.no_content
        content = MemoryContent()
        content.trouble = self.write_trouble
        content.gate = self.write_gate
        self.contents.append(content)
        return content

    async def message(self, envelope: Envelope, content: Any) -> Sequence[Reply]:
        octets = content.octets
        if b"SLOW" in octets:
            await self.gate
        if b"RAISE" in octets:
            raise RuntimeError("no delivery")
        self.messages.append((envelope, octets))
        if not self.lmtp:
            return [Reply(550, "5.7.1", "Spam") if b"REFUSE" in octets else Reply(250, "2.0.0", "Taken")]
        return [Reply(452, "4.2.2", "Full") if recipient.address.local_part.startswith("full")
                else Reply(250, "2.1.5", f"Stored for {recipient.address}") for recipient in envelope.recipients]

    def over(self, transaction: str, client: Client, reply: Reply | None) -> None:
        self.ended.append((transaction, reply))

    def mechanisms(self, tls: object, disabled: frozenset[str]) -> Sequence[str]:
        return [name for name in ("PLAIN", "LOGIN") if f"AUTH={name}" not in disabled]

    def exchange(
        self, mechanism: str, client: Client, tls: object, disabled: frozenset[str], end: Callable[[], None],
    ) -> MemoryExchange:
        self.ends.append(end)
        return MemoryExchange(self, mechanism)

    async def authenticate(self, username: str, password: str) -> Outcome:
        """What a password leads to."""
        if username.startswith("slow"):
            await self.gate
        if username.startswith("later"):
            return Outcome(Reply(454, "4.7.0", "Not now"))
        if password == "secret":
            return Outcome(Reply(235, "2.7.0", "Welcome"), username, self.disabled)
        return Outcome(Reply(535, "5.7.8", "Authentication failed"))

    def logged_out(self) -> None:
        self.ends.clear()


class MemoryExchange:
    """PLAIN or LOGIN."""

    def __init__(self, receiver: MemoryReceiver, mechanism: str) -> None:
        self.receiver = receiver
        self.mechanism = mechanism
        self.username = ""

    def begin(self) -> bytes:
        return b"" if self.mechanism == "PLAIN" else b"Username:"

    async def answer(self, response: bytes) -> bytes | Outcome:
        try:
            if self.mechanism == "PLAIN":
                login = sasl.plain(response)
                return await self.receiver.authenticate(login.username, login.password)
            if not self.username:
                self.username = sasl.one_field(response)
                return b"Password:"
            return await self.receiver.authenticate(self.username, sasl.one_field(response))
        except sasl.SaslError as error:
            return Outcome(Reply(535, "5.7.8", f"Authentication failed: {error}"))


class Server:
    """One connection on a transport in memory, with its receiver and clock."""

    def __init__(self, client: str = "192.0.2.1", *, tls: bool = True, **settings: Any) -> None:
        settings.setdefault("hostname", "mx.example.test")
        self.clock = Clock()
        self.receiver = MemoryReceiver(lmtp=settings.get("mode") == "lmtp")
        self.factory = SMTPFactory("test", self.clock, ConnectionLimits(), SmtpSettings(**settings),
                                   lambda: self.receiver, object() if tls else None)
        connection, transport = connect(self.factory, client)
        self.connection = cast("SMTPConnection", connection)
        self.transport: MemoryTransport = transport

    def say(self, data: bytes) -> list[str]:
        """Send octets; the lines of the answer."""
        self.connection.dataReceived(data)
        return self.heard()

    def heard(self) -> list[str]:
        """The lines that came since the last call."""
        return self.transport.take().decode().splitlines()

    def begin(self, mail: bytes = b"MAIL FROM:<a@example.org>") -> None:
        """Up to an accepted recipient."""
        hello = b"LHLO" if self.receiver.lmtp else b"EHLO"
        heard = self.say(hello + b" client.example\r\n" + mail + b"\r\nRCPT TO:<b@example.test>\r\n")
        if not heard[-1].startswith("250"):
            raise AssertionError(heard)

    @property
    def delivered(self) -> list[bytes]:
        """The contents of the messages that were taken."""
        return [octets for _, octets in self.receiver.messages]
