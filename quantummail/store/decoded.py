"""Parts of messages with their transfer encoding undone, piece by piece: no part is in memory as a whole."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantummail.message.transfer_encoding import TransferDecoder

if TYPE_CHECKING:
    from quantummail.store.bodies import Bodies
    from quantummail.store.records import Message

_PIECE = 128 * 1024
_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """Octets of a message, and how they are encoded: one of those that `TransferDecoder` knows."""

    message: Message
    start: int
    end: int
    encoding: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Somewhere in a part: from where octets are still to be read, how many are decoded so far, and by whom."""

    position: int
    decoded: int
    decoder: TransferDecoder


class DecodedParts:
    """Reads parts. Remembers where it was in the last ones: clients ask for large parts a piece after the other."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._places: OrderedDict[tuple[str, int, int], _Place] = OrderedDict()

    async def read(self, part: EncodedPart, first: int = 0, last: int | None = None) -> AsyncIterator[bytes]:
        """The decoded octets `first` to `last` (or all the rest), in pieces; none beyond the end."""
        place = self._place(part, first)
        position, decoded, decoder = place.position, place.decoded, copy(place.decoder)
        while position < part.end and (last is None or decoded < last):
            if decoded <= first:
                self._remember(part, _Place(position, decoded, copy(decoder)))
            end = min(position + _PIECE, part.end)
            octets = decoder.decode(await self._bodies.read(part.message, position, end), final=end == part.end)
            position = end
            wanted = octets[max(0, first - decoded) : None if last is None else last - decoded]
            decoded += len(octets)
            if wanted:
                yield wanted

    def _place(self, part: EncodedPart, first: int) -> _Place:
        place = self._places.get(_key(part))
        if place is None or place.decoded > first:
            return _Place(part.start, 0, TransferDecoder(part.encoding))
        return place

    def _remember(self, part: EncodedPart, place: _Place) -> None:
        if place.position == part.start:
            return
        self._places[_key(part)] = place
        self._places.move_to_end(_key(part))
        if len(self._places) > _REMEMBERED:
            self._places.popitem(last=False)


def _key(part: EncodedPart) -> tuple[str, int, int]:
    # copies of a message have the same octets
    return part.message.email_id, part.start, part.end
