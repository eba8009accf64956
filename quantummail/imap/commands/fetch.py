"""FETCH and UID FETCH (RFC 3501 6.4.5, 6.4.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap.fetching import Fetch, plan
from quantummail.imap.grammar.fetch import fetch_items
from quantummail.imap.grammar.sequence import sequence_set
from quantummail.imap.registry import SELECTED, command
from quantummail.imap.responses import Refusal

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session


@command("FETCH", SELECTED, expunges=False)
async def fetch(session: Session, arguments: Cursor) -> str:
    """FETCH (RFC 3501 6.4.5)."""
    return await _fetch(session, arguments, uid=False)


@command("UID FETCH", SELECTED)
async def uid_fetch(session: Session, arguments: Cursor) -> str:
    """UID FETCH (RFC 3501 6.4.8)."""
    return await _fetch(session, arguments, uid=True)


async def _fetch(session: Session, arguments: Cursor, *, uid: bool) -> str:
    arguments.space()
    numbers = sequence_set(arguments)
    arguments.space()
    items = fetch_items(arguments)
    arguments.end()
    # Flags that others have changed are told first: what is shown below is then no surprise
    await session.sync(expunges=False)
    fetching = Fetch(session, plan(items, uid=uid, read_only=session.selected.read_only))
    await fetching.run(session.messages(numbers, uid=uid))
    if fetching.lost or (fetching.gone and not uid):
        # RFC 2180 4.1.2, RFC 5530. By UID a message that is gone is passed over (RFC 3501 6.4.8).
        raise Refusal("Some of the messages are gone", "EXPUNGEISSUED")
    return f"{'UID ' if uid else ''}FETCH completed"
