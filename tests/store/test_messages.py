"""Tests of quantummail.store.messages: flags, keywords, copies, quotas and what others are told."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import files
from quantummail.store.errors import LimitReached, NoSuchMailbox, NoSuchMessage, OverQuota, Unavailable
from quantummail.store.flags import ANSWERED, DELETED, FLAGGED, MAX_KEYWORDS, SEEN, names, split
from quantummail.store.records import FlagChange
from tests.store.messages import PLAIN, append, box, content, uids
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now


class MessageCase(SynchronousTestCase):
    """An account with INBOX and Trash."""

    def setUp(self) -> None:
        directory = self.directory = temporary_directory(self)
        self.store = make_store(self, directory)
        self.user = make_user(self.store)
        self.inbox = box(self.store, self.user.id)
        self.trash = box(self.store, self.user.id, "Trash")
        self.maildir = directory / "mail/example.test/alice"

    def set_flags(
        self, operation: str, flags: int, *keywords: str, uids: tuple[int, ...] = (1,),
        unchanged_since: int | None = None,
    ) -> FlagChange:
        """STORE in INBOX."""
        return now(self.store.messages.set_flags(
            self.user.id, self.inbox.id, uids, operation, flags, keywords,  # type: ignore[arg-type]  # a literal
            unchanged_since=unchanged_since))

    def flags(self, uid: int, name: str = "INBOX") -> list[str]:
        """The flags of a message by their names."""
        found = box(self.store, self.user.id, name)
        keywords = now(self.store.messages.open(self.user.id, found.id, claim_recent=False)).keywords
        (message,) = now(self.store.messages.fetch(self.user.id, found.id, [uid]))
        return names(message.flags, keywords)

    def tree(self) -> list[str]:
        """All files of messages."""
        return [name for folder in (self.maildir, self.maildir / ".Trash") for part in ("new", "cur")
                for name in os.listdir(folder / part)]


class FlagTests(MessageCase):
    """STORE."""

    def test_operations(self) -> None:
        """Flags and keywords are added, removed and replaced."""
        append(self.store, self.inbox)
        self.set_flags("add", SEEN, "$Work")
        self.assertEqual(self.flags(1), ["\\Seen", "$Work"])
        self.set_flags("add", FLAGGED, "$work", "Other")
        self.assertEqual(self.flags(1), ["\\Seen", "\\Flagged", "$Work", "Other"])
        self.set_flags("remove", SEEN, "$WORK", "Unknown")
        self.assertEqual(self.flags(1), ["\\Flagged", "Other"])
        self.set_flags("replace", ANSWERED)
        self.assertEqual(self.flags(1), ["\\Answered"])

    def test_modseq(self) -> None:
        """Only messages whose flags really change get a new mod-sequence, one for all of them."""
        append(self.store, self.inbox, flags=SEEN)
        append(self.store, self.inbox)
        append(self.store, self.inbox)
        before = box(self.store, self.user.id).highestmodseq
        changed = self.set_flags("add", SEEN, uids=(1, 2, 3, 99)).changed
        self.assertEqual([(state.uid, state.modseq > before) for state in changed], [(1, False), (2, True), (3, True)])
        self.assertEqual(box(self.store, self.user.id).highestmodseq, before + 1)
        self.set_flags("add", SEEN, uids=(1, 2, 3))
        self.assertEqual(box(self.store, self.user.id).highestmodseq, before + 1)

    def test_unchanged_since(self) -> None:
        """Messages that have changed since are left alone and told (RFC 7162 3.1.3)."""
        append(self.store, self.inbox)
        append(self.store, self.inbox)
        since = box(self.store, self.user.id).highestmodseq
        self.set_flags("add", SEEN, uids=(2,))
        outcome = self.set_flags("add", FLAGGED, uids=(1, 2), unchanged_since=since)
        self.assertEqual(([state.uid for state in outcome.changed], outcome.modified), ([1], (2,)))
        self.assertEqual(self.set_flags("add", FLAGGED, uids=(1, 2), unchanged_since=0).modified, (1, 2))

    def test_keyword_limit(self) -> None:
        """The last keyword that fits works like the first; one more is refused, and nothing changes."""
        append(self.store, self.inbox)
        keywords = [f"k{number}" for number in range(MAX_KEYWORDS)]
        self.set_flags("add", SEEN, *keywords)
        self.assertEqual(self.flags(1), ["\\Seen", *keywords])
        self.assertRaises(LimitReached, self.set_flags, "add", FLAGGED, "more")
        self.assertRaises(LimitReached, self.set_flags, "add", FLAGGED, "x" * 65)
        self.assertEqual(self.flags(1), ["\\Seen", *keywords])
        self.set_flags("remove", 0, keywords[-1])
        self.assertEqual(self.flags(1), ["\\Seen", *keywords[:-1]])

    def test_keyword_places_are_freed(self) -> None:
        """Where all places are taken a new keyword gets that of one which no message carries."""
        append(self.store, self.inbox)
        keywords = [f"k{number}" for number in range(MAX_KEYWORDS)]
        self.set_flags("add", 0, *keywords)
        self.set_flags("replace", 0, *keywords[2:])
        # not the place of k1, which comes back in the same breath
        self.assertEqual(self.set_flags("add", 0, "new", "K1").keywords, ("new", *keywords[1:]))
        self.assertEqual(self.flags(1), ["new", *keywords[1:]])
        self.assertRaises(LimitReached, self.set_flags, "add", 0, "more")
        self.set_flags("replace", 0)
        append(self.store, self.inbox, keywords=["x", "y", "x"])
        self.assertEqual(self.flags(2), ["x", "y"])
        self.assertEqual(self.flags(1), [])

    def test_keywords_of_one_transaction(self) -> None:
        """A place that a message gets in a transaction is not given away in it, before there is a row."""
        full = [f"k{number}" for number in range(MAX_KEYWORDS)]
        uid = append(self.store, self.inbox, keywords=full).uid
        now(self.store.messages.remove(self.user.id, self.inbox.id, [uid]))
        append(self.store, self.trash, keywords=["a"])
        append(self.store, self.trash, keywords=["b"])
        now(self.store.messages.copy(self.user.id, self.trash.id, [1, 2], self.inbox.id))
        self.assertEqual([self.flags(2), self.flags(3)], [["a"], ["b"]])

    def test_keyword_of_a_failed_store(self) -> None:
        """A change that fails, or finds no message, leaves no new keyword behind."""
        append(self.store, self.inbox)
        self.assertEqual(self.set_flags("add", 0, "new", uids=(9,)).keywords, ())
        self.assertRaises(LimitReached, self.set_flags, "add", 0, "new", "x" * 65)
        self.assertRaises(LimitReached, append, self.store, self.inbox, PLAIN, 0, ["new", "x" * 65])
        self.assertEqual(self.set_flags("add", SEEN).keywords, ())

    def test_split(self) -> None:
        """System flags are known in any case, unknown ones left out, everything else is a keyword."""
        self.assertEqual(split(["\\seen", "$A", "\\Recent", "\\*", "b"]), (SEEN, ["$A", "b"]))

    def test_gone(self) -> None:
        """In a mailbox that is gone nothing can be changed."""
        now(self.store.mailboxes.delete(self.user.id, "Trash"))
        self.assertRaises(NoSuchMailbox, now, self.store.messages.set_flags(
            self.user.id, self.trash.id, [1], "add", SEEN, ()))

    def test_other_account(self) -> None:
        """Another account's mailbox is none."""
        append(self.store, self.inbox)
        bob = make_user(self.store, "bob@example.test")
        messages = self.store.messages
        self.assertRaises(NoSuchMailbox, now, messages.set_flags(bob.id, self.inbox.id, [1], "add", SEEN, ()))
        self.assertRaises(NoSuchMailbox, now, messages.remove(bob.id, self.inbox.id, [1]))
        self.assertRaises(NoSuchMailbox, now, messages.open(bob.id, self.inbox.id, claim_recent=True))
        self.assertRaises(NoSuchMailbox, now, messages.copy(
            bob.id, self.inbox.id, [1], box(self.store, bob.id).id, ))
        self.assertEqual(now(messages.fetch(bob.id, self.inbox.id, [1])), [])
        self.assertIsNone(now(messages.changes(bob.id, self.inbox.id, 0)))


class CopyTests(MessageCase):
    """COPY and MOVE."""

    def copy(self, *picked: int, move: bool = False) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """From INBOX to Trash; UIDs there and here."""
        work = self.store.messages.move if move else self.store.messages.copy
        copied = now(work(self.user.id, self.inbox.id, picked, self.trash.id))
        return copied.source_uids, copied.destination_uids

    def test_keywords(self) -> None:
        """Keywords keep their names where other bits mean them."""
        append(self.store, self.trash, keywords=["b", "x"])
        append(self.store, self.inbox, flags=SEEN, keywords=["a", "b"])
        for move in (False, True):
            _, (uid,) = self.copy(1, move=move)
            self.assertEqual(sorted(self.flags(uid, "Trash")), ["\\Seen", "a", "b"])

    def test_keywords_do_not_fit(self) -> None:
        """A message is copied without the keywords for which there is no room."""
        append(self.store, self.trash, keywords=[f"k{number}" for number in range(MAX_KEYWORDS)])
        append(self.store, self.inbox, keywords=["k0", "new"])
        _, (uid,) = self.copy(1)
        self.assertEqual(self.flags(uid, "Trash"), ["k0"])

    def test_one_file(self) -> None:
        """A copy has no octets of its own."""
        append(self.store, self.inbox)
        self.copy(1)
        first, second = (next((self.maildir / part).iterdir()) for part in ("new", ".Trash/new"))
        self.assertEqual(first.stat().st_ino, second.stat().st_ino)

    def test_missing(self) -> None:
        """UIDs that are gone are left out."""
        append(self.store, self.inbox)
        self.assertEqual(self.copy(1, 3), ((1,), (1,)))
        self.assertEqual(self.copy(7), ((), ()))

    def test_file_missing(self) -> None:
        """Where a file is gone nothing is copied, and its message is expunged."""
        for move in (False, True):
            first, second = append(self.store, self.inbox).uid, append(self.store, self.inbox).uid
            (self.maildir / self.location(first)).unlink()
            before = self.tree()
            self.assertRaises(NoSuchMessage, self.copy, first, second, move=move)
            self.assertEqual((self.tree(), uids(self.store, self.trash)), (before, []))
            self.assertNotIn(first, uids(self.store, self.inbox))
        self.assertEqual(self.store.messages.arrivals.snapshot("example.test/alice/.Trash"), set())

    def location(self, uid: int) -> str:
        """Where a message's file is."""
        (message,) = now(self.store.messages.fetch(self.user.id, self.inbox.id, [uid]))
        return message.location.path

    def test_over_quota(self) -> None:
        """A copy that does not fit changes nothing; a move always fits."""
        append(self.store, self.inbox)
        append(self.store, self.inbox)
        now(self.store.users.set_quota(self.user.address, 0, 3))
        before = self.tree()
        self.assertRaises(OverQuota, self.copy, 1, 2)
        self.assertEqual(self.tree(), before)
        now(self.store.users.set_quota(self.user.address, 0, 1))
        self.assertEqual(self.copy(1, 2, move=True), ((1, 2), (1, 2)))

    def test_cannot_link(self) -> None:
        """A copy that the disk refuses half-way changes nothing."""
        append(self.store, self.inbox)
        append(self.store, self.inbox)
        before = self.tree()
        link = files.link
        count = 0

        def failing(root: str, source: str, directory: str, path: str) -> None:
            nonlocal count
            count += 1
            if count == 2:
                raise OSError(28, "No space left on device")
            link(root, source, directory, path)

        self.patch(files, "link", failing)
        self.assertRaises(Unavailable, self.copy, 1, 2)
        self.assertEqual(self.tree(), before)
        self.assertEqual(uids(self.store, self.trash), [])
        self.assertEqual(self.store.messages.arrivals.snapshot("example.test/alice/.Trash"), set())

    def test_killed(self) -> None:
        """A copy that a crash ended before its rows is not there after the next start; one with rows is."""
        for _ in range(2):
            append(self.store, self.inbox)
        self.copy(2)
        before = self.tree()

        class Killed(BaseException):
            pass

        def killed(*_arguments: object, **_more: object) -> None:
            raise Killed

        self.patch(self.store.database, "write", killed)
        self.patch(files, "remove", lambda *_: None)
        self.patch(self.store.messages.unfinished, "settle", lambda _note: None)
        self.assertRaises(Killed, self.copy, 1, move=True)
        self.assertEqual(len(self.tree()), len(before) + 1)
        again = make_store(self, self.directory)
        now(again.messages.unfinished.undo())
        self.assertEqual((self.tree(), os.listdir(self.directory / "spool")), (before, []))
        now(again.adoption.scan(self.user.id, self.user.address, full=True))
        self.assertEqual(uids(again, self.trash), [1])

    def test_killed_after_the_commit(self) -> None:
        """What has its row stays, and so does the last name of a message."""
        append(self.store, self.inbox)
        self.patch(self.store.messages.unfinished, "settle", lambda _note: None)
        self.copy(1)
        self.assertEqual(len(os.listdir(self.directory / "spool")), 1)
        again = make_store(self, self.directory)
        now(again.messages.unfinished.undo())
        self.assertEqual(content(again, self.trash, 1), PLAIN)
        (only,) = (self.maildir / "new").iterdir()
        self.store.messages.unfinished.note(
            self.user.id, self.inbox.id, "example.test/alice", ["new/x", "new/y"]).write()
        only.rename(self.maildir / "new/x")
        (self.maildir / ".Trash/new").joinpath(os.listdir(self.maildir / ".Trash/new")[0]).unlink()
        now(again.messages.unfinished.undo())
        self.assertEqual(os.listdir(self.maildir / "new"), ["x"])

    def test_within(self) -> None:
        """A move to the same mailbox gives new UIDs."""
        append(self.store, self.inbox)
        moved = now(self.store.messages.move(self.user.id, self.inbox.id, [1], self.inbox.id))
        self.assertEqual((moved.source_uids, moved.destination_uids), ((1,), (2,)))
        now(self.store.mirror.catch_up())
        self.assertEqual(content(self.store, self.inbox, 2), PLAIN)


class AppendTests(MessageCase):
    """APPEND and deliveries."""

    def test_quota(self) -> None:
        """What fits exactly is taken, one octet or one message more is not, and leaves nothing behind."""
        now(self.store.users.set_quota(self.user.address, 2 * len(PLAIN), 0))
        append(self.store, self.inbox)
        append(self.store, self.inbox)
        before = self.tree()
        self.assertRaises(OverQuota, append, self.store, self.inbox, b"x")
        self.assertEqual(self.tree(), before)
        self.assertRaises(OverQuota, now, self.store.messages.room_for(self.user.id, 1))
        now(self.store.users.set_quota(self.user.address, 0, 3))
        append(self.store, self.inbox)
        self.assertRaises(OverQuota, append, self.store, self.inbox)

    def test_gone(self) -> None:
        """Into a mailbox that is gone nothing is stored."""
        now(self.store.mailboxes.delete(self.user.id, "Trash"))
        self.assertRaises(NoSuchMailbox, append, self.store, self.trash)

    def test_disk(self) -> None:
        """What the disk does not take leaves nothing behind, and is a passing trouble."""

        def full(*_arguments: object, **_more: object) -> None:
            raise OSError(28, "No space left on device")

        self.patch(files, "put", full)
        self.assertRaises(Unavailable, append, self.store, self.inbox)
        self.assertEqual(self.store.messages.arrivals.snapshot("example.test/alice"), set())

    def test_empty(self) -> None:
        """A message without octets is a message."""
        append(self.store, self.inbox, b"")
        self.assertEqual(content(self.store, self.inbox, 1), b"")


class ChangeTests(MessageCase):
    """What sessions learn."""

    def test_recent(self) -> None:
        """A message is recent for the first session that selects, not for those that examine."""
        append(self.store, self.inbox)

        def recent(claim: bool) -> bool:
            snapshot = now(self.store.messages.open(self.user.id, self.inbox.id, claim_recent=claim))
            return snapshot.uids[-1] >= snapshot.recent_from

        self.assertEqual([recent(False), recent(True), recent(True), recent(False)], [True, True, False, False])
        append(self.store, self.inbox)
        self.assertTrue(recent(True))

    def test_recent_after_restart(self) -> None:
        """What sessions were told of is not recent after an orderly stop; what they were not told of is."""
        append(self.store, self.inbox)
        now(self.store.messages.open(self.user.id, self.inbox.id, claim_recent=True))
        append(self.store, self.inbox)
        now(self.store.stop())
        again = make_store(self, self.directory)
        self.assertEqual(now(again.messages.count_recent(self.user.id, self.inbox.id)), 1)
        now(again.messages.open(self.user.id, self.inbox.id, claim_recent=True))
        self.assertEqual(now(again.messages.count_recent(self.user.id, self.inbox.id)), 0)

    def test_first_unseen(self) -> None:
        """The number of the first unseen message is told, 0 when there is none."""
        for flags in (SEEN, SEEN | DELETED, 0, 0):
            append(self.store, self.inbox, flags=flags)
        self.assertEqual(now(self.store.messages.open(
            self.user.id, self.inbox.id, claim_recent=False)).first_unseen, 3)
        self.set_flags("add", SEEN, uids=(3, 4))
        self.assertEqual(now(self.store.messages.open(
            self.user.id, self.inbox.id, claim_recent=False)).first_unseen, 0)

    def test_changes(self) -> None:
        """New messages, changed flags and vanished ones since a mod-sequence, in the order of UIDs."""
        for _ in range(4):
            append(self.store, self.inbox)
        since = box(self.store, self.user.id).highestmodseq
        append(self.store, self.inbox)
        self.set_flags("add", SEEN, uids=(3,))
        now(self.store.messages.remove(self.user.id, self.inbox.id, [2]))
        changes = now(self.store.messages.changes(self.user.id, self.inbox.id, since))
        assert changes is not None
        self.assertEqual([state.uid for state in changes.changed], [3, 5])
        self.assertEqual(changes.vanished, (2,))
        since = changes.mailbox.highestmodseq
        changes = now(self.store.messages.changes(self.user.id, self.inbox.id, since))
        assert changes is not None
        self.assertEqual((changes.changed, changes.vanished), ((), ()))

    def test_published(self) -> None:
        """Watchers hear of each commit until they stop; one that fails does not disturb the others."""
        told: list[int] = []

        def failing(_modseq: int) -> None:
            raise ZeroDivisionError

        self.store.changes.watch(self.inbox.id, failing)
        stop = self.store.changes.watch(self.inbox.id, told.append)
        append(self.store, self.inbox)
        self.assertEqual(told, [box(self.store, self.user.id).highestmodseq])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        stop()
        stop()
        append(self.store, self.inbox)
        self.assertEqual(len(told), 1)
        self.flushLoggedErrors(ZeroDivisionError)

    def test_many_ranges(self) -> None:
        """UIDs with many holes are fetched in order, and only those."""
        for _ in range(60):
            append(self.store, self.inbox)
        wanted = list(range(1, 61, 2))
        found = now(self.store.messages.fetch(self.user.id, self.inbox.id, wanted))
        self.assertEqual([message.uid for message in found], wanted)
