"""Mail from our users (ports 587 and 465, RFC 6409): logged in, in their own name, completed before it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from twisted.logger import Logger

from quantummail.auth.login import Authenticator, LoginFailed, LoginUnavailable, Peer
from quantummail.auth.sasl import SaslError
from quantummail.message.address import Address
from quantummail.message.headers import MAX_OCTETS, header_end
from quantummail.reception.authorship import Authorship, fields_end
from quantummail.reception.hops import TOO_MANY_HOPS, has_looped
from quantummail.reception.journal import Journal
from quantummail.reception.recipients import UNKNOWN, Recipients, reply_for, suppressed_reply
from quantummail.reception.trace import final_delivery, received
from quantummail.smtp.login import Outcome
from quantummail.smtp.reply import NO_ROOM, Refusal, Reply
from quantummail.tls.channel import Channel

if TYPE_CHECKING:
    from quantummail.auth.exchanges import Exchange as SaslExchange
    from quantummail.auth.sessions import End
    from quantummail.delivery.local import LocalDelivery
    from quantummail.message.envelope import Client, Envelope, Recipient, Sender
    from quantummail.reception.limits import Limits
    from quantummail.reception.mx import ReceptionSettings
    from quantummail.reception.onward import Onward
    from quantummail.smtp.login import Exchange
    from quantummail.smtp.receiver import Content
    from quantummail.store.records import User
    from quantummail.store.spooled import SpooledBody
    from quantummail.store.store import Store

SENDER_OK = Reply(250, "2.1.0", "Sender ok")
LOGIN_FIRST = Reply(530, "5.7.0", "Authentication required")
LOGGED_IN = Reply(235, "2.7.0", "Authentication succeeded")
LOGIN_FAILED = Reply(535, "5.7.8", "Authentication failed: wrong user name or password")
LOGIN_UNAVAILABLE = Reply(454, "4.7.0", "Temporary authentication failure, please try again later")
HEADER_TOO_LONG = Reply(552, "5.6.0", f"The header is longer than {MAX_OCTETS} octets")
CANNOT_VERIFY = Reply(252, "2.1.5", "Cannot verify the user")
KNOWN = Reply(250, "2.1.5", "Recipient known")


class SubmissionReceiver:
    """Serves one connection of a user's mail program."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.reception")

    def __init__(
        self,
        store: Store,
        delivery: LocalDelivery,
        onward: Onward,
        authenticator: Authenticator,
        settings: ReceptionSettings,
        limits: Limits,
        protocol: str = "submission",
    ) -> None:
        """
        :param protocol: the listener, as the log calls it: ``submissions`` with TLS from the start.
        """
        self._limits = limits
        self._counted = 0
        self._store = store
        self._delivery = delivery
        self._onward = onward
        self._authenticator = authenticator
        self._settings = settings
        self._protocol = protocol
        self._recipients = Recipients(store.directory)
        self._authorship = Authorship(store.directory, settings.hostname)
        self._login: tuple[int, End] | None = None
        self._journal = Journal(store.journey, protocol)

    def mechanisms(self, tls: Any, disabled: frozenset[str]) -> Sequence[str]:
        """What our users can log in with."""
        return self._authenticator.offered(Channel.of(tls), lambda name: name not in disabled)

    def exchange(
        self, mechanism: str, client: Client, tls: Any, disabled: frozenset[str], end: Callable[[], None],
    ) -> Exchange:
        """Begin a login."""
        peer = Peer(self._protocol, client.address, client.connection, Channel.of(tls), end)
        begun = self._authenticator.exchange(mechanism, peer, lambda name: name not in disabled)
        if begun is None:
            raise NotImplementedError(f"{mechanism} is not among the mechanisms")
        return _Login(begun, partial(self._logged_in, end))

    def _logged_in(self, end: End, user: User) -> Outcome:
        self._login = (user.id, end)
        return Outcome(LOGGED_IN, user.address, frozenset(user.disabled_capabilities))

    def logged_out(self) -> None:
        """The login is over."""
        if self._login is not None:
            self._authenticator.sessions.leave(*self._login)
            self._login = None

    async def mail(self, client: Client, sender: Sender) -> Reply:
        """A user writes under their own addresses only; the null sender is for machines (RFC 6409 6.1)."""
        reply = await self._may_begin(client, sender)
        self._journal.begin(sender, reply)
        return reply

    async def _may_begin(self, client: Client, sender: Sender) -> Reply:
        self._recipients.begin()
        if not client.user:
            return LOGIN_FIRST
        if sender.address is not None and not await self._authorship.owns(client.user, sender.address):
            self.log.info("sender <{sender}> refused for {user}", sender=str(sender.address), user=client.user,
                          connection=client.connection, client=client.address)
            return Reply(553, "5.7.1", "This sender address does not belong to you")
        if not self._store.bodies.has_room(sender.size):
            return NO_ROOM
        return self._limits.mail(client.user, str(sender.address or client.user)) or SENDER_OK

    async def rcpt(self, client: Client, sender: Sender, recipient: Recipient) -> Reply:
        """Our own recipients, and everybody else's."""
        found = await self._recipients.resolve(recipient)
        if found.ours:
            reply = self._recipients.accept(sender, recipient, found)
        else:
            reply = await self._refused_outside(recipient) or self._recipients.accept_outside(recipient)
        self._journal.recipient(recipient, reply, found)
        if not reply.positive:
            self.log.info("recipient <{recipient}> of {user} refused: {code} {status}", code=reply.code,
                          recipient=str(recipient.address), user=client.user, status=reply.status,
                          connection=client.connection, client=client.address)
        return reply

    async def _refused_outside(self, recipient: Recipient) -> Reply | None:
        """Somebody elsewhere: who is known not to exist, and who is one too many today, is refused."""
        suppressed = await self._store.suppressions.find(str(recipient.address))
        if suppressed is not None:
            return suppressed_reply(suppressed)
        account_id = self._login[0] if self._login is not None else 0
        refusal = await self._limits.recipient(account_id)
        self._counted += refusal is None
        return refusal

    async def vrfy(self, client: Client, argument: str) -> Reply:
        """Who is logged in may ask whether an address of ours exists."""
        if not client.user:
            return LOGIN_FIRST
        try:
            address = Address.parse(argument.strip().removeprefix("<").removesuffix(">"))
        except ValueError:
            return CANNOT_VERIFY
        found = await self._store.directory.resolve(address.local_part, address.domain)
        if not found.ours:
            return CANNOT_VERIFY
        return KNOWN if found.known else UNKNOWN

    def content(self) -> Content:
        """A place for the message."""
        return self._store.bodies.spooled()

    async def message(self, envelope: Envelope, content: Content) -> Sequence[Reply]:
        """Check the header, complete it, deliver."""
        body: SpooledBody = content  # type: ignore[assignment]  # `content` made it
        head = await body.head(MAX_OCTETS)
        end = header_end(head)
        refusal = None
        if end == len(head) < body.size:
            refusal = HEADER_TOO_LONG
        elif has_looped(head, self._settings.max_hops) or self._onward.circles(self._recipients, head):
            refusal = TOO_MANY_HOPS
        if refusal is not None:
            self._journal.done(envelope, body.size, head, [refusal])
            return [refusal]
        return [await self._complete(envelope, body, head, fields_end(head[:end]))]

    def over(self, transaction: str, client: Client, reply: Reply | None) -> None:
        """Whatever became of it is noted; recipients of a message that did not come do not count."""
        self._journal.ended(transaction, client, reply)
        if self._counted and self._login is not None:
            self._limits.give_back(self._login[0], self._counted)
        self._counted = 0

    async def _complete(self, envelope: Envelope, body: SpooledBody, head: bytes, end: int) -> Reply:
        """Complete the header, which has `end` octets, and deliver."""
        now = time.time()
        try:
            header = await self._authorship.completed(head[:end], envelope, now)
        except Refusal as refusal:
            self.log.info("message {id} of {user} refused: {reason}", id=envelope.id, user=envelope.client.user,
                          reason=refusal.reply.text, connection=envelope.client.connection,
                          client=envelope.client.address)
            self._journal.done(envelope, body.size, head[:end], [refusal.reply])
            return refusal.reply
        heading = received(envelope, self._settings.hostname, now) + header
        onward = self._onward.all_of(
            envelope, self._recipients, heading, body, body_start=end, source=self._protocol,
            account_id=self._login[0] if self._login is not None else None)
        outcomes = await self._delivery.deliver_once(
            envelope, self._recipients.targets(envelope), final_delivery(envelope) + heading, body, body_start=end,
            onward=onward)
        reply = reply_for(envelope.id, outcomes)
        if reply.positive:
            self._counted = 0
            await self._onward.receipt(envelope, self._recipients.here(envelope), header)
        self._journal.done(envelope, body.size, header, [reply], outcomes)
        return reply


class _Login:
    """An exchange whose end is a reply of SMTP."""

    __slots__ = ("_exchange", "_logged_in")

    def __init__(self, exchange: SaslExchange, logged_in: Callable[[User], Outcome]) -> None:
        self._exchange = exchange
        self._logged_in = logged_in

    def begin(self) -> bytes:
        """The first challenge."""
        return self._exchange.begin()

    async def answer(self, response: bytes) -> bytes | Outcome:
        """The next challenge, or the end."""
        try:
            result = await self._exchange.answer(response)
        except SaslError as error:
            return Outcome(Reply(535, "5.7.8", f"Authentication failed: {error}"))
        except LoginFailed:
            return Outcome(LOGIN_FAILED)
        except LoginUnavailable:
            return Outcome(LOGIN_UNAVAILABLE)
        return result if isinstance(result, bytes) else self._logged_in(result)
