"""NAMESPACE: where mailboxes are (RFC 2342)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.imap.shared import ACL, PREFIX
from quantummail.message.mailbox_name import DELIMITER

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session

NAMESPACE = capabilities.offer("NAMESPACE")


@command("NAMESPACE", AUTHENTICATED, capability=NAMESPACE)
async def namespace(session: Session, arguments: Cursor) -> str:
    """NAMESPACE (RFC 2342 section 5): the user's own, and that of other users; nothing belongs to all."""
    arguments.end()
    others = f'(("{PREFIX}" "{DELIMITER}"))' if session.settings.offers(ACL) else "NIL"
    session.untagged(f'NAMESPACE (("" "{DELIMITER}")) {others} NIL')
    return "NAMESPACE completed"
