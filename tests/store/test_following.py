"""Tests of quantummail.store.following: what other Maildir programs do is seen while mailboxes are open."""

from __future__ import annotations

import os
import shutil
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import following, own_changes
from quantummail.store.flags import SEEN
from quantummail.store.following import AGAIN_AFTER, INTERVAL, Following
from quantummail.store.threads import Inline
from tests.store.messages import PLAIN, append, box, uids
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now


class FollowingTests(SynchronousTestCase):
    """An account with one message, and a server that follows its tree."""

    def setUp(self) -> None:
        self.patch(own_changes, "_TICK_NS", 0)
        self.directory = temporary_directory(self)
        self.store = make_store(self, self.directory)
        self.user = make_user(self.store)
        self.inbox = box(self.store, self.user.id)
        self.maildir = self.directory / "mail/example.test/alice"
        self.seconds = 1000
        self.clock = Clock()
        self.scanned: list[str] = []
        follow = self.store.adoption.follow

        async def counted(row: Any) -> None:
            self.scanned.append(row.name)
            self.clock.advance(self.takes)
            await follow(row)

        self.takes = 0.0
        self.patch(self.store.adoption, "follow", counted)
        self.following = Following(
            self.store.adoption, self.store.changes, str(self.directory / "mail"), Inline(), self.clock)
        self.following.start()
        self.addCleanup(lambda: now(self.following.stop()))
        append(self.store, self.inbox)

    def put(self, path: str) -> None:
        """Another program delivers a message."""
        target = self.maildir / path
        target.write_bytes(PLAIN)
        self.seconds += 1
        os.utime(target.parent, (self.seconds, self.seconds))

    def open(self, seconds: float = 1.0) -> None:
        """Somebody opens INBOX, and some time passes."""
        self.store.changes.opened(self.inbox.id)
        self.clock.advance(seconds)

    def watch(self) -> None:
        """Somebody selects INBOX, and stays."""
        self.told: list[int] = []
        self.addCleanup(self.store.changes.watch(self.inbox.id, self.told.append))
        self.clock.advance(1)
        self.scanned.clear()
        self.told.clear()

    def rounds(self, count: int) -> None:
        """Some rounds pass."""
        for _ in range(count):
            self.clock.advance(INTERVAL)

    def test_opened(self) -> None:
        """A message that came before a mailbox is opened is there soon after."""
        self.put("new/1.other")
        self.assertEqual(len(uids(self.store, self.inbox)), 1)
        self.open()
        self.assertEqual(len(uids(self.store, self.inbox)), 2)

    def test_watched(self) -> None:
        """What comes, goes, or is flagged while somebody watches is told within one round."""
        self.watch()
        self.put("new/1.other")
        self.rounds(1)
        self.assertEqual((len(self.told), uids(self.store, self.inbox)), (1, [1, 2]))
        self.put("cur/1.other:2,S")
        (self.maildir / "new/1.other").unlink()
        self.rounds(1)
        (message,) = now(self.store.messages.fetch(self.user.id, self.inbox.id, [2]))
        self.assertEqual(message.flags, SEEN)
        (self.maildir / "cur/1.other:2,S").unlink()
        os.utime(self.maildir / "cur", (2000, 2000))
        self.rounds(1)
        self.assertEqual(uids(self.store, self.inbox), [1])
        self.assertEqual(len(self.scanned), 3)

    def test_own_changes(self) -> None:
        """What the server does itself lets nothing be scanned."""
        self.watch()
        for _ in range(3):
            append(self.store, self.inbox)
            now(self.store.messages.set_flags(self.user.id, self.inbox.id, [1, 2], "add", SEEN, ("$Work",)))
            now(self.store.messages.copy(self.user.id, self.inbox.id, [1], self.inbox.id))
            now(self.store.mirror.catch_up())
            self.rounds(1)
        now(self.store.messages.remove(self.user.id, self.inbox.id, [2, 3]))
        now(self.store.mirror.catch_up())
        self.rounds(2)
        self.assertEqual(self.scanned, [])

    def test_between_own_changes(self) -> None:
        """What others do between changes of ours is seen all the same."""
        self.watch()
        append(self.store, self.inbox)
        self.put("new/1.other")
        append(self.store, self.inbox)
        self.rounds(1)
        self.assertEqual(uids(self.store, self.inbox), [1, 2, 3, 4])

    def test_hidden(self) -> None:
        """What was done in the moment of a change of ours is seen later; without one nobody looks again."""
        self.watch()
        self.clock.advance(AGAIN_AFTER + INTERVAL)
        self.assertEqual(self.scanned, [])
        time = own_changes.times([str(self.maildir / "new")])[0]
        (self.maildir / "new/1.other").write_bytes(PLAIN)
        os.utime(self.maildir / "new", ns=(time, time))
        append(self.store, self.inbox)
        self.rounds(1)
        self.assertEqual(uids(self.store, self.inbox), [1, 2, 3])

    def test_hidden_for_a_while(self) -> None:
        """Not before ten minutes have passed since the last scan."""
        self.watch()
        time = own_changes.times([str(self.maildir / "new")])[0]
        (self.maildir / "new/1.other").write_bytes(PLAIN)
        os.utime(self.maildir / "new", ns=(time, time))
        append(self.store, self.inbox)
        self.rounds(3)
        self.assertEqual(uids(self.store, self.inbox), [1, 2])
        self.clock.advance(AGAIN_AFTER)
        self.rounds(1)
        self.assertEqual(uids(self.store, self.inbox), [1, 2, 3])

    def test_not_too_often(self) -> None:
        """A mailbox that is opened again and again is looked at once in a while."""
        looks: list[Any] = []
        mailboxes = self.store.adoption.mailboxes

        async def counted(ids: Any) -> Any:
            looks.append(ids)
            return await mailboxes(ids)

        self.patch(self.store.adoption, "mailboxes", counted)
        for _ in range(40):
            self.open(0.2)
        self.assertEqual(len(looks), 2)

    def test_share(self) -> None:
        """Scans take a small part of the time, however many there are to be done."""
        boxes = [box(self.store, self.user.id, name) for name in ("Sent", "Trash", "Drafts")]
        self.takes = 2.0
        for each in boxes:
            self.put(f".{each.name}/new/1.other")
            self.store.changes.opened(each.id)
        self.clock.advance(1)
        self.assertEqual(len(self.scanned), 1)
        self.clock.pump([1] * int(self.takes * following.PAUSE - 4))
        self.assertEqual(len(self.scanned), 1)
        self.clock.pump([1] * 200)
        self.assertCountEqual(self.scanned, ["Sent", "Trash", "Drafts"])

    def test_gone(self) -> None:
        """A Maildir that is gone is not an error again and again; nor a mailbox that is deleted."""
        self.watch()
        shutil.rmtree(self.maildir)
        self.rounds(3)
        self.assertEqual(len(self.scanned), 1)
        self.assertEqual(uids(self.store, self.inbox), [1])
        self.store.changes.opened(99)
        self.rounds(1)

    def test_at_rest(self) -> None:
        """A mailbox that the last scan has seen as it is now is not scanned when it is opened."""
        for part in ("new", "cur"):
            os.utime(self.maildir / part, (500, 500))
        now(self.store.adoption.scan(self.user.id, self.user.address, full=True))
        self.open()
        self.assertEqual(self.scanned, [])
        self.put("new/1.other")
        self.clock.advance(INTERVAL)
        self.open()
        self.assertEqual(self.scanned, ["INBOX"])

    def test_many(self) -> None:
        """Only so many mailboxes are known; the one opened first is forgotten, and scanned when it is opened again."""
        self.patch(following, "REMEMBERED", 2)
        for name in ("INBOX", "Sent", "Trash", "INBOX"):
            each = box(self.store, self.user.id, name)
            append(self.store, each)
            self.store.changes.opened(each.id)
            self.clock.advance(INTERVAL)
        self.assertEqual(self.scanned, ["INBOX", "Sent", "Trash", "INBOX"])
        self.assertEqual(len(own_changes._known), 4)
