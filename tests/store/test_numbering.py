"""Tests of quantummail.store.numbering, store.pairing and store.uidfile: numbers outlive the database."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from sqlalchemy import update
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import pairing, uidfile
from quantummail.store.errors import Unavailable
from quantummail.store.store import Store
from quantummail.store.tables import mailboxes
from quantummail.store.transaction import Transaction
from tests.store.messages import append, box, uids
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now


class LossTests(SynchronousTestCase):
    """A store whose database is lost, or comes back as an older copy."""

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.stores: list[Store] = []
        self.store = self.open()
        self.user = make_user(self.store)

    def open(self) -> Store:
        """The store in the directory, after closing the one before."""
        for store in self.stores:
            now(store.stop())
        self.stores = [make_store(self, self.directory)]
        return self.stores[0]

    def lose(self) -> None:
        """Remove the database."""
        now(self.store.stop())
        self.stores = []
        for path in self.directory.glob("index.sqlite*"):
            path.unlink()

    def test_deleted(self) -> None:
        """After the database was deleted UIDVALIDITY is the same, and all UIDs are above those given before."""
        first = append(self.store, box(self.store, self.user.id))
        self.lose()
        store = self.open()
        now(store.reindex())
        user = now(store.users.find("alice@example.test"))
        assert user is not None
        inbox = box(store, user.id)
        self.assertEqual(inbox.uidvalidity, first.uidvalidity)
        (uid,) = uids(store, inbox)
        self.assertGreater(uid, first.uid)

    def test_deleted_twice(self) -> None:
        """Each loss goes on above the one before."""
        append(self.store, box(self.store, self.user.id))
        seen = 1
        for _ in range(3):
            self.lose()
            self.store = self.open()
            now(self.store.reindex())
            user = now(self.store.users.find("alice@example.test"))
            assert user is not None
            (uid,) = uids(self.store, box(self.store, user.id))
            self.assertGreater(uid, seen)
            seen = uid

    def serve(self) -> None:
        """What a server does with the pair when it starts."""
        now(_write(self.store, pairing.begin_txn, f"{self.directory}/mail"))

    def test_older_copy(self) -> None:
        """A copy of the database from the same run gives no UID again that was given after it was made."""
        self.serve()
        inbox = box(self.store, self.user.id)
        append(self.store, inbox)
        now(self.store.stop())
        shutil.copy(self.directory / "index.sqlite", self.directory / "copy")
        self.store = self.open()
        given = append(self.store, inbox).uid
        now(self.store.messages.remove(self.user.id, inbox.id, [given]))
        now(self.store.mirror.catch_up())
        now(self.store.stop())
        self.stores = []
        for path in self.directory.glob("index.sqlite*"):
            path.unlink()
        shutil.copy(self.directory / "copy", self.directory / "index.sqlite")
        self.store = self.open()
        self.assertGreater(append(self.store, inbox).uid, given)

    def test_closed_in_order(self) -> None:
        """After a run that ended in order numbering goes on without a gap."""
        self.serve()
        inbox = box(self.store, self.user.id)
        first = append(self.store, inbox).uid
        mark = now(_write(self.store, pairing.close_txn))
        now(self.store.stop())
        pairing.close(f"{self.directory}/mail", mark)
        self.stores = []
        self.store = self.open()
        self.assertEqual(append(self.store, inbox).uid, first + 1)

    def test_first_run(self) -> None:
        """A mailbox that never had a message begins with UID 1."""
        self.serve()
        self.assertEqual(append(self.store, box(self.store, self.user.id)).uid, 1)

    def test_promise_before_uid(self) -> None:
        """The file beside the messages always promises more than was given."""
        inbox = box(self.store, self.user.id)
        now(_write(self.store, _set_uidnext_txn, inbox.id, 1000))
        for _ in range(3):
            given = append(self.store, inbox).uid
            promise = uidfile.read(f"{self.directory}/mail/example.test/alice")
            assert promise is not None
            self.assertGreater(promise.reserved, given)

    def test_other_validity(self) -> None:
        """Where file and row disagree about UIDVALIDITY the mailbox gets a third one, greater than both."""
        inbox = box(self.store, self.user.id)
        append(self.store, inbox)
        maildir = f"{self.directory}/mail/example.test/alice"
        uidfile.write(maildir, uidfile.UidPromise(inbox.uidvalidity + 500, 77))
        self.store = self.open()
        given = append(self.store, inbox)
        self.assertGreater(given.uidvalidity, inbox.uidvalidity + 500)
        self.assertEqual(box(self.store, self.user.id).uidvalidity, given.uidvalidity)
        promise = uidfile.read(maildir)
        assert promise is not None
        self.assertEqual(promise.uidvalidity, given.uidvalidity)

    def test_recreated(self) -> None:
        """A mailbox deleted and made again at once has another UIDVALIDITY."""
        seen = set()
        for _ in range(3):
            seen.add(now(self.store.mailboxes.create(self.user.id, "Again")).uidvalidity)
            now(self.store.mailboxes.delete(self.user.id, "Again"))
        self.assertEqual(len(seen), 3)

    def test_root_not_mounted(self) -> None:
        """A server does not begin with a mail root that does not know its database."""
        self.serve()
        shutil.rmtree(self.directory / "mail")
        (self.directory / "mail").mkdir()
        self.assertRaises(Unavailable, self.serve)

    def test_taken_as_it_is(self) -> None:
        """After `reindex` a new root is the database's."""
        self.serve()
        shutil.rmtree(self.directory / "mail")
        (self.directory / "mail").mkdir()
        now(self.store.reindex())
        self.serve()


class FileTests(SynchronousTestCase):
    """The file beside the messages."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = temporary.name
        (Path(self.directory) / "tmp").mkdir()

    def test_round_trip(self) -> None:
        """What is written is read."""
        promise = uidfile.UidPromise(1234567890, 1 << 32)
        uidfile.write(self.directory, promise)
        self.assertEqual(uidfile.read(self.directory), promise)

    def test_cannot_be_understood(self) -> None:
        """A file that is torn, or of another version, counts as none."""
        for text in ("", "1 5", "2 5 6", "1 0 5", "1 5 0", "1 a b", "1 99999999999 5", "\N{EURO SIGN}"):
            (Path(self.directory) / uidfile.FILE).write_text(text, "utf-8")
            self.assertIsNone(uidfile.read(self.directory), text)


async def _write(store: Store, work_txn, *arguments):  # type: ignore[no-untyped-def]  # passes any work on
    return await store.database.write(work_txn, *arguments)


def _set_uidnext_txn(transaction: Transaction, mailbox_id: int, uidnext: int) -> None:
    transaction.connection.execute(update(mailboxes).where(mailboxes.c.id == mailbox_id).values(uidnext=uidnext))
