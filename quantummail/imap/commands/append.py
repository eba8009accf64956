"""APPEND: messages go straight from the client into the store (RFC 3501 6.3.11, RFC 4315, RFC 7889).

Several at once (RFC 3502), put together from parts of others (RFC 4469), with binary parts (RFC 3516).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.grammar.append import append_mailbox
from quantummail.imap.grammar.cursor import BadSyntax, Cursor
from quantummail.imap.grammar.mailbox import InvalidMailbox
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.imap.upload import Destination, destination, receive

if TYPE_CHECKING:
    from quantummail.imap.session import Session

APPENDLIMIT = capabilities.offer("APPENDLIMIT", value=lambda settings: str(settings.message_limit))
MULTIAPPEND = capabilities.offer("MULTIAPPEND")
CATENATE = capabilities.offer("CATENATE")


def message_comes(arguments: bytes) -> bool:
    """Whether the literal announced at the end of these arguments is a message, and not the mailbox's name."""
    return mailbox_is_read(Cursor(arguments))


def mailbox_is_read(cursor: Cursor) -> bool:
    """Whether a mailbox and a space stand here."""
    try:
        append_mailbox(cursor)
    except InvalidMailbox:
        return True
    except BadSyntax:
        # a mailbox given as a literal is not there yet; any other mistake is found once the command is whole
        return False
    return True


@command("APPEND", AUTHENTICATED, streams=message_comes)
async def append(session: Session, arguments: Cursor) -> None:
    """APPEND (RFC 3501 6.3.11). Everything is checked before the client is asked for a message."""

    async def prepare() -> Destination:
        return await destination(session, append_mailbox(arguments))

    await receive(session, arguments, prepare)
