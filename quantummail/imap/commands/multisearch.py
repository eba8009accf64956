"""ESEARCH: one search in many mailboxes (RFC 7377)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from quantummail.imap import capabilities, responses, shared
from quantummail.imap.commands.condstore import names_modseq
from quantummail.imap.commands.search import ESEARCH, WITHIN, read_options, resolved, saving
from quantummail.imap.grammar import search as keys
from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.grammar.multisearch import SELECTED as IN_SELECTED
from quantummail.imap.grammar.multisearch import Source, sources
from quantummail.imap.grammar.results import ALL, Options
from quantummail.imap.grammar.search import search_query
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.imap.responses import Refusal
from quantummail.imap.results import Found, correlator, tell_extended
from quantummail.imap.searching import Search
from quantummail.imap.view import View
from quantummail.store.errors import NoSuchMailbox

if TYPE_CHECKING:
    from array import array

    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.grammar.search import Query
    from quantummail.imap.session import Session
    from quantummail.store.records import Mailbox

MULTISEARCH = capabilities.offer("MULTISEARCH")


@command("ESEARCH", AUTHENTICATED, capability=MULTISEARCH)
async def esearch(session: Session, arguments: Cursor) -> str:
    """ESEARCH (RFC 7377 2.1)."""
    arguments.space()
    where = sources(arguments)
    alone = where == (IN_SELECTED,)
    if alone and session.view is None:
        # RFC 7377 2.1
        raise BadSyntax("No mailbox is selected")
    options = read_options(session, arguments, ESEARCH, MULTISEARCH) or ALL
    with saving(session, options):
        query = search_query(arguments)
        _check(session, query, options, alone=alone)
        await session.sync(expunges=True)
        if alone:
            query = resolved(session, query)
        await _search(session, where, query, options)
    return "ESEARCH completed"


def _check(session: Session, query: Query, options: Options, *, alone: bool) -> None:
    """What only makes sense in one mailbox (RFC 7377 2.1)."""
    offers = session.settings.offers
    if not offers(WITHIN) and any(isinstance(key, keys.Within) for key in query.program):
        raise BadSyntax("Unknown search key")
    if not alone:
        if any(isinstance(key, keys.Numbers) or (isinstance(key, keys.Uids) and key.set.saved)
               for key in query.program):
            raise BadSyntax("Message numbers are for the selected mailbox alone")
        if "SAVE" in options.names:
            raise BadSyntax("SAVE is for the selected mailbox alone")
    if "UPDATE" in options.names:
        # RFC 5267 4.3.1: the search is done, it is not kept up to date
        session.untagged(f'NO [NOUPDATE "{session.tag}"] No updates for ESEARCH')
    if names_modseq(query):
        session.use_condstore()


async def _search(session: Session, where: tuple[Source, ...], query: Query, options: Options) -> None:
    until = time.monotonic() + session.settings.search_timeout
    for box in await _mailboxes(session, where):
        if time.monotonic() > until:
            raise Refusal("The search takes too long", "LIMIT")
        selected = session.view is not None and session.view.mailbox_id == box.id
        try:
            view = session.selected if selected else await _opened(session, box)
            uids = await Search(session if selected else _Elsewhere.of(session, view), query).run()
        except NoSuchMailbox:
            # gone meanwhile
            continue
        if "SAVE" in options.names:
            session.selected.save(options.referred(uids))
        if not uids or options.silent:
            # RFC 7377 2.1: no response for a mailbox without results
            continue
        await _tell(session, view, uids, query, options)


async def _tell(session: Session, view: View, uids: array[int], query: Query, options: Options) -> None:
    modseq = 0
    if names_modseq(query):
        picture = await session.store.messages.pictures.get(view.account_id, view.mailbox_id)
        modseq = picture.highest_modseq(options.referred(uids))
    # RFC 7377 2.1: which mailbox these are of
    name = responses.mailbox_name(view.name, utf8=session.utf8)
    begin = b"%s MAILBOX %s UIDVALIDITY %d) UID" % (correlator(session.tag)[:-1], name, view.uidvalidity)
    await tell_extended(session, begin, view, Found(uids, uid=True, modseq=modseq), options)


async def _mailboxes(session: Session, where: tuple[Source, ...]) -> list[Mailbox]:
    """The mailboxes that are meant, each once. Those that do not exist are passed over (RFC 7377 2.1)."""
    every = await shared.every(session, "r")
    subscribed = (
        frozenset(await session.store.mailboxes.subscriptions(session.account_id))
        if any(source.kind == "SUBSCRIBED" for source in where) else frozenset()
    )
    selected = session.view.mailbox_id if session.view is not None else 0
    return [
        box for box in every if any(
            box.id == selected if source.selected
            else source.matches(box.name, subscribed, personal=not box.owner) for source in where)
    ]


async def _opened(session: Session, box: Mailbox) -> View:
    snapshot = await session.store.messages.open(box.account_id, box.id, claim_recent=False)
    named = replace(snapshot.mailbox, name=box.name, owner=box.owner, rights=box.rights)
    return View(replace(snapshot, mailbox=named), read_only=True)


class _Elsewhere:
    """What a search needs of a session, with another mailbox than the selected one."""

    def __init__(self, session: Session, view: View) -> None:
        self._session = session
        self.selected = view
        self.store = session.store
        self.settings = session.settings
        self.wire = session.wire
        self.progress = session.progress

    @classmethod
    def of(cls, session: Session, view: View) -> Session:
        """It stands for a session, as far as a search can see."""
        return cast("Session", cls(session, view))

    @property
    def closed(self) -> bool:
        """Whether the client is gone."""
        return self._session.closed

    async def know_messages(self) -> None:
        """They are known."""
