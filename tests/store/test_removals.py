"""Tests of quantummail.store.removals."""

from __future__ import annotations

from array import array
from typing import Any

from sqlalchemy import Connection, func, select
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import removals
from quantummail.store.flags import DELETED
from quantummail.store.records import Changes
from quantummail.store.tables import contents, tombstones
from tests.store.messages import append, box
from tests.support.stores import make_store, make_user, now


class TombstoneTests(SynchronousTestCase):
    """What is known of expunged messages."""

    def setUp(self) -> None:
        self.store = make_store(self)
        self.user = make_user(self.store)
        self.inbox = box(self.store, self.user.id)
        self.patch(removals, "KEPT_TOMBSTONES", 5)

    def expunge(self, count: int) -> None:
        """Store messages and remove them, one by one."""
        for _ in range(count):
            uid = append(self.store, self.inbox).uid
            now(self.store.messages.remove(self.user.id, self.inbox.id, [uid]))

    def changes(self, since: int) -> Changes:
        """What has happened since."""
        changes = now(self.store.messages.changes(self.user.id, self.inbox.id, since))
        assert changes is not None
        return changes

    def count(self, column: Any) -> int:
        """How many rows there are."""

        async def count() -> int:
            def count_txn(connection: Connection) -> int:
                return int(connection.execute(select(func.count()).select_from(column.table)).scalar_one())

            return await self.store.database.run(count_txn)

        return now(count())

    def test_known(self) -> None:
        """As long as there are few, every expunged UID is known."""
        self.expunge(4)
        changes = self.changes(0)
        self.assertEqual((changes.vanished, changes.remaining), ((1, 2, 3, 4), None))

    def test_bounded(self) -> None:
        """There are never more than twice as many as are kept, and never fewer than that after more expunges."""
        for _ in range(40):
            self.expunge(1)
            self.assertLessEqual(self.count(tombstones.c.uid), 10)
        self.assertGreaterEqual(self.count(tombstones.c.uid), 5)

    def test_too_long_ago(self) -> None:
        """Who asks for changes since a time that is forgotten gets all UIDs that are left."""
        before = box(self.store, self.user.id).highestmodseq
        self.expunge(20)
        append(self.store, self.inbox)
        changes = self.changes(before)
        self.assertEqual(changes.vanished, ())
        self.assertEqual(changes.remaining, array("I", [21]))

    def test_recent(self) -> None:
        """Changes since a time that is remembered are told one by one, also after others were forgotten."""
        self.expunge(20)
        since = box(self.store, self.user.id).highestmodseq
        self.expunge(2)
        changes = self.changes(since)
        self.assertEqual((changes.vanished, changes.remaining), ((21, 22), None))

    def test_all_at_once(self) -> None:
        """The UIDs of one expunge are remembered, however many there are."""
        for _ in range(30):
            append(self.store, self.inbox, flags=DELETED)
        since = box(self.store, self.user.id).highestmodseq
        self.assertEqual(len(now(self.store.messages.expunge(self.user.id, self.inbox.id))), 30)
        self.assertEqual(len(self.changes(since).vanished), 30)

    def test_contents(self) -> None:
        """Contents go with the last message that has them."""
        uid = append(self.store, self.inbox).uid
        trash = box(self.store, self.user.id, "Trash")
        now(self.store.messages.copy(self.user.id, self.inbox.id, [uid], trash.id))
        now(self.store.messages.remove(self.user.id, self.inbox.id, [uid]))
        self.assertEqual(self.count(contents.c.id), 1)
        now(self.store.mailboxes.delete(self.user.id, "Trash"))
        self.assertEqual(self.count(contents.c.id), 0)
