"""What of an accepted message goes elsewhere: to others, along aliases, back to who sent what was forwarded."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from quantummail.delivery.forwarding import Wishes
from quantummail.message.srs import BadSrs
from quantummail.reception.hops import was_delivered_to
from quantummail.reception.recipients import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.delivery.forwarding import Forwarding
    from quantummail.delivery.local import Onward as HandOn
    from quantummail.message.envelope import Envelope, Recipient, Sender
    from quantummail.queue.queue import Queue
    from quantummail.queue.receipts import Receipts
    from quantummail.reception.recipients import Recipients
    from quantummail.smtp.reply import Reply
    from quantummail.store.spooled import SpooledBody


class Onward:
    """The ways out that the ways in use."""

    def __init__(self, queue: Queue, forwarding: Forwarding, receipts: Receipts | None = None) -> None:
        """`receipts`: who tells senders of deliveries; None: nobody does."""
        self._queue = queue
        self._forwarding = forwarding
        self._receipts = receipts

    def bounce(self, sender: Sender, recipient: Recipient, recipients: Recipients) -> Reply | None:
        """The answer to RCPT if the address is one that we made for forwarded mail."""
        try:
            original = self._forwarding.original(recipient.address)
        except BadSrs:
            return UNKNOWN
        return None if original is None else recipients.accept_bounce(sender, recipient, original)

    async def receipt(self, envelope: Envelope, recipients: Sequence[Recipient], header: bytes) -> None:
        """Recipients have the message: tell its sender, if he wants that."""
        if self._receipts is not None and any("SUCCESS" in one.notify for one in recipients):
            await self._receipts.delivered(envelope, recipients, header)

    def circles(self, recipients: Recipients, head: bytes) -> bool:
        """Whether the message has been here before on its way to where it would be forwarded."""
        return any(was_delivered_to(head, str(recipient.address)) for recipient in recipients.forwards)

    def all_of(
        self, envelope: Envelope, recipients: Recipients, heading: bytes, body: SpooledBody, *, body_start: int = 0,
        account_id: int | None = None, source: str,
    ) -> HandOn | None:
        """What has to be done for recipients elsewhere, all of it; None if there are none."""
        if not recipients.elsewhere:
            return None
        steps: list[HandOn] = []
        outside = tuple(recipients.outside)
        if outside:
            steps.append(partial(
                self._queue.submit, envelope, outside, heading, body, body_start=body_start, account_id=account_id,
                source=source))
        steps += [
            self.forward(envelope, recipient, targets, heading, body, body_start=body_start)
            for recipient, targets in recipients.forwards.items()
        ]
        steps += [
            partial(self._forwarding.hand_on, None, (original,), "bounce", heading, body, body_start=body_start,
                    of=envelope.id, require_tls=envelope.sender.require_tls)
            for original in recipients.bounces.values()
        ]

        async def hand_on() -> None:
            for step in steps:
                await step()

        return hand_on

    def forward(
        self, envelope: Envelope, recipient: Recipient, targets: Sequence[str], heading: bytes, body: SpooledBody, *,
        body_start: int = 0,
    ) -> HandOn:
        """What has to be done for one alias that leads elsewhere."""
        sender = envelope.sender
        return partial(
            self._forwarding.to_targets, sender.address, recipient.address, targets, heading, body,
            body_start=body_start, of=envelope.id, require_tls=sender.require_tls,
            wishes=Wishes(sender.ret, sender.envid, recipient.notify, recipient.orcpt))
