"""What a client that comes back is told: which messages are gone, and whose flags have changed (RFC 7162 3.2.5)."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from quantummail.imap import responses
from quantummail.imap.grammar.sequence import common, holes, runs
from quantummail.imap.responses import Farewell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from quantummail.imap.grammar.select import MatchData, Resync
    from quantummail.imap.session import Session
    from quantummail.imap.view import View
    from quantummail.store.records import Changes, FlagState

_PAGE = 1000
Ranges = list[tuple[int, int]]


async def changes_since(session: Session, modseq: int) -> Changes:
    """What has happened in the selected mailbox since a mod-sequence."""
    changes = await session.store.messages.changes(session.selected.account_id, session.selected.mailbox_id, modseq)
    if changes is None:
        # RFC 2180 3.3
        raise Farewell("The selected mailbox was deleted")
    return changes


async def tell(session: Session, client: Resync) -> None:
    """VANISHED (EARLIER) and FETCH responses for what the client has missed."""
    await session.know_messages()
    view = session.selected
    changes = await changes_since(session, client.modseq)
    wanted = [(1, view.highest_uid)]
    if client.known is not None:
        wanted = common(client.known.ranges, wanted)
    tell_vanished(session, changes, wanted, client.match)
    await _tell_flags(session, [
        state for state in _within(changes.changed, wanted) if state.uid <= view.highest_uid and view.number(state.uid)
    ])


def tell_vanished(session: Session, changes: Changes, wanted: Ranges, match: MatchData | None = None) -> None:
    """``* VANISHED (EARLIER)``: those of the wanted UIDs that are gone.

    Where the store has forgotten when they went these are all that are not there: RFC 7162 3.2.10.1 lets a server name
    more than were expunged since. The pairs that the client knows say up to where none is missing (3.2.5.2).
    """
    view = session.selected
    if changes.remaining is not None:
        above = _matching(view, match) if match is not None else 0
        gone = common(common(holes(view.uids, view.highest_uid), [(above + 1, view.highest_uid)]), wanted)
    else:
        gone = common(runs(uid for uid in changes.vanished if not view.number(uid)), wanted)
    if gone:
        session.write(responses.vanished(gone, earlier=True))


def _matching(view: View, match: MatchData) -> int:
    """The highest UID that still stands behind the message number that the client knows it by; 0 if there is none."""
    highest = 0
    for number, uid in zip(_each(match.numbers.ranges), _each(match.uids.ranges), strict=True):
        if number > view.exists or view.uids[number - 1] != uid:
            break
        highest = uid
    return highest


def _each(ranges: Iterable[tuple[int, int]]) -> Iterator[int]:
    return chain.from_iterable(range(first, last + 1) for first, last in ranges)


def _within(states: Sequence[FlagState], wanted: Ranges) -> Iterator[FlagState]:
    """Those of the states, which are in the order of UIDs, that fall into the ranges."""
    place = 0
    for state in states:
        while place < len(wanted) and wanted[place][1] < state.uid:
            place += 1
        if place == len(wanted):
            return
        if wanted[place][0] <= state.uid:
            yield state


async def _tell_flags(session: Session, states: Sequence[FlagState]) -> None:
    view = session.selected
    for start in range(0, len(states), _PAGE):
        page = states[start : start + _PAGE]
        session.write(b"".join([view.flags_line(view.number(state.uid), state, uid=True) for state in page]))
        await session.wire.drained()
