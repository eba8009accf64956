"""What the transactions of one connection leave in the journey: one step each, also of those that came to nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from quantummail.message.headers import header_end
from quantummail.store.journey_rows import NOBODY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quantummail.delivery.local import Outcome
    from quantummail.message.envelope import Client, Envelope, Recipient, Sender
    from quantummail.smtp.reply import Reply
    from quantummail.store.directory import Resolution
    from quantummail.store.journey import Journey

# Recipients of one transaction that are noted one by one
_MOST = 1000
_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:(?:[ \t]|\r\n[ \t])*<([^<>\r\n]{1,998})>", re.IGNORECASE | re.MULTILINE)


class Journal:
    """Gathers what is answered in a transaction, and notes it when that is over."""

    __slots__ = ("_journey", "_open", "_others", "_recipients", "_sender", "_sender_reply", "_source")

    def __init__(self, journey: Journey, source: str) -> None:
        """`source`: the way in, as the log calls it."""
        self._journey = journey
        self._source = source
        self._open = False

    def begin(self, sender: Sender, reply: Reply) -> None:
        """MAIL was answered."""
        self._open = self._journey.on
        self._sender = sender
        self._sender_reply = reply
        self._recipients: list[Any] = []
        self._others = 0

    def recipient(self, recipient: Recipient, reply: Reply, found: Resolution | None = None) -> None:
        """RCPT was answered; `found`: where the address leads."""
        if not self._open:
            return
        if len(self._recipients) >= _MOST:
            self._others += 1
            return
        address = str(recipient.address)
        trail = found.trail if found is not None else []
        if reply.positive and (not trail or trail == [f"{address.lower()} is an account"]):
            self._recipients.append(address)
        elif reply.positive:
            self._recipients.append([address, *_words(reply), trail])
        else:
            self._recipients.append([address, *_words(reply)])

    def done(
        self, envelope: Envelope, size: int, header: bytes, replies: Sequence[Reply], outcomes: Iterable[Outcome] = (),
    ) -> None:
        """The message came, and was answered; `header`: what it begins with."""
        if not self._open:
            return
        self._open = False
        detail = self._about(envelope.client)
        detail["size"] = size
        reply = next((one for one in replies if not one.positive), replies[0])
        detail["reply"] = _words(reply)
        if len(replies) > 1 and any(one != replies[0] for one in replies):
            detail["replies"] = [_words(one) for one in replies]
        for outcome in outcomes:
            if outcome.stored is not None:
                detail.setdefault("stored", []).append(
                    [outcome.account, outcome.stored.mailbox_id, outcome.stored.uid])
            elif outcome.queued:
                detail["queued"] = True
            elif outcome.repeated:
                detail.setdefault("had", []).append(outcome.account)
            else:
                detail.setdefault("failed", []).append([outcome.account, outcome.reason])
        verdict = "accepted" if any(one.positive for one in replies) else _verdict(reply)
        self._note(envelope.id, verdict, detail, header)

    def ended(self, transaction: str, client: Client, reply: Reply | None) -> None:
        """The transaction ended without a message that anybody looked at; `reply`: what ended it, if it was ours."""
        if not self._open:
            return
        self._open = False
        refusals = [reply, self._sender_reply]
        refused = next((one for one in refusals if one is not None and not one.positive), None)
        if refused is None and not self._recipients:
            return
        detail = self._about(client)
        if refused is not None:
            detail["reply"] = _words(refused)
        verdict = _verdict(refused) if refused is not None else self._verdict_of_recipients()
        self._note(transaction, verdict, detail, b"")

    def _verdict_of_recipients(self) -> str:
        codes = [one[1] if isinstance(one, list) else 250 for one in self._recipients]
        if min(codes) < 400:
            return "broken off"
        return "refused" if max(codes) >= 500 else "deferred"

    def _about(self, client: Client) -> dict[str, Any]:
        known: dict[str, Any] = {
            "source": self._source, "client": client.address, "helo": client.helo, "protocol": client.protocol,
            "tls": client.tls, "user": client.user, "connection": client.connection, "to": self._recipients,
        }
        detail = {name: value for name, value in known.items() if value}
        if self._others:
            detail["more"] = self._others
        return detail

    def _note(self, transaction: str, verdict: str, detail: dict[str, Any], header: bytes) -> None:
        sender = self._sender.address
        self._journey.note(
            transaction, "received", verdict, detail, sender=str(sender).lower() if sender is not None else NOBODY,
            header_id=_header_id(header))


def _words(reply: Reply) -> list[Any]:
    return [reply.code, reply.status, reply.text]


def _verdict(reply: Reply) -> str:
    return "refused" if reply.code >= 500 else "deferred"


def _header_id(header: bytes) -> str:
    found = _MESSAGE_ID.search(header, 0, header_end(header)) if header else None
    return "" if found is None else f"<{found[1].decode('utf-8', 'replace')}>"
