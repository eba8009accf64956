"""ENABLE: the client switches extensions on (RFC 5161)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.registry import AUTHENTICATED, command

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session

ENABLE = capabilities.offer("ENABLE", before_login=True)

CAN_BE_ENABLED: set[str] = set()
"""Extensions that change something once they are enabled, in capitals. Their modules add themselves."""


@command("ENABLE", AUTHENTICATED, capability=ENABLE)
async def enable(session: Session, arguments: Cursor) -> str:
    """ENABLE (RFC 5161 3.1). What we do not know is left out of the answer."""
    wanted: dict[str, None] = {}
    arguments.space()
    wanted[arguments.word()] = None
    while not arguments.at_end:
        arguments.space()
        wanted[arguments.word()] = None
    enabled = [
        name for name in wanted
        if name in CAN_BE_ENABLED and name not in session.enabled and session.settings.offers(capabilities.spelt(name))
    ]
    if "QRESYNC" in enabled or "CONDSTORE" in enabled:
        session.use_condstore()
    session.enabled |= frozenset(enabled)
    for name in enabled:
        session.modes.enable(name)
    session.untagged(" ".join(["ENABLED", *map(capabilities.spelt, enabled)]))
    return "ENABLE completed"

