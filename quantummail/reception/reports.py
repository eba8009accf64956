"""Notifications of other servers about mail of ours are entered into its journey, whomever they are delivered to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.message.dsn_report import read_report
from quantummail.store.errors import StoreError
from quantummail.store.outgoing_records import Selection, State

if TYPE_CHECKING:
    from quantummail.message.dsn_report import DeliveryReport, Reported
    from quantummail.message.envelope import Envelope
    from quantummail.store.store import Store

# Messages with the same Message-ID that are looked at
_MESSAGES = 5


class IncomingReports:
    """Looks at what comes from the null reverse-path, behind the answer. What it finds changes nothing but the story.

    Anybody can write such a notification: it has to name a message of ours and one of its recipients, and what it says
    is told as what somebody says.
    """

    log = Logger(namespace="quantummail.reception")

    def __init__(self, store: Store) -> None:
        self._store = store

    def look(self, envelope: Envelope, head: bytes) -> None:
        """A message was delivered; `head`: how it begins."""
        if envelope.sender.address is not None or not self._store.journey.on:
            return
        Deferred.fromCoroutine(self._look(envelope, head)).addErrback(
            lambda failure: self.log.failure("the notification {id} cannot be read", failure, id=envelope.id))

    async def _look(self, envelope: Envelope, head: bytes) -> None:
        report = read_report(head)
        if report is None or not report.header_id:
            return
        try:
            for message_id in await self._store.outgoing.named(report.header_id, limit=_MESSAGES):
                await self._enter(message_id, envelope.id, report)
        except StoreError as error:
            self.log.warn("the notification {id} is not entered: {reason}", id=envelope.id, reason=str(error))

    async def _enter(self, message_id: str, report_id: str, report: DeliveryReport) -> None:
        entries = await self._store.outgoing.entries(Selection(message_id, states=tuple(State)))
        # RFC 3461 4.4: what the sender gave comes back as it was
        if not entries or (report.envid and entries[0].message.envid and report.envid != entries[0].message.envid):
            return
        ours = {entry.recipient.address.lower() for entry in entries}
        for one in report.recipients:
            recipient = next((name for name in _names(one) if name.lower() in ours), None)
            if recipient is None and len(ours) == 1:
                # it went on from there, to an address that we do not know
                (recipient,) = ours
            if recipient is not None:
                self._store.journey.note(message_id, "reported", one.action.value, {
                    "id": report_id, "by": report.reporter, "recipient": recipient, "final": one.recipient,
                    "words": f"{one.status} {one.diagnostic}".strip()})


def _names(one: Reported) -> tuple[str, str]:
    return one.original, one.recipient
