"""What became of an attempt to deliver."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from quantummail.store.outgoing_records import Attempt, OutgoingRecipient


class Fate(Enum):
    """Of one recipient."""

    DELIVERED = "delivered"
    DEFERRED = "deferred"
    """It may go better later."""
    FAILED = "failed"
    """It will not."""


@dataclass(frozen=True, slots=True)
class Result:
    """One recipient's."""

    recipient: OutgoingRecipient
    fate: Fate
    attempt: Attempt
    relayed: bool = False
    """Delivered to a server that does not know DSN: success is for us to report, as "relayed" (RFC 3461 5.2.2)."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """All recipients' of one try."""

    results: tuple[Result, ...]
    reached: bool = True
    """Somebody answered at the destination. If not, others need not try for a while."""
    slowed: bool = False
    """The destination asks for less."""

    @property
    def reason(self) -> str:
        """Why the destination was not reached."""
        return self.results[0].attempt.answer if self.results else ""
