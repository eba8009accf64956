"""Tests of store.remembered, store.inboxes, store.other_commits: nothing remembered is told when it is over."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import remembered
from quantummail.store.errors import Unavailable
from quantummail.store.inboxes import Inboxes
from quantummail.store.other_commits import OtherCommits
from quantummail.store.records import Mailbox
from quantummail.store.remembered import Remembered
from quantummail.store.threads import Inline
from tests.store.messages import append
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now


class OtherCommitsTests(SynchronousTestCase):
    """The file that grows."""

    def test_told(self) -> None:
        """Each commit of another process gives another number, to everybody who looks."""
        path = str(temporary_directory(self) / "commits")
        ours, theirs = OtherCommits(path), OtherCommits(path)
        seen = [ours.count()]
        for step in (theirs.announce, theirs.done, theirs.announce, theirs.done):
            step()
            seen.append(ours.count())
        self.assertEqual(len(set(seen)), 5)

    def test_cannot_be_told(self) -> None:
        """What cannot be announced is not done; what is done is done."""
        others = OtherCommits("/nonexistent/commits")
        self.assertRaises(Unavailable, others.announce)
        others.done()
        self.assertEqual(others.count(), 0)


class RememberedTests(SynchronousTestCase):
    """Answers that are counted."""

    def setUp(self) -> None:
        self.others = OtherCommits(str(temporary_directory(self) / "commits"))
        self.remembered: Remembered[str, int] = Remembered(self.others)
        self.read = 0

    def get(self, key: str = "a") -> int | None:
        """Ask; the answer is how often was read."""

        async def read() -> int:
            self.read += 1
            return self.read

        return now(self.remembered.get(key, read))

    def test_known(self) -> None:
        """An answer is read once."""
        self.assertEqual([self.get(), self.get(), self.get("b"), self.get("b")], [1, 1, 2, 2])

    def test_changed(self) -> None:
        """After a commit it is read again: one of ours that is about it, or any of somebody else's."""
        for change in (lambda: self.remembered.forget("a"), self.remembered.clear, self.others.announce,
                       self.others.done):
            before = self.get()
            change()
            self.assertNotEqual(self.get(), before)
        before = self.get()
        self.remembered.forget("b")
        self.remembered.forget_reading()
        self.assertEqual(self.get(), before)

    def test_changed_while_it_is_read(self) -> None:
        """What was read while it changed is answered, but not remembered."""
        for change in (lambda: self.remembered.forget("a"), self.remembered.forget_reading, self.remembered.clear,
                       self.others.done):
            self.remembered.clear()
            waiting: Deferred[int] = Deferred()
            answer = Deferred.fromCoroutine(self.remembered.get("a", self.answering(waiting)))
            change()
            waiting.callback(99)
            self.assertEqual(self.successResultOf(answer), 99)
            self.assertNotEqual(self.get(), 99)

    def answering(self, answer: Deferred[int]) -> Callable[[], Awaitable[int]]:
        """A reading that takes its time."""

        async def read() -> int:
            return await answer

        return read

    def test_two_readings(self) -> None:
        """Of two readings at the same time the later one counts."""
        first: Deferred[int] = Deferred()
        second: Deferred[int] = Deferred()
        Deferred.fromCoroutine(self.remembered.get("a", self.answering(first)))
        Deferred.fromCoroutine(self.remembered.get("a", self.answering(second)))
        second.callback(2)
        first.callback(1)
        self.assertEqual(self.get(), 2)

    def test_nothing(self) -> None:
        """That something is not there is not remembered, nor is a failure."""

        async def nothing() -> None:
            return None

        async def broken() -> int:
            raise Unavailable("not now")

        self.assertIsNone(now(self.remembered.get("a", nothing)))
        self.assertRaises(Unavailable, now, self.remembered.get("a", broken))
        self.assertEqual(self.get(), 1)

    def test_bounded(self) -> None:
        """The oldest answer goes when there are too many."""
        self.patch(remembered, "MOST", 2)
        for key in "abc":
            self.get(key)
        self.assertEqual([self.get("c"), self.get("b"), self.get("a")], [3, 2, 4])


class StoreTests(SynchronousTestCase):
    """A server's store, and a command beside it."""

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.store = make_store(self, self.directory)
        self.user = make_user(self.store)

    def rows_read(self) -> list[str]:
        """The statements that are run from now on."""
        run: list[str] = []
        database = self.store.database
        read = database.run

        def counted(work_txn: Callable[..., object], *arguments: object, **keywords: object) -> object:
            run.append(work_txn.__name__)
            return read(work_txn, *arguments, **keywords)

        self.patch(database, "run", counted)
        return run

    def test_login(self) -> None:
        """Who logs in again and has no new mail costs no reading; a command that changes a password is noticed."""
        self.assertIsNotNone(now(self.store.users.credentials(self.user.address)))
        self.assertIsNotNone(now(self.store.inboxes.find(self.user.id)))
        run = self.rows_read()
        for _ in range(3):
            now(self.store.users.credentials("Alice@example.test"))
            now(self.store.inboxes.find(self.user.id))
        self.assertEqual(run, [])
        command = make_store(self, self.directory)
        now(command.users.set_password(self.user.address, "another"))
        found = now(self.store.users.credentials(self.user.address))
        assert found is not None
        self.assertEqual(found.password_hash, "another")

    def test_own_changes(self) -> None:
        """So is what the server itself changes."""
        self.patch(self.store.database, "_others", OtherCommits(str(Path(os.devnull))))
        now(self.store.users.credentials(self.user.address))
        now(self.store.users.set_enabled(self.user.address, False))
        found = now(self.store.users.credentials(self.user.address))
        assert found is not None
        self.assertFalse(found.user.enabled)

    def test_new_mail(self) -> None:
        """A message that came is counted at once; one elsewhere lets nothing be read."""
        self.patch(self.store.database, "_others", OtherCommits(str(Path(os.devnull))))
        before = self.inbox()
        append(self.store, before)
        self.assertEqual(self.inbox().messages, 1)
        sent = now(self.store.mailboxes.find(self.user.id, "Sent"))
        assert sent is not None
        run = self.rows_read()
        now(self.store.messages.set_flags(self.user.id, sent.id, [1], "add", 1, ()))
        self.inbox()
        self.assertEqual(run, [])

    def inbox(self) -> Mailbox:
        """INBOX as it is now."""
        found = now(self.store.inboxes.find(self.user.id))
        assert found is not None
        return found

    def test_changed_while_it_is_read(self) -> None:
        """A message that comes while INBOX is read for the first time is not overlooked."""
        inboxes = Inboxes(self.store.mailboxes, OtherCommits(os.devnull))
        find = self.store.mailboxes.find
        before = now(find(self.user.id, "INBOX"))
        assert before is not None
        waiting: Deferred[Mailbox] = Deferred()

        async def slow(_account_id: int, _name: str) -> Mailbox:
            return await waiting

        patch = self.patch(self.store.mailboxes, "find", slow)
        found = Deferred.fromCoroutine(inboxes.find(self.user.id))
        inboxes.changed(before.id)
        waiting.callback(before)
        self.successResultOf(found)
        patch.restore()
        append(self.store, before)
        after = now(inboxes.find(self.user.id))
        assert after is not None
        self.assertEqual(after.messages, 1)

    def test_cannot_be_told(self) -> None:
        """A command that cannot tell a server of its commit does nothing."""
        self.patch(self.store.database, "_others", OtherCommits("/nonexistent/commits"))
        self.assertRaises(Unavailable, now, self.store.users.set_enabled(self.user.address, False))
        self.assertIsInstance(self.store._threads, Inline)
