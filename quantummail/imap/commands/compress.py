"""COMPRESS: both directions are compressed from its reply on (RFC 4978)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.imap.responses import Refusal

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session

COMPRESS = capabilities.offer("COMPRESS=DEFLATE")


@command("COMPRESS", AUTHENTICATED, capability=COMPRESS)
async def compress(session: Session, arguments: Cursor) -> None:
    """COMPRESS DEFLATE (RFC 4978 section 3). TLS never compresses: OpenSSL does not unless it is told to."""
    arguments.space()
    algorithm = arguments.word()
    arguments.end()
    if algorithm != "DEFLATE":
        raise BadSyntax("Unknown algorithm")
    if session.wire.compressed:
        raise Refusal("Compression is active already", "COMPRESSIONACTIVE")
    await session.complete(session.tag, "Compression begins")
    session.wire.compress()
