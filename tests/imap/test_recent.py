r"""Tests of quantummail.imap.recent, and of \Recent in sessions (RFC 3501 2.3.2)."""

from __future__ import annotations

from array import array

from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap.recent import RecentUids
from tests.imap.case import ImapCase


class RecentUidsTests(SynchronousTestCase):
    """Ranges of UIDs."""

    def test_ranges(self) -> None:
        """What was added is in, what lies between is not, and neighbours become one."""
        recent = RecentUids()
        self.assertNotIn(1, recent)
        for first, last in ((3, 4), (5, 5), (9, 8), (10, 12)):
            recent.add(first, last)
        self.assertEqual([uid for uid in range(20) if uid in recent], [3, 4, 5, 10, 11, 12])
        self.assertEqual(recent.count(array("I", [1, 4, 6, 10, 12, 13])), 3)
        self.assertEqual((recent.first, recent._firsts), (3, [3, 10]))


class SessionTests(ImapCase):
    """Several sessions on one mailbox."""

    def test_claimed_by_who_is_told(self) -> None:
        """A session that is told of new messages takes them: a later SELECT finds none that are recent."""
        one = self.selected()
        self.deliver()
        self.assertEqual(self.say(one, "a NOOP"), "* 1 EXISTS\r\n* 1 RECENT\r\na OK NOOP completed\r\n")
        two = self.logged_in()
        self.assertIn("(RECENT 0)", self.say(two, "b STATUS INBOX (RECENT)"))
        self.assertIn("* 0 RECENT", self.say(two, "c SELECT INBOX"))
        self.assertIn("FLAGS (\\Recent)", self.say(one, "d FETCH 1 FLAGS"))
        self.assertIn("FLAGS ()", self.say(two, "e FETCH 1 FLAGS"))

    def test_first_of_several(self) -> None:
        """Of two sessions that wait the one that is told first has it."""
        one, two = self.selected(), self.selected()
        self.deliver()
        self.assertIn("* 1 RECENT", self.say(two, "a NOOP"))
        self.assertIn("* 0 RECENT", self.say(one, "b NOOP"))
        self.deliver()
        self.assertIn("* 1 RECENT", self.say(one, "c NOOP"))
        self.assertIn("* 2 EXISTS\r\n* 1 RECENT", self.say(two, "d NOOP"))
        self.assertIn("* SEARCH 2\r\n", self.say(one, "e SEARCH RECENT"))
        self.assertIn("* SEARCH 1\r\n", self.say(two, "f SEARCH RECENT"))

    def test_idle(self) -> None:
        """One who idles is told, and takes."""
        one, two = self.selected(), self.logged_in()
        self.say(one, "a IDLE")
        self.deliver()
        self.assertIn("* 1 RECENT", self.heard(one))
        self.assertIn("* 0 RECENT", self.say(two, "b SELECT INBOX"))

    def test_examine(self) -> None:
        """EXAMINE sees what is recent, and leaves it to others (RFC 3501 6.3.2)."""
        one, two = self.logged_in(), self.logged_in()
        self.say(one, "a EXAMINE INBOX")
        self.deliver()
        self.assertIn("* 1 RECENT", self.say(one, "b NOOP"))
        self.assertIn("(RECENT 1)", self.say(two, "c STATUS INBOX (RECENT)"))
        self.assertIn("* 1 RECENT", self.say(two, "d SELECT INBOX"))
