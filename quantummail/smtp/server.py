"""SMTP and LMTP servers for Twisted: a session from `server_session` on a connection, and a `Receiver` behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.logger import Logger

from quantummail.message.envelope import Client, Envelope, Sender
from quantummail.smtp import events
from quantummail.smtp.redaction import SmtpRedaction
from quantummail.smtp.reply import LOCAL_ERROR, NO_ROOM, Reply
from quantummail.smtp.server_session import ServerSession
from quantummail.smtp.settings import SmtpSettings
from quantummail.wire.clients import is_local
from quantummail.wire.connection import Connection
from quantummail.wire.factory import ConnectionFactory

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from quantummail.smtp.login import Exchange
    from quantummail.smtp.receiver import Content, Receiver
    from quantummail.wire.admission import ConnectionLimits

__all__ = ["SMTPConnection", "SMTPFactory", "SmtpSettings"]


class SMTPConnection(Connection):
    """One client. The session says what to do next; what has to be decided is asked from the receiver."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.smtp")
    factory: SMTPFactory
    redaction = SmtpRedaction

    def __init__(self, factory: SMTPFactory) -> None:
        super().__init__(factory.clock, factory.settings.command_timeout)
        self.settings = factory.settings
        self.receiver = factory.receiver_factory()
        self.early_talker = False
        self._content: Content | None = None
        self._content_in_use = False
        self._client: Client | None = None
        self._exchange: Exchange | None = None
        self._transaction = ""
        self._refusal: Reply | None = None

    # What the connection calls.

    async def greet(self) -> None:
        factory = self.factory
        self.session = ServerSession(
            self.buffer, self.settings, tls=self.tls or self.settings.implicit_tls,
            offers_tls=factory.tls_context is not None and not self.settings.implicit_tls,
            plaintext_login=self.settings.plaintext_login and is_local(self.client),
            mechanisms=self._mechanisms,
        )
        # RFC 5321 4.3.1: a client waits for the greeting
        self.early_talker = len(self.buffer) > 0
        self.write(self.session.greeting().encode())

    async def step(self) -> bool:
        session = self.session
        event = session.next_event()
        if event is None:
            return False
        if type(event) is Reply:
            self.write(event.encode())
        else:
            await _ANSWERS[type(event)](self, event)
        if self._transaction and session.transaction != self._transaction:
            self._over()
        if session.receiving:
            self.idle_timeout = self.settings.data_timeout
        else:
            self.idle_timeout = self.settings.command_timeout
            if self._content is not None:
                # RSET, EHLO, a refusal after the last octet: the message is not wanted any more
                self._discard()
        return True

    def interruptible(self) -> bool:
        return not self.session.receiving

    def timed_out(self) -> None:
        # RFC 5321 4.5.3.2.7
        self.write(self.session.farewell("4.4.2", "Timeout, closing connection").encode())

    def failed(self) -> None:
        self.write(LOCAL_ERROR.encode())

    def shutting_down(self) -> None:
        # RFC 5321 3.8
        self.write(self.session.farewell("4.3.2", "Service is shutting down, closing connection").encode())

    def closed(self) -> None:
        if not self._content_in_use:
            self._discard()
            self._over()
        self.receiver.logged_out()

    def expel(self) -> None:
        """End the session: the account may not be used any more. What is running is answered first."""
        self.session.expel()
        self.wake()

    def _over(self) -> None:
        if self._transaction:
            self.receiver.over(self._transaction, self.who(), self._refusal)
        self._transaction, self._refusal = "", None

    def _mechanisms(self) -> Sequence[str]:
        return self.receiver.mechanisms(self.tls_handle, self.settings.disabled)

    # The events of the session.

    def _say(self, reply: Reply) -> None:
        self.write(reply.encode())
        if reply.code == 421:
            # RFC 5321 3.8: who says 421 closes
            self.close()

    async def _on_refused(self, event: events.MessageRefused) -> None:
        self.log.info("message {id} of {client} refused: {reply}", id=event.transaction, client=self.client,
                      connection=self.connection_id, reply=event.replies[0].text)
        self._refusal = event.replies[0]
        self.write(b"".join([reply.encode() for reply in event.replies]))

    async def _on_farewell(self, event: events.Farewell) -> None:
        if event.reply.code != 221:
            self.log.info("{client} was sent away: {reply}", client=self.client, connection=self.connection_id,
                          reply=event.reply.text)
        self.write(event.reply.encode())
        self.close()

    async def _on_start_tls(self, event: events.StartTls) -> None:
        self.write(event.reply.encode())
        self.start_tls(self.factory.tls_context)
        self.receiver.logged_out()
        self.session.tls_started()
        self.account = ""

    async def _on_mail(self, event: events.MailAsked) -> None:
        self._transaction = self.session.transaction
        self._say(self.session.mail_answered(await self.receiver.mail(self.who(), event.sender)))

    async def _on_rcpt(self, event: events.RcptAsked) -> None:
        session = self.session
        reply = await self.receiver.rcpt(self.who(), session.sender or Sender(None), event.recipient)
        self._say(session.rcpt_answered(event.recipient, reply))

    async def _on_vrfy(self, event: events.VrfyAsked) -> None:
        self._say(self.session.answered(await self.receiver.vrfy(self.who(), event.argument)))

    async def _on_login(self, event: events.LoginAsked) -> None:
        self._exchange = self.receiver.exchange(
            event.mechanism, self.who(), self.tls_handle, self.settings.disabled, self.expel)
        if event.initial is None:
            self._say(self.session.challenged(self._exchange.begin()))
        else:
            await self._answer(event.initial)

    async def _on_response(self, event: events.Responded) -> None:
        await self._answer(event.response)

    async def _answer(self, response: bytes) -> None:
        assert self._exchange is not None
        outcome = await self._exchange.answer(response)
        if isinstance(outcome, bytes):
            self._say(self.session.challenged(outcome))
            return
        self._exchange = None
        if self.closing:
            self.receiver.logged_out()
        self._say(self.session.login_answered(outcome))
        if self.session.user:
            self.belongs_to(self.session.user)

    async def _on_data(self, _: events.DataAsked) -> None:
        try:
            self._content = self.receiver.content()
        except OSError:
            self.log.failure("no place for a message", client=self.client, connection=self.connection_id)
            self._say(self.session.answered(NO_ROOM))
            return
        self._say(self.session.data_accepted())

    async def _on_block(self, event: events.Block) -> None:
        self._content_in_use = True
        try:
            if self._content is None:
                self._content = self.receiver.content()
            await self._content.write(event.data)
        except Exception as error:  # noqa: BLE001  # whatever it is: the rest is swallowed, then it is answered
            self.log.failure("the content of a message cannot be kept", client=self.client,
                             connection=self.connection_id)
            self.session.content_failed(NO_ROOM if isinstance(error, OSError) else LOCAL_ERROR)
            self._discard()
        finally:
            self._content_in_use = False
        if self.closing:
            self._discard()

    async def _on_complete(self, _: events.Complete) -> None:
        session = self.session
        envelope = Envelope(session.transaction, self.who(), session.sender or Sender(None),
                            tuple(session.recipients))
        replies = session.delivered(await self._delivered(envelope))
        if len(replies) == 1:
            self._say(replies[0])
        else:
            self.write(b"".join([reply.encode() for reply in replies]))

    async def _delivered(self, envelope: Envelope) -> Sequence[Reply]:
        """Have the message delivered; a failure is one for now, for every recipient who is to be answered."""
        wanted = len(envelope.recipients) if self.session.lmtp else 1
        self._content_in_use = True
        try:
            if self._content is None:
                self._content = self.receiver.content()
            replies = await self.receiver.message(envelope, self._content)
        except Exception:  # noqa: BLE001  # the edge of the session: the client gets a temporary failure
            self.log.failure("message {id} could not be taken", id=envelope.id, client=self.client,
                             connection=self.connection_id)
            self._refusal = LOCAL_ERROR
            return (LOCAL_ERROR,) * wanted
        finally:
            self._content_in_use = False
            self._discard()
        if len(replies) != wanted:
            self.log.error("message {id} has {got} replies instead of {wanted}", id=envelope.id, got=len(replies),
                           wanted=wanted, connection=self.connection_id)
            return (LOCAL_ERROR,) * wanted
        return replies

    def _discard(self) -> None:
        content, self._content = self._content, None
        if content is not None:
            content.discard()

    def who(self) -> Client:
        """The client as it is known now."""
        session, known = self.session, self._client
        protocol = session.protocol
        if known is None or known.protocol != protocol or known.helo != session.helo or known.user != session.user:
            known = self._client = Client(self.client, self.client_port, session.helo, protocol, self._tls_text(),
                                          self.connection_id, session.user)
        return known

    def _tls_text(self) -> str:
        if not self.session.tls:
            return ""
        handle = self.transport.getHandle()  # type: ignore[union-attr]  # ITCPTransport, here with TLS
        return f"{handle.get_protocol_version_name()} {handle.get_cipher_name()}"


class SMTPFactory(ConnectionFactory):
    """One SMTP, submission or LMTP listener.

    :param receiver_factory: makes the receiver of each connection.
    :param tls_context: for `startTLS` of transports; None: STARTTLS is not offered.
    """

    def __init__(self, name: str, clock: IReactorTime, limits: ConnectionLimits, settings: SmtpSettings,
                 receiver_factory: Callable[[], Receiver], tls_context: object | None) -> None:
        super().__init__(name, clock, limits)
        self.settings = settings
        self.receiver_factory = receiver_factory
        self.tls_context = tls_context

    def new_connection(self) -> Connection:
        return SMTPConnection(self)

    def refusal_line(self, reason: str) -> bytes:
        status = "4.3.2" if self.stopping else "4.7.0"
        return Reply(421, status, f"{self.settings.hostname} {reason}").encode()


_ANSWERS: Mapping[type, Callable[[SMTPConnection, Any], Awaitable[None]]] = {
    events.MessageRefused: SMTPConnection._on_refused, events.Farewell: SMTPConnection._on_farewell,
    events.StartTls: SMTPConnection._on_start_tls, events.MailAsked: SMTPConnection._on_mail,
    events.RcptAsked: SMTPConnection._on_rcpt, events.VrfyAsked: SMTPConnection._on_vrfy,
    events.LoginAsked: SMTPConnection._on_login, events.Responded: SMTPConnection._on_response,
    events.DataAsked: SMTPConnection._on_data,
    events.Block: SMTPConnection._on_block, events.Complete: SMTPConnection._on_complete,
}
