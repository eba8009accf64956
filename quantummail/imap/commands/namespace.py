"""NAMESPACE: where mailboxes are (RFC 2342)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.message.mailbox_name import DELIMITER

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session

NAMESPACE = capabilities.offer("NAMESPACE")


@command("NAMESPACE", AUTHENTICATED, capability=NAMESPACE)
async def namespace(session: Session, arguments: Cursor) -> str:
    """NAMESPACE (RFC 2342 section 5): one personal namespace, nothing shared."""
    arguments.end()
    session.untagged(f'NAMESPACE (("" "{DELIMITER}")) NIL NIL')
    return "NAMESPACE completed"
