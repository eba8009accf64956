"""LIST ... RETURN (MYRIGHTS): what the user may do with each mailbox (RFC 8440)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities, list_returns, responses
from quantummail.store.rights import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session
    from quantummail.store.records import Mailbox

LIST_MYRIGHTS = capabilities.offer("LIST-MYRIGHTS")


class RightsLines:
    """MYRIGHTS for each mailbox: what is listed can be seen at least."""

    async def prepare(self, _session: Session, _boxes: Sequence[Mailbox]) -> None:
        """Nothing is to be read."""

    async def line(self, session: Session, box: Mailbox) -> bytes:
        """One MYRIGHTS response."""
        return b"* MYRIGHTS %s %s\r\n" % (
            responses.mailbox_name(box.name, utf8=session.utf8), shown(box.rights).encode("ascii"))


def _read(_arguments: Cursor) -> RightsLines:
    return RightsLines()


list_returns.OPTIONS["MYRIGHTS"] = list_returns.Option(LIST_MYRIGHTS, _read)
