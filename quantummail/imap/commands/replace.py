"""REPLACE and UID REPLACE: a new message takes the place of an old one, in one step (RFC 8508)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.commands.append import mailbox_is_read
from quantummail.imap.grammar.append import append_mailbox
from quantummail.imap.grammar.cursor import BadSyntax, Cursor
from quantummail.imap.grammar.sequence import sequence_set
from quantummail.imap.registry import SELECTED, command
from quantummail.imap.responses import Refusal
from quantummail.imap.upload import Destination, Replaced, destination, receive

if TYPE_CHECKING:
    from quantummail.imap.session import Session

REPLACE = capabilities.offer("REPLACE")
# replace = "REPLACE" SP seq-number SP mailbox append-message; seq-number = nz-number / "*"
_NUMBER = re.compile(rb"\*|[1-9]\d{0,9}")


def message_comes(arguments: bytes) -> bool:
    """Whether the literal announced at the end of these arguments is the message, and not the mailbox's name."""
    cursor = Cursor(arguments)
    try:
        cursor.space()
        cursor.matching(_NUMBER, "Expected one message")
    except BadSyntax:
        return False
    return mailbox_is_read(cursor)


@command("REPLACE", SELECTED, capability=REPLACE, streams=message_comes)
async def replace(session: Session, arguments: Cursor) -> None:
    """REPLACE (RFC 8508 3.3)."""
    await _replace(session, arguments, uid=False)


@command("UID REPLACE", SELECTED, capability=REPLACE, streams=message_comes)
async def uid_replace(session: Session, arguments: Cursor) -> None:
    """UID REPLACE (RFC 8508 3.4)."""
    await _replace(session, arguments, uid=True)


async def _replace(session: Session, arguments: Cursor, *, uid: bool) -> None:

    async def prepare() -> Destination:
        replaced = await _replaced(session, arguments, uid=uid)
        return await destination(session, append_mailbox(arguments), replaced)

    await receive(session, arguments, prepare)


async def _replaced(session: Session, arguments: Cursor, *, uid: bool) -> Replaced:
    arguments.space()
    # one number only: what it means is decided by the numbers that the client knows
    number = Cursor(arguments.matching(_NUMBER, "Expected one message"))
    # RFC 8508 section 4.5
    view = session.changing("te")
    uids = session.messages(sequence_set(number), uid=uid)
    found = uids and await session.store.messages.fetch(view.account_id, view.mailbox_id, uids)
    if not found:
        # RFC 8508 section 3.5; RFC 2180 4.1.2 for what others have expunged
        raise Refusal("No such message", "EXPUNGEISSUED" if uids else "NONEXISTENT")
    return Replaced(view.account_id, view.mailbox_id, found[0].uid, found[0].size)
