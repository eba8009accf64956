"""A maildrop as one session sees it."""

from __future__ import annotations

from array import array

from twisted.trial.unittest import SynchronousTestCase

from quantummail.pop3.maildrop import UNKNOWN, Maildrop, NoMessage


class MaildropTests(SynchronousTestCase):
    """Four messages of 10, 20, 30 and 40 octets."""

    def setUp(self) -> None:
        self.maildrop = Maildrop(0xABC, array("I", [3, 5, 17, 300]), 100)

    def learn(self) -> None:
        """All sizes come to be known."""
        for number in range(1, 5):
            self.maildrop.learn(number, number * 10)

    def test_numbers(self) -> None:
        """Numbers count from 1, whatever the UIDs are."""
        self.assertEqual([self.maildrop.check(number) for number in (1, 2, 3, 4)], [3, 5, 17, 300])
        for number in (0, 5, 9_999_999_999, -1):
            self.assertRaises(NoMessage, self.maildrop.check, number)

    def test_delete(self) -> None:
        """A deleted message is not there any more, and the others keep their numbers."""
        self.maildrop.delete(2)
        self.assertRaises(NoMessage, self.maildrop.check, 2)
        self.assertRaises(NoMessage, self.maildrop.delete, 2)
        self.assertEqual(list(self.maildrop.present()), [1, 3, 4])
        self.assertEqual(self.maildrop.deleted_uids(), [5])

    def test_reset(self) -> None:
        """RSET brings them back."""
        self.learn()
        self.maildrop.delete(2)
        self.maildrop.reset()
        self.assertEqual(self.maildrop.stat(), (4, 100))
        self.assertEqual(list(self.maildrop.present()), [1, 2, 3, 4])
        self.assertEqual(self.maildrop.deleted_uids(), [])

    def test_stat_without_sizes(self) -> None:
        """The sum that the store keeps answers STAT, without any row."""
        self.assertEqual(self.maildrop.stat(), (4, 100))

    def test_stat_after_deletion(self) -> None:
        """What is deleted does not count, as soon as its size is known."""
        self.maildrop.delete(4)
        self.assertIsNone(self.maildrop.stat())
        self.learn()
        self.assertEqual(self.maildrop.stat(), (3, 60))
        self.maildrop.delete(1)
        self.assertEqual(self.maildrop.stat(), (2, 50))

    def test_stat_of_a_part(self) -> None:
        """Without a sum all sizes are needed."""
        part = Maildrop(1, array("I", [3, 5]))
        self.assertIsNone(part.stat())
        self.assertEqual(part.unsized(), 1)
        part.learn(1, 7)
        self.assertEqual((part.stat(), part.unsized()), (None, 2))
        part.learn(2, 8)
        self.assertEqual((part.stat(), part.unsized()), ((2, 15), 0))

    def test_vanished(self) -> None:
        """A message that somebody else removed is no message, and does not count."""
        self.learn()
        self.maildrop.vanished(3)
        self.assertRaises(NoMessage, self.maildrop.check, 3)
        self.assertEqual(self.maildrop.stat(), (3, 70))
        self.maildrop.reset()
        self.assertEqual(self.maildrop.stat(), (3, 70))

    def test_vanished_before_it_was_seen(self) -> None:
        """Its size was in the sum: the sum is made anew from the others."""
        self.maildrop.vanished(3)
        for number in (1, 2, 4):
            self.maildrop.learn(number, number * 10)
        self.assertEqual(self.maildrop.stat(), (3, 70))

    def test_vanished_twice(self) -> None:
        """It is subtracted once."""
        self.learn()
        self.maildrop.vanished(3)
        self.maildrop.vanished(3)
        self.assertEqual(self.maildrop.stat(), (3, 70))

    def test_vanished_after_deletion(self) -> None:
        """Deleted here and there, it counts once."""
        self.maildrop.delete(3)
        self.maildrop.vanished(3)
        for number in (1, 2, 4):
            self.maildrop.learn(number, number * 10)
        self.assertEqual(self.maildrop.stat(), (3, 70))

    def test_unique_ids(self) -> None:
        """UIDVALIDITY and UID in hex: printable, at most 70 characters, never those of another message."""
        self.assertEqual([self.maildrop.unique_id(number) for number in (1, 3, 4)], ["abc-3", "abc-11", "abc-12c"])
        longest = Maildrop(2**32 - 1, array("I", [2**32 - 1])).unique_id(1)
        self.assertTrue(len(longest) <= 70 and longest.isascii() and longest.isprintable())

    def test_empty(self) -> None:
        """An empty maildrop is one."""
        empty = Maildrop(1, array("I"), 0)
        self.assertEqual((empty.stat(), list(empty.present()), empty.unsized()), ((0, 0), [], 0))

    def test_unknown_size(self) -> None:
        """A size is unknown until its row was seen."""
        self.assertEqual(self.maildrop.size(1), UNKNOWN)
