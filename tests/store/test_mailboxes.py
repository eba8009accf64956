"""Tests of quantummail.store.mailboxes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import mailboxes
from quantummail.store.errors import AlreadyExists, InvalidName, LimitReached, NoSuchMailbox, NotAllowed, Unavailable
from quantummail.store.usefile import STANDARD
from tests.store.messages import PLAIN, append, box, content, uids
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now


class MailboxCase(SynchronousTestCase):
    """An account."""

    def setUp(self) -> None:
        directory = temporary_directory(self)
        self.store = make_store(self, directory)
        self.user = make_user(self.store)
        self.maildir = directory / "mail/example.test/alice"
        self.standard = self.names()

    def names(self) -> list[str]:
        """All mailboxes."""
        return [found.name for found in now(self.store.mailboxes.list(self.user.id))]

    def added(self) -> list[str]:
        """Those beyond what every account has."""
        return [name for name in self.names() if name not in self.standard]

    def create(self, name: str, special_use: str = "") -> None:
        """Create one."""
        now(self.store.mailboxes.create(self.user.id, name, special_use))

    def rename(self, old: str, new: str) -> None:
        """Rename one."""
        now(self.store.mailboxes.rename(self.user.id, old, new))

    def delete(self, name: str) -> None:
        """Delete one."""
        now(self.store.mailboxes.delete(self.user.id, name))

    def folders(self) -> set[str]:
        """Folders in the tree beyond those of every account."""
        return {path.name for path in self.maildir.iterdir() if path.name.startswith(".")} - {
            f".{name}" for name in self.standard}


class CreateTests(MailboxCase):
    """CREATE."""

    def test_standard(self) -> None:
        """Every account has INBOX and the mailboxes with special uses, subscribed."""
        found = {box.name: box.special_use for box in now(self.store.mailboxes.list(self.user.id))}
        self.assertEqual(found, STANDARD)
        self.assertEqual(list(now(self.store.mailboxes.subscriptions(self.user.id))), sorted(found))

    def test_parents(self) -> None:
        """Mailboxes above are made too."""
        self.create("a/b/c")
        self.assertEqual(self.added(), ["a", "a/b", "a/b/c"])
        self.assertEqual(self.folders(), {".a", ".a.b", ".a.b.c"})

    def test_refused(self) -> None:
        """Names that exist or cannot be, and uses that are taken."""
        self.assertRaises(AlreadyExists, self.create, "inbox")
        self.assertRaises(AlreadyExists, self.create, "Sent")
        self.assertRaises(InvalidName, self.create, "a//b")
        self.assertRaises(NotAllowed, self.create, "Sent too", "\\Sent")
        self.assertEqual(self.added(), [])

    def test_limit(self) -> None:
        """An account has only so many mailboxes, those above counted."""
        self.patch(mailboxes, "MOST_MAILBOXES", len(self.standard) + 2)
        self.assertRaises(LimitReached, self.create, "a/b/c")
        self.create("a/b")
        self.assertRaises(LimitReached, self.create, "c")

    def test_limit_of_subscriptions(self) -> None:
        """Nor has it more than so many subscriptions; to say one again costs nothing."""
        there = now(self.store.mailboxes.subscriptions(self.user.id))
        self.patch(mailboxes, "MOST_SUBSCRIPTIONS", len(there) + 1)
        now(self.store.mailboxes.subscribe(self.user.id, "nowhere"))
        now(self.store.mailboxes.subscribe(self.user.id, "nowhere"))
        self.assertRaises(LimitReached, now, self.store.mailboxes.subscribe(self.user.id, "nowhere else"))
        self.assertEqual(now(self.store.mailboxes.subscriptions(self.user.id)), sorted([*there, "nowhere"]))

    def test_other_account(self) -> None:
        """Accounts do not see each other's mailboxes."""
        self.create("mine")
        bob = make_user(self.store, "bob@example.test")
        self.assertIsNone(now(self.store.mailboxes.find(bob.id, "mine")))
        self.assertRaises(NoSuchMailbox, now, self.store.mailboxes.delete(bob.id, "mine"))


class DeleteTests(MailboxCase):
    """DELETE."""

    def test_children_stay(self) -> None:
        """Those below stay, and the name can be made again, empty and with another UIDVALIDITY."""
        self.create("a/b")
        before = box(self.store, self.user.id, "a")
        append(self.store, before)
        self.delete("a")
        self.assertEqual(self.added(), ["a/b"])
        self.assertEqual(self.folders(), {".a.b"})
        self.create("a")
        after = box(self.store, self.user.id, "a")
        self.assertEqual(uids(self.store, after), [])
        self.assertNotEqual((after.id, after.uidvalidity), (before.id, before.uidvalidity))
        self.assertEqual(now(self.store.reindex()).adopted, 0)

    def test_usage(self) -> None:
        """What was in it does not count any more."""
        self.create("a")
        append(self.store, box(self.store, self.user.id, "a"))
        self.delete("a")
        usage = now(self.store.mailboxes.quota(self.user.id))
        self.assertEqual((usage.used_bytes, usage.used_messages), (0, 0))

    def test_refused(self) -> None:
        """INBOX stays; what is not there cannot be deleted."""
        self.assertRaises(NotAllowed, self.delete, "Inbox")
        for name in ("nothing", "a//b", ""):
            self.assertRaises(NoSuchMailbox, self.delete, name)

    def test_published(self) -> None:
        """Sessions in the mailbox are told, and find it gone."""
        self.create("a")
        found = box(self.store, self.user.id, "a")
        told: list[int] = []
        self.store.changes.watch(found.id, told.append)
        self.delete("a")
        self.assertEqual(len(told), 1)
        self.assertIsNone(now(self.store.messages.changes(self.user.id, found.id, 0)))

    def test_directory_in_the_way(self) -> None:
        """A deletion that the tree refuses changes nothing."""
        self.create("a")
        found = box(self.store, self.user.id, "a")
        append(self.store, found)
        (self.maildir / f"tmp/{mailboxes.ASIDE}{found.id}/x").mkdir(parents=True)
        self.assertRaises(Unavailable, self.delete, "a")
        self.assertEqual(content(self.store, found, 1), PLAIN)


class RenameTests(MailboxCase):
    """RENAME."""

    def test_children(self) -> None:
        """Those below move too; identity, messages and the parents of the new name are there."""
        self.create("a/b")
        before = box(self.store, self.user.id, "a/b")
        append(self.store, before)
        self.rename("a", "x/y")
        self.assertEqual(self.added(), ["x", "x/y", "x/y/b"])
        self.assertEqual(self.folders(), {".x", ".x.y", ".x.y.b"})
        after = box(self.store, self.user.id, "x/y/b")
        self.assertEqual((after.id, after.uidvalidity), (before.id, before.uidvalidity))
        self.assertEqual(content(self.store, after, 1), PLAIN)

    def test_similar_names(self) -> None:
        """Mailboxes whose names only begin alike stay."""
        self.create("a")
        self.create("ab")
        self.create("a b")
        self.rename("a", "z")
        self.assertEqual(self.added(), ["a b", "ab", "z"])

    def test_refused(self) -> None:
        """Names in use, names below itself, mailboxes that are not there."""
        self.create("a/b")
        self.assertRaises(AlreadyExists, self.rename, "a", "Sent")
        self.assertRaises(AlreadyExists, self.rename, "a", "inbox")
        self.assertRaises(AlreadyExists, self.rename, "a", "a")
        self.assertRaises(NotAllowed, self.rename, "a", "a/b/c")
        self.assertRaises(NoSuchMailbox, self.rename, "nothing", "c")
        self.assertRaises(InvalidName, self.rename, "a", "c/")
        self.assertEqual(self.added(), ["a", "a/b"])

    def test_child_in_the_way(self) -> None:
        """A mailbox that only a deleted parent left under the new name is in the way; nothing is half renamed."""
        self.create("a/x")
        self.create("b/x")
        self.delete("b")
        self.assertRaises(AlreadyExists, self.rename, "a", "b")
        self.assertEqual(self.added(), ["a", "a/x", "b/x"])
        self.assertEqual(self.folders(), {".a", ".a.x", ".b.x"})

    def test_directory_in_the_way(self) -> None:
        """A rename that the tree refuses half-way is taken back as a whole."""
        self.create("a/x")
        (self.maildir / ".b.x/cur").mkdir(parents=True)
        self.assertRaises(Unavailable, self.rename, "a", "b")
        self.assertEqual(self.added(), ["a", "a/x"])
        self.assertEqual(self.folders(), {".a", ".a.x", ".b.x"})

    def test_inbox(self) -> None:
        """INBOX gives its messages away and stays; those below it stay too (RFC 3501 6.3.5)."""
        self.create("INBOX/child")
        inbox = box(self.store, self.user.id)
        append(self.store, inbox)
        self.rename("inbox", "old/mail")
        self.assertEqual(uids(self.store, inbox), [])
        self.assertEqual(content(self.store, box(self.store, self.user.id, "old/mail"), 1), PLAIN)
        self.assertIn("INBOX/child", self.names())

    def test_inbox_over_quota(self) -> None:
        """Moving within an account that has less room than it uses is no addition."""
        append(self.store, box(self.store, self.user.id))
        now(self.store.users.set_quota(self.user.address, 1, 1))
        self.rename("INBOX", "old")
        self.assertEqual(len(uids(self.store, box(self.store, self.user.id, "old"))), 1)

    def test_removed_messages(self) -> None:
        """Files that wait to be removed go from the new place."""
        self.create("a")
        found = box(self.store, self.user.id, "a")
        uid = append(self.store, found).uid
        now(self.store.messages.remove(self.user.id, found.id, [uid]))
        self.rename("a", "b")
        now(self.store.mirror.catch_up())
        self.assertEqual(list((self.maildir / ".b/new").iterdir()), [])


class SubscriptionTests(MailboxCase):
    """SUBSCRIBE."""

    def test_any_name(self) -> None:
        """A name is subscribed to once, there or not, until it is not; its mailbox does not matter."""
        for _ in range(2):
            now(self.store.mailboxes.subscribe(self.user.id, "nothing"))
        self.assertEqual(list(now(self.store.mailboxes.subscriptions(self.user.id))).count("nothing"), 1)
        for _ in range(2):
            now(self.store.mailboxes.unsubscribe(self.user.id, "nothing"))
        self.assertNotIn("nothing", now(self.store.mailboxes.subscriptions(self.user.id)))
