"""From what a try has brought to what becomes of each recipient: done, later, given up; and who is told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quantummail.delivery.outcome import Fate, Result
from quantummail.message.bounce_kind import BounceKind, bounce_kind
from quantummail.store.outgoing_records import Attempt, Settlement, State

if TYPE_CHECKING:
    from quantummail.delivery.outcome import Delivered
    from quantummail.queue.schedule import Schedule
    from quantummail.store.outgoing_records import Claimed, OutgoingMessage

EXPIRED = "4.4.7"
"""RFC 3463: delivery time expired."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the recipients of one try, and what their sender has to hear of."""

    settlements: tuple[Settlement, ...]
    failed: tuple[Result, ...] = ()
    """Given up: a bounce."""
    delayed: tuple[Result, ...] = ()
    """A warning."""
    relayed: tuple[Result, ...] = ()
    """Delivered to a server that will not tell: "relayed", for those who asked for success."""
    delivered: tuple[Result, ...] = field(default=())
    """Delivered to our own mailboxes for those who asked for success."""


def judge(
    claimed: Claimed, delivered: Delivered, schedule: Schedule, now: float, *, local: bool, warn_always: bool
) -> Verdict:
    """What becomes of the recipients.

    :param warn_always: warn of delays also those who did not ask for it.
    """
    message = claimed.message
    settlements: list[Settlement] = []
    told: dict[str, list[Result]] = {"failed": [], "delayed": [], "relayed": [], "delivered": []}
    for result in delivered.results:
        attempts = result.recipient.attempts + 1
        if result.fate is Fate.DEFERRED and schedule.expired(now, message.created, attempts):
            result = _given_up(result)
        delay_told = result.recipient.delay_told
        if result.fate is Fate.DELIVERED:
            settlements.append(Settlement(result.recipient, State.DELIVERED, 0, result.attempt, delay_told))
            if "SUCCESS" in result.recipient.notify and (local or result.relayed):
                told["delivered" if local else "relayed"].append(result)
        elif result.fate is Fate.FAILED:
            kind = _kind(result)
            settlements.append(Settlement(
                result.recipient, State.FAILED, 0, result.attempt, delay_told, kind.value,
                suppress=kind is BounceKind.HARD and not local))
            if _wants(result, "FAILURE", unsaid=True):
                told["failed"].append(result)
        else:
            warn = not delay_told and schedule.overdue(now, message.created) and _wants(
                result, "DELAY", unsaid=warn_always)
            if warn:
                told["delayed"].append(result)
            settlements.append(Settlement(
                result.recipient, State.DUE, schedule.next(now, attempts), result.attempt, delay_told or warn))
    if not _can_be_told(message):
        told = {}
    return Verdict(tuple(settlements), **{name: tuple(results) for name, results in told.items()})


def waiting(claimed: Sequence[Claimed], until: float) -> list[tuple[Claimed, tuple[Settlement, ...]]]:
    """Recipients of a destination that is not reached: they wait on, and nobody says that they were tried."""
    return [
        (one, tuple(Settlement(recipient, State.DUE, int(until) + 1, None) for recipient in one.recipients))
        for one in claimed
    ]


def _given_up(result: Result) -> Result:
    attempt = result.attempt
    text = f"given up after too long; the last answer was: {attempt.code} {attempt.answer}"
    return Result(result.recipient, Fate.FAILED, Attempt(
        attempt.at, attempt.milliseconds, attempt.host, attempt.address, attempt.source, attempt.tls, attempt.step,
        attempt.code, attempt.status or EXPIRED, text, attempt.maybe_sent))


def _kind(result: Result) -> BounceKind:
    attempt = result.attempt
    # what was given up was refused for now
    return bounce_kind(
        attempt.code, attempt.status, attempt.answer, step=attempt.step, given_up=400 <= attempt.code < 500)


def _wants(result: Result, what: str, *, unsaid: bool) -> bool:
    """RFC 3461 4.1: without NOTIFY the sender hears of failures, and of delays as we like."""
    notify = result.recipient.notify
    return what in notify if notify else unsaid


def _can_be_told(message: OutgoingMessage) -> bool:
    """RFC 3461 6: no report on a report."""
    return bool(message.sender)
