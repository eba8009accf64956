"""Addresses that are not written to any more."""

from __future__ import annotations

from sqlalchemy import update
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.suppressions import Suppressions, suppress_txn
from quantummail.store.tables import suppressions
from quantummail.store.transaction import Transaction
from tests.support.stores import make_store, now


class SuppressionTests(SynchronousTestCase):
    """The list."""

    def setUp(self) -> None:
        self.store = make_store(self)
        self.list = self.store.suppressions
        self.list.keep = 1000

    def note(self, address: str, reason: str = "550 5.1.1 nobody", message_id: str = "m") -> None:
        """Its server has refused it."""
        def noted_txn(transaction: Transaction) -> None:
            suppress_txn(transaction.connection, address, reason, message_id)

        async def write() -> None:
            await self.store.database.write(noted_txn)

        now(write())
        self.list.noted(address)

    def test_remembered(self) -> None:
        """What outcomes and commands add and delete is known at once, although the list is remembered."""
        self.assertIsNone(now(self.list.find("bob@x.test")))
        self.note("bob@x.test")
        self.assertIsNotNone(now(self.list.find("bob@x.test")))
        command = Suppressions(self.store.database, self.list._others)
        now(command.add("eve@x.test", "no"))
        self.assertIsNotNone(now(self.list.find("eve@x.test")))
        now(command.delete("eve@x.test"))
        self.assertIsNone(now(self.list.find("eve@x.test")))

    def test_counted(self) -> None:
        """A second bounce counts, and has the last word."""
        self.note("Bob@x.test")
        self.note("bob@x.test", "550 5.1.1 still nobody", "n")
        found = now(self.list.find("BOB@x.test"))
        assert found is not None
        self.assertEqual((found.address, found.count, found.reason, found.message_id, found.stays),
                         ("bob@x.test", 2, "550 5.1.1 still nobody", "n", False))

    def test_expires(self) -> None:
        """It counts for so long after the last bounce; what an administrator has added stays."""
        self.note("old@x.test")
        now(self.list.add("added@x.test", "asked not to be written to"))
        with self.store.database.write_engine.begin() as connection:
            connection.execute(update(suppressions).values(last=suppressions.c.last - 2000))
        self.assertIsNone(now(self.list.find("old@x.test")))
        self.assertEqual([one.address for one in now(self.list.list())], ["added@x.test"])
        self.assertEqual(now(self.list.purge()), 1)
        self.assertIsNotNone(now(self.list.find("added@x.test")))

    def test_off(self) -> None:
        """With nothing kept, bounces suppress nobody."""
        self.list.keep = 0
        self.note("bob@x.test")
        self.assertIsNone(now(self.list.find("bob@x.test")))

    def test_deleted(self) -> None:
        """What is deleted is written to again."""
        self.note("bob@x.test")
        self.assertTrue(now(self.list.delete("Bob@x.test")))
        self.assertFalse(now(self.list.delete("bob@x.test")))
        self.assertIsNone(now(self.list.find("bob@x.test")))

    def test_pages(self) -> None:
        """The list comes in pages."""
        for name in "abc":
            self.note(f"{name}@x.test")
        self.assertEqual([one.address for one in now(self.list.list(after="a@x.test", limit=1))], ["b@x.test"])
