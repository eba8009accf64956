"""The maildrops of all accounts, for all POP3 listeners: each open in one session at a time (RFC 1939 4)."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from quantummail.store.errors import NoSuchMailbox

if TYPE_CHECKING:
    from quantummail.store.records import Snapshot, User
    from quantummail.store.store import Store

INBOX = "INBOX"
_REMEMBERED = 10_000


class Maildrops:
    """Who has which INBOX open. Make one, and give it to every `POP3Factory`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._holders: dict[int, object] = {}
        self._inboxes: OrderedDict[int, int] = OrderedDict()

    def claim(self, account_id: int, holder: object) -> bool:
        """Lock the maildrop for `holder`; False if somebody else has it."""
        return self._holders.setdefault(account_id, holder) is holder

    def release(self, account_id: int, holder: object) -> None:
        """Give it back, if `holder` has it."""
        if self._holders.get(account_id) is holder:
            del self._holders[account_id]

    async def open(self, user: User) -> Snapshot:
        """The INBOX as it is now; `NoSuchMailbox` if the account is gone."""
        known = self._inboxes.get(user.id)
        if known is not None:
            try:
                snapshot = await self.store.messages.open(user.id, known, claim_recent=False)
            except NoSuchMailbox:
                pass
            else:
                if snapshot.mailbox.name == INBOX:
                    return snapshot
        mailbox = await self.store.mailboxes.find(user.id, INBOX)
        if mailbox is None:
            raise NoSuchMailbox("the account has no INBOX")
        # Most logins are of accounts that were here a minute ago: the id saves them a query
        self._inboxes[user.id] = mailbox.id
        self._inboxes.move_to_end(user.id)
        if len(self._inboxes) > _REMEMBERED:
            self._inboxes.popitem(last=False)
        return await self.store.messages.open(user.id, mailbox.id, claim_recent=False)
