"""SORT and UID SORT (RFC 5256), by display names too (RFC 5957), with return options (RFC 5267)."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.commands.condstore import highest_modseq, names_modseq
from quantummail.imap.commands.search import answer, matching, read_options, saving
from quantummail.imap.grammar.search import search_with_charset
from quantummail.imap.grammar.sort import DISPLAY_KEYS, KEYS, sort_criteria
from quantummail.imap.registry import SELECTED, command
from quantummail.imap.results import Found, completed, pausing, tell_list
from quantummail.imap.sorting import Criteria, Criterion, sorted_uids
from quantummail.store.steps import finished

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session

SORT = capabilities.offer("SORT")
SORT_DISPLAY = capabilities.offer("SORT=DISPLAY")
ESORT = capabilities.offer("ESORT")
CONTEXT_SORT = capabilities.offer("CONTEXT=SORT")


@command("SORT", SELECTED, expunges=False, capability=SORT)
async def sort(session: Session, arguments: Cursor) -> str:
    """SORT (RFC 5256 section 3)."""
    return await _sort(session, arguments, uid=False)


@command("UID SORT", SELECTED, capability=SORT)
async def uid_sort(session: Session, arguments: Cursor) -> str:
    """UID SORT (RFC 5256 section 3)."""
    return await _sort(session, arguments, uid=True)


async def _sort(session: Session, arguments: Cursor, *, uid: bool) -> str:
    arguments.space()
    options = read_options(session, arguments, ESORT, CONTEXT_SORT)
    with saving(session, options):
        criteria = _criteria(session, arguments)
        arguments.space()
        query = search_with_charset(arguments)
        found = await matching(session, query)
        uids = await in_order(session, found, criteria)
        if options is None:
            # RFC 7162 3.1.5
            modseq = await highest_modseq(session, found) if names_modseq(query) and found else 0
            await tell_list(session, b"SORT", Found(uids, uid, modseq))
        else:
            await answer(session, query, uids, options, uid=uid, criteria=criteria)
    return await completed(session, "SORT", uid=uid)


def _criteria(session: Session, arguments: Cursor) -> Criteria:
    keys = KEYS | DISPLAY_KEYS if session.settings.offers(SORT_DISPLAY) else KEYS
    return tuple(Criterion(key, reverse) for key, reverse in sort_criteria(arguments, keys))


async def in_order(session: Session, uids: array[int], criteria: Criteria) -> array[int]:
    """These messages of the selected mailbox, sorted."""
    if len(uids) < 2:
        return uids
    pause, view = pausing(session), session.selected
    keys = await session.store.orders.get(
        view.account_id, view.mailbox_id, [criterion.key for criterion in criteria], uids, pause)
    return await finished(sorted_uids(keys, uids, criteria), pause)
