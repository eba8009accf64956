"""OBJECTID: identifiers of mailboxes, messages and threads that outlive renames and copies (RFC 8474)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.attributes import RENDERERS, Renderer
from quantummail.imap.commands.status import ITEMS
from quantummail.imap.grammar import fetch

if TYPE_CHECKING:
    from quantummail.imap.session import Session
    from quantummail.imap.view import View
    from quantummail.store.records import Mailbox, Message

OBJECTID = capabilities.offer("OBJECTID")


def _email_id(_view: View, message: Message) -> bytes:
    return b"EMAILID (%s)" % message.email_id.encode("ascii")


async def _mailbox_id(_session: Session, box: Mailbox) -> str:
    return f"({box.object_id})"


fetch.READERS["EMAILID"] = lambda _: fetch.Attribute("EMAILID")
RENDERERS["EMAILID"] = Renderer(_email_id, contents=False)
ITEMS["MAILBOXID"] = _mailbox_id
