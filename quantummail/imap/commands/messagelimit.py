"""MESSAGELIMIT: how many messages one command may be about, where the administrator sets a limit (RFC 9738).

FETCH, STORE and MOVE then do a part, the newest messages; COPY does nothing. SEARCH answers from memory and from the
index, EXPUNGE and CLOSE are one transaction, so nothing is gained by a limit to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.imap.session import Session

MESSAGELIMIT = capabilities.offer("MESSAGELIMIT", value=lambda settings: str(settings.messages_per_command or ""))


def limit_of(session: Session) -> int:
    """How many messages one command may be about, 0 for any number."""
    return session.settings.messages_per_command if session.settings.offers(MESSAGELIMIT) else 0


def limited(session: Session, uids: Sequence[int]) -> tuple[Sequence[int], str]:
    """Those that the command is about, and the response code for OK that says where the client may go on.

    RFC 9738 3.1: the highest UIDs come first, the code names the lowest one that was dealt with. It has a space behind,
    and is empty where nothing was left out.
    """
    limit = limit_of(session)
    if not limit or len(uids) <= limit:
        return uids, ""
    uids = uids[-limit:]
    return uids, f"[MESSAGELIMIT {limit} {uids[0]}] "
