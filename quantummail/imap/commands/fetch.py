"""FETCH and UID FETCH (RFC 3501 6.4.5, 6.4.8), also of what has changed only (RFC 7162 3.1.4, 3.2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.attributes import RENDERERS
from quantummail.imap.commands.condstore import MODSEQ
from quantummail.imap.commands.messagelimit import limited
from quantummail.imap.commands.search import PARTIAL
from quantummail.imap.fetching import Fetch, plan
from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.grammar.fetch import Attribute, Binary, Item, fetch_items
from quantummail.imap.grammar.modifiers import fetch_modifiers
from quantummail.imap.grammar.sequence import sequence_set
from quantummail.imap.registry import SELECTED, command
from quantummail.imap.responses import Refusal
from quantummail.imap.resync import changes_since, tell_vanished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.grammar.modifiers import FetchModifiers
    from quantummail.imap.grammar.sequence import SequenceSet
    from quantummail.imap.session import Session

BINARY = capabilities.offer("BINARY")


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
    if not all(session.settings.offers(_capability(item)) for item in items):
        raise BadSyntax("Unknown data item")
    modifiers = fetch_modifiers(arguments)
    if modifiers.vanished and not (uid and session.modes.qresync):
        # RFC 7162 3.2.6
        raise BadSyntax("VANISHED is for UID FETCH, with QRESYNC enabled")
    if modifiers.partial is not None and not (uid and session.settings.offers(PARTIAL)):
        # RFC 9394 3.3
        raise BadSyntax("PARTIAL is for UID FETCH")
    if modifiers.changed_since is not None and MODSEQ not in items:
        # RFC 7162 3.1.4.1
        items = (*items, MODSEQ)
    if MODSEQ in items:
        session.use_condstore()
    # Flags that others have changed are told first: what is shown below is then no surprise
    await session.sync(expunges=modifiers.vanished)
    uids: Sequence[int] = session.messages(numbers, uid=uid)
    if modifiers.changed_since is not None:
        uids = await _changed(session, numbers, uids, modifiers)
    if modifiers.partial is not None:
        uids = modifiers.partial.of(uids)
    uids, limit = limited(session, uids)
    # RFC 9586 3.3: UIDFETCH begins with the UID
    with_uid = uid and not session.modes.uidonly
    fetching = Fetch(session, plan(items, uid=with_uid, marks=session.selected.may("s")))
    await fetching.run(uids)
    if fetching.undecodable:
        # RFC 3516 4.3
        raise Refusal("Some of the parts have an unknown transfer encoding", "UNKNOWN-CTE")
    if fetching.lost or (fetching.gone and not uid):
        # RFC 2180 4.1.2, RFC 5530. By UID a message that is gone is passed over (RFC 3501 6.4.8).
        raise Refusal("Some of the messages have been deleted", "EXPUNGEISSUED")
    return f"{limit}{'UID ' if uid else ''}FETCH completed"


def _capability(item: Item) -> str:
    if isinstance(item, Attribute):
        return RENDERERS[item.name].capability
    return BINARY if isinstance(item, Binary) else ""


async def _changed(
    session: Session, numbers: SequenceSet, uids: Sequence[int], modifiers: FetchModifiers
) -> Sequence[int]:
    """Those of the UIDs that CHANGEDSINCE leaves; what has vanished since is told."""
    changes = await changes_since(session, modifiers.changed_since or 0)
    if modifiers.vanished:
        tell_vanished(session, changes, numbers.within(session.selected.highest_uid))
    changed = {state.uid for state in changes.changed}
    return [one for one in uids if one in changed]
