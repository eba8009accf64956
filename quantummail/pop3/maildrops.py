"""The maildrops of all accounts, for all POP3 listeners: each open in one session at a time (RFC 1939 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.store.errors import NoSuchMailbox

if TYPE_CHECKING:
    from quantummail.store.records import Mailbox, User
    from quantummail.store.store import Store


class Maildrops:
    """Who has which INBOX open. Make one, and give it to every `POP3Factory`."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._holders: dict[int, object] = {}

    def claim(self, account_id: int, holder: object) -> bool:
        """Lock the maildrop for `holder`; False if somebody else has it."""
        return self._holders.setdefault(account_id, holder) is holder

    def release(self, account_id: int, holder: object) -> None:
        """Give it back, if `holder` has it."""
        if self._holders.get(account_id) is holder:
            del self._holders[account_id]

    async def open(self, user: User) -> Mailbox:
        """The INBOX with its counters; `NoSuchMailbox` if the account is gone."""
        mailbox = await self.store.inboxes.find(user.id)
        if mailbox is None:
            raise NoSuchMailbox("the account has no INBOX")
        return mailbox
