"""Commands after login that need no mailbox open (RFC 3501 6.3); LIST, STATUS and APPEND have their own modules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities, responses
from quantummail.imap.grammar.mailbox import checked, decode, mailbox
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.imap.responses import Refusal
from quantummail.message.mailbox_name import DELIMITER

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session

CREATE_SPECIAL_USE = capabilities.offer("CREATE-SPECIAL-USE")

# RFC 6154 section 2. \All and \Flagged would be views of other mailboxes, which we do not make.
SPECIAL_USES = {name.lower(): name for name in ("\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash")}


@command("SELECT", AUTHENTICATED)
async def select(session: Session, arguments: Cursor) -> str:
    """SELECT (RFC 3501 6.3.1)."""
    await _open(session, arguments, read_only=False)
    return "[READ-WRITE] SELECT completed"


@command("EXAMINE", AUTHENTICATED)
async def examine(session: Session, arguments: Cursor) -> str:
    """EXAMINE (RFC 3501 6.3.2)."""
    await _open(session, arguments, read_only=True)
    return "[READ-ONLY] EXAMINE completed"


async def _open(session: Session, arguments: Cursor, *, read_only: bool) -> None:
    arguments.space()
    name = mailbox(arguments)
    arguments.end()
    # RFC 3501 6.3.1: if this fails no mailbox is selected any more
    session.unselect()
    view, first_unseen, uidnext = await session.select(await session.mailbox(name), read_only=read_only)
    output = [
        responses.flags(view.keywords),
        responses.permanent_flags(view.keywords, read_only=read_only),
        b"* %d EXISTS\r\n* %d RECENT\r\n" % (view.exists, view.recent),
    ]
    if first_unseen:
        output.append(b"* OK [UNSEEN %d] First unseen message\r\n" % first_unseen)
    output.append(b"* OK [UIDVALIDITY %d] UIDs valid\r\n" % view.uidvalidity)
    output.append(b"* OK [UIDNEXT %d] Predicted next UID\r\n" % uidnext)
    session.write(b"".join(output))


@command("CREATE", AUTHENTICATED)
async def create(session: Session, arguments: Cursor) -> str:
    """CREATE (RFC 3501 6.3.3), with the USE of RFC 6154 section 3."""
    arguments.space()
    name = decode(arguments.astring(), utf8=arguments.utf8)
    # "foo/" says that names below are going to be created; the mailbox is "foo" (RFC 3501 6.3.3)
    name = checked(name.removesuffix(DELIMITER))
    special_use = ""
    if not arguments.at_end and session.settings.offers(CREATE_SPECIAL_USE):
        arguments.space()
        special_use = _use(arguments)
    arguments.end()
    if special_use and any(
        other.special_use == special_use for other in await session.store.mailboxes.list(session.account_id)
    ):
        raise Refusal(f"There is a mailbox with {special_use} already", "USEATTR")
    await session.store.mailboxes.create(session.account_id, name, special_use)
    return "CREATE completed"


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
    found = await session.mailbox(name)
    await session.store.mailboxes.delete(session.account_id, name)
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
    await session.store.mailboxes.rename(session.account_id, old, new)
    return "RENAME completed"


@command("SUBSCRIBE", AUTHENTICATED)
async def subscribe(session: Session, arguments: Cursor) -> str:
    """SUBSCRIBE (RFC 3501 6.3.6). The mailbox need not exist."""
    arguments.space()
    name = mailbox(arguments)
    arguments.end()
    await session.store.mailboxes.subscribe(session.account_id, name)
    return "SUBSCRIBE completed"


@command("UNSUBSCRIBE", AUTHENTICATED)
async def unsubscribe(session: Session, arguments: Cursor) -> str:
    """UNSUBSCRIBE (RFC 3501 6.3.7)."""
    arguments.space()
    name = mailbox(arguments)
    arguments.end()
    await session.store.mailboxes.unsubscribe(session.account_id, name)
    return "UNSUBSCRIBE completed"
