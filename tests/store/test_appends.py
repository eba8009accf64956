"""Tests of quantummail.store.appends: all or none."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.appends import Stretch
from quantummail.store.errors import LimitReached, NoSuchMailbox, NoSuchMessage, OverQuota, Unavailable
from quantummail.store.flags import SEEN
from quantummail.store.spooled import IN_MEMORY, SpooledBody
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now

ONE, TWO, THREE = (b"Subject: %d\r\n\r\n%s\r\n" % (number, b"text" * number) for number in (1, 2, 3))


class AppendsTests(SynchronousTestCase):
    """A store with one account."""

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.store = make_store(self, self.directory)
        self.user = make_user(self.store)
        self.inbox = self.mailbox("INBOX")

    def mailbox(self, name: str) -> int:
        box = now(self.store.mailboxes.find(self.user.id, name))
        assert box is not None
        return box.id

    def body(self, *texts: bytes) -> tuple[SpooledBody, list[Stretch]]:
        """Texts one behind the other, and where each of them is."""
        body = self.store.bodies.spooled()
        stretches = []
        for text in texts:
            now(body.write(text))
            stretches.append(Stretch(body.size - len(text), body.size))
        return body, stretches

    def append(self, *texts: bytes) -> list[int]:
        body, stretches = self.body(*texts)
        return [one.uid for one in now(self.store.appends.append(self.user.id, self.inbox, body, stretches))]

    def texts(self, mailbox_id: int | None = None) -> list[bytes]:
        """All messages of a mailbox."""
        where = mailbox_id or self.inbox
        uids = now(self.store.messages.open(self.user.id, where, claim_recent=False)).uids
        messages = now(self.store.messages.fetch(self.user.id, where, uids))

        async def read() -> list[bytes]:
            return [await self.store.bodies.read(message) for message in messages]

        return now(read())

    def files(self) -> list[Path]:
        """Every message in the tree."""
        return [path for path in self.directory.glob("mail/*/*/**/*") if path.parent.name in ("new", "cur")]

    def test_together(self) -> None:
        """Messages that come together have UIDs in a row, and their own octets."""
        self.assertEqual(self.append(ONE, TWO, THREE), [1, 2, 3])
        self.assertEqual(self.texts(), [ONE, TWO, THREE])
        self.assertEqual(os.listdir(self.directory / "spool"), [])

    def test_large(self) -> None:
        """They may be larger than what is kept in memory."""
        large = b"Subject: large\r\n\r\n" + (b"x" * 98 + b"\r\n") * (2 * IN_MEMORY // 100)
        self.append(ONE, large, TWO)
        self.assertEqual(self.texts(), [ONE, large, TWO])

    def test_many(self) -> None:
        """They may be more than files that are open at once."""
        texts = [b"Subject: %d\r\n\r\n" % number for number in range(300)]
        self.append(*texts)
        self.assertEqual(self.texts(), texts)

    def test_attributes(self) -> None:
        """Each has its own flags, keywords and date."""
        body, (first, second) = self.body(ONE, TWO)
        now(self.store.appends.append(self.user.id, self.inbox, body, [
            Stretch(first.start, first.end, SEEN, ("$Forwarded",), 7),
            Stretch(second.start, second.end, internal_date=-8),
        ]))
        one, two = now(self.store.messages.fetch(self.user.id, self.inbox, [1, 2]))
        self.assertEqual([one.flags & SEEN, two.flags, one.internal_date, two.internal_date], [SEEN, 0, 7, -8])
        self.assertEqual(one.flags.bit_count(), 2)

    def test_quota_for_all(self) -> None:
        """If one of them is too much there is none, neither rows nor files."""
        now(self.store.users.set_quota(self.user.address, len(ONE) + len(TWO) + 1, 0))
        self.assertRaises(OverQuota, self.append, ONE, TWO, THREE)
        now(self.store.users.set_quota(self.user.address, 0, 2))
        self.assertRaises(OverQuota, self.append, ONE, TWO, THREE)
        self.assertEqual([self.texts(), self.files(), os.listdir(self.directory / "spool")], [[], [], []])
        self.assertEqual(self.append(ONE, TWO), [1, 2])

    def test_keywords_for_all(self) -> None:
        """One whose keywords find no place takes the others with it."""
        body, (first, second) = self.body(ONE, TWO)
        keywords = tuple(f"k{number}" for number in range(100))
        self.assertRaises(LimitReached, now, self.store.appends.append(self.user.id, self.inbox, body, [
            first, Stretch(second.start, second.end, keywords=keywords),
        ]))
        self.assertEqual([self.texts(), self.files()], [[], []])

    def test_disk_for_all(self) -> None:
        """One that the disk does not take takes the others with it."""
        (self.directory / "mail/example.test/alice/tmp").rename(self.directory / "elsewhere")
        self.assertRaises(Unavailable, self.append, ONE, TWO)
        self.assertEqual([self.texts(), self.files()], [[], []])

    def test_no_mailbox(self) -> None:
        """A mailbox that is gone takes none."""
        body, stretches = self.body(ONE)
        self.assertRaises(NoSuchMailbox, now, self.store.appends.append(self.user.id, 999, body, stretches))

    def test_crash_between(self) -> None:
        """Files without rows, as a crash leaves them, are no messages after the next start: not one of them."""
        body, stretches = self.body(ONE, TWO)

        def crash(*_: object) -> None:
            raise KeyboardInterrupt

        self.store.appends._database.write_together = crash  # type: ignore[assignment]  # the moment before the commit
        self.store.appends._unfinished.settle = lambda note: None  # type: ignore[method-assign]  # nobody is there to do it
        removed = self.patch_removal()
        self.assertRaises(KeyboardInterrupt, now, self.store.appends.append(self.user.id, self.inbox, body, stretches))
        self.assertEqual([len(self.files()), removed], [2, ["called"]])
        now(self.store.stop())
        self.store = make_store(self, self.directory)
        now(self.store.messages.unfinished.undo())
        self.assertEqual(now(self.store.reindex(self.user.address)).adopted, 0)
        self.assertEqual([self.texts(), self.files()], [[], []])

    def patch_removal(self) -> list[str]:
        """Let nothing be taken away after the crash."""
        called: list[str] = []
        threads = self.store.appends._threads
        run = threads.run

        def leave(work: object, *arguments: object) -> object:
            if getattr(work, "__name__", "") == "remove":
                called.append("called")
                return run(lambda: None)
            return run(work, *arguments)  # type: ignore[arg-type]  # as it came

        self.patch(threads, "run", leave)
        return called

    def replace(self, text: bytes, replaced: int, where: int | None = None) -> int:
        body, (stretch,) = self.body(text)
        return now(self.store.appends.replace(
            self.user.id, where or self.inbox, body, stretch, (self.user.id, self.inbox, replaced))).uid

    def test_replace(self) -> None:
        """A replaced message is gone when the other one is there, and its file with it."""
        self.append(ONE, TWO)
        self.assertEqual(self.replace(THREE, 1), 3)
        self.assertEqual(self.texts(), [TWO, THREE])
        changes = now(self.store.messages.changes(self.user.id, self.inbox, 0))
        assert changes is not None
        self.assertEqual(changes.vanished, (1,))

    def test_replace_elsewhere(self) -> None:
        """The replacement may go to another mailbox."""
        now(self.store.mailboxes.create(self.user.id, "Other"))
        self.append(ONE)
        self.replace(TWO, 1, self.mailbox("Other"))
        self.assertEqual([self.texts(), self.texts(self.mailbox("Other"))], [[], [TWO]])

    def test_replace_within_quota(self) -> None:
        """A full account has the room of what is replaced, and no more."""
        self.append(TWO)
        now(self.store.users.set_quota(self.user.address, len(TWO), 1))
        self.assertEqual(self.replace(ONE, 1), 2)
        self.assertRaises(OverQuota, self.replace, THREE, 2)
        self.assertEqual(self.texts(), [ONE])

    def test_replace_what_is_gone(self) -> None:
        """A message that is not there is not replaced, and the other one does not come."""
        self.assertRaises(NoSuchMessage, self.replace, ONE, 1)
        self.assertEqual([self.texts(), self.files()], [[], []])
