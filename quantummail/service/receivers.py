"""Which receiver stands behind which listener: the one place where `quantummail.reception` is put in."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from quantummail.delivery.local import LocalDelivery
from quantummail.queue.receipts import Receipts
from quantummail.reception.limits import Limits, SendingLimits
from quantummail.reception.local import LocalReceiver, LocalSettings
from quantummail.reception.mx import LMTPReceiver, MXReceiver, ReceptionSettings
from quantummail.reception.onward import Onward
from quantummail.reception.submission import SubmissionReceiver

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantummail.auth.login import Authenticator
    from quantummail.config import Config
    from quantummail.service.outbound import Outbound
    from quantummail.smtp.receiver import Receiver
    from quantummail.store.store import Store


class Receivers:
    """Makes a receiver for each connection."""

    def __init__(
        self, config: Config, store: Store, authenticator: Authenticator, outbound: Outbound, clock: Any
    ) -> None:
        self._config = config
        self._store = store
        self._outbound = outbound
        self._limits = Limits(
            SendingLimits(config.limits.mails_per_minute_per_sender, config.limits.mails_per_minute,
                          config.limits.recipients_per_day),
            clock, store.outgoing.recipients_since)
        self._onward = Onward(
            outbound.queue, outbound.forwarding, Receipts(config.server.hostname, outbound.queue, store.bodies))
        self._authenticator = authenticator
        self._clock = clock
        self._delivery = LocalDelivery(store.messages, clock, store.webhooks)
        self._settings = ReceptionSettings(
            config.server.hostname, max_hops=config.delivery.max_hops, tarpit_after=config.delivery.tarpit_after,
            tarpit_delay=config.delivery.tarpit_delay)

    def maker(self, name: str) -> Callable[[], Receiver]:
        """What makes the receivers of a listener."""
        if name in ("submission", "submissions"):
            return partial(
                SubmissionReceiver, self._store, self._delivery, self._onward, self._authenticator, self._settings,
                self._limits, name)
        receiver = LMTPReceiver if name in ("lmtp", "lmtps") else MXReceiver
        return partial(receiver, self._store, self._delivery, self._onward, self._settings, self._clock)

    def local(self) -> LocalReceiver:
        """What takes the mail of programs of this machine."""
        local = self._config.local
        settings = LocalSettings(
            self._settings.hostname, local.users, local.senders, local.max_message_size, local.max_recipients,
            self._settings.max_hops)
        return LocalReceiver(
            self._store, self._outbound.names, self._delivery, self._onward, self._outbound.queue, settings,
            self._limits)
