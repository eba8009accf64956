"""Delivery to our own mailboxes is told to senders who asked for it (RFC 3461 6.2), when it happens at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.logger import Logger

from quantummail.message.dsn import Action, Notification, RecipientStatus, build
from quantummail.message.headers import Headers, header_end
from quantummail.message.ids import new_id
from quantummail.message.message_id import message_ids
from quantummail.store.errors import StoreError
from quantummail.store.outgoing_records import OutgoingMessage, OutgoingRecipient

if TYPE_CHECKING:
    from quantummail.message.envelope import Envelope, Recipient
    from quantummail.queue.queue import Queue
    from quantummail.store.bodies import Bodies

_HEADER = 64 * 1024


class Receipts:
    """Makes the reports, for those whose sender address is known to be theirs: others could be made to get them."""

    log = Logger(namespace="quantummail.queue")

    def __init__(self, hostname: str, queue: Queue, bodies: Bodies) -> None:
        self._hostname = hostname
        self._queue = queue
        self._bodies = bodies

    async def delivered(self, envelope: Envelope, recipients: Sequence[Recipient], header: bytes) -> None:
        """Tell the sender that these recipients have it, as far as he asked; `header`: of the message."""
        sender = envelope.sender.address
        wanted = [one for one in recipients if "SUCCESS" in one.notify]
        if sender is None or not wanted:
            return
        now, report_id = int(time.time()), new_id()
        header = header[: min(header_end(header), _HEADER)]
        ids = message_ids(Headers.scan(header).get(b"message-id") or b"")
        octets = build(Notification(
            report_id, self._hostname, str(sender), now, now,
            tuple(RecipientStatus(str(one.address), Action.DELIVERED, "2.1.5", one.orcpt) for one in wanted),
            header, envid=envelope.sender.envid, header_id=next(iter(ids), "")))
        report = OutgoingMessage(report_id, None, "reports", "report", "", len(octets), created=now)
        body = self._bodies.spooled()
        try:
            await body.write(octets)
            destination = await self._queue.destination("", sender)
            recipient = OutgoingRecipient(0, str(sender), destination, frozenset({"NEVER"}))
            await self._queue.enqueue(report, [recipient], b"", body, 0)
        except (StoreError, OSError) as error:
            # the message is delivered, whatever becomes of the receipt
            self.log.warn("the sender of message {id} is not told of its delivery: {reason}", id=envelope.id,
                          reason=str(error))
        finally:
            body.discard()
