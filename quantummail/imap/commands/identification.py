"""ID: who the two programs are (RFC 2971)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.logger import Logger

from quantummail.imap import capabilities
from quantummail.imap.grammar.cursor import BadSyntax, LimitExceeded
from quantummail.imap.registry import ANY, command

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session

ID = capabilities.offer("ID", before_login=True)
# RFC 2971 3.3
MAX_FIELDS = 30
MAX_NAME = 30
MAX_VALUE = 1024

log = Logger(namespace="quantummail.imap")


@command("ID", ANY, capability=ID)
async def identification(session: Session, arguments: Cursor) -> str:
    """ID (RFC 2971 3.1). What the client says is logged, and changes nothing (RFC 2971 section 2)."""
    arguments.space()
    fields = _parameters(arguments)
    arguments.end()
    if fields:
        log.info("client program {program}", program=_readable(fields), client=session.wire.client,
                 connection=session.wire.connection_id)
    session.untagged('ID ("name" "QuantumMail")')
    return "ID completed"


def _parameters(arguments: Cursor) -> dict[bytes, bytes | None]:
    """Read ``"(" #(string SPACE nstring) ")" / nil``."""
    fields: dict[bytes, bytes | None] = {}
    if arguments.data[arguments.position :].upper() == b"NIL":
        arguments.position += 3
        return fields
    arguments.expect(b"(")
    while not arguments.skip(b")"):
        if fields:
            arguments.space()
        name = arguments.string()
        arguments.space()
        value = arguments.nstring()
        if len(name) > MAX_NAME or len(value or b"") > MAX_VALUE or len(fields) >= MAX_FIELDS:
            raise LimitExceeded("Too much to say")
        if name.lower() in fields:
            raise BadSyntax("A field is given twice")
        fields[name.lower()] = value
    return fields


def _readable(fields: dict[bytes, bytes | None]) -> str:
    words = []
    for name in (b"name", b"version", b"vendor", b"os", b"os-version"):
        value = fields.get(name)
        if value:
            text = value[:80].decode("utf-8", "replace")
            words.append("".join(letter if letter.isprintable() else "?" for letter in text))
    return " ".join(words)
