"""The queue as the rest of the server sees it: mail is handed to it, and tried until its fate is certain."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from twisted.logger import Logger

from quantummail.delivery.outcome import Delivered
from quantummail.delivery.route import Way
from quantummail.message.address import Address
from quantummail.message.headers import header_end
from quantummail.message.message_id import message_ids
from quantummail.store.outgoing_records import OutgoingMessage, OutgoingRecipient

if TYPE_CHECKING:
    import mmap

    from quantummail.delivery.local_names import LocalNames
    from quantummail.delivery.queued import QueuedDelivery
    from quantummail.delivery.remote import RemoteDelivery
    from quantummail.delivery.route import Routes
    from quantummail.delivery.signing import Signing
    from quantummail.message.envelope import Envelope, Recipient
    from quantummail.queue.worker import Worker
    from quantummail.store.directory import Directory
    from quantummail.store.outgoing import Outgoing
    from quantummail.store.outgoing_records import Claimed
    from quantummail.store.spooled import SpooledBody

_HEAD = 64 * 1024
_PIECE = 1 << 20
# Mail that nobody waits for goes behind what people write
_BULK_PRIORITY = 10
# What is written here. Forwarded mail has its author's signature, or none.
_SIGNED = frozenset(("submission", "submissions", "api", "local", "tls-report"))
_BULK = re.compile(
    rb"^(?:precedence[ \t]*:[ \t]*(?:bulk|list|junk)\b|list-unsubscribe[ \t]*:)", re.IGNORECASE | re.MULTILINE)
_WAIVES_TLS = re.compile(rb"^tls-required[ \t]*:[ \t]*no[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:((?:[^\n]|\n[ \t])*)", re.IGNORECASE | re.MULTILINE)


class Queue:
    """Takes outgoing mail; what it has taken is durable."""

    def __init__(
        self, outgoing: Outgoing, routes: Routes, directory: Directory | LocalNames,
        signing: Signing | None = None
    ) -> None:
        self._outgoing = outgoing
        self._routes = routes
        self._directory = directory
        self._signing = signing
        self.worker: Worker | None = None
        """Who tries what is accepted at once; without one it waits."""

    async def destination(self, sender: str, recipient: Address) -> str:
        """Which way mail goes."""
        found = await self._directory.resolve(recipient.local_part, recipient.domain)
        return self._routes.destination(sender, recipient, ours=found.ours)

    async def submit(
        self, envelope: Envelope, recipients: Sequence[Recipient], heading: bytes, body: SpooledBody, *,
        body_start: int, account_id: int | None, source: str,
    ) -> None:
        """Keep a message of an account for some recipients. Raises StoreError: nothing is kept."""
        sender = envelope.sender
        reverse_path = str(sender.address) if sender.address is not None else ""
        message = OutgoingMessage(
            envelope.id, account_id, envelope.client.user or source, source, reverse_path,
            len(heading) + body.size - body_start, sender.body, require_tls=sender.require_tls, ret=sender.ret,
            envid=sender.envid, created=int(time.time()))
        kept = [
            OutgoingRecipient(0, str(one.address), await self.destination(reverse_path, one.address), one.notify,
                              one.orcpt)
            for one in recipients
        ]
        await self.enqueue(message, kept, heading, body, body_start)

    async def enqueue(
        self, message: OutgoingMessage, recipients: Sequence[OutgoingRecipient], heading: bytes, body: SpooledBody,
        body_start: int,
    ) -> None:
        """Keep a message; what it needs of other servers, and its Message-ID, are found out."""
        head = heading + (await body.head(body_start + _HEAD))[body_start:]
        header = head[: header_end(head)]
        eight_bit = not heading.isascii() or not await body.examine(lambda octets: _is_ascii(octets, body_start))
        message = replace(
            message,
            body=message.body if message.body == "BINARYMIME" else "8BITMIME" if eight_bit else "7BIT",
            # RFC 6531 3.6: what has UTF-8 where older servers know ASCII alone
            smtputf8=not header.isascii() or not message.sender.isascii(),
            # RFC 8689 3
            tls_optional=message.tls_optional or _WAIVES_TLS.search(header) is not None,
            header_id=_message_id(header),
            priority=message.priority or (_BULK_PRIORITY if _BULK.search(header) else 0),
        )
        worker = self.worker
        at_once = worker is not None and worker.has_room
        if self._signing is not None and message.source in _SIGNED:
            signed = await self._signing.signatures(header, len(heading), body, body_start)
            heading = signed + heading
            message = replace(message, size=message.size + len(signed))
        claims = await self._outgoing.accept(
            message, recipients, heading, body, body_start=body_start, at_once=at_once)
        if worker is not None and at_once:
            worker.take(claims)


def _is_ascii(octets: bytes | mmap.mmap, start: int) -> bool:
    if isinstance(octets, bytes):
        return octets.isascii() if not start else octets[start:].isascii()
    return all(octets[place : place + _PIECE].isascii() for place in range(start, len(octets), _PIECE))


def _message_id(header: bytes) -> str:
    found = _MESSAGE_ID.search(header)
    return next(iter(message_ids(found[1])), "") if found is not None else ""


@dataclass(frozen=True, slots=True)
class _AtHand:
    octets: bytes

    async def read(self, start: int, end: int) -> bytes:
        return self.octets[start:end]


@dataclass(frozen=True, slots=True)
class _Kept:
    outgoing: Outgoing
    message_id: str

    async def read(self, start: int, end: int) -> bytes:
        return await self.outgoing.read(self.message_id, start, end)


class QueueDeliveries:
    """Sends each try the way of its destination."""

    log = Logger(namespace="quantummail.queue")

    def __init__(self, queue: Queue, outgoing: Outgoing, routes: Routes, local: QueuedDelivery, remote: RemoteDelivery
                 ) -> None:
        self._queue = queue
        self._outgoing = outgoing
        self._routes = routes
        self._local = local
        self._remote = remote

    async def deliver(self, claimed: Claimed) -> Delivered:
        """Try once. What waits for a relay that is not configured any more is given another way, and not tried."""
        if self._routes.moved(claimed.destination):
            await self._redirect(claimed)
            return Delivered(())
        content = _AtHand(claimed.content) if claimed.content is not None else _Kept(
            self._outgoing, claimed.message.id)
        route = self._routes.route(claimed.destination)
        if route.way is Way.LOCAL:
            return await self._local.deliver(claimed, content)
        return await self._remote.deliver(route, claimed, content)

    async def _redirect(self, claimed: Claimed) -> None:
        sender = claimed.message.sender
        destinations = [
            (one, await self._queue.destination(sender, Address.parse(one.address))) for one in claimed.recipients]
        await self._outgoing.redirect(destinations)
        self.log.info("message {id} waited for {relay}, which is not configured any more: it goes by {destinations}",
                      id=claimed.message.id, relay=claimed.destination,
                      destinations=", ".join(sorted({destination for _, destination in destinations})))
        if self._queue.worker is not None:
            self._queue.worker.wake()
