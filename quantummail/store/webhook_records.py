"""Webhooks as values: whom to tell what, and what is told. No SQL here."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantummail.message.ids import new_id
from quantummail.store.outgoing_records import State

if TYPE_CHECKING:
    from quantummail.store.outgoing_records import OutgoingMessage, Settlement

EVENTS = ("received", "delivered", "deferred", "bounced")
"""What can be told."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Somebody who wants to be told."""

    id: int
    url: str
    events: frozenset[str]
    account_id: int | None = None
    """Only of this account's mail."""
    account: str = ""
    domain: str = ""
    """Only of this domain's mail."""
    created: int = 0

    def wants(self, event: str, account_id: int | None, address: str) -> bool:
        """Whether an event is for it: of whose mail it is, by account and by address."""
        if event not in self.events or (self.account_id is not None and self.account_id != account_id):
            return False
        return not self.domain or address.rpartition("@")[2].lower() == self.domain


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event for one webhook, to be kept in the transaction that makes it true."""

    webhook_id: int
    event_id: str
    type: str
    payload: str


@dataclass(frozen=True, slots=True)
class DueEvent:
    """An event that has to be told now."""

    id: int
    webhook_id: int
    event_id: str
    payload: str
    attempts: int


@dataclass(frozen=True, slots=True)
class WebhookAttempt:
    """One request, and what was answered."""

    at: int
    milliseconds: int
    code: int
    answer: str


@dataclass(frozen=True, slots=True)
class ToldEvent:
    """An event with its history."""

    event_id: str
    webhook_id: int
    type: str
    created: int
    state: str
    due: int
    attempts: tuple[WebhookAttempt, ...]
    payload: str


def events_of_settlement(
    webhooks: Iterable[Webhook], message: OutgoingMessage, one: Settlement
) -> tuple[NewEvent, ...]:
    """What is to be told of a recipient that was tried."""
    if one.attempt is None or message.source == "report":
        return ()
    event = {State.DELIVERED: "delivered", State.FAILED: "bounced", State.DUE: "deferred"}.get(one.state)
    wanting = [hook for hook in webhooks if event is not None and hook.wants(event, message.account_id, message.sender)]
    if event is None or not wanting:
        return ()
    attempt = one.attempt
    data: dict[str, Any] = {
        "id": message.id, "message_id": message.header_id, "sender": message.sender,
        "recipient": one.recipient.address, "source": message.source, "accepted": _time(message.created),
        "attempts": one.recipient.attempts + 1,
        "attempt": {
            "time": _time(attempt.at), "milliseconds": attempt.milliseconds, "host": attempt.host,
            "address": attempt.address, "source": attempt.source, "tls": attempt.tls, "step": attempt.step,
            "code": attempt.code, "status": attempt.status, "answer": attempt.answer,
        },
    }
    if event == "deferred":
        data["next_attempt"] = _time(one.due)
    elif event == "bounced":
        # RFC 3463: what does not begin with 5 was given up after too long
        data["bounce"] = "hard" if attempt.code >= 500 else "expired"
    return tuple(new_event(hook, event, data) for hook in wanting)


def events_of_reception(
    webhooks: Iterable[Webhook], accounts: Mapping[str, int], data: dict[str, Any]
) -> dict[int, tuple[NewEvent, ...]]:
    """What is to be told of a message that comes to accounts (address to id), by account."""
    hooks = tuple(webhooks)
    return {
        account_id: tuple(
            new_event(hook, "received", {**data, "account": address})
            for hook in hooks if hook.wants("received", account_id, address))
        for address, account_id in accounts.items()
    }


def new_event(webhook: Webhook, event: str, data: dict[str, Any]) -> NewEvent:
    """An event with an id of its own, in the form of Standard Webhooks."""
    event_id = f"msg_{new_id()}"
    payload = {"type": f"message.{event}", "timestamp": _time(time.time()), "data": data}
    return NewEvent(webhook.id, event_id, event, json.dumps(payload, ensure_ascii=False, separators=(",", ":")))


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
