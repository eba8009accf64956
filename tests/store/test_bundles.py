"""Tests of quantummail.store.bundles and columns: what is read at once is what the rows say."""

from __future__ import annotations

from array import array

from sqlalchemy import select

from quantummail.store import bundles, columns, pictures
from quantummail.store.columns import Columns, pages
from quantummail.store.flags import DELETED, SEEN
from quantummail.store.tables import bundles as table
from tests.store.messages import append
from tests.store.test_messages import MessageCase
from tests.support.stores import make_store, now

ENVELOPES = ("envelope", "size", "flags")


class BundleCase(MessageCase):
    """An INBOX with ten messages, blocks of four UIDs."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(bundles, "BLOCK", 4)
        self.patch(columns, "BLOCK", 4)
        self.patch(columns, "_FEW", 2)
        for number in range(10):
            append(self.store, self.inbox, b"Subject: number %d\r\n\r\ntext\r\n" % number)

    def kept(self) -> list[tuple[str, int]]:
        """Names and blocks of bundles."""
        with self.store.database.write_engine.begin() as connection:
            rows = connection.execute(select(table.c.name, table.c.block)).all()
        return sorted((row.name, row.block) for row in rows)

    def read(self, *uids: int, names: tuple[str, ...] = ENVELOPES, many: bool = False) -> Columns:
        """Columns, each a list."""
        found = now(self.store.messages.columns(self.user.id, self.inbox.id, array("I", uids), names, many=many))
        return {name: list(values) for name, values in found.items()}

    def check(self, *uids: int) -> None:
        """All ways give the same, the second time too."""
        messages = now(self.store.messages.fetch(self.user.id, self.inbox.id, uids, contents=True))
        rows = [(one.uid, one.contents.envelope if one.contents else b"", one.size, one.flags) for one in messages]
        for many in (False, True, False):
            found = self.read(*uids, many=many)
            self.assertEqual(
                list(zip(found["uid"], found["envelope"], found["size"], found["flags"], strict=True)), rows)
        found = self.read(*uids, names=("envelope", "flags"), many=True)
        self.assertEqual(
            list(zip(found["uid"], found["envelope"], found["flags"], strict=True)),
            [(uid, envelope, flags) for uid, envelope, _, flags in rows])


class BlockTests(BundleCase):
    """Blocks of messages."""

    def test_made(self) -> None:
        """A complete block is bundled when it was missed; the last one is not."""
        self.read(4, 5, 6, 7)
        self.assertEqual(self.kept(), [("envelope", 1)])
        self.read(8, 9, 10)
        self.read(1, 2)
        self.assertEqual(self.kept(), [("envelope", 0), ("envelope", 1)])

    def test_same(self) -> None:
        """Whatever happens to the messages, what is read stays true."""
        self.check(4, 5, 6, 7)
        self.check(5, 7)
        self.set_flags("add", SEEN, uids=(5,))
        self.check(4, 5, 6, 7)
        self.set_flags("add", DELETED, uids=(6, 9))
        now(self.store.messages.expunge(self.user.id, self.inbox.id))
        self.check(4, 5, 6, 7)
        self.check(4, 5, 7)
        self.check(6, 7)
        self.check(8, 9, 10)
        now(self.store.messages.move(self.user.id, self.inbox.id, [4, 5], self.trash.id))
        self.check(4, 5, 6, 7)

    def test_removed(self) -> None:
        """Nothing of a message stays behind when it is removed."""
        self.read(1, 2, 3)
        self.read(4, 5, 6, 7)
        now(self.store.messages.remove(self.user.id, self.inbox.id, [5]))
        self.assertEqual(self.kept(), [("envelope", 0)])

    def test_deleted_mailbox(self) -> None:
        """Bundles go with their mailbox."""
        for _ in range(5):
            append(self.store, self.trash)
        now(self.store.messages.columns(self.user.id, self.trash.id, array("I", [1, 2, 3]), ENVELOPES))
        self.assertEqual(self.kept(), [("envelope", 0)])
        now(self.store.mailboxes.delete(self.user.id, "Trash"))
        self.assertEqual(self.kept(), [])

    def test_pages(self) -> None:
        """Blocks with many of the UIDs are pages of their own; few are put together."""
        self.assertEqual([list(page) for page in pages(array("I", [1, 2, 3, 4, 5, 6, 9]))], [[1, 2, 3], [4, 5, 6], [9]])
        self.assertEqual([list(page) for page in pages(array("I", [1, 6, 9, 12, 13]))], [[1, 6], [9], [12, 13]])
        self.assertEqual(list(pages(array("I"))), [])


class KeptPictureTests(BundleCase):
    """Pictures on disk."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(pictures, "WORTH_KEEPING", 5)
        self.patch(pictures, "MOST_CHANGES", 8)

    def picture(self) -> pictures.Picture:
        """As the first session after a start gets it."""
        self.store.messages.pictures.forget(self.inbox.id)
        return now(self.store.messages.pictures.get(self.user.id, self.inbox.id))

    def check_picture(self) -> None:
        """It is the same as the rows."""
        picture = self.picture()
        rows = now(self.store.messages.fetch(self.user.id, self.inbox.id, list(range(1, 30))))
        self.assertEqual(
            list(zip(picture.uids, picture.flags, picture.modseqs, strict=True)),
            [(row.uid, row.flags, row.modseq) for row in rows])

    def test_restored(self) -> None:
        """It is kept when all was read, and what has happened since is read in addition."""
        self.check_picture()
        self.assertEqual(self.kept(), [("picture", 0)])
        self.check_picture()
        self.set_flags("add", SEEN, uids=(2,))
        now(self.store.messages.remove(self.user.id, self.inbox.id, [3]))
        append(self.store, self.inbox)
        self.check_picture()
        self.set_flags("add", SEEN, uids=(1, 2, 4, 5, 6, 7, 8, 9, 10))
        self.check_picture()
        self.check_picture()

    def test_another_run(self) -> None:
        """The next server finds it."""
        self.check_picture()
        now(self.store.stop())
        self.store = make_store(self, self.directory)
        self.check_picture()
