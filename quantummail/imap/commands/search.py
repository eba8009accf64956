"""SEARCH and UID SEARCH (RFC 3501 6.4.4, 6.4.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap.grammar.search import search_query
from quantummail.imap.registry import SELECTED, command
from quantummail.imap.searching import Search

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session


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
    query = search_query(arguments)
    await session.sync(expunges=False)
    found = await Search(session, query).run()
    view = session.selected
    numbers = found if uid else [view.number(one) for one in found]
    # RFC 3501 7.2.5: also when nothing is found
    session.write(b" ".join([b"* SEARCH", *(b"%d" % number for number in numbers)]) + b"\r\n")
    return f"{'UID ' if uid else ''}SEARCH completed"
