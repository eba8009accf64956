"""FETCH of attributes alone: a page of messages is one piece of formatting, not a value and a line for each."""

from __future__ import annotations

from array import array
from itertools import chain
from typing import TYPE_CHECKING, Any

from quantummail.store.columns import PAGE, pages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.imap.attributes import Columns
    from quantummail.imap.session import Session

class ColumnFetch:
    """One FETCH command whose attributes are all made of columns."""

    __slots__ = ("_attributes", "_form", "_names", "_session", "_view", "gone")

    def __init__(self, session: Session, attributes: Sequence[Columns]) -> None:
        self._session = session
        self._view = session.selected
        self._attributes = attributes
        self._names = tuple(dict.fromkeys(chain.from_iterable(one.names for one in attributes)))
        begin = b"* %d UIDFETCH (" if self._view.modes.uidonly else b"* %d FETCH ("
        self._form = begin + b" ".join([one.form for one in attributes]) + b")\r\n"
        self.gone = 0
        """Messages whose rows are not there any more."""

    async def run(self, uids: Sequence[int]) -> None:
        """Send the responses for these messages."""
        session, view = self._session, self._view
        wanted = uids if isinstance(uids, array) else array("I", uids)
        many = len(wanted) >= PAGE
        later = False
        for page in pages(wanted):
            if later:
                # what comes from memory waits for nothing: others have their turn all the same
                await session.wire.pause(0)
            later = True
            found = await session.store.messages.columns(
                view.account_id, view.mailbox_id, page, self._names, many=many)
            self.gone += len(page) - len(found["uid"])
            if found["uid"]:
                lost = await self._lost(page, found)
                session.write(self._rendered(found, lost))
                await session.wire.drained()

    async def _lost(self, page: array[int], found: dict[str, Sequence[Any]]) -> bool:
        """Whether something is lost; then what stands in for it is there too."""
        further = tuple(name for one in self._attributes for name in one.lost)
        # what is rendered is never empty
        if all(all(found[name]) for one in self._attributes if one.lost for name in one.names):
            return False
        session = self._session
        found.update(await session.store.messages.columns(
            self._view.account_id, self._view.mailbox_id, page, (*self._names, *further)))
        return True

    def _rendered(self, found: dict[str, Sequence[Any]], lost: bool) -> bytes:
        view = self._view
        uids = found["uid"]
        first: Sequence[int] = uids
        if not view.modes.uidonly:
            first = view.numbers(uids if isinstance(uids, array) else array("I", uids))
        values = [
            one.values(view, *[found[name] for name in (*one.names, *one.lost) if name in one.names or lost])
            for one in self._attributes
        ]
        return self._form * len(uids) % tuple(chain.from_iterable(zip(first, *values, strict=True)))
