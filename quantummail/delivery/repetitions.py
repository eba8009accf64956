"""Messages that were delivered to some of their recipients and not to others: SMTP has one answer for all of them.

The sender keeps the message and repeats it for everybody. Who has it already is remembered for a day, in memory:
after a restart somebody gets it twice, which is better than not at all.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twisted.internet.interfaces import IReactorTime

    from quantummail.message.envelope import Envelope
    from quantummail.store.spooled import SpooledBody

_REMEMBERED_FOR = 24 * 3600.0
_REMEMBERED = 1000

_Likeness = tuple[str, int]


@dataclass(slots=True)
class _Entry:
    """A message, and who has it."""

    digest: bytes
    accounts: frozenset[str]
    until: float


class Repetitions:
    """Recognizes a message by its sender and its octets: large senders repeat from another address of theirs."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._entries: OrderedDict[_Likeness, _Entry] = OrderedDict()

    async def holders(self, envelope: Envelope, body: SpooledBody) -> frozenset[str]:
        """The accounts that have this message. Nothing is calculated unless one much like it is remembered."""
        likeness = _likeness(envelope, body)
        entry = self._entries.get(likeness)
        if entry is None:
            return frozenset()
        if entry.until < self._clock.seconds():
            del self._entries[likeness]
            return frozenset()
        return entry.accounts if entry.digest == await body.digest() else frozenset()

    async def remember(self, envelope: Envelope, body: SpooledBody, accounts: Iterable[str]) -> None:
        """These accounts have the message, others are still to get it."""
        digest = await body.digest()
        likeness = _likeness(envelope, body)
        self._entries[likeness] = _Entry(digest, frozenset(accounts), self._clock.seconds() + _REMEMBERED_FOR)
        self._entries.move_to_end(likeness)
        if len(self._entries) > _REMEMBERED:
            self._entries.popitem(last=False)

    def forget(self, envelope: Envelope, body: SpooledBody) -> None:
        """Everybody has it: should it come once more, somebody wants it so."""
        self._entries.pop(_likeness(envelope, body), None)


def _likeness(envelope: Envelope, body: SpooledBody) -> _Likeness:
    sender = envelope.sender.address
    return ("" if sender is None else str(sender)), body.size
