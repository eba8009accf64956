"""Tests of quantummail.auth.sessions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth.sessions import INTERVAL, OpenSessions
from quantummail.store.errors import Unavailable
from quantummail.store.records import Credentials
from tests.auth.accounts import MemoryUsers


class OpenSessionsTests(SynchronousTestCase):
    """Two accounts with sessions."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.users = MemoryUsers()
        self.alice, self.bob = self.users.add("alice@example.test", "A1"), self.users.add("bob@example.test", "B1")
        self.sessions = OpenSessions(cast("Any", self.users), self.clock)
        self.ended: list[str] = []

    def enter(self, who: str, user_id: int, stored: str) -> Any:
        """A session that writes down its end."""
        def end() -> None:
            self.ended.append(who)

        self.sessions.enter(user_id, stored, end)
        return end

    def password(self, address: str, stored: str) -> None:
        """A new hash in the table."""
        self.users.accounts[address] = replace(self.users.accounts[address], password_hash=stored)

    def test_password_changed(self) -> None:
        """Sessions that know the old password end, those with the new one and others stay."""
        self.enter("old", self.alice.id, "A1")
        self.enter("bob", self.bob.id, "B1")
        self.clock.advance(INTERVAL)
        self.password("alice@example.test", "A2")
        self.enter("new", self.alice.id, "A2")
        self.clock.advance(INTERVAL)
        self.clock.advance(INTERVAL)
        self.assertEqual(self.ended, ["old"])

    def test_disabled_and_deleted(self) -> None:
        """All sessions of an account that is disabled or gone end."""
        self.enter("alice", self.alice.id, "A1")
        self.enter("alice too", self.alice.id, "A1")
        self.enter("bob", self.bob.id, "B1")
        known = self.users.accounts["alice@example.test"]
        self.users.accounts["alice@example.test"] = Credentials(replace(known.user, enabled=False), "A1")
        del self.users.accounts["bob@example.test"]
        self.clock.advance(INTERVAL)
        self.assertEqual(self.ended, ["alice", "alice too", "bob"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_better_hash(self) -> None:
        """A better hash of the same password ends nothing."""
        self.enter("alice", self.alice.id, "A1")
        self.sessions.renewed(self.alice.id, "A1", "A2")
        self.clock.advance(INTERVAL)
        self.password("alice@example.test", "A2")
        self.clock.advance(INTERVAL)
        self.assertEqual(self.ended, [])

    def test_meanwhile(self) -> None:
        """Who logs in with the new password while the old one is being read stays; who leaves meanwhile is not told."""
        waiting: Deferred[dict[int, str]] = Deferred()
        left = self.enter("left", self.alice.id, "A0")
        self.patch(self.users, "enabled_hashes", lambda _ids: waiting)
        self.clock.advance(INTERVAL)
        self.enter("new", self.alice.id, "A2")
        self.sessions.leave(self.alice.id, left)
        waiting.callback({self.alice.id: "A1"})
        self.assertEqual((self.ended, len(self.clock.getDelayedCalls())), ([], 1))

    def test_trouble(self) -> None:
        """While nothing can be read nobody is sent away, and it is tried again."""
        self.enter("alice", self.alice.id, "A0")
        self.users.failure = Unavailable("the disk is full")
        self.clock.advance(INTERVAL)
        self.assertEqual(self.ended, [])
        self.users.failure = None
        self.clock.advance(INTERVAL)
        self.assertEqual(self.ended, ["alice"])

    def test_nobody(self) -> None:
        """Without sessions nothing is asked."""
        self.sessions.leave(self.alice.id, self.enter("alice", self.alice.id, "A1"))
        self.assertEqual(self.clock.getDelayedCalls(), [])
