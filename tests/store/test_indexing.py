"""Tests of quantummail.store.indexing and text_files: the index follows the mail, whatever happens to either."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import indexing
from quantummail.store.errors import Unavailable
from quantummail.store.records import User
from quantummail.store.store import Store
from quantummail.store.text_conditions import Anywhere
from quantummail.store.text_files import FORMAT, TextRow
from tests.store.messages import append, box, uids
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now


class IndexingTests(SynchronousTestCase):
    """An account with some mail in INBOX and Trash."""

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.store = make_store(self, self.directory)
        self.user = make_user(self.store)
        for word in ("first", "second", "third"):
            self.append(word)

    def append(self, word: str, mailbox: str = "INBOX") -> int:
        """A message with a word of its own; its UID."""
        octets = f"Subject: {word}\r\n\r\nword{word}\r\n".encode()
        return append(self.store, box(self.store, self.user.id, mailbox), octets).uid

    def index(self) -> None:
        """What a server does in the background."""
        now(self.store.texts.indexing.catch_up())

    def indexed(self, word: str, mailbox: str = "INBOX", store: Store | None = None) -> tuple[set[int], set[int]]:
        """What the index says: found, and not known."""
        store = store or self.store
        inbox = box(store, self.user.id, mailbox)
        (found,) = now(store.texts.find(self.user.id, inbox.id, uids(store, inbox), 4, [Anywhere(f"word{word}")]))
        return found.uids, found.undecided

    def file(self, user: User | None = None) -> Path:
        """The account's file."""
        (path,) = (self.directory / "texts").glob(f"{(user or self.user).id}-*.sqlite")
        return path

    def reopened(self) -> Store:
        """The store after a new start of the server."""
        now(self.store.stop())
        return make_store(self, self.directory)

    def legible(self, word: str) -> bool:
        """Whether a word can be read in the account's file."""
        now(self.store.texts.indexing.catch_up())
        return any(f"word{word}".encode() in path.read_bytes() for path in (self.directory / "texts").iterdir())

    def test_new_messages(self) -> None:
        """Each pass takes in what has come since."""
        self.assertEqual(self.indexed("first"), (set(), {1, 2, 3}))
        self.index()
        self.assertEqual(self.indexed("first"), ({1}, set()))
        self.append("fourth")
        self.assertEqual(self.indexed("fourth"), (set(), {4}))
        self.index()
        self.assertEqual(self.indexed("fourth"), ({4}, set()))

    def test_copies(self) -> None:
        """Copies share one entry; moved messages keep it."""
        self.index()
        self.patch(self.store.bodies, "read_here", None)
        inbox, trash = box(self.store, self.user.id), box(self.store, self.user.id, "Trash")
        now(self.store.messages.copy(self.user.id, inbox.id, [1], trash.id))
        now(self.store.messages.move(self.user.id, inbox.id, [2], trash.id))
        self.index()
        self.assertEqual(self.indexed("first", "Trash"), ({1}, set()))
        self.assertEqual(self.indexed("second", "Trash"), ({2}, set()))

    def test_copies_in_one_mailbox(self) -> None:
        """A message that was copied within its mailbox before it was indexed has one entry, found for both."""
        inbox = box(self.store, self.user.id)
        now(self.store.messages.copy(self.user.id, inbox.id, [1, 2], inbox.id))
        self.index()
        self.assertEqual(self.indexed("first"), ({1, 4}, set()))
        self.assertEqual(self.indexed("second"), ({2, 5}, set()))

    def test_removed(self) -> None:
        """The words of an expunged message leave the file; those of a copy that is left stay."""
        inbox, trash = box(self.store, self.user.id), box(self.store, self.user.id, "Trash")
        self.index()
        now(self.store.messages.copy(self.user.id, inbox.id, [1], trash.id))
        now(self.store.messages.remove(self.user.id, inbox.id, [1, 2]))
        self.assertTrue(self.legible("first"))
        self.assertFalse(self.legible("second"))
        self.assertEqual(self.indexed("second"), (set(), set()))
        self.assertEqual(self.indexed("first", "Trash"), ({1}, set()))

    def test_deleted_mailbox(self) -> None:
        """The words of a deleted mailbox leave the file."""
        now(self.store.mailboxes.create(self.user.id, "Old"))
        self.append("ancient", "Old")
        self.assertTrue(self.legible("ancient"))
        now(self.store.mailboxes.delete(self.user.id, "Old"))
        self.assertFalse(self.legible("ancient"))

    def test_deleted_account(self) -> None:
        """The file of a deleted account goes."""
        self.index()
        self.assertTrue(self.file().exists())
        now(self.store.users.delete(self.user.address))
        self.index()
        self.assertEqual(list((self.directory / "texts").iterdir()), [])

    def test_crash_before_indexing(self) -> None:
        """What was committed and not indexed when the server died is read by searches, and indexed after the start."""
        self.index()
        self.append("late")
        self.store = self.reopened()
        self.assertEqual(self.indexed("late"), (set(), {4}))
        self.index()
        self.assertEqual(self.indexed("late"), ({4}, set()))

    def test_nothing_is_read_again(self) -> None:
        """After a start, only messages that are not in the file are read."""
        self.index()
        self.store = self.reopened()
        self.patch(self.store.bodies, "read_here", None)
        self.index()
        self.assertEqual(self.indexed("first"), ({1}, set()))

    def test_file_removed(self) -> None:
        """A file that somebody takes away, under the server or between two runs, is made again."""
        self.index()
        self.file().unlink()
        self.assertEqual(self.indexed("first"), (set(), {1, 2, 3}))
        self.index()
        self.assertEqual(self.indexed("first"), ({1}, set()))
        now(self.store.stop())
        self.file().unlink()
        self.store = make_store(self, self.directory)
        self.assertEqual(self.indexed("first"), (set(), {1, 2, 3}))
        self.index()
        self.assertEqual(self.indexed("first"), ({1}, set()))

    def test_file_corrupt(self) -> None:
        """A file that is no database any more is made again; searches read the messages meanwhile."""
        self.index()
        for damage in (b"", b"no database at all" * 1000, self.file().read_bytes()[:5000]):
            now(self.store.stop())
            self.file().write_bytes(damage)
            self.store = make_store(self, self.directory)
            self.assertEqual(self.indexed("first"), (set(), {1, 2, 3}))
            self.index()
            self.assertEqual(self.indexed("first"), ({1}, set()))

    def test_corrupt_while_indexing(self) -> None:
        """The same where the background meets it first."""
        self.index()
        self.append("fourth")
        now(self.store.stop())
        self.file().write_bytes(b"no database at all" * 1000)
        self.store = make_store(self, self.directory)
        self.index()
        self.assertEqual(self.indexed("first"), ({1}, set()))
        self.assertEqual(self.indexed("fourth"), ({4}, set()))

    def test_other_format(self) -> None:
        """Files of another version of the program are not looked at, and taken away by a server."""
        self.index()
        now(self.store.stop())
        old = self.file()
        old.rename(old.with_name(old.name.replace(f"-{FORMAT}-", f"-{FORMAT + 1}-")))
        self.store = make_store(self, self.directory)
        self.assertEqual(self.indexed("first"), (set(), {1, 2, 3}))
        self.store.texts.files.start(tidy=True)
        self.assertEqual(list((self.directory / "texts").iterdir()), [])

    def test_older_database(self) -> None:
        """What is in the file and not in the database, as after the return of a backup, goes."""
        self.index()
        writer = self.store.texts.files.writer(self.user.id)
        row = TextRow("0000000000000000", 0, None, "wordstranger", "\n")
        writer.add([row])
        writer.close()
        self.store = self.reopened()
        self.assertFalse(self.legible("stranger"))

    def test_full_disk(self) -> None:
        """On a full disk nothing is indexed; searches go on."""
        self.patch(self.store.bodies, "has_room", lambda _: False)
        self.assertRaises(Unavailable, self.index)
        self.assertEqual(self.indexed("first"), (set(), {1, 2, 3}))


class BackgroundTests(SynchronousTestCase):
    """When the work is done."""

    def setUp(self) -> None:
        self.store = make_store(self, temporary_directory(self))
        self.user = make_user(self.store)
        self.clock = Clock()
        texts = self.store.texts
        self.indexing = indexing.Indexing(
            self.store.database, self.store.messages, self.store.bodies, texts.files, texts._threads, self.clock)
        self.box = box(self.store, self.user.id)
        self.addCleanup(lambda: now(self.indexing.stop()))

    def append(self) -> None:
        """A message comes."""
        append(self.store, self.box)
        self.indexing.changed([self.box.id])

    def test_after_a_while(self) -> None:
        """Mail is indexed when there is a pause."""
        self.indexing.start()
        self.clock.pump([indexing.QUIET] * 4)
        self.append()
        self.clock.advance(indexing.QUIET / 2)
        self.append()
        self.clock.advance(indexing.QUIET * 0.6)
        self.assertEqual(self.indexing.indexed_below(self.box.id), 1)
        self.clock.pump([indexing.QUIET] * 3)
        self.assertEqual(self.indexing.indexed_below(self.box.id), 3)

    def test_without_a_pause(self) -> None:
        """A stream of mail that never ends is indexed all the same."""
        self.indexing.start()
        for _ in range(int(indexing.LATEST / 0.25) + 5):
            self.append()
            self.clock.advance(0.25)
        self.assertGreater(self.indexing.indexed_below(self.box.id), 10)

    def test_other_processes(self) -> None:
        """What commands have done is seen within a minute."""
        self.indexing.start()
        self.clock.pump([indexing.QUIET] * 4)
        append(self.store, self.box)
        self.clock.pump([1.0] * 62)
        self.assertEqual(self.indexing.indexed_below(self.box.id), 2)

    def test_stop(self) -> None:
        """After the end nothing is begun."""
        self.indexing.start()
        self.append()
        now(self.indexing.stop())
        self.clock.pump([1.0] * 100)
        self.assertEqual(self.indexing.indexed_below(self.box.id), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])
