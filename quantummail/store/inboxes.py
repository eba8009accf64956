"""The INBOX of each account with its counters, for programs that look every minute whether there is mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.store.remembered import Remembered

if TYPE_CHECKING:
    from quantummail.store.mailboxes import Mailboxes
    from quantummail.store.other_commits import OtherCommits
    from quantummail.store.records import Mailbox

INBOX = "INBOX"


class Inboxes:
    """Reads an INBOX again only if something was committed to it since."""

    def __init__(self, mailboxes: Mailboxes, others: OtherCommits) -> None:
        self._mailboxes = mailboxes
        self._remembered: Remembered[int, Mailbox] = Remembered(others)
        self._accounts: dict[int, int] = {}

    async def find(self, account_id: int) -> Mailbox | None:
        """The INBOX as it is now; None if the account is gone."""
        found = await self._remembered.get(account_id, lambda: self._mailboxes.find(account_id, INBOX))
        if found is not None:
            self._accounts[found.id] = account_id
        return found

    def changed(self, mailbox_id: int) -> None:
        """Something was committed to a mailbox."""
        account_id = self._accounts.pop(mailbox_id, None)
        if account_id is not None:
            self._remembered.forget(account_id)
        else:
            # it may be one that is being read for the first time
            self._remembered.forget_reading()

    def forget(self, account_id: int) -> None:
        """It was found to be another one now."""
        self._remembered.forget(account_id)
