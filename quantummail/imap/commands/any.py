"""Commands of every state (RFC 3501 6.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap.registry import ANY, command

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session


@command("CAPABILITY", ANY)
async def capability(session: Session, arguments: Cursor) -> str:
    """CAPABILITY (RFC 3501 6.1.1)."""
    arguments.end()
    session.untagged(f"CAPABILITY {session.capability()}")
    return "CAPABILITY completed"


@command("NOOP", ANY)
async def noop(session: Session, arguments: Cursor) -> str:  # noqa: ARG001  # the news come with every command
    """NOOP (RFC 3501 6.1.2)."""
    arguments.end()
    return "NOOP completed"


@command("LOGOUT", ANY)
async def logout(session: Session, arguments: Cursor) -> None:
    """LOGOUT (RFC 3501 6.1.3)."""
    arguments.end()
    session.untagged("BYE Logging out")
    session.tagged(session.tag, "OK", "LOGOUT completed")
    session.wire.finish()
