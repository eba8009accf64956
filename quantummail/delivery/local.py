"""Delivery to our own mailboxes: a message and its targets in, an outcome for each target out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from twisted.logger import Logger

from quantummail.delivery.repetitions import Repetitions
from quantummail.message.headers import Headers
from quantummail.message.message_id import message_ids
from quantummail.store.errors import OverQuota, StoreError
from quantummail.store.records import Appended
from quantummail.store.storing import NewMessage, Target
from quantummail.store.webhook_records import events_of_reception

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from quantummail.message.envelope import Envelope
    from quantummail.store.messages import Messages
    from quantummail.store.spooled import SpooledBody
    from quantummail.store.webhook_records import NewEvent
    from quantummail.store.webhooks import Webhooks

_HEAD = 64 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message for one account."""

    account: str
    stored: Appended | None
    reason: str = ""
    """Why it was not stored, fit for the sender."""
    full: bool = False
    """It was not stored because of the account's quota."""
    repeated: bool = False
    """It was stored when it came before."""
    queued: bool = False
    """It is in the queue, for others."""

    @property
    def good(self) -> bool:
        """Whether the account has the message."""
        return self.stored is not None or self.repeated or self.queued


OTHERS = "others"
"""Stands for all recipients elsewhere, in place of an account's address."""
Onward = Callable[[], Awaitable[None]]
"""Hands a message to the queue for others; raises StoreError."""


class LocalDelivery:
    """Stores messages in INBOXes and tells the log."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.delivery")

    def __init__(self, messages: Messages, clock: IReactorTime, webhooks: Webhooks | None = None) -> None:
        self._messages = messages
        self._webhooks = webhooks
        self._repetitions = Repetitions(clock)

    async def deliver_once(
        self, envelope: Envelope, targets: Mapping[str, Target], heading: bytes, body: SpooledBody,
        body_start: int = 0, onward: Onward | None = None,
    ) -> list[Outcome]:
        """Like `deliver`, but who got the message when it failed for others does not get it again.

        :param onward: what else has to be done with the message. It counts like one more account.
        """
        holders = await self._repetitions.holders(envelope, body)
        missing = {account: target for account, target in targets.items() if account not in holders}
        wanted = [*targets, OTHERS] if onward is not None else list(targets)
        outcomes = [Outcome(account, None, repeated=True) for account in wanted if account in holders]
        for outcome in outcomes:
            self.log.info("message {id} is repeated: {account} has it already", id=envelope.id,
                          account=outcome.account, connection=envelope.client.connection,
                          client=envelope.client.address)
        outcomes += await self.deliver(envelope, missing, heading, body, body_start)
        if onward is not None and OTHERS not in holders:
            outcomes.append(await self.hand_on(envelope, onward))
        good = [outcome.account for outcome in outcomes if outcome.good]
        if 0 < len(good) < len(outcomes):
            await self._repetitions.remember(envelope, body, holders.union(good))
        elif holders and len(good) == len(outcomes):
            self._repetitions.forget(envelope, body)
        return outcomes

    async def deliver(
        self, envelope: Envelope, targets: Mapping[str, Target], heading: bytes, body: SpooledBody,
        body_start: int = 0,
    ) -> list[Outcome]:
        """Deliver to every account of `targets` (address to INBOX). What is stored is on stable storage."""
        if not targets:
            return []
        message = NewMessage(envelope.id, heading, body_start=body_start)
        if self._webhooks is not None and self._webhooks.active:
            message = replace(message, news=await self._news(envelope, targets, message, body))
        results = await self._messages.deliver(list(targets.values()), message, body)
        return [
            self._outcome(envelope, account, result, len(heading) + body.size - body_start)
            for account, result in zip(targets, results, strict=True)
        ]

    async def _news(
        self, envelope: Envelope, targets: Mapping[str, Target], message: NewMessage, body: SpooledBody
    ) -> dict[int, tuple[NewEvent, ...]]:
        assert self._webhooks is not None
        sender = str(envelope.sender.address) if envelope.sender.address is not None else ""
        head = message.heading + (await body.head(message.body_start + _HEAD))[message.body_start:]
        identifiers = message_ids(Headers.scan(head).get(b"message-id") or b"")
        return events_of_reception(
            self._webhooks.active, {account: target.account_id for account, target in targets.items()}, {
                "id": envelope.id, "message_id": next(iter(identifiers), ""), "sender": sender,
                "recipients": [str(one.address) for one in envelope.recipients], "size": message.size(body),
                "protocol": envelope.client.protocol, "client": envelope.client.address,
                "tls": envelope.client.tls,
            })

    async def hand_on(self, envelope: Envelope, onward: Onward) -> Outcome:
        """Hand a message to the queue; what came of it, in the words of a delivery."""
        try:
            await onward()
        except StoreError as error:
            self.log.warn("message {id} is not queued: {reason}", id=envelope.id, reason=str(error),
                          connection=envelope.client.connection, client=envelope.client.address)
            return Outcome(OTHERS, None, str(error))
        return Outcome(OTHERS, None, queued=True)

    def _outcome(self, envelope: Envelope, account: str, result: Appended | Exception, size: int) -> Outcome:
        sender = str(envelope.sender.address) if envelope.sender.address is not None else ""
        if isinstance(result, Appended):
            self.log.info(
                "message {id} delivered to {account} from <{sender}>: uid {uid}, {size} octets",
                id=envelope.id, account=account, sender=sender, uid=result.uid, size=size,
                connection=envelope.client.connection, client=envelope.client.address,
            )
            return Outcome(account, result)
        reason = str(result) if isinstance(result, StoreError) else "local error"
        if not isinstance(result, StoreError):
            self.log.error("message {id} failed unexpectedly for {account}: {error!r}", id=envelope.id,
                           account=account, error=result)
        self.log.warn(
            "message {id} not delivered to {account} from <{sender}>: {reason}", id=envelope.id, account=account,
            sender=sender, reason=reason, connection=envelope.client.connection, client=envelope.client.address,
        )
        return Outcome(account, None, reason, isinstance(result, OverQuota))
