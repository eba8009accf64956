"""SELECT and EXAMINE (RFC 3501 6.3.1, 6.3.2), also for clients that come back and know a part (RFC 7162 3.2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import responses, resync
from quantummail.imap.commands.condstore import CONDSTORE, QRESYNC
from quantummail.imap.commands.objectid import OBJECTID
from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.grammar.mailbox import checked, decode
from quantummail.imap.grammar.select import SelectParameters, select_parameters
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.imap.responses import Refusal

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session
    from quantummail.imap.view import View
    from quantummail.store.records import Mailbox, Snapshot


@command("SELECT", AUTHENTICATED)
async def select(session: Session, arguments: Cursor) -> str:
    """SELECT (RFC 3501 6.3.1, RFC 9051 6.3.2)."""
    await _open(session, arguments, read_only=False)
    # RFC 4314 5.2
    return f"[{'READ-ONLY' if session.selected.read_only else 'READ-WRITE'}] SELECT completed"


@command("EXAMINE", AUTHENTICATED)
async def examine(session: Session, arguments: Cursor) -> str:
    """EXAMINE (RFC 3501 6.3.2, RFC 9051 6.3.3)."""
    await _open(session, arguments, read_only=True)
    return "[READ-ONLY] EXAMINE completed"


async def _open(session: Session, arguments: Cursor, *, read_only: bool) -> None:
    arguments.space()
    written = decode(arguments.astring(), utf8=arguments.utf8)
    name = checked(written)
    parameters = select_parameters(arguments)
    _check(session, parameters)
    if session.view is not None:
        # RFC 3501 6.3.1: if this fails no mailbox is selected any more
        session.unselect()
        if session.settings.offers(QRESYNC) or session.modes.rev2:
            # RFC 7162 3.2.11: what follows is about the new mailbox
            session.untagged("OK [CLOSED] Previous mailbox is closed")
    view, snapshot = await session.select(name, read_only=read_only)
    if parameters.condstore:
        session.modes.condstore = True
    session.write(b"".join(_answers(session, view, snapshot, written)))
    if parameters.resync is not None and parameters.resync.uidvalidity == view.uidvalidity:
        await resync.tell(session, parameters.resync)


def _check(session: Session, parameters: SelectParameters) -> None:
    if parameters.condstore and not session.settings.offers(CONDSTORE):
        raise BadSyntax("Unknown parameter")
    if parameters.resync is None:
        return
    if not session.modes.qresync:
        # RFC 7162 3.2.5
        raise BadSyntax("QRESYNC has not been enabled")
    if parameters.resync.match is not None and session.modes.uidonly:
        # RFC 9586 3.5
        raise Refusal("There are no message numbers", "UIDREQUIRED", response="BAD")


def _answers(session: Session, view: View, snapshot: Snapshot, written: str) -> list[bytes]:
    modes, box = session.modes, snapshot.mailbox
    output = [
        responses.flags(view.keywords),
        responses.permanent_flags(view.keywords, view.flag_mask),
        view.exists_lines(),
    ]
    if snapshot.first_unseen and not (modes.rev2 or modes.uidonly):
        # RFC 9051 appendix E has done away with it, RFC 9586 with message numbers
        output.append(b"* OK [UNSEEN %d] First unseen message\r\n" % snapshot.first_unseen)
    output.append(b"* OK [UIDVALIDITY %d] UIDs valid\r\n" % view.uidvalidity)
    output.append(b"* OK [UIDNEXT %d] Predicted next UID\r\n" % box.uidnext)
    if session.settings.offers(CONDSTORE):
        # RFC 7162 3.1.2.1
        output.append(b"* OK [HIGHESTMODSEQ %d] Highest\r\n" % view.modseq)
    if session.settings.offers(OBJECTID):
        # RFC 8474 4.2
        output.append(b"* OK [MAILBOXID (%s)] Mailbox id\r\n" % box.object_id.encode("ascii"))
    if modes.rev2:
        # RFC 9051 6.3.2
        output.append(_list_line(session, box, written))
    return output


def _list_line(session: Session, box: Mailbox, written: str) -> bytes:
    """``* LIST``: the mailbox as it is called, with the name that the client gave it where that is another."""
    attributes = (box.special_use,) if box.special_use else ()
    old = b"" if written.casefold() == box.name.casefold() else responses.mailbox_name(written, utf8=session.utf8)
    return responses.list_line(b"LIST", attributes, responses.mailbox_name(box.name, utf8=session.utf8), old=old)
