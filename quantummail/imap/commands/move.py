"""MOVE and UID MOVE (RFC 6851)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.commands.condstore import with_modseq
from quantummail.imap.commands.messagelimit import limited
from quantummail.imap.commands.selected import copy_arguments, copy_uid, deleted_meanwhile
from quantummail.imap.registry import SELECTED, command
from quantummail.store.errors import NoSuchMailbox
from quantummail.store.rights import flag_mask

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session

MOVE = capabilities.offer("MOVE")


@command("MOVE", SELECTED, capability=MOVE)
async def move(session: Session, arguments: Cursor) -> str:
    """MOVE (RFC 6851 3.1)."""
    return await _move(session, arguments, uid=False)


@command("UID MOVE", SELECTED, capability=MOVE)
async def uid_move(session: Session, arguments: Cursor) -> str:
    """UID MOVE (RFC 6851 3.2)."""
    return await _move(session, arguments, uid=True)


async def _move(session: Session, arguments: Cursor, *, uid: bool) -> str:
    # RFC 6851 section 4: the rights of STORE and EXPUNGE
    view = session.changing("te")
    done = f"{'UID ' if uid else ''}MOVE completed"
    uids, destination = await copy_arguments(session, arguments, uid=uid)
    uids, limit = limited(session, uids)
    if uids:
        try:
            moved = await session.store.messages.move(
                view.account_id, view.mailbox_id, uids, destination.id,
                destination_account=destination.account_id, within=flag_mask(destination.rights))
        except NoSuchMailbox:
            raise deleted_meanwhile() from None
        session.own_messages(destination.id, moved.destination_uids)
        code = copy_uid(session, destination, moved)
        if code:
            # RFC 6851 4.3: before the EXPUNGE responses, which come with the end of the command
            session.untagged(f"OK {code} Moved")
        text = await with_modseq(session, done, removed=bool(moved.source_uids))
        if limit:
            # a tagged response has one code: where to go on
            if text != done:
                session.untagged(f"OK {text}")
            return f"{limit}{done}"
        return text
    return done
