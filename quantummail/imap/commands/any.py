"""Commands of every state (RFC 3501 6.1), and the way back to the first one (RFC 8437)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.registry import ANY, AUTHENTICATED, command

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session

UNAUTHENTICATE = capabilities.offer("UNAUTHENTICATE")


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


@command("UNAUTHENTICATE", AUTHENTICATED, capability=UNAUTHENTICATE)
async def unauthenticate(session: Session, arguments: Cursor) -> None:
    """UNAUTHENTICATE (RFC 8437): the next user of the connection logs in under the same TLS, and finds nothing left."""
    arguments.end()
    session.log_out()
    session.wire.logged_out()
    await session.complete(session.tag, f"[CAPABILITY {session.capability()}] Logged out")
    # what the user has asked for ends with him; the reply is the last that is compressed
    session.wire.end_compression()
