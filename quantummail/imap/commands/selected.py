"""Commands on the selected mailbox (RFC 3501 6.4, RFC 3691, RFC 4315); FETCH, SEARCH and MOVE stand elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from quantummail.imap import capabilities
from quantummail.imap.commands.condstore import with_modseq
from quantummail.imap.commands.messagelimit import limit_of, limited
from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.grammar.flags import store_flags
from quantummail.imap.grammar.mailbox import mailbox
from quantummail.imap.grammar.modifiers import unchanged_since
from quantummail.imap.grammar.sequence import render, sequence_set
from quantummail.imap.registry import SELECTED, command
from quantummail.imap.responses import Refusal
from quantummail.imap.shared import not_allowed
from quantummail.store.errors import NoSuchMailbox
from quantummail.store.flags import split
from quantummail.store.rights import flag_mask, may_set_keywords

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session
    from quantummail.imap.view import View
    from quantummail.store.records import Copied, FlagState, Mailbox

UNSELECT = capabilities.offer("UNSELECT")
UIDPLUS = capabilities.offer("UIDPLUS")

# Messages whose flags change in one transaction
_PAGE = 5000
_OPERATIONS: dict[str, Literal["add", "remove", "replace"]] = {"+": "add", "-": "remove", "": "replace"}


@command("CHECK", SELECTED)
async def check(session: Session, arguments: Cursor) -> str:
    """CHECK (RFC 3501 6.4.1): everything is on disk already; the store is asked for news, hint or no hint."""
    arguments.end()
    view = session.selected
    view.hinted = max(view.hinted, view.modseq + 1)
    return "CHECK completed"


@command("CLOSE", SELECTED)
async def close(session: Session, arguments: Cursor) -> str:
    """CLOSE (RFC 3501 6.4.2): \\Deleted messages are removed, and nothing is said about it."""
    arguments.end()
    view = session.selected
    if view.may("e"):
        # RFC 4314 section 4: without the right for it nothing is removed, and the mailbox is closed
        await session.store.messages.expunge(view.account_id, view.mailbox_id)
    session.unselect()
    return "CLOSE completed"


@command("UNSELECT", SELECTED, capability=UNSELECT)
async def unselect(session: Session, arguments: Cursor) -> str:
    """UNSELECT (RFC 3691)."""
    arguments.end()
    session.unselect()
    return "UNSELECT completed"


@command("EXPUNGE", SELECTED)
async def expunge(session: Session, arguments: Cursor) -> str:
    """EXPUNGE (RFC 3501 6.4.3)."""
    arguments.end()
    view = session.changing("e")
    removed = await session.store.messages.expunge(view.account_id, view.mailbox_id)
    return await with_modseq(session, "EXPUNGE completed", removed=bool(removed))


@command("UID EXPUNGE", SELECTED, capability=UIDPLUS)
async def uid_expunge(session: Session, arguments: Cursor) -> str:
    """UID EXPUNGE (RFC 4315 2.1)."""
    arguments.space()
    numbers = sequence_set(arguments)
    arguments.end()
    view = session.changing("e")
    uids = session.messages(numbers, uid=True)
    removed = await session.store.messages.expunge(view.account_id, view.mailbox_id, uids) if uids else ()
    return await with_modseq(session, "UID EXPUNGE completed", removed=bool(removed))


@command("STORE", SELECTED, expunges=False)
async def store(session: Session, arguments: Cursor) -> str:
    """STORE (RFC 3501 6.4.6)."""
    return await _store(session, arguments, uid=False)


@command("UID STORE", SELECTED)
async def uid_store(session: Session, arguments: Cursor) -> str:
    """UID STORE (RFC 3501 6.4.8)."""
    return await _store(session, arguments, uid=True)


async def _store(session: Session, arguments: Cursor, *, uid: bool) -> str:
    arguments.space()
    numbers = sequence_set(arguments)
    arguments.space()
    unless_since = unchanged_since(arguments)
    sign = "+" if arguments.skip(b"+") else "-" if arguments.skip(b"-") else ""
    item = arguments.word()
    if item not in ("FLAGS", "FLAGS.SILENT"):
        raise BadSyntax("Unknown data item")
    arguments.space()
    flags, keywords = split(store_flags(arguments))
    arguments.end()
    view = _changing_flags(session, sign, flags, keywords)
    if unless_since is not None:
        session.use_condstore()
    # What others did is told before: afterwards it could not be told from what this client did
    await session.sync(expunges=False)
    uids, limit = limited(session, session.messages(numbers, uid=uid))
    gone = 0
    modified: list[int] = []
    for start in range(0, len(uids), _PAGE):
        page = uids[start : start + _PAGE]
        change = await session.store.messages.set_flags(
            view.account_id, view.mailbox_id, page, _OPERATIONS[sign], flags, keywords,
            unchanged_since=unless_since, within=view.flag_mask,
        )
        gone += len(page) - len(change.changed) - len(change.modified)
        modified += change.modified
        new_keywords = view.learn_keywords(change.keywords)
        if new_keywords:
            session.write(new_keywords)
        await _tell(session, change.changed, silent=item == "FLAGS.SILENT", uid=uid)
    # RFC 2180 4.2.1: who does not want to hear of flags does not hear of messages that have none any more
    return _stored(session, modified, gone=gone > 0 and not item.endswith(".SILENT"), uid=uid, limit=limit)


def _changing_flags(session: Session, sign: str, flags: int, keywords: Sequence[str]) -> View:
    """The selected mailbox, if the user may change some of these flags (RFC 4314 section 4); the others stay."""
    view = session.changing("")
    mask = view.flag_mask
    if not mask or (sign and (flags or keywords) and not (
        flags & mask or (keywords and may_set_keywords(mask))
    )):
        raise not_allowed()
    return view


def _stored(session: Session, modified: Sequence[int], *, gone: bool, uid: bool, limit: str) -> str:
    """The text after OK, or the reason for NO."""
    code = ""
    if limit and (modified or gone):
        # a tagged response has one code
        session.untagged(f"OK {limit}Not all of the messages")
        limit = ""
    if modified:
        # RFC 7162 3.1.3: those that somebody has changed since
        code = f"MODIFIED {render(modified if uid else map(session.selected.number, modified)).decode('ascii')}"
    if gone and not uid:
        # RFC 2180 4.2.1
        raise Refusal("Some of the messages have been deleted", code or "EXPUNGEISSUED")
    done = f"{'UID ' if uid else ''}STORE completed"
    return f"[{code}] Conditional {done}" if code else limit + done


async def _tell(session: Session, changed: Sequence[FlagState], *, silent: bool, uid: bool) -> None:
    view = session.selected
    before = view.modseq
    told = list(changed)
    alone = view.advance(changed)
    if not alone:
        # What had these flags before is told as it was then, before it is told what others have made of it since
        told = [state for state in changed if state.modseq <= before]
    if not silent:
        session.write(b"".join([view.flags_line(view.number(state.uid), state, uid=uid) for state in told]))
    elif session.modes.condstore:
        # RFC 7162 3.1.3: the client has to know what it may compare with the next time
        session.write(b"".join([view.modseq_line(state, uid=uid) for state in told if state.modseq > before]))
    if not alone:
        # Somebody else came in between: everything since then is told, .SILENT or not (RFC 3501 6.4.6)
        await session.sync(expunges=False)
    await session.wire.drained()


@command("COPY", SELECTED)
async def copy(session: Session, arguments: Cursor) -> str:
    """COPY (RFC 3501 6.4.7)."""
    return await _copy(session, arguments, uid=False)


@command("UID COPY", SELECTED)
async def uid_copy(session: Session, arguments: Cursor) -> str:
    """UID COPY (RFC 3501 6.4.8)."""
    return await _copy(session, arguments, uid=True)


async def _copy(session: Session, arguments: Cursor, *, uid: bool) -> str:
    uids, destination = await copy_arguments(session, arguments, uid=uid)
    done = f"{'UID ' if uid else ''}COPY completed"
    if limited(session, uids)[1]:
        # RFC 9738 3.1: all or nothing
        raise Refusal("Too many messages", f"MESSAGELIMIT {limit_of(session)}")
    if not uids:
        return done
    view = session.selected
    try:
        copied = await session.store.messages.copy(
            view.account_id, view.mailbox_id, uids, destination.id, destination_account=destination.account_id,
            within=flag_mask(destination.rights),
        )
    except NoSuchMailbox:
        raise deleted_meanwhile() from None
    session.own_messages(destination.id, copied.destination_uids)
    code = copy_uid(session, destination, copied)
    return f"{code} {done}" if code else done


async def copy_arguments(session: Session, arguments: Cursor, *, uid: bool) -> tuple[Sequence[int], Mailbox]:
    """Read the set and the mailbox of COPY and MOVE: UIDs that are there, and the destination."""
    arguments.space()
    numbers = sequence_set(arguments)
    arguments.space()
    name = mailbox(arguments)
    arguments.end()
    await session.sync(expunges=False)
    uids = session.messages(numbers, uid=uid)
    destination = await session.mailbox(name, "i", create=True)
    if not uid and session.selected.vanished(uids):
        # RFC 2180 4.4.1: nothing is copied rather than something else than what was asked for
        raise Refusal("Some of the messages have been deleted", "EXPUNGEISSUED")
    return uids, destination


def deleted_meanwhile() -> Refusal:
    """The answer when the destination was there a moment ago; if it was the selected mailbox, `sync` says so."""
    return Refusal("No such mailbox", "TRYCREATE")  # RFC 3501 6.4.7


def copy_uid(session: Session, destination: Mailbox, copied: Copied) -> str:
    """The response code COPYUID (RFC 4315 section 3), empty when nothing was copied."""
    if not copied.source_uids or not session.settings.offers(UIDPLUS) or "r" not in destination.rights:
        # RFC 4315 section 3: UIDs are not for those who may not read the mailbox
        return ""
    # Both sets are in the order of the copies: ascending, since the destination's UIDs are given out in that order
    source, copies = render(copied.source_uids), render(copied.destination_uids)
    return f"[COPYUID {copied.uidvalidity} {source.decode('ascii')} {copies.decode('ascii')}]"
