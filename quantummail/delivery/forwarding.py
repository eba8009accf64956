"""Mail that one of our addresses hands on to somebody else's, and the bounces of such mail (see message/srs.py)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.logger import Logger

from quantummail.message.address import Address
from quantummail.message.date import rfc5322_date
from quantummail.message.ids import new_id
from quantummail.message.srs import BadSrs, Rewriting, is_srs
from quantummail.store.errors import NoSuchUser
from quantummail.store.outgoing_records import OutgoingMessage, OutgoingRecipient

if TYPE_CHECKING:
    from quantummail.smtp.client import Content
    from quantummail.store.bodies import Bodies
    from quantummail.store.journey import Journey
    from quantummail.store.spooled import SpooledBody

Enqueue = Callable[[OutgoingMessage, Sequence[OutgoingRecipient], bytes, "SpooledBody", int], Awaitable[None]]
"""Keeps a message for recipients: `heading` and what of the body comes behind an offset. Completes what it needs."""
_PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the sender of a message wants to hear of it, which goes along with it (RFC 3461 5.2.7)."""

    ret: str = ""
    envid: str = ""
    notify: frozenset[str] = frozenset()
    orcpt: str = ""


_NONE = Wishes()


class Forwarding:
    """Hands messages on. The octets behind our trace fields stay as they are: signatures hold."""

    log = Logger(namespace="quantummail.delivery")

    def __init__(
        self, hostname: str, rewriting: Rewriting, bodies: Bodies,
        destination: Callable[[str, Address], Awaitable[str]], enqueue: Enqueue, journey: Journey | None = None,
    ) -> None:
        """`destination` says which way mail from a sender to an address goes."""
        self._journey = journey
        self._hostname = hostname
        self._rewriting = rewriting
        self._bodies = bodies
        self._destination = destination
        self._enqueue = enqueue

    def original(self, address: Address) -> Address | None:
        """Whom a bounce to this address of ours is for, None if the address is no rewritten one. `BadSrs`."""
        if not is_srs(address.local_part):
            return None
        return self._rewriting.reverse(address.local_part, time.time())

    async def bounce(self, message: OutgoingMessage, address: Address, content: Content) -> bool:
        """Hand a bounce of a forwarded message on; False if the address is not for that."""
        try:
            original = self.original(address)
        except BadSrs as error:
            raise NoSuchUser(str(error)) from error
        if original is None:
            return False
        body = await self._spooled(content, message.size)
        try:
            await self.hand_on(
                None, (original,), "bounce", b"", body, body_start=0, of=message.id, require_tls=message.require_tls)
        finally:
            body.discard()
        return True

    async def forward(
        self, message: OutgoingMessage, recipient: OutgoingRecipient, targets: Sequence[str], content: Content
    ) -> None:
        """Hand a queued message on to where its recipient, an address of ours, leads."""
        if not targets:
            return
        body = await self._spooled(content, message.size)
        try:
            sender = Address.parse(message.sender) if message.sender else None
            wishes = Wishes(message.ret, message.envid, recipient.notify, recipient.orcpt)
            await self.to_targets(
                sender, Address.parse(recipient.address), targets, b"", body, body_start=0, of=message.id,
                require_tls=message.require_tls, wishes=wishes)
        finally:
            body.discard()

    async def to_targets(
        self, sender: Address | None, alias: Address, targets: Sequence[str], heading: bytes, body: SpooledBody,
        *, body_start: int, of: str, require_tls: bool, wishes: Wishes = _NONE,
    ) -> None:
        """Hand a message on under a reverse-path of ours; `of`: the id under which it came, for the log."""
        rewritten = None if sender is None else self._rewriting.forward(sender, alias.domain, time.time())
        now = rfc5322_date(time.time())
        trace = (
            f"Delivered-To: {alias}\r\nReceived: by {self._hostname} (QuantumMail) id {of}\r\n"
            f"\tfor <{alias}> (forwarded); {now}\r\n"
        ).encode()
        await self.hand_on(
            rewritten, tuple(map(Address.parse, targets)), f"forward:{alias}", trace + heading, body,
            body_start=body_start, of=of, require_tls=require_tls, original=alias, wishes=wishes)

    async def hand_on(
        self, sender: Address | None, to: Sequence[Address], lane: str, heading: bytes, body: SpooledBody,
        *, body_start: int, of: str, require_tls: bool, original: Address | None = None, wishes: Wishes = _NONE,
    ) -> None:
        """Enqueue a message of ours that is made of another."""
        reverse_path = str(sender) if sender is not None else ""
        orcpt = wishes.orcpt or (_orcpt(original) if original is not None else "")
        recipients = [
            OutgoingRecipient(0, str(one), await self._destination(reverse_path, one), wishes.notify, orcpt)
            for one in to
        ]
        message = OutgoingMessage(
            new_id(), None, lane, "forward", reverse_path, len(heading) + body.size - body_start,
            require_tls=require_tls, ret=wishes.ret, envid=wishes.envid, created=int(time.time()))
        await self._enqueue(message, recipients, heading, body, body_start)
        if self._journey is not None:
            self._journey.made(of, message.id, "handed on", {
                "for": str(original or ""), "to": [str(one) for one in to], "sender": reverse_path})
        self.log.info("message {id} is handed on as {new} to {recipients}", id=of, new=message.id,
                      recipients=", ".join(f"<{one}>" for one in to))

    async def _spooled(self, content: Content, size: int) -> SpooledBody:
        body = self._bodies.spooled()
        for start in range(0, size, _PIECE):
            await body.write(await content.read(start, min(start + _PIECE, size)))
        return body


def _orcpt(address: Address) -> str:
    # RFC 3461 4.2, RFC 6533 3: whom the sender knows
    return f"{'rfc822' if str(address).isascii() else 'utf-8'};{address}"
