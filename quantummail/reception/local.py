"""Mail from programs of this machine: no login, but the kernel has told us which user it is."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from twisted.logger import Logger

from quantummail.delivery.local import OTHERS
from quantummail.message.address import Address
from quantummail.message.address_list import strict_addresses
from quantummail.message.date import rfc5322_date
from quantummail.message.downgrade import downgraded
from quantummail.message.dsn import Action, Notification, RecipientStatus, build
from quantummail.message.envelope import Client, Envelope, Recipient, Sender
from quantummail.message.headers import MAX_OCTETS, Headers, header_end
from quantummail.message.ids import new_id
from quantummail.message.local_header import author, completed, qualified_header, recipients_of
from quantummail.reception.authorship import fields_end
from quantummail.reception.hops import has_looped
from quantummail.reception.journal import Journal
from quantummail.reception.recipients import Recipients, reply_for, suppressed_reply
from quantummail.reception.trace import final_delivery
from quantummail.smtp.reply import Reply
from quantummail.store.outgoing_records import OutgoingMessage, OutgoingRecipient, Selection, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.delivery.local import LocalDelivery
    from quantummail.delivery.local_names import LocalNames
    from quantummail.message.drop import Drop
    from quantummail.queue.queue import Queue
    from quantummail.reception.limits import Limits
    from quantummail.reception.onward import Onward
    from quantummail.store.spooled import SpooledBody
    from quantummail.store.store import Store
    from quantummail.store.storing import Target

# sysexits.h: what the command ends with
EX_OK, EX_USAGE, EX_DATAERR, EX_NOUSER, EX_UNAVAILABLE, EX_TEMPFAIL = 0, 64, 65, 67, 69, 75
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_LENGTH = 16
_BEGUN = Reply(250, "2.1.0", "Sender ok")


@dataclass(frozen=True, slots=True)
class LocalUser:
    """Who hands the message over."""

    name: str
    uid: int
    full_name: str = ""


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Who may send what."""

    hostname: str
    users: tuple[str, ...] = ("*",)
    senders: tuple[str, ...] = ("root *",)
    """``user address``, ``user @domain``, ``user *``."""
    max_size: int = 0
    max_recipients: int = 1000
    max_hops: int = 50

    def may_send(self, user: LocalUser) -> bool:
        """Whether the user may send at all."""
        return "*" in self.users or user.name in self.users

    def may_write_as(self, user: LocalUser, address: str) -> bool:
        """Whether an address that is not the user's own may be a sender of his."""
        for rule in self.senders:
            name, pattern = rule.split()
            if name == user.name and (
                    pattern in ("*", address) or (pattern.startswith("@") and address.endswith(pattern.lower()))):
                return True
        return False


class Refused(Exception):
    """The message is not taken, and will not be."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of it."""

    code: int
    text: str


class LocalReceiver:
    """Takes messages of local programs. What it has taken is durable, and taken once however often it comes."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.reception")

    def __init__(
        self, store: Store, names: LocalNames, delivery: LocalDelivery, onward: Onward, queue: Queue,
        settings: LocalSettings, limits: Limits,
    ) -> None:
        self._store = store
        self._limits = limits
        self._names = names
        self._delivery = delivery
        self._onward = onward
        self._queue = queue
        self.settings = settings

    async def take(self, user: LocalUser, drop: Drop, body: SpooledBody) -> Taken:
        """Take a message. What is refused is told by an exit code; 75 means that it may be tried again."""
        message_id = identifier(user, drop)
        try:
            taken = await self._take(user, drop, body, message_id)
        except Refused as refused:
            self.log.info("message {id} of local user {user} refused: {reason}", id=message_id, user=user.name,
                          reason=str(refused))
            return Taken(refused.code, str(refused))
        return taken

    async def report(self, user: LocalUser, drop: Drop, body: SpooledBody, refused: Taken) -> None:
        """Tell a user what became of a message whose command has ended long ago. StoreError: it is not told yet."""
        now = int(time.time())
        to = self._own(user)
        head = await body.head(MAX_OCTETS)
        statuses = tuple(
            RecipientStatus(one, Action.FAILED, "5.1.1" if refused.code == EX_NOUSER else "5.7.1", answer=refused.text)
            for one in drop.recipients or ("(the addresses in the header)",))
        report_id = new_id()
        octets = build(Notification(
            report_id, self.settings.hostname, str(to), now, now, statuses, head[: header_end(head)]))
        message = OutgoingMessage(
            report_id, None, "reports", "report", "", len(octets), header_id=f"<{report_id}@{self.settings.hostname}>",
            created=now)
        recipient = OutgoingRecipient(0, str(to), await self._queue.destination("", to), frozenset({"NEVER"}))
        await self._queue.enqueue(message, [recipient], octets, body, body.size)

    async def _take(self, user: LocalUser, drop: Drop, body: SpooledBody, message_id: str) -> Taken:
        settings = self.settings
        if not settings.may_send(user):
            raise Refused(EX_UNAVAILABLE, f"{user.name} may not send mail here ([local] users)")
        if settings.max_size and body.size > settings.max_size:
            raise Refused(EX_UNAVAILABLE, f"the message is bigger than {settings.max_size} octets")
        head = await body.head(MAX_OCTETS)
        start = _mailbox_line(head)
        end = start + fields_end(head[start:])
        if end == len(head) < body.size:
            raise Refused(EX_DATAERR, f"the header is longer than {MAX_OCTETS} octets")
        if has_looped(head, settings.max_hops):
            raise Refused(EX_UNAVAILABLE, "the message is in a loop")
        header = qualified_header(head[start:end], self._names.domain)
        sender = self._sender(user, drop)
        header = self._authored(user, drop, header)
        if not settings.may_write_as(user, "*"):
            # who may write as anybody runs this machine, and its reports have to come
            enough = self._limits.mail(f"local user {user.name}", str(sender or self._own(user)))
            if enough is not None:
                return Taken(EX_TEMPFAIL, enough.text)
        recipients = self._recipients(drop, header)
        now = time.time()
        envelope = Envelope(
            message_id, Client("unix", helo=user.name, protocol="local", user=str(self._own(user))),
            Sender(sender, body.size, ret=drop.ret, envid=drop.envid), tuple(recipients))
        header = completed(header, (), f"<{message_id}@{settings.hostname}>", now)
        trace = (f"Received: by {settings.hostname} (QuantumMail, from userid {user.uid})\r\n"
                 f"\tid {message_id}; {rfc5322_date(now)}\r\n").encode()
        return await self._deliver(envelope, trace + downgraded(header), body, end)

    async def _deliver(self, envelope: Envelope, heading: bytes, body: SpooledBody, body_start: int) -> Taken:
        resolved = Recipients(self._names)
        resolved.begin()
        journal = Journal(self._store.journey, "local")
        journal.begin(envelope.sender, _BEGUN)
        for recipient in envelope.recipients:
            found = await resolved.resolve(recipient)
            if not found.ours:
                suppressed = await self._store.suppressions.find(str(recipient.address))
                if suppressed is not None:
                    reply = suppressed_reply(suppressed)
                    journal.recipient(recipient, reply, found)
                    journal.ended(envelope.id, envelope.client, reply)
                    raise Refused(EX_UNAVAILABLE, reply.text)
                journal.recipient(recipient, resolved.accept_outside(recipient), found)
                continue
            reply = resolved.accept(envelope.sender, recipient, found)
            journal.recipient(recipient, reply, found)
            if not reply.positive:
                journal.ended(envelope.id, envelope.client, reply)
                if reply.code >= 500:
                    raise Refused(EX_NOUSER, f"<{recipient.address}>: {reply.text}")
                return Taken(EX_TEMPFAIL, f"<{recipient.address}>: {reply.text}")
        targets = await self._missing(envelope, resolved.targets(envelope))
        onward = None
        if not await self._is_queued(envelope):
            onward = self._onward.all_of(
                envelope, resolved, heading, body, body_start=body_start, source="local", account_id=None)
        outcomes = await self._delivery.deliver_once(
            envelope, targets, final_delivery(envelope) + heading, body, body_start=body_start, onward=onward)
        if not outcomes:
            return Taken(EX_OK, f"{envelope.id} was taken before")
        reply = reply_for(envelope.id, outcomes)
        journal.done(envelope, body.size, heading, [reply], outcomes)
        if any(outcome.account == OTHERS and outcome.good for outcome in outcomes):
            self.log.info("message {id} of local user {user} is queued", id=envelope.id, user=envelope.client.helo)
        return Taken(EX_OK if reply.positive else EX_TEMPFAIL, reply.text)

    async def _missing(self, envelope: Envelope, targets: dict[str, Target]) -> dict[str, Target]:
        """The accounts that have not got the message from an earlier try."""
        if not targets:
            return targets
        holders = await self._store.messages.holders(envelope.id, [one.account_id for one in targets.values()])
        return {account: one for account, one in targets.items() if one.account_id not in holders}

    async def _is_queued(self, envelope: Envelope) -> bool:
        return bool(await self._store.outgoing.entries(
            Selection(message_id=envelope.id, states=tuple(State)), limit=1))

    # Who writes, and to whom.

    def _own(self, user: LocalUser) -> Address:
        return Address(user.name, self._names.domain)

    def _is_allowed(self, user: LocalUser, address: Address) -> bool:
        own = address.local_part == user.name and address.domain in (self._names.domain, self.settings.hostname)
        return own or self.settings.may_write_as(user, str(address).lower())

    def _sender(self, user: LocalUser, drop: Drop) -> Address | None:
        if drop.sender == "":
            return None
        if drop.sender is None:
            return self._own(user)
        address = self._address(drop.sender)
        if not self._is_allowed(user, address):
            raise Refused(EX_UNAVAILABLE, f"{user.name} may not send as <{address}> ([local] senders)")
        return address

    def _authored(self, user: LocalUser, drop: Drop, header: bytes) -> bytes:
        """The header with From, which is the user's or one that he may use."""
        headers = Headers.scan(header)
        if not headers.complete:
            raise Refused(EX_DATAERR, "the message has too many header fields")
        for name in (b"From", b"Sender"):
            values = headers.get_all(name)
            if len(values) > 1:
                raise Refused(EX_DATAERR, f"the message has more than one {name.decode()} field")
            if values:
                self._check_author(user, name.decode(), values[0])
        if b"From" in headers:
            return header
        given = self._sender(user, drop) or self._own(user)
        shown = drop.name or (user.full_name if given == self._own(user) else "")
        return f"From: {author(shown, str(given))}\r\n".encode() + header

    def _check_author(self, user: LocalUser, field: str, value: bytes) -> None:
        if self.settings.may_write_as(user, "*"):
            return
        try:
            addresses = strict_addresses(value)
        except ValueError as error:
            raise Refused(EX_DATAERR, f"the {field} field cannot be understood: {error}") from error
        for address in addresses:
            if not self._is_allowed(user, address):
                raise Refused(EX_UNAVAILABLE, f"{user.name} may not write as <{address}> ([local] senders)")

    def _recipients(self, drop: Drop, header: bytes) -> Sequence[Recipient]:
        given = [*drop.recipients, *(recipients_of(header) if drop.from_header else ())]
        addresses = list(dict.fromkeys(self._address(one) for one in given))
        if not addresses:
            raise Refused(EX_USAGE, "nobody is to get the message")
        if len(addresses) > self.settings.max_recipients:
            raise Refused(EX_UNAVAILABLE, f"more than {self.settings.max_recipients} recipients")
        return [Recipient(address, frozenset(drop.notify)) for address in addresses]

    def _address(self, text: str) -> Address:
        """An address as it was typed: a name alone is one of this machine."""
        text = text.strip().removeprefix("<").removesuffix(">")
        try:
            return Address.parse(text if "@" in text else f"{text}@{self._names.domain}")
        except ValueError as error:
            raise Refused(EX_USAGE, f"{text!r} is no address: {error}") from None


def identifier(user: LocalUser, drop: Drop) -> str:
    """The id of a message: the same for the same message of the same user, and nobody else can have it."""
    number = int.from_bytes(hashlib.sha256(f"{user.uid}:{drop.key}".encode()).digest(), "big")
    return "".join(_ALPHABET[number >> (5 * place) & 31] for place in range(_ID_LENGTH))


def _mailbox_line(head: bytes) -> int:
    """The length of a line of a mbox file that programs put in front of messages."""
    if head.startswith((b"From ", b">From ")):
        return head.find(b"\n") + 1
    return 0


