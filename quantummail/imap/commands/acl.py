"""SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS: who else may do what with a mailbox (RFC 4314)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import responses, shared
from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.grammar.mailbox import mailbox
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.imap.responses import Refusal
from quantummail.imap.shared import ACL
from quantummail.message.imap_string import astring
from quantummail.store.errors import NoSuchUser
from quantummail.store.rights import ALL, parse
from quantummail.store.rights import shown as all_letters

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session

# RFC 4314 section 4: who has one of these may know which
_ANY = frozenset("lrikxa")


@command("SETACL", AUTHENTICATED, capability=ACL)
async def set_acl(session: Session, arguments: Cursor) -> str:
    """SETACL (RFC 4314 3.1)."""
    arguments.space()
    name = mailbox(arguments)
    arguments.space()
    identifier = _identifier(arguments)
    arguments.space()
    sign, rights = _rights(arguments)
    arguments.end()
    box = await session.mailbox(name, "a")
    try:
        await session.store.acls.change(box.account_id, box.id, identifier, rights, sign=sign)
    except NoSuchUser:
        raise Refusal("There is no such user") from None
    return "SETACL completed"


@command("DELETEACL", AUTHENTICATED, capability=ACL)
async def delete_acl(session: Session, arguments: Cursor) -> str:
    """DELETEACL (RFC 4314 3.2)."""
    arguments.space()
    name = mailbox(arguments)
    arguments.space()
    identifier = _identifier(arguments)
    arguments.end()
    box = await session.mailbox(name, "a")
    await session.store.acls.remove(box.account_id, box.id, identifier)
    return "DELETEACL completed"


@command("GETACL", AUTHENTICATED, capability=ACL)
async def get_acl(session: Session, arguments: Cursor) -> str:
    """GETACL (RFC 4314 3.3)."""
    arguments.space()
    name = mailbox(arguments)
    arguments.end()
    box = await session.mailbox(name, "a")
    words = [responses.mailbox_name(box.name, utf8=session.utf8)]
    for entry in await session.store.acls.entries(box.account_id, box.id):
        words += [astring(entry.identifier.encode("utf-8")), all_letters(entry.rights).encode("ascii")]
    session.write(b"* ACL %s\r\n" % b" ".join(words))
    return "GETACL completed"


@command("LISTRIGHTS", AUTHENTICATED, capability=ACL)
async def list_rights(session: Session, arguments: Cursor) -> str:
    """LISTRIGHTS (RFC 4314 3.4): the owner always has all rights, others may be given each alone."""
    arguments.space()
    name = mailbox(arguments)
    arguments.space()
    identifier = _identifier(arguments)
    arguments.end()
    box = await session.mailbox(name, "a")
    owner = (await session.store.acls.entries(box.account_id, box.id))[0].identifier
    # whether there is such a user is nobody's business
    rights = all_letters(ALL) if identifier.casefold() == owner else '"" ' + " ".join(all_letters(ALL))
    session.write(b"* LISTRIGHTS %s %s %s\r\n" % (
        responses.mailbox_name(box.name, utf8=session.utf8), astring(identifier.encode("utf-8")),
        rights.encode("ascii")))
    return "LISTRIGHTS completed"


@command("MYRIGHTS", AUTHENTICATED, capability=ACL)
async def my_rights(session: Session, arguments: Cursor) -> str:
    """MYRIGHTS (RFC 4314 3.5)."""
    arguments.space()
    name = mailbox(arguments)
    arguments.end()
    box = await shared.find(session, name)
    if box is None or _ANY.isdisjoint(box.rights):
        raise Refusal("No such mailbox", "NONEXISTENT")
    session.write(b"* MYRIGHTS %s %s\r\n" % (
        responses.mailbox_name(box.name, utf8=session.utf8), all_letters(box.rights).encode("ascii")))
    return "MYRIGHTS completed"


def _identifier(arguments: Cursor) -> str:
    try:
        identifier = arguments.astring().decode("utf-8")
    except UnicodeDecodeError:
        raise BadSyntax("Identifiers are written in UTF-8") from None
    if not identifier:
        raise BadSyntax("An identifier is missing")
    return identifier


def _rights(arguments: Cursor) -> tuple[str, str]:
    """Read ``[+/-]rights``: the sign, and the rights."""
    letters = arguments.astring().decode("latin-1")
    sign = letters[:1] if letters[:1] in ("+", "-") else ""
    try:
        return sign, parse(letters.removeprefix(sign))
    except ValueError:
        # RFC 4314 3.1: what is not known is never passed over
        raise BadSyntax("Unknown right") from None
