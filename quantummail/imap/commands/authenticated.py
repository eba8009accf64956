"""Commands after login on names of mailboxes (RFC 3501 6.3); SELECT, LIST, STATUS and APPEND have their own modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities, others, responses
from quantummail.imap.commands.objectid import OBJECTID
from quantummail.imap.grammar.mailbox import checked, decode, mailbox
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.imap.responses import Refusal
from quantummail.message.mailbox_name import DELIMITER

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session
    from quantummail.store.records import Mailbox

CREATE_SPECIAL_USE = capabilities.offer("CREATE-SPECIAL-USE")

# RFC 6154 section 2. \All and \Flagged would be views of other mailboxes, which we do not make.
SPECIAL_USES = {name.lower(): name for name in ("\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash")}


@command("CREATE", AUTHENTICATED)
async def create(session: Session, arguments: Cursor) -> str:
    """CREATE (RFC 3501 6.3.3), with the USE of RFC 6154 section 3."""
    arguments.space()
    # "foo/" says that names below are going to be created; the mailbox is "foo" (RFC 3501 6.3.3)
    written = decode(arguments.astring(), utf8=arguments.utf8).removesuffix(DELIMITER)
    name = checked(written)
    special_use = ""
    if not arguments.at_end and session.settings.offers(CREATE_SPECIAL_USE):
        arguments.space()
        special_use = _use(arguments)
    arguments.end()
    if others.concerns(session, name):
        box = await others.create(session, name, special_use)
        return _created(session, box, written)
    if special_use and any(
        other.special_use == special_use for other in await session.store.mailboxes.list(session.account_id)
    ):
        raise Refusal(f"There is a mailbox with {special_use} already", "USEATTR")
    box = await session.store.mailboxes.create(session.account_id, name, special_use)
    return _created(session, box, written)


def _created(session: Session, box: Mailbox, written: str) -> str:
    session.caused(box.name)
    if session.modes.rev2 and box.name != written:
        # RFC 9051 6.3.4
        _tell_name(session, box.name, written)
    # RFC 8474 4.1
    code = f"[MAILBOXID ({box.object_id})] " if session.settings.offers(OBJECTID) else ""
    return f"{code}CREATE completed"


def _use(arguments: Cursor) -> str:
    """Read ``"(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"`` (RFC 6154 section 6)."""
    arguments.expect(b"(")
    if arguments.word() != "USE":
        raise Refusal("Unknown parameter", response="BAD")
    arguments.space()
    arguments.expect(b"(")
    uses: list[str] = []
    while not arguments.skip(b")"):
        if uses:
            arguments.space()
        arguments.expect(b"\\")
        uses.append("\\" + arguments.atom())
    arguments.expect(b")")
    if not uses:
        return ""
    if len(uses) > 1 or uses[0].lower() not in SPECIAL_USES:
        # RFC 6154 section 3
        raise Refusal("No such special use", "USEATTR")
    return SPECIAL_USES[uses[0].lower()]


@command("DELETE", AUTHENTICATED)
async def delete(session: Session, arguments: Cursor) -> str:
    """DELETE (RFC 3501 6.3.4). Mailboxes below it stay; its name is then shown as \\Noselect."""
    arguments.space()
    name = mailbox(arguments)
    arguments.end()
    if name == "INBOX":
        raise Refusal("INBOX cannot be deleted", "CANNOT")
    found = await session.mailbox(name, "x")
    if found.owner:
        await others.delete(session, found)
    else:
        await session.store.mailboxes.delete(session.account_id, name)
    session.caused(found.name)
    if session.view is not None and session.view.mailbox_id == found.id:
        session.unselect()
    return "DELETE completed"


@command("RENAME", AUTHENTICATED)
async def rename(session: Session, arguments: Cursor) -> str:
    """RENAME (RFC 3501 6.3.5). INBOX stays: its messages move to the new mailbox."""
    arguments.space()
    old = mailbox(arguments)
    arguments.space()
    new = mailbox(arguments)
    arguments.end()
    if others.concerns(session, old) or others.concerns(session, new):
        old, new = await others.rename(session, old, new)
    else:
        await session.store.mailboxes.rename(session.account_id, old, new)
    session.caused(old, new)
    if session.modes.rev2 and old != "INBOX":
        # RFC 9051 6.3.9.7
        _tell_name(session, new, old)
    return "RENAME completed"


def _tell_name(session: Session, name: str, old: str) -> None:
    """``* LIST`` with the name of a mailbox, and what the client knows it by."""
    session.write(responses.list_line(
        b"LIST", (), responses.mailbox_name(name, utf8=session.utf8),
        old=responses.mailbox_name(old, utf8=session.utf8),
    ))


@command("SUBSCRIBE", AUTHENTICATED)
async def subscribe(session: Session, arguments: Cursor) -> str:
    """SUBSCRIBE (RFC 3501 6.3.6). The mailbox need not exist."""
    arguments.space()
    name = mailbox(arguments)
    arguments.end()
    await session.store.mailboxes.subscribe(session.account_id, name)
    session.caused(name)
    return "SUBSCRIBE completed"


@command("UNSUBSCRIBE", AUTHENTICATED)
async def unsubscribe(session: Session, arguments: Cursor) -> str:
    """UNSUBSCRIBE (RFC 3501 6.3.7)."""
    arguments.space()
    name = mailbox(arguments)
    arguments.end()
    await session.store.mailboxes.unsubscribe(session.account_id, name)
    session.caused(name)
    return "UNSUBSCRIBE completed"
