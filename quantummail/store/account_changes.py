"""Who wants to know what happens in all of an account: NOTIFY, and whoever else pushes news.

As with single mailboxes, what is told is where to look again, not what is there: a lost hint only delays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from twisted.logger import Logger


@dataclass(frozen=True, slots=True)
class AccountNews:
    """What has happened in an account."""

    changed: Mapping[int, int] = field(default_factory=dict)
    """Ids of mailboxes whose messages have changed, with their mod-sequences."""
    mailboxes: bool = False
    """A mailbox was created, renamed or deleted, or a subscription has changed."""
    annotated: tuple[tuple[int, str], ...] = ()
    """Mailboxes (0: the server) and their entries that were set or removed (RFC 5464)."""


Callback = Callable[[AccountNews], None]


class AccountHub:
    """Carries news of accounts from commits to sessions, on the reactor."""

    log = Logger(namespace="quantummail.store")

    def __init__(self) -> None:
        self._watchers: dict[int, dict[object, Callback]] = {}
        self._mailboxes: dict[int, set[int]] = {}
        self._watching: dict[int, set[int]] = {}
        self._followed: dict[int, set[int]] = {}

    def watch(self, account_id: int, callback: Callback) -> Callable[[], None]:
        """Call `callback(news)` after each commit that changes the account, until the returned function is called.

        Of changes in mailboxes only those are told that somebody has said to be of interest: see `belong`.
        """
        key = object()
        self._watchers.setdefault(account_id, {})[key] = callback

        def stop() -> None:
            watchers = self._watchers.get(account_id)
            if watchers is not None:
                watchers.pop(key, None)
                if not watchers:
                    del self._watchers[account_id]
                    for mailbox_id in self._mailboxes.pop(account_id, ()):
                        _remove(self._watching, mailbox_id, account_id)
                    self._unfollow(account_id)

        return stop

    def belong(self, account_id: int, mailbox_ids: Iterable[int], owners: Iterable[int] = ()) -> None:
        """What a watched account sees: its mailboxes, and others' with those whose they are.

        Commits speak of mailboxes only.
        """
        if account_id not in self._watchers:
            return
        known = set(mailbox_ids)
        before = self._mailboxes.get(account_id, set())
        for gone in before - known:
            _remove(self._watching, gone, account_id)
        for new in known - before:
            self._watching.setdefault(new, set()).add(account_id)
        self._mailboxes[account_id] = known
        self._unfollow(account_id)
        for owner in owners:
            self._followed.setdefault(owner, set()).add(account_id)

    def _unfollow(self, account_id: int) -> None:
        for owner in list(self._followed):
            _remove(self._followed, owner, account_id)

    def watched(self) -> tuple[list[int], list[int]]:
        """The accounts that somebody watches, and the mailboxes of interest."""
        return list({*self._watchers, *self._followed}), list(self._watching)

    def publish(self, changes: Mapping[int, int]) -> None:
        """Messages have changed in these mailboxes."""
        if not self._watchers:
            return
        found: dict[int, dict[int, int]] = {}
        for mailbox_id, modseq in changes.items():
            for account_id in self._watching.get(mailbox_id, ()):
                found.setdefault(account_id, {})[mailbox_id] = modseq
        for account_id, changed in found.items():
            self.tell(account_id, AccountNews(changed=changed))

    def tell(self, account_id: int, news: AccountNews) -> None:
        """Tell the watchers of an account."""
        for callback in list(self._watchers.get(account_id, {}).values()):
            try:
                callback(news)
            except Exception:  # noqa: BLE001  # a watcher's bug is not the commit's
                self.log.failure("unexpected error in a watcher of account {account}", account=account_id)

    def tell_tree(self, account_id: int) -> None:
        """The mailboxes of an account are not what they were: told to its watchers, and to those who see some."""
        for each in {account_id, *self._followed.get(account_id, ())}:
            self.tell(each, AccountNews(mailboxes=True))

    def tell_of(self, account_id: int, mailbox_id: int, news: AccountNews, *, but: int = 0) -> None:
        """Tell the watchers of an account, and whoever else sees this mailbox of it, but one who knows."""
        for each in {account_id, *self._watching.get(mailbox_id, ())} - {but}:
            self.tell(each, news)

    def tell_all(self, news: AccountNews) -> None:
        """Tell the watchers of all accounts."""
        for account_id in list(self._watchers):
            self.tell(account_id, news)


def _remove(places: dict[int, set[int]], place: int, account_id: int) -> None:
    accounts = places.get(place)
    if accounts is not None:
        accounts.discard(account_id)
        if not accounts:
            del places[place]
