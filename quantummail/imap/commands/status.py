"""STATUS: counters of a mailbox that is not open (RFC 3501 6.3.10, RFC 8438, RFC 7889, RFC 9208)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from quantummail.imap import capabilities, responses
from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.grammar.mailbox import mailbox
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.store.flags import DELETED

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session
    from quantummail.store.records import Mailbox

STATUS_SIZE = capabilities.offer("STATUS=SIZE")
_PAGE = 500

Count = Callable[["Session", "Mailbox"], Awaitable[int | str]]
ITEMS: dict[str, Count] = {}
"""Data items by name. An extension adds its own."""


def _item(name: str) -> Callable[[Count], Count]:
    def enter(count: Count) -> Count:
        ITEMS[name] = count
        return count

    return enter


def _counter(name: str, value: Callable[[Mailbox], int]) -> None:
    async def count(_session: Session, box: Mailbox) -> int:
        return value(box)

    ITEMS[name] = count


_counter("MESSAGES", lambda box: box.messages)
_counter("UIDNEXT", lambda box: box.uidnext)
_counter("UIDVALIDITY", lambda box: box.uidvalidity)
_counter("UNSEEN", lambda box: box.unseen)
_counter("SIZE", lambda box: box.size)
_counter("DELETED", lambda box: box.deleted)


@_item("RECENT")
async def _recent(session: Session, box: Mailbox) -> int:
    if session.view is not None and session.view.mailbox_id == box.id:
        return session.view.recent
    if not box.messages:
        return 0
    return await session.store.messages.count_recent(box.account_id, box.id)


@_item("APPENDLIMIT")
async def _append_limit(session: Session, _box: Mailbox) -> int:
    return session.settings.message_limit


@_item("DELETED-STORAGE")
async def _deleted_storage(session: Session, box: Mailbox) -> int:
    # RFC 9208 4.2.1: octets that EXPUNGE would free. Nobody asks often enough for a counter of its own.
    if not box.deleted:
        return 0
    uids = (await session.store.messages.open(box.account_id, box.id, claim_recent=False)).uids
    total = 0
    for start in range(0, len(uids), _PAGE):
        page = await session.store.messages.fetch(box.account_id, box.id, uids[start : start + _PAGE])
        total += sum(message.size for message in page if message.flags & DELETED)
    return total


def status_items(arguments: Cursor) -> list[str]:
    """Read ``"(" status-att *(SP status-att) ")"``."""
    arguments.expect(b"(")
    names = [_name(arguments)]
    while arguments.skip(b" "):
        names.append(_name(arguments))
    arguments.expect(b")")
    return list(dict.fromkeys(names))


def _name(arguments: Cursor) -> str:
    name = arguments.word()
    if name not in ITEMS:
        raise BadSyntax("Unknown status data item")
    return name


@command("STATUS", AUTHENTICATED)
async def status(session: Session, arguments: Cursor) -> str:
    """STATUS (RFC 3501 6.3.10)."""
    arguments.space()
    name = mailbox(arguments)
    arguments.space()
    wanted = status_items(arguments)
    arguments.end()
    know_items(session, wanted)
    session.write(await status_line(session, await session.mailbox(name, "r"), wanted))
    return "STATUS completed"


def know_items(session: Session, items: Sequence[str]) -> None:
    """Take note of what a client shows by the items that it asks for."""
    if "HIGHESTMODSEQ" in items:
        # RFC 7162 3.1.7
        session.use_condstore()


async def status_line(
    session: Session, box: Mailbox, items: Sequence[str], *, known: Mapping[str, int] | None = None
) -> bytes:
    """A STATUS response. `known`: values that need not be found out."""
    values = [
        f"{item} {known[item] if known and item in known else await ITEMS[item](session, box)}" for item in items
    ]
    shown = responses.mailbox_name(box.name, utf8=session.utf8)
    return b"* STATUS %s (%s)\r\n" % (shown, " ".join(values).encode("ascii"))
