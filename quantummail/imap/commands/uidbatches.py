"""UIDBATCHES: ranges of UIDs that hold about as many messages each (RFC 10022)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.commands.messagelimit import limit_of
from quantummail.imap.registry import SELECTED, command
from quantummail.imap.responses import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session

UIDBATCHES = capabilities.offer("UIDBATCHES")
SMALLEST = 500
"""Messages of a batch; a client that asks for less would ask for every message."""
_RANGE = re.compile(rb"([1-9][0-9]{0,9}):([1-9][0-9]{0,9})")


@command("UIDBATCHES", SELECTED, capability=UIDBATCHES)
async def uidbatches(session: Session, arguments: Cursor) -> str:
    """UIDBATCHES (RFC 10022 3.1): ``"UIDBATCHES" SP nz-number [SP nz-number ":" nz-number]``."""
    arguments.space()
    size = arguments.number()
    first, last = 1, 0
    if not arguments.at_end:
        arguments.space()
        found = _RANGE.fullmatch(arguments.matching(_RANGE, "Invalid range of batches"))
        assert found is not None
        first, last = int(found[1]), int(found[2])
        if first > last:
            raise Refusal("The lower batch comes first", "CLIENTBUG", response="BAD")
    arguments.end()
    if size < SMALLEST:
        raise Refusal(f"A batch has at least {SMALLEST} messages", "TOOFEW")
    await session.sync(expunges=True)
    # RFC 10022 3.1.3.3: a batch is never more than another command may be about
    size = min(size, limit_of(session) or size)
    batches = batches_of(session.selected.uids, size)[first - 1 : last or None]
    ranges = ",".join([str(high) if high == low else f"{high}:{low}" for high, low in batches])
    session.untagged(f'UIDBATCHES (TAG "{session.tag}"){" " if ranges else ""}{ranges}')
    return "UIDBATCHES completed"


def batches_of(uids: Sequence[int], size: int) -> list[tuple[int, int]]:
    """Batches of ascending UIDs as (highest, lowest), from the newest down.

    They leave no UID out: each ends above the next one, the last at 1, so that nobody has to ask what is between them.
    """
    lows = [uids[end - size] for end in range(len(uids), size, -size)]
    highs = [uids[-1], *(low - 1 for low in lows)] if uids else []
    return list(zip(highs, [*lows, 1], strict=False))
