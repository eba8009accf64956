"""LIST ... RETURN (STATUS (...)): names and counters in one command (RFC 5819)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities, list_returns
from quantummail.imap.commands.status import know_items, status_items, status_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session
    from quantummail.store.records import Mailbox

LIST_STATUS = capabilities.offer("LIST-STATUS")


class StatusLines:
    """STATUS for each mailbox. Counters are in the rows that LIST reads; only \\Recent must be counted."""

    __slots__ = ("_items", "_recent")

    def __init__(self, items: Sequence[str]) -> None:
        self._items = items
        self._recent: dict[int, int] = {}

    async def prepare(self, session: Session, _boxes: Sequence[Mailbox]) -> None:
        """Count what is \\Recent in all of them at once."""
        know_items(session, self._items)
        if "RECENT" in self._items:
            self._recent = await session.store.mailboxes.recent(session.account_id)

    async def line(self, session: Session, box: Mailbox) -> bytes:
        """One STATUS response; none for who may not read the mailbox."""
        if "r" not in box.rights:
            return b""
        view = session.view
        if box.owner or (view is not None and view.mailbox_id == box.id):
            # \Recent is what this session was told
            return await status_line(session, box, self._items)
        return await status_line(session, box, self._items, known={"RECENT": self._recent.get(box.id, 0)})


def _read(arguments: Cursor) -> StatusLines:
    # return-option =/ status-option ; status-option = "STATUS" SP "(" status-att *(SP status-att) ")"
    arguments.space()
    return StatusLines(status_items(arguments))


list_returns.OPTIONS["STATUS"] = list_returns.Option(LIST_STATUS, _read)
