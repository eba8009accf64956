"""Tests of quantummail.store.orders: keys in memory."""

from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.thread_ids import number_of
from quantummail.store import orders
from quantummail.store.orders import Orders, Ranks, SortKeys
from quantummail.store.sort_keys import ARRIVAL, SUBJECT, THREAD
from quantummail.store.tables import contents
from tests.support.stores import make_store, make_user, now


class RanksTests(SynchronousTestCase):
    """Values become ranks."""

    @given(st.lists(st.lists(st.text("abc", max_size=2), max_size=12), max_size=6), st.booleans())
    def test_ranks(self, parts: list[list[str]], small: bool) -> None:
        """However they come in, ranks compare as the values do."""
        if small:
            self.patch(orders, "STEP", 3)
        column = Ranks()
        for part in parts:
            for _ in column.extend(part):
                pass
        values = [value for part in parts for value in part]
        distinct = sorted(set(values))
        self.assertEqual(column.values, distinct)
        self.assertEqual(list(column.ranks), [distinct.index(value) for value in values])


class OrdersTests(SynchronousTestCase):
    """What is kept of mailboxes."""

    def setUp(self) -> None:
        self.store = make_store(self)
        self.user = make_user(self.store)
        box = now(self.store.mailboxes.find(self.user.id, "INBOX"))
        assert box is not None
        self.box = box
        self.patch(orders, "FEW", 0)
        self.orders = Orders(self.store.database, self.store.messages, self.store.bodies)

    def deliver(self, header: str, date: int = 0) -> int:
        """A message; its UID."""
        body = self.store.bodies.spooled()
        now(body.write(header.encode() + b"\r\n\r\n"))
        return now(self.store.messages.append(
            self.user.id, self.box.id, body, flags=0, keywords=(), internal_date=date)).uid

    def get(self, *keys: str, uids: tuple[int, ...] = (1,)) -> SortKeys:
        """The keys of these messages."""

        async def pause() -> None:
            """Nobody else is here."""

        return now(self.orders.get(self.user.id, self.box.id, keys, array("I", uids), pause))

    def subjects(self, keys: SortKeys) -> list[str]:
        """The subjects in the order of UIDs."""
        column = keys.columns[SUBJECT]
        return [column.values[rank] for rank in column.ranks]

    def test_new_messages(self) -> None:
        """Keys that are here learn of messages that came later; all of a mailbox stays in step."""
        self.deliver("Subject: B", 7)
        keys = self.get(SUBJECT)
        self.deliver("Subject: a", 5)
        self.assertIs(self.get(ARRIVAL, uids=(1, 2)), keys)
        self.assertEqual(self.subjects(keys), ["B", "A"])
        self.assertEqual([keys.columns[ARRIVAL].values[rank] for rank in keys.columns[ARRIVAL].ranks], [7, 5])

    def test_messages_that_went(self) -> None:
        """A key that is asked for later does not mind messages that are gone."""
        for subject in "abc":
            self.deliver(f"Subject: {subject}")
        self.get(SUBJECT, uids=(1, 2, 3))
        now(self.store.messages.remove(self.user.id, self.box.id, [2]))
        keys = self.get(ARRIVAL, THREAD, uids=(1, 3))
        self.assertEqual(list(keys.uids), [1, 2, 3])
        self.assertEqual(len(keys.columns[ARRIVAL].ranks), 3)
        assert keys.threads is not None
        self.assertEqual(len(keys.threads.answers), 3)

    def test_few(self) -> None:
        """A few messages of a mailbox are read for themselves."""
        self.patch(orders, "FEW", 2)
        for subject in "abc":
            self.deliver(f"Subject: {subject}")
        self.assertEqual(self.subjects(self.get(SUBJECT, uids=(1, 3))), ["A", "C"])
        self.assertEqual(list(self.get(SUBJECT, uids=(1, 2, 3)).uids), [1, 2, 3])
        # as all are known now, they serve for a few as well
        self.assertEqual(list(self.get(SUBJECT, uids=(1, 3)).uids), [1, 2, 3])

    def test_bounded(self) -> None:
        """When there is too much, what was not used for the longest time goes."""
        self.deliver("Subject: a")
        first = self.get(SUBJECT)
        self.assertIs(self.get(SUBJECT), first)
        self.patch(orders, "MOST_OCTETS", first.octets)
        box = now(self.store.mailboxes.create(self.user.id, "other"))
        self.box, inbox = box, self.box
        self.deliver("Subject: b")
        self.get(SUBJECT)
        self.box = inbox
        self.assertIsNot(self.get(SUBJECT), first)

    def test_messages_from_before(self) -> None:
        """What threads a message that came before it was kept is read from its file, once."""
        self.deliver("Message-ID: <a@b>\r\nReferences: <c@d>\r\nSubject: =?utf-8?q?Re=3A?= x")
        with self.store.database.write_engine.begin() as connection:
            connection.execute(update(contents).values(thread_ids=None))
        for _ in range(2):
            threads = self.get(THREAD).threads
            assert threads is not None
            self.assertEqual(list(threads.numbers[1:]), [number_of("<a@b>"), number_of("<c@d>")])
            self.assertEqual(threads.answers[0], 1)
            self.orders = Orders(self.store.database, self.store.messages, None)  # type: ignore[arg-type]  # not read
