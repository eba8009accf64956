"""Mail from other servers (port 25) and by local handover (LMTP): only for our own recipients, never relayed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from twisted.internet.task import deferLater
from twisted.logger import Logger

from quantummail.reception.hops import TOO_MANY_HOPS, has_looped
from quantummail.reception.journal import Journal
from quantummail.reception.recipients import NOT_OURS, UNKNOWN, Recipients, reply_for
from quantummail.reception.reports import IncomingReports
from quantummail.reception.trace import final_delivery, received
from quantummail.smtp.reply import NO_ROOM, Reply

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from quantummail.delivery.local import LocalDelivery, Outcome
    from quantummail.message.envelope import Client, Envelope, Recipient, Sender
    from quantummail.reception.onward import Onward
    from quantummail.smtp.login import Exchange
    from quantummail.smtp.receiver import Content
    from quantummail.store.directory import Resolution
    from quantummail.store.spooled import SpooledBody
    from quantummail.store.store import Store

SENDER_OK = Reply(250, "2.1.0", "Sender ok")
CANNOT_VERIFY = Reply(252, "2.1.5", "Cannot verify the user, but will take mail for it")


@dataclass(frozen=True, slots=True)
class ReceptionSettings:
    """What the ways in have in common."""

    hostname: str
    max_hops: int = 50
    tarpit_after: int = 3
    """Unknown recipients of one connection that are answered at once; every further one costs `tarpit_delay`."""
    tarpit_delay: float = 1.0


class MXReceiver:
    """Serves one connection of a stranger: an SMTP client on port 25."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.reception")
    source: ClassVar[str] = "smtp"

    def __init__(
        self, store: Store, delivery: LocalDelivery, onward: Onward, settings: ReceptionSettings, clock: IReactorTime
    ) -> None:
        self._store = store
        self._delivery = delivery
        self._onward = onward
        self._settings = settings
        self._clock = clock
        self._recipients = Recipients(store.directory)
        self._unknown = 0
        self._journal = Journal(store.journey, self.source)
        self._reports = IncomingReports(store)

    async def mail(self, client: Client, sender: Sender) -> Reply:
        """Anybody may begin, as long as there is room for what is coming."""
        self._recipients.begin()
        reply = SENDER_OK if self._store.bodies.has_room(sender.size) else NO_ROOM
        self._journal.begin(sender, reply)
        return reply

    async def rcpt(self, client: Client, sender: Sender, recipient: Recipient) -> Reply:
        """Our own recipients only; who guesses addresses waits."""
        found = await self._recipients.resolve(recipient)
        reply = self._accept(sender, recipient, found) if found.ours else NOT_OURS
        self._journal.recipient(recipient, reply, found)
        if not reply.positive:
            self.log.info("recipient <{recipient}> of {client} refused: {code} {status}", code=reply.code,
                          recipient=str(recipient.address), client=client.address, status=reply.status,
                          connection=client.connection)
            await self._tarpit(reply)
        return reply

    def _accept(self, sender: Sender, recipient: Recipient, found: Resolution) -> Reply:
        reply = self._recipients.accept(sender, recipient, found)
        if reply == UNKNOWN:
            return self._onward.bounce(sender, recipient, self._recipients) or reply
        return reply

    async def _tarpit(self, reply: Reply) -> None:
        self._unknown += reply.code == 550
        if self._unknown > self._settings.tarpit_after and self._settings.tarpit_delay:
            await deferLater(self._clock, self._settings.tarpit_delay)

    async def vrfy(self, client: Client, argument: str) -> Reply:
        """Nobody learns here who exists (RFC 5321 7.3)."""
        return CANNOT_VERIFY

    def content(self) -> Content:
        """A place for the message."""
        return self._store.bodies.spooled()

    async def message(self, envelope: Envelope, content: Content) -> Sequence[Reply]:
        """Deliver into every mailbox before the answer."""
        body: SpooledBody = content  # type: ignore[assignment]  # `content` made it
        head = await body.head(64 * 1024)
        if has_looped(head, self._settings.max_hops) or self._onward.circles(self._recipients, head):
            replies = self._looped(envelope)
            self._journal.done(envelope, body.size, head, replies)
            return replies
        replies, outcomes = await self._deliver(envelope, body)
        self._journal.done(envelope, body.size, head, replies, outcomes)
        if replies[0].positive:
            self._reports.look(envelope, head)
        return replies

    def over(self, transaction: str, client: Client, reply: Reply | None) -> None:
        """Whatever became of it is noted."""
        self._journal.ended(transaction, client, reply)

    def _looped(self, envelope: Envelope) -> Sequence[Reply]:
        return [TOO_MANY_HOPS]

    async def _deliver(self, envelope: Envelope, body: SpooledBody) -> tuple[Sequence[Reply], list[Outcome]]:
        trace = self._trace(envelope)
        onward = self._onward.all_of(envelope, self._recipients, trace, body, source="smtp")
        outcomes = await self._delivery.deliver_once(
            envelope, self._recipients.targets(envelope), final_delivery(envelope) + trace, body, onward=onward)
        return [reply_for(envelope.id, outcomes)], outcomes

    def _trace(self, envelope: Envelope) -> bytes:
        return received(envelope, self._settings.hostname, time.time())

    def mechanisms(self, tls: object, disabled: frozenset[str]) -> Sequence[str]:
        """Strangers do not log in here."""
        return ()

    def exchange(
        self, mechanism: str, client: Client, tls: object, disabled: frozenset[str], end: Callable[[], None],
    ) -> Exchange:
        """Never asked for, because there are no mechanisms."""
        raise NotImplementedError("nobody logs in here")

    def logged_out(self) -> None:
        """Nobody was logged in."""


class LMTPReceiver(MXReceiver):
    """Serves a local program that hands mail over: the same rules, an answer for each recipient (RFC 2033 4.2)."""

    source = "lmtp"

    def _looped(self, envelope: Envelope) -> Sequence[Reply]:
        return [TOO_MANY_HOPS] * len(envelope.recipients)

    async def _deliver(self, envelope: Envelope, body: SpooledBody) -> tuple[Sequence[Reply], list[Outcome]]:
        trace = self._trace(envelope)
        outcomes = await self._delivery.deliver(
            envelope, self._recipients.targets(envelope), final_delivery(envelope) + trace, body)
        others = {
            recipient: await self._delivery.hand_on(
                envelope, self._onward.forward(envelope, recipient, targets, trace, body))
            for recipient, targets in self._recipients.forwards.items()
        }
        replies = self._recipients.replies(envelope, outcomes, others)
        good = [one for one, reply in zip(envelope.recipients, replies, strict=True) if reply.positive]
        here = self._recipients.here(envelope)
        # RFC 3461 5.2.3: whoever hands over here knows its senders. Strangers on port 25 may have forged theirs
        await self._onward.receipt(envelope, [one for one in good if one in here], await body.head(64 * 1024))
        return replies, [*outcomes, *others.values()]
