"""SEARCH and UID SEARCH (RFC 3501 6.4.4, 6.4.8), with return options (RFC 4731, 5182, 9394) and WITHIN (RFC 5032)."""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.commands.condstore import highest_modseq, names_modseq
from quantummail.imap.contexts import Context, open_context
from quantummail.imap.grammar import search as keys
from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.grammar.results import ALL, Options, return_options
from quantummail.imap.grammar.search import Query, search_query
from quantummail.imap.grammar.sequence import SequenceSet, runs
from quantummail.imap.refusals import refusal_of
from quantummail.imap.registry import SELECTED, command
from quantummail.imap.responses import Refusal
from quantummail.imap.results import Found, completed, correlator, tell_extended, tell_list
from quantummail.imap.searching import ROW_RANGES, ROW_TESTS, Search, Test

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session
    from quantummail.imap.sorting import Criteria
    from quantummail.imap.view import View
    from quantummail.store.records import Message

ESEARCH = capabilities.offer("ESEARCH")
SEARCHRES = capabilities.offer("SEARCHRES")
WITHIN = capabilities.offer("WITHIN")
PARTIAL = capabilities.offer("PARTIAL")
CONTEXT_SEARCH = capabilities.offer("CONTEXT=SEARCH")


@command("SEARCH", SELECTED, expunges=False)
async def search(session: Session, arguments: Cursor) -> str:
    """SEARCH (RFC 3501 6.4.4)."""
    return await _search(session, arguments, uid=False)


@command("UID SEARCH", SELECTED)
async def uid_search(session: Session, arguments: Cursor) -> str:
    """UID SEARCH (RFC 3501 6.4.8)."""
    return await _search(session, arguments, uid=True)


async def _search(session: Session, arguments: Cursor, *, uid: bool) -> str:
    arguments.space()
    options = read_options(session, arguments, ESEARCH, CONTEXT_SEARCH)
    with saving(session, options):
        query = search_query(arguments)
        found = await matching(session, query)
        if options is None and not session.modes.rev2:
            modseq = await _highest(session, query, found)
            await tell_list(session, b"SEARCH", Found(found, uid, modseq))
        else:
            # RFC 9051 7.3.4: the only answer in IMAP4rev2
            await answer(session, query, found, options or ALL, uid=uid)
    return await completed(session, "SEARCH", uid=uid)


def read_options(session: Session, arguments: Cursor, extended: str, contexts: str) -> Options | None:
    """Read RETURN, if it is there, and see whether its options are offered: by these two capabilities or their own."""
    options = return_options(arguments)
    if options is None:
        return None
    offers = session.settings.offers
    # ESEARCH and SEARCHRES are part of IMAP4rev2
    rev2 = session.modes.rev2
    if "SAVE" in options.names and not (offers(SEARCHRES) or rev2):
        raise BadSyntax("Unknown return option")
    if options.names & {"UPDATE", "CONTEXT"} and not offers(contexts):
        raise BadSyntax("Unknown return option")
    if options.partial is not None and not (offers(contexts) or offers(PARTIAL)):
        raise BadSyntax("Unknown return option")
    if not (offers(extended) or offers(contexts) or rev2):
        raise BadSyntax("Unknown search key")
    if "UPDATE" in options.names and session.tag in session.selected.contexts:
        # RFC 5267 4.3
        raise BadSyntax("The tag is in use for updates")
    return options


@contextmanager
def saving(session: Session, options: Options | None) -> Iterator[None]:
    """A search that may be saved: if it fails with NO, nothing is saved any more (RFC 5182 2.1)."""
    try:
        yield
    except Exception as error:
        refusal = refusal_of(error)
        if options is not None and "SAVE" in options.names and (refusal is None or refusal.response == "NO"):
            session.selected.save(())
        raise


async def matching(session: Session, query: Query) -> array[int]:
    """The UIDs that a search finds in the selected mailbox, ascending."""
    if not session.settings.offers(WITHIN) and any(isinstance(key, keys.Within) for key in query.program):
        raise BadSyntax("Unknown search key")
    if session.modes.uidonly and any(isinstance(key, keys.Numbers) and not key.set.saved for key in query.program):
        # RFC 9586 3.2
        raise Refusal("There are no message numbers", "UIDREQUIRED", response="BAD")
    if names_modseq(query):
        session.use_condstore()
    await session.sync(expunges=False)
    return await Search(session, resolved(session, query)).run()


def resolved(session: Session, query: Query) -> Query:
    """The search with what ``$`` stands for (RFC 5182)."""
    if not any(_is_saved(key) for key in query.program):
        return query
    uids = session.messages(SequenceSet((), None, 0, saved=True), uid=True)
    saved = keys.Uids(SequenceSet(tuple(runs(uids)), None, uids[-1] if uids else 0))
    return replace(query, program=tuple(saved if _is_saved(key) else key for key in query.program))


def _is_saved(key: object) -> bool:
    return isinstance(key, keys.Numbers | keys.Uids) and key.set.saved


async def answer(
    session: Session, query: Query, uids: array[int], options: Options, *, uid: bool, criteria: Criteria = ()
) -> None:
    """Save and keep what was found as the options say, and tell it. `uids` are in the order of the answer."""
    referred = options.referred(uids)
    if "SAVE" in options.names:
        session.selected.save(sorted(referred) if criteria else referred)
    if "UPDATE" in options.names:
        open_context(session, Context(session.tag, uid, resolved(session, query), criteria, uids))
    if options.silent:
        return
    found = Found(uids, uid, await _highest(session, query, referred))
    begin = correlator(session.tag) + (b" UID" if uid else b"")
    await tell_extended(session, begin, session.selected, found, options)


async def _highest(session: Session, query: Query, uids: Sequence[int]) -> int:
    # RFC 7162 3.1.5
    return await highest_modseq(session, sorted(uids)) if names_modseq(query) and uids else 0


def _age(key: keys.Within) -> tuple[str, int, int]:
    # RFC 5032 section 3: both include the moment itself
    moment = int(time.time()) - key.seconds
    return ("internal_date", keys.EARLIEST, moment) if key.older else ("internal_date", moment, keys.LATEST)


def _aged(_view: View, key: keys.Within) -> Test:
    _, first, last = _age(key)

    def test(message: Message) -> bool:
        return first <= message.internal_date <= last

    return test


ROW_RANGES[keys.Within] = _age
ROW_TESTS[keys.Within] = _aged
