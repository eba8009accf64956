"""CANCELUPDATE (RFC 5267 4.3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap.commands.search import CONTEXT_SEARCH
from quantummail.imap.commands.sort import CONTEXT_SORT
from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.registry import SELECTED, command

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session


@command("CANCELUPDATE", SELECTED)
async def cancel_update(session: Session, arguments: Cursor) -> str:
    """CANCELUPDATE: no more updates to the searches with these tags. Those that are not known are passed over."""
    if not (session.settings.offers(CONTEXT_SEARCH) or session.settings.offers(CONTEXT_SORT)):
        raise BadSyntax("Unknown command")
    # "CANCELUPDATE" 1*(SP quoted)
    tags = [_tag(arguments)]
    while not arguments.at_end:
        tags.append(_tag(arguments))
    for tag in tags:
        session.selected.contexts.pop(tag, None)
    return "CANCELUPDATE completed"


def _tag(arguments: Cursor) -> str:
    arguments.space()
    return arguments.string().decode("ascii", "replace")
