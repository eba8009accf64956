"""SEARCH and UID SEARCH (RFC 3501 6.4.4, 6.4.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap.commands.condstore import highest_modseq, names_modseq
from quantummail.imap.grammar.search import search_query
from quantummail.imap.registry import SELECTED, command
from quantummail.imap.searching import SLICE, Search

if TYPE_CHECKING:
    from collections.abc import Sequence

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


async def _tell(session: Session, found: Sequence[int], *, uid: bool, modseq: int) -> None:
    """``* SEARCH`` and the numbers, also when there is none (RFC 3501 7.2.5)."""
    view = session.selected
    session.midway = True
    session.write(b"* SEARCH")
    for start in range(0, len(found), SLICE):
        if start:
            await session.wire.pause(0)
        numbers = found[start : start + SLICE]
        session.write(b"".join([b" %d" % (one if uid else view.number(one)) for one in numbers]))
        await session.wire.drained()
    # RFC 7162 3.1.5
    session.write(b" (MODSEQ %d)\r\n" % modseq if modseq else b"\r\n")
    session.midway = False


async def _search(session: Session, arguments: Cursor, *, uid: bool) -> str:
    arguments.space()
    query = search_query(arguments)
    by_modseq = names_modseq(query)
    if by_modseq:
        session.use_condstore()
    await session.sync(expunges=False)
    found = await Search(session, query).run()
    modseq = await highest_modseq(session, found) if by_modseq else 0
    await _tell(session, found, uid=uid, modseq=modseq)
    return f"{'UID ' if uid else ''}SEARCH completed"
