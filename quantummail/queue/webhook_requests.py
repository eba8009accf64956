"""Tells webhooks what they are to be told (Standard Webhooks): each one its events in turn, and again if need be."""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.fetch.client import FetchFailed, WebAnswer
from quantummail.store.errors import StoreError
from quantummail.store.webhook_records import DueEvent, WebhookAttempt

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from quantummail.store.sealed import Seal
    from quantummail.store.webhooks import Webhooks

_LOOK = 1.0
# How often is looked whether anybody wants to be told
_REFRESH = 5.0
_PURGE = 3600.0
_PAGE = 100
_ANSWER = 16 * 1024
_SHOWN = 200
# Each wait between attempts is so much longer than the one before
_GROWTH = 10.0
_GONE = 410
_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """How webhooks are told; times in seconds."""

    timeout: float = 10.0
    retries: int = 3
    first_retry: float = 5.0
    longest_wait: float = 3600.0
    at_once: int = 10
    """Webhooks that are told at the same time."""
    keep: float = 7 * 86400.0


class Requests(Protocol):
    """Makes a request."""

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None,
        seconds: float = 60.0, most_octets: int = 64 * 1024,
    ) -> Awaitable[WebAnswer]:
        """See `fetch.client.WebClient`."""


def signature(secret: bytes, event_id: str, seconds: int, payload: bytes) -> str:
    """What `webhook-signature` says: HMAC-SHA256 over id, time and payload."""
    signed = f"{event_id}.{seconds}.".encode("ascii") + payload
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode("ascii")


def shown_secret(secret: bytes) -> str:
    """A secret in the form that receivers' libraries take."""
    return _PREFIX + base64.b64encode(secret).decode("ascii")


class WebhookRequests:
    """Empties the outbox. An event is told until somebody answers 2xx, or the attempts are used up."""

    log = Logger(namespace="quantummail.queue")

    def __init__(
        self, clock: IReactorTime, webhooks: Webhooks, requests: Requests, seal: Seal,
        settings: WebhookSettings = WebhookSettings(),  # a frozen value
    ) -> None:
        self._clock = clock
        self._webhooks = webhooks
        self._requests = requests
        self._seal = seal
        self._settings = settings
        self._timer: IDelayedCall | None = None
        self._looking: Deferred[None] | None = None
        self._running: dict[int, Deferred[None]] = {}
        self._not_before: dict[int, float] = {}
        self._failures: dict[int, int] = {}
        self._next_refresh = 0.0
        self._next_purge = 0.0
        self._stopping = False

    async def start(self) -> None:
        """Begin to tell. What is told from now on is known when this returns."""
        await self._refresh(self._clock.seconds())
        self._next_purge = self._clock.seconds() + _PURGE
        self._look()

    async def stop(self) -> None:
        """Finish the requests that are under way; the rest is told after the next start."""
        self._stopping = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if self._looking is not None:
            await self._looking
        for running in list(self._running.values()):
            await running

    def _look(self) -> None:
        self._looking = Deferred.fromCoroutine(self._look_around())

    async def _look_around(self) -> None:
        now = self._clock.seconds()
        try:
            if now >= self._next_refresh:
                await self._refresh(now)
            idle = self._idle(now)
            if idle:
                self._begin(await self._webhooks.due(idle, _PAGE))
            if self._webhooks.active and now >= self._next_purge:
                self._next_purge = now + _PURGE
                await self._webhooks.purge(self._settings.keep)
        except StoreError as error:
            self.log.error("the outbox of webhooks cannot be read: {reason}", reason=str(error))
        except Exception:  # noqa: BLE001  # the edge of a background task: the next look may go better
            self.log.failure("unexpected error while webhooks were to be told")
        if not self._stopping:
            self._timer = self._clock.callLater(_LOOK, self._look)

    async def _refresh(self, now: float) -> None:
        self._next_refresh = now + _REFRESH
        await self._webhooks.refresh()

    def _idle(self, now: float) -> list[int]:
        """Webhooks that may be told something: as many as may be at once, each time others of them."""
        idle = [
            hook.id for hook in self._webhooks.active
            if hook.id not in self._running and now >= self._not_before.get(hook.id, 0.0)
        ]
        return random.sample(idle, min(len(idle), self._settings.at_once - len(self._running)))

    def _begin(self, due: Sequence[DueEvent]) -> None:
        """Tell each webhook its own events in their order."""
        by_webhook: dict[int, list[DueEvent]] = {}
        for event in due:
            by_webhook.setdefault(event.webhook_id, []).append(event)
        for webhook_id, events in by_webhook.items():
            if self._stopping:
                return
            running = Deferred.fromCoroutine(self._tell_all(webhook_id, events))
            if not running.called:
                self._running[webhook_id] = running
                running.addBoth(self._over, webhook_id)

    def _over(self, result: object, webhook_id: int) -> object:
        self._running.pop(webhook_id, None)
        return result

    async def _tell_all(self, webhook_id: int, events: Sequence[DueEvent]) -> None:
        try:
            url = next((hook.url for hook in self._webhooks.active if hook.id == webhook_id), "")
            if not url:
                # deleted, or made just now: the next look knows
                return
            secret = await self._webhooks.secret(webhook_id, self._seal)
            for event in events:
                if self._stopping or not await self._tell(url, secret, event):
                    return
        except StoreError as error:
            self.log.error("webhook {number} cannot be told anything: {reason}", number=webhook_id, reason=str(error))
            self._leave_alone(webhook_id)
        except Exception:  # noqa: BLE001  # the edge of a background task
            self.log.failure("unexpected error while webhook {number} was told", number=webhook_id)
            self._leave_alone(webhook_id)

    async def _tell(self, url: str, secret: bytes, event: DueEvent) -> bool:
        """One request; whether there may be another one to the same webhook now."""
        now, began = int(time.time()), self._clock.seconds()
        code, answer = await self._asked(url, secret, event, now)
        attempt = WebhookAttempt(now, int((self._clock.seconds() - began) * 1000), code, answer)
        state, due = self._judged(event, code, now)
        await self._webhooks.told(event, attempt, state, due)
        if state == "delivered":
            self._failures.pop(event.webhook_id, None)
            return True
        self.log.warn("webhook {number} was not told {event}: {code} {answer}", number=event.webhook_id,
                      event=event.event_id, code=code, answer=answer, state=state)
        self._leave_alone(event.webhook_id)
        return False

    async def _asked(self, url: str, secret: bytes, event: DueEvent, now: int) -> tuple[int, str]:
        payload = event.payload.encode("utf-8")
        headers = {
            "Content-Type": "application/json", "webhook-id": event.event_id, "webhook-timestamp": str(now),
            "webhook-signature": signature(secret, event.event_id, now, payload),
        }
        try:
            found = await self._requests.request(
                "POST", url, headers=headers, body=payload, seconds=self._settings.timeout, most_octets=_ANSWER)
        except FetchFailed as error:
            return 0, str(error)[:_SHOWN]
        text = found.body[:_SHOWN].decode("utf-8", "replace")
        return found.status, "".join(character if character.isprintable() else " " for character in text)

    def _judged(self, event: DueEvent, code: int, now: int) -> tuple[str, int]:
        if 200 <= code < 300:
            return "delivered", 0
        # 410: whoever was there wants nothing any more
        if event.attempts >= self._settings.retries or code == _GONE:
            return "failed", 0
        settings = self._settings
        wait = min(settings.first_retry * _GROWTH ** event.attempts, settings.longest_wait)
        return "due", int(now + wait * random.uniform(1.0, 1.2)) + 1

    def _leave_alone(self, webhook_id: int) -> None:
        """Others of its events wait a little: who does not answer one need not be asked for all."""
        failures = self._failures[webhook_id] = self._failures.get(webhook_id, 0) + 1
        wait = min(self._settings.first_retry * 2.0 ** min(failures - 1, 20), 60.0)
        self._not_before[webhook_id] = self._clock.seconds() + wait
