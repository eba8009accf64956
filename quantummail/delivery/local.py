"""Delivery to our own mailboxes: a message and its targets in, an outcome for each target out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from twisted.logger import Logger

from quantummail.store.errors import OverQuota, StoreError
from quantummail.store.records import Appended
from quantummail.store.storing import NewMessage, Target

if TYPE_CHECKING:
    from quantummail.message.envelope import Envelope
    from quantummail.store.messages import Messages
    from quantummail.store.spooled import SpooledBody


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message for one account."""

    account: str
    stored: Appended | None
    reason: str = ""
    """Why it was not stored, fit for the sender."""
    full: bool = False
    """It was not stored because of the account's quota."""


class LocalDelivery:
    """Stores messages in INBOXes and tells the log."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.delivery")

    def __init__(self, messages: Messages) -> None:
        self._messages = messages

    async def deliver(
        self, envelope: Envelope, targets: Mapping[str, Target], heading: bytes, body: SpooledBody,
        body_start: int = 0,
    ) -> list[Outcome]:
        """Deliver to every account of `targets` (address to INBOX). What is stored is on stable storage."""
        message = NewMessage(envelope.id, heading, body_start=body_start)
        results = await self._messages.deliver(list(targets.values()), message, body)
        return [
            self._outcome(envelope, account, result, len(heading) + body.size - body_start)
            for account, result in zip(targets, results, strict=True)
        ]

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
