"""Tests of quantummail.store.outside."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.account_changes import AccountNews
from quantummail.store.errors import Unavailable
from quantummail.store.outside import INTERVAL, Outside
from tests.store.messages import append, box
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now


class OutsideTests(SynchronousTestCase):
    """A server's store, and one of another process on the same database."""

    def setUp(self) -> None:
        directory = temporary_directory(self)
        self.server, self.other = make_store(self, directory), make_store(self, directory)
        self.user = make_user(self.server)
        self.inbox = box(self.server, self.user.id)
        self.clock = Clock()
        self.outside = Outside(
            self.server.database, self.server.changes, self.server.account_changes, self.clock)
        self.outside.start()
        self.told: list[int] = []
        self.unwatch = self.server.changes.watch(self.inbox.id, self.told.append)
        self.clock.advance(INTERVAL)
        self.told.clear()

    def test_changed(self) -> None:
        """What another process commits is told, once."""
        append(self.other, self.inbox)
        self.assertEqual(self.told, [])
        self.clock.advance(INTERVAL)
        self.clock.advance(INTERVAL)
        self.assertEqual(self.told, [box(self.server, self.user.id).highestmodseq])

    def test_gone(self) -> None:
        """A mailbox that is gone has changed."""
        now(self.other.users.delete(self.user.address))
        self.clock.advance(INTERVAL)
        self.assertEqual(len(self.told), 1)

    def test_nobody_watches(self) -> None:
        """Nothing is asked for nobody."""
        self.unwatch()
        self.patch(self.server.database, "run", None)
        self.clock.advance(INTERVAL)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_trouble(self) -> None:
        """What cannot be seen now is seen later."""
        def failing(*_arguments: object) -> None:
            raise Unavailable("the database is not available")

        append(self.other, self.inbox)
        run = self.server.database.run
        self.patch(self.server.database, "run", failing)
        self.clock.advance(INTERVAL)
        self.patch(self.server.database, "run", run)
        self.clock.advance(INTERVAL)
        self.assertEqual(len(self.told), 1)

    def test_stopped(self) -> None:
        """After the end nothing is looked for."""
        now(self.outside.stop())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_account(self) -> None:
        """Whoever watches an account learns of new mailboxes, and of mail in those that are known."""
        told: list[AccountNews] = []
        self.addCleanup(self.server.account_changes.watch(self.user.id, told.append))
        self.server.account_changes.belong(self.user.id, [self.inbox.id])
        self.clock.advance(INTERVAL)
        told.clear()
        now(self.other.mailboxes.create(self.user.id, "new"))
        append(self.other, self.inbox)
        self.clock.advance(INTERVAL)
        modseq = box(self.server, self.user.id).highestmodseq
        self.assertEqual(told, [AccountNews(changed={self.inbox.id: modseq}), AccountNews(mailboxes=True)])

    def test_rights(self) -> None:
        """Whoever watches an account learns of mailboxes of others that he may see now, and of new ones there."""
        guest = make_user(self.server, "bob@example.test")
        told: list[AccountNews] = []
        self.addCleanup(self.server.account_changes.watch(guest.id, told.append))
        self.clock.advance(INTERVAL)
        now(self.other.acls.change(self.user.id, self.inbox.id, guest.address, "lr"))
        self.clock.advance(INTERVAL)
        self.clock.advance(INTERVAL)
        self.assertEqual(told, [AccountNews(mailboxes=True)])
        self.server.account_changes.belong(guest.id, [self.inbox.id], [self.user.id])
        self.clock.advance(INTERVAL)
        told.clear()
        now(self.other.mailboxes.create(self.user.id, "new"))
        self.clock.advance(INTERVAL)
        self.assertEqual(told, [AccountNews(mailboxes=True)])
