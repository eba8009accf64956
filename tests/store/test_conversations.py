"""Tests of quantummail.store.conversations."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, update
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.conversations import MOST_REFERENCES
from quantummail.store.tables import contents, thread_references, threads
from tests.support.stores import make_store, make_user, now


class ConversationsTests(SynchronousTestCase):
    """Which messages belong together."""

    def setUp(self) -> None:
        self.store = make_store(self)
        self.account = make_user(self.store).id
        self.inbox, self.trash = self.mailbox("INBOX"), self.mailbox("Trash")

    def mailbox(self, name: str) -> int:
        box = now(self.store.mailboxes.find(self.account, name))
        assert box is not None
        return box.id

    def deliver(self, own: str = "", refers: Sequence[str] = (), reply_to: str = "") -> int:
        """A message with these identifiers; its UID."""
        header = f"Message-ID: <{own}@x>\r\n" if own else ""
        header += f"References: {' '.join(f'<{one}@x>' for one in refers)}\r\n" if refers else ""
        header += f"In-Reply-To: <{reply_to}@x>\r\n" if reply_to else ""
        body = self.store.bodies.spooled()
        now(body.write(header.encode() + b"Subject: s\r\n\r\ntext\r\n"))
        return now(self.store.messages.append(
            self.account, self.inbox, body, flags=0, keywords=(), internal_date=None)).uid

    def threads(self, *uids: int, box: int = 0) -> list[int]:
        """The threads of these messages, asked for at once."""
        found = now(self.store.messages.fetch(self.account, box or self.inbox, uids))
        known = now(self.store.conversations.threads(self.account, found))
        return [known[message.email_id] for message in found]

    def test_replies(self) -> None:
        """A reply belongs where its ancestor belongs, by References or In-Reply-To alone; others do not."""
        self.deliver("a")
        self.deliver("b", ["a"])
        self.deliver("c", reply_to="b")
        self.deliver("d", ["a", "b", "c"])
        self.deliver("e")
        first, *replies, other = self.threads(1, 2, 3, 4, 5)
        self.assertEqual(replies, [first] * 3)
        self.assertNotEqual(other, first)

    def test_one_by_one(self) -> None:
        """The same comes out when they are asked for as they come, and when copies are asked for."""
        for own, reply_to in (("a", ""), ("b", "a"), ("c", "b"), ("d", "c")):
            uid = self.deliver(own, reply_to=reply_to)
            self.assertEqual(self.threads(uid), self.threads(1))
        now(self.store.messages.copy(self.account, self.inbox, [3], self.trash))
        self.assertEqual(self.threads(1, box=self.trash), self.threads(1))

    def test_siblings_of_a_message_that_never_came(self) -> None:
        """Two replies to what is not here belong together."""
        self.deliver("b", ["a"])
        self.deliver("c", ["a"])
        self.deliver("a")
        self.assertEqual(len(set(self.threads(1, 2, 3))), 1)

    def test_nothing_changes(self) -> None:
        """A message that joins two threads changes neither: identifiers stay what they are (RFC 8474 5.2)."""
        self.deliver("a")
        self.deliver("b")
        one, other = self.threads(1, 2)
        self.deliver("c", ["a", "b"])
        self.assertEqual(self.threads(1, 2, 3), [one, other, other])

    def test_without_identifiers(self) -> None:
        """Messages that nothing connects are threads of their own."""
        self.deliver()
        self.deliver()
        self.assertEqual(len(set(self.threads(1, 2))), 2)

    def test_the_ancestor_is_gone(self) -> None:
        """A reply finds its thread, also when all of it was expunged; what only messages need goes with them."""
        self.deliver("a")
        (thread,) = self.threads(1)
        now(self.store.messages.remove(self.account, self.inbox, [1]))
        with self.store.database.write_engine.connect() as connection:
            self.assertEqual(connection.execute(threads.select()).all(), [])
        self.deliver("b", reply_to="a")
        self.assertEqual(self.threads(2), [thread])

    def test_search(self) -> None:
        """The messages of a thread are found, whether anybody has asked for their threads before or not."""
        self.deliver("a")
        self.deliver("x")
        self.deliver("b", ["a"])
        (thread,) = self.threads(1)
        self.assertEqual(sorted(now(self.store.conversations.of_thread(self.account, self.inbox, thread))), [1, 3])
        self.assertEqual(now(self.store.conversations.of_thread(self.account, self.trash, thread)), [])
        (message,) = now(self.store.messages.fetch(self.account, self.inbox, [2]))
        self.assertEqual(
            now(self.store.conversations.of_email(self.account, self.inbox, message.email_id)), [2])

    def test_messages_of_old(self) -> None:
        """Those that came before identifiers were kept have them read from their files."""
        self.deliver("a")
        self.deliver("b", reply_to="a")
        with self.store.database.write_engine.begin() as connection:
            connection.execute(update(contents).values(thread_ids=None))
        self.assertEqual(len(set(self.threads(1, 2))), 1)

    def test_contents_are_gone(self) -> None:
        """A message that the index has lost the contents of has no thread for now."""
        self.deliver("a")
        with self.store.database.write_engine.begin() as connection:
            connection.execute(delete(contents))
        found = now(self.store.messages.fetch(self.account, self.inbox, [1]))
        self.assertEqual(now(self.store.conversations.threads(self.account, found)), {})

    def test_many_references(self) -> None:
        """A message that refers to thousands takes a bounded place, and is found by the first and the last ones."""
        self.deliver("z", [f"r{number}" for number in range(1000)])
        (thread,) = self.threads(1)
        with self.store.database.write_engine.connect() as connection:
            self.assertEqual(len(connection.execute(thread_references.select()).all()), MOST_REFERENCES + 1)
        self.deliver("y", reply_to="r999")
        self.deliver("x", reply_to="r0")
        self.assertEqual(self.threads(2, 3), [thread] * 2)

    def test_accounts_are_apart(self) -> None:
        """What one account has says nothing about another's, though the name of a thread is the same."""
        self.deliver("a")
        self.threads(1)
        self.account = make_user(self.store, "bob@example.test").id
        self.inbox = self.mailbox("INBOX")
        self.assertEqual(now(self.store.conversations.of_thread(self.account, self.inbox, 1)), [])
