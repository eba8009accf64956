"""Tests of quantummail.store.recent."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.errors import Unavailable
from quantummail.store.recent import Recent
from quantummail.store.tables import mailboxes
from tests.store.messages import append, box
from tests.support.stores import make_store, make_user, now


class RecentTests(SynchronousTestCase):
    """Claims of sessions on one mailbox."""

    def setUp(self) -> None:
        self.store = make_store(self)
        self.inbox = box(self.store, make_user(self.store).id)
        for _ in range(3):
            append(self.store, self.inbox)
        self.clock = Clock()
        self.recent = Recent(self.store.database, self.clock)

    def row(self) -> int:
        """What the row says."""

        def read_txn(connection: Connection) -> int:
            value: int = connection.execute(
                select(mailboxes.c.recent_from).where(mailboxes.c.id == self.inbox.id)).scalar_one()
            return value

        async def read() -> int:
            return await self.store.database.run(read_txn)

        return now(read())

    def test_claim(self) -> None:
        """The first one who is told gets them, later ones the rest; who only looks takes nothing."""
        box_id = self.inbox.id
        self.assertEqual([self.recent.first(box_id, 1), self.recent.claim(box_id, 3, 1)], [1, 1])
        self.assertEqual([self.recent.claim(box_id, 3, 1), self.recent.claim(box_id, 4), self.recent.first(box_id)],
                         [3, 3, 4])

    def test_written_later(self) -> None:
        """Rows follow together after a while, and only upwards."""
        self.recent.claim(self.inbox.id, 3, 1)
        self.recent.claim(self.inbox.id, 4)
        self.assertEqual((self.row(), len(self.clock.getDelayedCalls())), (1, 1))
        self.clock.advance(5)
        self.assertEqual((self.row(), self.clock.getDelayedCalls()), (4, []))
        self.recent.claim(self.inbox.id, 4)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_disk_full(self) -> None:
        """What cannot be written now is written with the next claim."""
        write = self.store.database.write

        def full(*_arguments: Any) -> Any:
            raise Unavailable("the disk is full")

        self.recent.claim(self.inbox.id, 3, 1)
        self.patch(self.store.database, "write", full)
        self.clock.advance(5)
        self.patch(self.store.database, "write", write)
        self.recent.claim(self.inbox.id, 4)
        self.clock.advance(5)
        self.assertEqual(self.row(), 4)
