"""Tests of quantummail.store.account_changes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.account_changes import AccountNews
from tests.store.messages import append, box
from tests.support.stores import make_store, make_user, now


class AccountHubTests(SynchronousTestCase):
    """What a watcher of an account is told."""

    def setUp(self) -> None:
        self.store = make_store(self)
        self.user = make_user(self.store)
        self.hub = self.store.account_changes
        self.told: list[AccountNews] = []
        self.stop = self.hub.watch(self.user.id, self.told.append)

    def test_mail(self) -> None:
        """New mail in a mailbox that is known to belong to the account, and in no other."""
        inbox = box(self.store, self.user.id)
        append(self.store, inbox)
        self.hub.belong(self.user.id, [inbox.id])
        append(self.store, inbox)
        self.assertEqual(
            self.told, [AccountNews(changed={inbox.id: box(self.store, self.user.id).highestmodseq})])

    def test_mailboxes(self) -> None:
        """Whatever changes the list of mailboxes or of subscriptions."""
        boxes = self.store.mailboxes
        for changing in (
            boxes.create(self.user.id, "a"), boxes.rename(self.user.id, "a", "b"), boxes.subscribe(self.user.id, "b"),
            boxes.unsubscribe(self.user.id, "b"), boxes.delete(self.user.id, "b"),
        ):
            now(changing)
            self.assertEqual(self.told, [AccountNews(mailboxes=True)])
            self.told.clear()

    def test_other_account(self) -> None:
        """Other accounts are not told."""
        other = make_user(self.store, "bob@example.test")
        now(self.store.mailboxes.create(other.id, "new"))
        self.assertEqual(self.told, [])

    def test_stopped(self) -> None:
        """Nothing is kept of an account that nobody watches any more."""
        inbox = box(self.store, self.user.id)
        self.hub.belong(self.user.id, [inbox.id])
        self.stop()
        self.hub.belong(self.user.id, [inbox.id])
        append(self.store, inbox)
        self.assertEqual(self.told, [])
        self.assertEqual(self.hub.watched(), ([], []))

    def test_mailboxes_that_are_gone(self) -> None:
        """What does not belong any more is forgotten."""
        inbox = box(self.store, self.user.id)
        self.hub.belong(self.user.id, [inbox.id, 999])
        self.hub.belong(self.user.id, [inbox.id])
        self.assertEqual(self.hub.watched(), ([self.user.id], [inbox.id]))

    def test_failing_watcher(self) -> None:
        """One watcher's mistake is logged, and does not keep the others from hearing."""
        def failing(_news: AccountNews) -> None:
            raise ValueError

        stop = self.hub.watch(self.user.id, failing)
        self.addCleanup(stop)
        self.addCleanup(self.hub.watch(self.user.id, self.told.append))
        self.hub.tell_all(AccountNews(mailboxes=True))
        self.assertEqual(len(self.told), 2)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
