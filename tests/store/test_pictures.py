"""Tests of quantummail.store.pictures: what sessions share is what the rows say."""

from __future__ import annotations

from array import array

from sqlalchemy import delete, update

from quantummail.store import pictures
from quantummail.store.errors import NoSuchMailbox
from quantummail.store.flags import DELETED, SEEN
from quantummail.store.pictures import Picture
from quantummail.store.tables import mailboxes, tombstones
from tests.store.messages import append
from tests.store.test_messages import MessageCase
from tests.support.stores import make_user, now


class PictureCase(MessageCase):
    """An INBOX with five messages, and its picture."""

    def setUp(self) -> None:
        super().setUp()
        for _ in range(5):
            append(self.store, self.inbox)

    def picture(self) -> Picture:
        """As a session gets it."""
        return now(self.store.messages.pictures.get(self.user.id, self.inbox.id))

    def check(self) -> None:
        """The picture is the same as the rows."""
        picture = self.picture()
        uids = now(self.store.messages.open(self.user.id, self.inbox.id, claim_recent=False)).uids
        rows = now(self.store.messages.fetch(self.user.id, self.inbox.id, uids))
        self.assertEqual(
            list(zip(picture.uids, picture.flags, picture.modseqs, strict=True)),
            [(row.uid, row.flags, row.modseq) for row in rows])
        self.assertTrue(picture.current)


    def forget_tombstones(self) -> None:
        """As if there had been too many."""
        with self.store.database.write_engine.begin() as connection:
            connection.execute(delete(tombstones))
            connection.execute(update(mailboxes).values(forgotten_modseq=mailboxes.c.highestmodseq))


class CurrentTests(PictureCase):
    """A picture follows what happens."""

    def test_follows(self) -> None:
        """Flags, new messages and expunged ones are in it as soon as their commit was published."""
        self.check()
        self.set_flags("add", SEEN, uids=(2, 4))
        self.check()
        append(self.store, self.inbox)
        self.set_flags("add", DELETED, uids=(1, 4, 5))
        self.check()
        now(self.store.messages.expunge(self.user.id, self.inbox.id))
        self.check()
        self.assertEqual(list(self.picture().uids), [2, 3, 6])
        self.set_flags("add", DELETED, uids=(2, 3, 6))
        now(self.store.messages.expunge(self.user.id, self.inbox.id))
        self.check()

    def test_many_changes(self) -> None:
        """After many changes all is read again, to the same end."""
        self.patch(pictures, "MOST_CHANGES", 2)
        self.check()
        self.set_flags("add", SEEN, uids=(1, 2, 3))
        self.check()
        now(self.store.messages.remove(self.user.id, self.inbox.id, [1, 2, 3]))
        self.check()

    def test_forgotten(self) -> None:
        """Where tombstones have been given up, all is read again."""
        self.check()
        now(self.store.messages.remove(self.user.id, self.inbox.id, [3]))
        self.forget_tombstones()
        self.check()

    def test_deleted_mailbox(self) -> None:
        """The picture of a mailbox that is gone cannot be had."""
        trash = now(self.store.messages.pictures.get(self.user.id, self.trash.id))
        self.assertEqual(len(trash.uids), 0)
        now(self.store.mailboxes.delete(self.user.id, "Trash"))
        self.store.messages.pictures.hint(self.trash.id, 1 << 40)
        with self.assertRaises(NoSuchMailbox):
            now(self.store.messages.pictures.get(self.user.id, self.trash.id))

    def test_accounts(self) -> None:
        """Nobody sees a picture of another account's mailbox."""
        self.picture()
        bob = make_user(self.store, "bob@example.test")
        self.assertIsNone(self.store.messages.pictures.peek(bob.id, self.inbox.id))
        with self.assertRaises(NoSuchMailbox):
            now(self.store.messages.pictures.get(bob.id, self.inbox.id))

    def test_bounded(self) -> None:
        """Those that were not used for the longest time are let go."""
        self.patch(pictures, "MOST_MESSAGES", 5)
        self.picture()
        append(self.store, self.trash)
        now(self.store.messages.pictures.get(self.user.id, self.trash.id))
        self.assertFalse(self.store.messages.pictures.known(self.user.id, self.inbox.id))
        self.assertTrue(self.store.messages.pictures.known(self.user.id, self.trash.id))

    def test_first_unseen(self) -> None:
        """The first message without \\Seen is found, and found again after a change."""
        self.assertEqual(self.picture().first_unseen, 1)
        self.set_flags("add", SEEN, uids=(1, 2))
        self.assertEqual(self.picture().first_unseen, 3)
        self.set_flags("add", SEEN, uids=(3, 4, 5))
        self.assertEqual(self.picture().first_unseen, 0)


class LateTests(PictureCase):
    """UIDs that are read later are those of the moment of SELECT."""

    def late(self) -> tuple[int, int]:
        """Open INBOX without its UIDs: the mod-sequence and UIDNEXT."""
        snapshot = now(self.store.messages.open(self.user.id, self.inbox.id, claim_recent=True, late_above=0))
        self.assertTrue(snapshot.late)
        self.assertEqual((snapshot.mailbox.messages, snapshot.recent, snapshot.first_unseen), (5, 5, 1))
        return snapshot.mailbox.highestmodseq, snapshot.mailbox.uidnext

    def test_as_they_were(self) -> None:
        """Messages that came since are not among them, those that were expunged since are."""
        modseq, uidnext = self.late()
        append(self.store, self.inbox)
        now(self.store.messages.remove(self.user.id, self.inbox.id, [1, 4]))
        append(self.store, self.inbox)
        now(self.store.messages.remove(self.user.id, self.inbox.id, [6]))
        found = now(self.store.messages.uids_at(self.user.id, self.inbox.id, modseq, uidnext))
        self.assertEqual(list(found), [1, 2, 3, 4, 5])

    def test_forgotten(self) -> None:
        """They cannot be had any more where tombstones have been given up since."""
        modseq, uidnext = self.late()
        now(self.store.messages.remove(self.user.id, self.inbox.id, [1, 4]))
        self.forget_tombstones()
        with self.assertRaises(NoSuchMailbox):
            now(self.store.messages.uids_at(self.user.id, self.inbox.id, modseq, uidnext))

    def test_at_hand(self) -> None:
        """Where the picture is there, nothing is left for later."""
        uids = self.picture().uids
        snapshot = now(self.store.messages.open(self.user.id, self.inbox.id, claim_recent=True, late_above=0))
        self.assertFalse(snapshot.late)
        self.assertIs(snapshot.uids, uids)
        self.assertEqual(snapshot.first_unseen, 1)

    def test_wrong_counters(self) -> None:
        """A mailbox whose counters were found to be wrong is counted from then on."""
        self.store.messages.counters_wrong(self.inbox.id)
        self.flushLoggedErrors()
        snapshot = now(self.store.messages.open(self.user.id, self.inbox.id, claim_recent=True, late_above=0))
        self.assertEqual((snapshot.late, len(snapshot.uids)), (False, 5))


class ColumnTests(PictureCase):
    """Columns are the same from the picture and from the rows."""

    def test_same(self) -> None:
        """In one run, with holes, and with messages that are gone."""
        now(self.store.messages.remove(self.user.id, self.inbox.id, [3]))
        self.set_flags("add", SEEN, uids=(2,))
        names = ("flags", "modseq")
        for uids in ([1, 2], [1, 2, 3, 4, 5], [2, 5], [3], [5, 400]):
            wanted = array("I", uids)
            self.store.messages.pictures.forget(self.inbox.id)
            read = now(self.store.messages.columns(self.user.id, self.inbox.id, wanted, names))
            seen = now(self.store.messages.columns(self.user.id, self.inbox.id, wanted, names, many=True))
            self.assertEqual({name: list(values) for name, values in read.items()},
                             {name: list(values) for name, values in seen.items()})
            self.assertEqual(list(read["uid"]), [uid for uid in uids if uid in (1, 2, 4, 5)])

    def test_contents(self) -> None:
        """What is rendered comes with the row; other accounts get nothing."""
        wanted = array("I", [1, 2])
        found = now(self.store.messages.columns(self.user.id, self.inbox.id, wanted, ("envelope", "size")))
        self.assertTrue(all(envelope.startswith(b"(") for envelope in found["envelope"]))
        bob = make_user(self.store, "bob@example.test")
        found = now(self.store.messages.columns(bob.id, self.inbox.id, wanted, ("envelope", "size")))
        self.assertEqual(found, {"uid": [], "envelope": [], "size": []})
