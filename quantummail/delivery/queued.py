"""Delivery of queued mail to our own mailboxes: our reports, and what could not be stored at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from quantummail.delivery.outcome import Delivered, Fate, Result
from quantummail.message.address import Address
from quantummail.store.errors import OverQuota, StoreError
from quantummail.store.outgoing_records import Attempt
from quantummail.store.storing import NewMessage
from quantummail.store.webhook_records import events_of_reception

if TYPE_CHECKING:
    from quantummail.delivery.forwarding import Forwarding
    from quantummail.delivery.local_names import LocalNames
    from quantummail.smtp.client import Content
    from quantummail.store.directory import Resolution
    from quantummail.store.outgoing_records import Claimed, OutgoingRecipient
    from quantummail.store.store import Store

_PIECE = 256 * 1024


class QueuedDelivery:
    """Stores queued messages. A message that an account has already, by the same id, is not stored again."""

    def __init__(self, store: Store, forwarding: Forwarding, names: LocalNames | None = None) -> None:
        """`names`: knows more recipients than the directory, the users of this machine."""
        self._store = store
        self._forwarding = forwarding
        self._directory = names if names is not None else store.directory

    async def deliver(self, claimed: Claimed, content: Content) -> Delivered:
        """Try once, for all recipients."""
        return Delivered(tuple([await self._one(claimed, one, content) for one in claimed.recipients]))

    async def _one(self, claimed: Claimed, recipient: OutgoingRecipient, content: Content) -> Result:
        began = time.monotonic()
        code, status, text = await self._tried(claimed, recipient, content)
        fate = Fate.DELIVERED if code < 300 else Fate.FAILED if code >= 500 else Fate.DEFERRED
        return Result(recipient, fate, Attempt(
            int(time.time()), int((time.monotonic() - began) * 1000), "", "", "", "", "", code, status, text))

    async def _tried(
        self, claimed: Claimed, recipient: OutgoingRecipient, content: Content
    ) -> tuple[int, str, str]:
        address = Address.parse(recipient.address)
        try:
            if await self._forwarding.bounce(claimed.message, address, content):
                return 250, "2.1.5", "the bounce goes to who sent the forwarded message"
            found = await self._directory.resolve(address.local_part, address.domain)
            if not found.known:
                return _unknown(found)
            await self._forwarding.forward(claimed.message, recipient, found.remote, content)
            await self._store_for(claimed, recipient, found, content)
        except OverQuota as error:
            return 452, "4.2.2", str(error)
        except StoreError as error:
            return 451, "4.3.0", str(error)
        return 250, "2.1.5", "stored"

    async def _store_for(
        self, claimed: Claimed, recipient: OutgoingRecipient, found: Resolution, content: Content
    ) -> None:
        message = claimed.message
        # of a try that a crash has ended some accounts may have it
        holders = await self._store.messages.holders(message.id, [one.account_id for one in found.local.values()])
        targets = [one for one in found.local.values() if one.account_id not in holders]
        if not targets:
            return
        body = self._store.bodies.spooled()
        try:
            for start in range(0, message.size, _PIECE):
                await body.write(await content.read(start, min(start + _PIECE, message.size)))
            # RFC 5321 4.4: the last server adds the reverse-path
            heading = f"Return-Path: <{message.sender}>\r\nDelivered-To: {recipient.address}\r\n".encode()
            news = events_of_reception(
                self._store.webhooks.active,
                {account: one.account_id for account, one in found.local.items() if one in targets}, {
                    "id": message.id, "message_id": message.header_id, "sender": message.sender,
                    "recipients": [recipient.address], "size": message.size, "protocol": message.source, "client": "",
                    "tls": "",
                })
            outcomes = await self._store.messages.deliver(targets, NewMessage(message.id, heading, news=news), body)
        except OSError as error:
            raise StoreError(f"the disk does not take the message: {error.strerror}") from error
        finally:
            body.discard()
        _raise_first(outcomes)


def _unknown(found: Resolution) -> tuple[int, str, str]:
    if found.postmaster:
        return 450, "4.3.0", "nobody looks after this server now"
    if found.disabled:
        return 550, "5.2.1", "this mailbox is disabled"
    return 550, "5.1.1", "no such user here"


def _raise_first(outcomes: Sequence[object]) -> None:
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome


