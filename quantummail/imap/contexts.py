"""Searches whose results are kept up to date: contexts of RFC 5267.

A context knows its results in their order. What `View` takes note of as changed is searched again, and only that; the
client hears of the difference: of what is expunged before EXPUNGE, of what has arrived after EXISTS.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quantummail.imap.grammar.search import And, Query, Uids
from quantummail.imap.grammar.sequence import SequenceSet, render, runs
from quantummail.imap.responses import Refusal
from quantummail.imap.results import correlator, numbers_of, pausing
from quantummail.imap.searching import Search
from quantummail.imap.sorting import Criteria, sorted_uids
from quantummail.store.steps import finished

if TYPE_CHECKING:
    from quantummail.imap.session import Session
    from quantummail.imap.view import View

# RFC 5267 4.3.1: at least one, better more
MOST = 10


@dataclass(slots=True)
class Context:
    """One search that is kept up to date."""

    tag: str
    uid: bool
    """Whether the client is told UIDs, or message numbers."""
    query: Query
    criteria: Criteria
    """Empty for SEARCH."""
    uids: array[int]
    """The results in their order."""


def open_context(session: Session, context: Context) -> None:
    """Keep a context up to date until it is cancelled, or the mailbox left; or tell that this is not done."""
    contexts = session.selected.contexts
    if len(contexts) >= MOST:
        # RFC 5267 4.3.1
        session.untagged(f'NO [NOUPDATE "{context.tag}"] At most {MOST} contexts')
    else:
        contexts[context.tag] = context


def removals(view: View, gone: Iterable[int]) -> list[bytes]:
    """What the client hears of messages that are about to be expunged (RFC 5267 4.3.4)."""
    doomed = set(gone)
    output = []
    for context in view.contexts.values():
        removed = [uid for uid in context.uids if uid in doomed]
        if removed:
            output.append(_difference(view, context, removed, (), context.uids))
    return output


async def updates(session: Session) -> list[bytes]:
    """What the client hears of messages that have changed or arrived (RFC 5267 4.3)."""
    view = session.selected
    touched = sorted(uid for uid in view.touched if view.number(uid))
    view.touched.clear()
    output: list[bytes] = []
    if not touched:
        return output
    for context in list(view.contexts.values()):
        try:
            output += await _update(session, context, touched)
        except Refusal:
            # what it would take to know is too much: better no updates than wrong ones
            del view.contexts[context.tag]
            output.append(b'* NO [NOUPDATE "%s"] The search takes too long\r\n' % context.tag.encode("ascii"))
    return output


async def _update(session: Session, context: Context, touched: Sequence[int]) -> list[bytes]:
    view = session.selected
    only = Uids(SequenceSet(tuple(runs(touched)), None, touched[-1]))
    matching = set(await Search(session, replace(
        context.query, program=(*context.query.program, only, And(2)))).run())
    before = {uid for uid in touched if _has(context, uid)}
    added, removed = sorted(matching - before), before - matching
    if not added and not removed:
        return []
    kept = array("I", [uid for uid in context.uids if uid not in removed]) if removed else context.uids
    after = await _with(session, context, kept, added) if added else kept
    return [_difference(view, context, [uid for uid in context.uids if uid in removed], added, after)]


def _has(context: Context, uid: int) -> bool:
    if context.criteria:
        return uid in context.uids
    place = bisect_left(context.uids, uid)
    return place < len(context.uids) and context.uids[place] == uid


async def _with(session: Session, context: Context, kept: array[int], added: Sequence[int]) -> array[int]:
    """The results with some more, in their order."""
    uids = array("I", sorted((*kept, *added)))
    if not context.criteria:
        return uids
    view = session.selected
    pause = pausing(session)
    keys = await session.store.orders.get(
        session.account_id, view.mailbox_id, [criterion.key for criterion in context.criteria], uids, pause)
    return await finished(sorted_uids(keys, uids, context.criteria), pause)


def _difference(
    view: View, context: Context, removed: Sequence[int], added: Sequence[int], after: array[int]
) -> bytes:
    """One ESEARCH response; the context has these results then (`removed` are in their old order)."""
    before = context.uids
    items = [correlator(context.tag)]
    if context.uid:
        items.append(b"UID")
    if removed:
        pairs = _pairs(view, context, removed, before)
        # from the end, so that positions which come later are still those of now
        items.append(b"REMOVEFROM (%s)" % b" ".join(reversed(pairs)))
    if removed and after is before:
        gone = set(removed)
        after = array("I", [uid for uid in before if uid not in gone])
    if added:
        if context.criteria:
            new = set(added)
            added = [uid for uid in after if uid in new]
        items.append(b"ADDTO (%s)" % b" ".join(_pairs(view, context, added, after)))
    context.uids = after
    return b" ".join(items) + b"\r\n"


def _pairs(view: View, context: Context, uids: Sequence[int], results: array[int]) -> list[bytes]:
    """Positions with the messages that stand there, in the order of the results; position 0 for a SEARCH."""
    shown = array("I", uids)
    if not context.criteria:
        # RFC 5267 4.3.3: mailbox order then
        return [b"0 " + render(shown if context.uid else numbers_of(view, shown))]
    wanted = set(uids)
    pairs: list[bytes] = []
    start = 0
    together = array("I")
    for place, uid in enumerate(results):
        if uid in wanted:
            if not together:
                start = place + 1
            together.append(uid)
        elif together:
            pairs.append(_pair(view, context, start, together))
            together = array("I")
    if together:
        pairs.append(_pair(view, context, start, together))
    return pairs


def _pair(view: View, context: Context, position: int, uids: array[int]) -> bytes:
    return b"%d %s" % (position, render(uids if context.uid else numbers_of(view, uids)))
