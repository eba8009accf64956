"""What senders are told of their mail: failures, delays, and success if they asked for it (RFC 3461 6)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from twisted.logger import Logger

from quantummail.message.address import Address
from quantummail.message.dsn import Action, Notification, RecipientStatus, build
from quantummail.message.headers import header_end
from quantummail.message.ids import new_id
from quantummail.store.errors import StoreError
from quantummail.store.outgoing import Report
from quantummail.store.outgoing_records import OutgoingMessage, OutgoingRecipient

if TYPE_CHECKING:
    from quantummail.delivery.outcome import Result
    from quantummail.queue.schedule import Schedule
    from quantummail.queue.settling import Verdict
    from quantummail.store.outgoing import Outgoing
    from quantummail.store.outgoing_records import Claimed

_HEADER = 64 * 1024
# A whole message beyond this goes back as its header
_WHOLE = 1024 * 1024
# RFC 3463: what to say where a server gave no status of its own
_STATUSES = {Action.FAILED: "5.0.0", Action.DELAYED: "4.0.0", Action.DELIVERED: "2.0.0", Action.RELAYED: "2.0.0"}


class Bounces:
    """Makes the reports of one server."""

    log = Logger(namespace="quantummail.queue")

    def __init__(
        self, hostname: str, outgoing: Outgoing, schedule: Schedule,
        destination: Callable[[Address], Awaitable[str]],
    ) -> None:
        """`destination` says which way mail to an address goes."""
        self._hostname = hostname
        self._outgoing = outgoing
        self._schedule = schedule
        self._destination = destination

    async def reports(self, claimed: Claimed, verdict: Verdict) -> Sequence[Report]:
        """One for each kind of outcome that the sender has to hear of."""
        kinds = (
            (Action.FAILED, verdict.failed), (Action.DELAYED, verdict.delayed), (Action.RELAYED, verdict.relayed),
            (Action.DELIVERED, verdict.delivered),
        )
        return [await self._report(claimed, action, results) for action, results in kinds if results]

    async def _report(self, claimed: Claimed, action: Action, results: Sequence[Result]) -> Report:
        message, now = claimed.message, int(time.time())
        # RFC 3461 4.3: the whole message only for failures, and only if it is wanted
        # RFC 8689 5: a message that requires TLS does not come back whole
        whole = (action is Action.FAILED and message.ret == "FULL" and message.size <= _WHOLE
                 and not message.require_tls)
        report_id = new_id()
        octets = build(Notification(
            report_id, self._hostname, message.sender, now, message.created,
            tuple(self._status(claimed, action, result) for result in results),
            await self._original(claimed, whole=whole), whole, message.envid, message.header_id))
        to = Address.parse(message.sender)
        recipient = OutgoingRecipient(0, message.sender, await self._destination(to), frozenset({"NEVER"}))
        self.log.info("message {id}: <{sender}> is told by {report} what became of {recipients}", id=message.id,
                      sender=message.sender, report=report_id, action=action.value,
                      recipients=", ".join(f"<{result.recipient.address}>" for result in results[:20]))
        report = OutgoingMessage(
            report_id, None, "reports", "report", "", len(octets), "7BIT" if octets.isascii() else "8BITMIME",
            smtputf8=not octets[: header_end(octets)].isascii() or not message.sender.isascii(),
            header_id=f"<{report_id}@{self._hostname}>", created=now, require_tls=message.require_tls)
        return Report(report, [recipient], octets, action.value, [result.recipient.address for result in results])

    def _status(self, claimed: Claimed, action: Action, result: Result) -> RecipientStatus:
        attempt = result.attempt
        return RecipientStatus(
            result.recipient.address, action, _status(action, attempt.status), result.recipient.orcpt, attempt.host,
            attempt.code, attempt.answer, attempt.at,
            int(claimed.message.created + self._schedule.lifetime) if action is Action.DELAYED else 0)

    async def _original(self, claimed: Claimed, *, whole: bool) -> bytes:
        wanted = claimed.message.size if whole else min(claimed.message.size, _HEADER)
        try:
            octets = claimed.content or await self._outgoing.read(claimed.message.id, 0, wanted)
        except StoreError:
            return b""
        return octets if whole else octets[: min(header_end(octets), _HEADER)]


def _status(action: Action, status: str) -> str:
    """The status of the last answer, if it says what the action says (RFC 3464 2.3.4)."""
    classes = {Action.FAILED: "5", Action.DELAYED: "4"}
    wanted = classes.get(action, "2")
    if not status:
        return _STATUSES[action]
    # what was given up failed for now many times: it has failed
    return f"{wanted}{status[1:]}"
