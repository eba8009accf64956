"""Searches whose results are kept up to date: contexts of RFC 5267.

A context knows its results in their order. What `View` takes note of as changed is searched again, and only that; the
client hears of the difference: of what is expunged before EXPUNGE, of what has arrived after EXISTS.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
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

MOST = 10
MOST_RESULTS = 200_000
"""Of all contexts of a session: each change has to be looked for in them."""
# Fewer are put in and taken out one by one
_FEW = 50


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
    results = len(context.uids) + sum(len(other.uids) for other in contexts.values())
    # RFC 5267 4.3.1: at least one
    if contexts and (len(contexts) >= MOST or results > MOST_RESULTS):
        session.untagged(f'NO [NOUPDATE "{context.tag}"] Too many contexts')
    else:
        contexts[context.tag] = context


def removals(view: View, gone: Iterable[int]) -> list[bytes]:
    """What the client hears of messages that are about to be expunged (RFC 5267 4.3.4)."""
    doomed = sorted(gone)
    return [
        _difference(view, context, places, (), _without(context.uids, places))
        for context in view.contexts.values() if (places := _places(context, context.uids, doomed))
    ]


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
    gone = session.selected.gone
    only = Uids(SequenceSet(tuple(runs(touched)), None, touched[-1]))
    query = replace(context.query, program=(*context.query.program, only, And(2)))
    matching = set(await Search(session, query).run()) - gone
    # what is gone cannot be compared with what comes: it goes now, rather than right before EXPUNGE
    known = _places(context, context.uids, sorted({*gone, *touched}))
    removed = [place for place in known if context.uids[place] not in matching]
    added = sorted(matching.difference([context.uids[place] for place in known]))
    if not added and not removed:
        return []
    after = _without(context.uids, removed)
    if added:
        expected = len(after) + len(added)
        after = await _with(session, context, after, added)
        if len(after) < expected:
            # some went while they were sorted, and nobody has told us yet
            here = set(after)
            removed = [place for place, uid in enumerate(context.uids) if uid not in here]
            added = [uid for uid in added if uid in here]
    return [_difference(session.selected, context, removed, added, after)] if added or removed else []


def _places(context: Context, results: array[int], uids: Sequence[int]) -> list[int]:
    """Where those of the messages are that are among the results; ascending."""
    if not context.criteria:
        places = [bisect_left(results, uid) for uid in uids]
        return [place for place, uid in zip(places, uids, strict=True)
                if place < len(results) and results[place] == uid]
    if len(uids) > _FEW:
        wanted = set(uids)
        return [place for place, uid in enumerate(results) if uid in wanted]
    return sorted(results.index(uid) for uid in uids if uid in results)


def _without(results: array[int], places: Sequence[int]) -> array[int]:
    if len(places) > _FEW:
        gone = set(places)
        return array("I", [uid for place, uid in enumerate(results) if place not in gone])
    kept = results[:]
    for place in reversed(places):
        del kept[place]
    return kept


async def _with(session: Session, context: Context, results: array[int], added: Sequence[int]) -> array[int]:
    """The results with some more, in their order; when sorted, without those that are gone."""
    if not context.criteria and len(added) <= _FEW:
        for uid in added:
            insort(results, uid)
        return results
    uids = array("I", sorted((*results, *added)))
    if not context.criteria:
        return uids
    view = session.selected
    pause = pausing(session)
    keys = await session.store.orders.get(
        view.account_id, view.mailbox_id, [criterion.key for criterion in context.criteria], uids, pause)
    here = set(keys.uids)
    uids = array("I", [uid for uid in uids if uid in here])
    return await finished(sorted_uids(keys, uids, context.criteria), pause)


def _difference(
    view: View, context: Context, removed: Sequence[int], added: Sequence[int], after: array[int]
) -> bytes:
    """One ESEARCH response: results at these places go, these messages come. Then the context has other results."""
    items = [correlator(context.tag)]
    if context.uid:
        items.append(b"UID")
    if removed:
        # from the end, so that positions which come later are still those of now
        items.append(b"REMOVEFROM (%s)" % b" ".join(reversed(_pairs(view, context, removed, context.uids))))
    if added:
        places = _places(context, after, added)
        items.append(b"ADDTO (%s)" % b" ".join(_pairs(view, context, places, after)))
    context.uids = after
    return b" ".join(items) + b"\r\n"


def _pairs(view: View, context: Context, places: Sequence[int], results: array[int]) -> list[bytes]:
    """Positions with the messages that stand there, in the order of the results; position 0 for a SEARCH."""
    shown: Sequence[int] = array("I", [results[place] for place in places])
    if not context.uid:
        shown = numbers_of(view, array("I", shown))
    if not context.criteria:
        # RFC 5267 4.3.3: mailbox order then
        return [b"0 " + render(shown)]
    pairs: list[bytes] = []
    done = 0
    for first, last in runs([place + 1 for place in places]):
        count = last - first + 1
        pairs.append(b"%d %s" % (first, render(shown[done : done + count])))
        done += count
    return pairs
