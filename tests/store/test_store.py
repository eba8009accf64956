"""Tests of quantummail.store.store: starting, stopping, recovering."""

from __future__ import annotations

import shutil

from sqlalchemy import update
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.errors import NoSuchUser, Unavailable
from quantummail.store.store import Store
from quantummail.store.tables import mailboxes
from quantummail.store.transaction import Transaction
from tests.store.messages import PLAIN, append, box, content, uids
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now


class ServeTests(SynchronousTestCase):
    """A store that a server starts again and again."""

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        store = make_store(self, self.directory)
        self.user = make_user(store)
        now(store.stop())
        self.maildir = self.directory / "mail/example.test/alice"

    def store(self) -> Store:
        """One that is not started."""
        return Store.open(
            None, f"sqlite:///{self.directory}/index.sqlite", self.directory / "mail", self.directory / "spool")

    def serve(self) -> Store:
        """One that serves."""
        store = self.store()
        now(store.start(serving=True))
        return store

    def test_restarted(self) -> None:
        """Numbering goes on without a gap after a stop in order, and with one after a crash."""
        store = self.serve()
        inbox = box(store, self.user.id)
        self.assertEqual(append(store, inbox).uid, 1)
        now(store.stop())
        store = self.serve()
        self.assertEqual(append(store, inbox).uid, 2)
        # no stop: the process is gone
        store.database.stop()
        store = self.serve()
        uid = append(store, inbox).uid
        self.assertGreater(uid, 2)
        now(store.stop())
        store = self.serve()
        self.assertEqual(append(store, inbox).uid, uid + 1)
        now(store.stop())

    def test_spool_emptied(self) -> None:
        """What was on its way in when the server ended is removed: nobody was promised it."""
        (self.directory / "spool/0id.tmp").write_bytes(b"half")
        now(self.serve().stop())
        self.assertFalse((self.directory / "spool/0id.tmp").exists())

    def test_recovered(self) -> None:
        """What other programs did, and what a crash left to be done, is found at start."""
        (self.maildir / "new/1.other").write_bytes(PLAIN)
        store = self.serve()
        self.assertEqual(content(store, box(store, self.user.id), 1), PLAIN)
        now(store.stop())

    def test_one_bad_account(self) -> None:
        """An account whose tree cannot be looked through does not hold up the others."""
        store = make_store(self, self.directory)
        make_user(store, "zoe@example.test")
        now(store.stop())
        shutil.rmtree(self.maildir)
        self.maildir.write_bytes(b"no directory")
        (self.directory / "mail/example.test/zoe/new/1.other").write_bytes(PLAIN)
        store = self.serve()
        user = now(store.users.find("zoe@example.test"))
        assert user is not None
        self.assertEqual(len(uids(store, box(store, user.id))), 1)
        now(store.stop())
        self.flushLoggedErrors()

    def test_another_root(self) -> None:
        """A root that is not the database's is refused each time, and nothing is written into it."""
        now(self.serve().stop())
        shutil.move(self.directory / "mail", self.directory / "unmounted")
        for _ in range(2):
            store = self.store()
            self.assertRaises(Unavailable, now, store.start(serving=True))
            now(store.stop())
        self.assertEqual(list((self.directory / "mail").iterdir()), [])
        (self.directory / "mail").rmdir()
        shutil.move(self.directory / "unmounted", self.directory / "mail")
        now(self.serve().stop())

    def test_older_copy(self) -> None:
        """An older copy of the database gives only UIDs above all those that were given since."""
        store = self.serve()
        inbox = box(store, self.user.id)
        append(store, inbox)
        now(store.stop())
        shutil.copy(self.directory / "index.sqlite", self.directory / "copy")
        store = self.serve()
        last = [append(store, inbox).uid for _ in range(5)][-1]
        now(store.messages.remove(self.user.id, inbox.id, range(2, 7)))
        now(store.mirror.catch_up())
        now(store.stop())
        shutil.copy(self.directory / "copy", self.directory / "index.sqlite")
        store = self.serve()
        self.assertGreater(append(store, inbox).uid, last)
        now(store.stop())

    def test_much_older_copy(self) -> None:
        """So does one from before the promise in the tree was last renewed, and tells so before the first message."""
        store = self.serve()
        inbox = box(store, self.user.id)
        now(store.stop())
        shutil.copy(self.directory / "index.sqlite", self.directory / "copy")
        store = self.serve()

        async def skip() -> None:
            await store.database.write(_skip_txn, inbox.id)

        now(skip())
        last = append(store, inbox).uid
        now(store.stop())
        shutil.copy(self.directory / "copy", self.directory / "index.sqlite")
        store = self.serve()
        self.assertGreater(box(store, self.user.id).uidnext, last)
        now(store.stop())

    def test_reindex_one(self) -> None:
        """One account can be looked through; one that is not there cannot."""
        store = make_store(self, self.directory)
        (self.maildir / "new/1.other").write_bytes(PLAIN)
        self.assertEqual(now(store.reindex("ALICE@example.test")).adopted, 1)
        self.assertRaises(NoSuchUser, now, store.reindex("nobody@example.test"))


def _skip_txn(transaction: Transaction, mailbox_id: int) -> None:
    transaction.connection.execute(update(mailboxes).where(mailboxes.c.id == mailbox_id).values(uidnext=5000))
