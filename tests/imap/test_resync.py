"""Tests of CONDSTORE and QRESYNC between sessions: quantummail.imap.resync, view and the commands that use them."""

from __future__ import annotations

import re

from quantummail.imap.server import IMAPConnection
from quantummail.store import removals
from quantummail.store.records import Mailbox
from tests.imap.case import ImapCase
from tests.support.stores import now


class ResyncCase(ImapCase):
    """Five messages; their UIDs are their numbers, the mod-sequence is 6."""

    def setUp(self) -> None:
        super().setUp()
        for _ in range(5):
            self.deliver()
        self.uidvalidity = self.box().uidvalidity

    def box(self) -> Mailbox:
        """The mailbox as it is."""
        found = now(self.store.mailboxes.find(self.user.id, "INBOX"))
        assert found is not None
        return found

    def remove(self, *uids: int) -> None:
        """Somebody else expunges."""
        now(self.store.messages.remove(self.user.id, self.mailbox_id(), uids))

    def enabled(self, *extensions: str, select: str = "") -> IMAPConnection:
        """A session that has enabled extensions, and perhaps selected INBOX with parameters."""
        connection = self.logged_in()
        self.say(connection, f"e ENABLE {' '.join(extensions)}")
        self.say(connection, f"s SELECT INBOX{select}")
        return connection

    def resync(self, parameters: str, *, enable: str = "QRESYNC") -> list[str]:
        """What a client that comes back with these parameters is told behind the state of the mailbox."""
        connection = self.logged_in()
        self.say(connection, f"e ENABLE {enable}")
        answer = self.say(connection, f"s SELECT INBOX (QRESYNC ({parameters}))")
        self.assertTrue(answer.endswith("s OK [READ-WRITE] SELECT completed\r\n"), answer)
        return re.findall(r"\* (VANISHED .*|\d+ (?:UID)?FETCH .*)\r\n", answer)


class SelectTests(ResyncCase):
    """SELECT with QRESYNC (RFC 7162 3.2.5)."""

    def change(self) -> None:
        """UIDs 2 and 4 go, 3 is flagged, 6 comes."""
        self.remove(2, 4)
        self.say(self.selected(), "a UID STORE 3 +FLAGS.SILENT \\Flagged")
        self.deliver()

    def test_everything(self) -> None:
        """What is gone, what has changed and what is new."""
        self.change()
        self.assertEqual(self.resync(f"{self.uidvalidity} 6"), [
            "VANISHED (EARLIER) 2,4", "2 FETCH (UID 3 FLAGS (\\Flagged) MODSEQ (8))",
            "4 FETCH (UID 6 FLAGS (\\Recent) MODSEQ (9))",
        ])

    def test_nothing_new(self) -> None:
        """A client that is up to date, or believes to be ahead, hears nothing."""
        self.assertEqual(self.resync(f"{self.uidvalidity} 6"), [])
        self.assertEqual(self.resync(f"{self.uidvalidity} 99"), [])

    def test_another_uidvalidity(self) -> None:
        """What the client knows is about another mailbox: it is selected as if there was no parameter."""
        self.change()
        self.assertEqual(self.resync(f"{self.uidvalidity + 1} 1"), [])

    def test_known_uids(self) -> None:
        """Only of those that the client knows it is told."""
        self.change()
        self.assertEqual(self.resync(f"{self.uidvalidity} 6 1:3"), [
            "VANISHED (EARLIER) 2", "2 FETCH (UID 3 FLAGS (\\Flagged) MODSEQ (8))",
        ])
        self.assertEqual(self.resync(f"{self.uidvalidity} 6 4:4294967295"), [
            "VANISHED (EARLIER) 4", "4 FETCH (UID 6 FLAGS () MODSEQ (9))",
        ])

    def test_match_data_is_not_needed(self) -> None:
        """While every expunge is remembered message numbers say nothing new (RFC 7162 3.2.5.2)."""
        self.change()
        self.assertEqual(self.resync(f"{self.uidvalidity} 6 1:5 (1:2 1:2)")[0], "VANISHED (EARLIER) 2,4")

    def test_uidonly(self) -> None:
        """Without message numbers it is UIDFETCH."""
        self.change()
        self.assertEqual(self.resync(f"{self.uidvalidity} 6 1:5", enable="QRESYNC UIDONLY"), [
            "VANISHED (EARLIER) 2,4", "3 UIDFETCH (FLAGS (\\Flagged) MODSEQ (8))",
        ])

    def test_read_only(self) -> None:
        """EXAMINE takes the parameter too."""
        self.remove(5)
        connection = self.logged_in()
        self.say(connection, "e ENABLE QRESYNC")
        self.assertIn("* VANISHED (EARLIER) 5\r\ns OK [READ-ONLY]",
                      self.say(connection, f"s EXAMINE INBOX (QRESYNC ({self.uidvalidity} 6))"))

    def test_condstore(self) -> None:
        """SELECT (CONDSTORE) is enough for mod-sequences to come."""
        connection = self.logged_in()
        self.say(connection, "s SELECT INBOX (CONDSTORE)")
        self.assertIn("MODSEQ (7)", self.say(connection, "a STORE 1 +FLAGS \\Seen"))

    def test_second_mailbox(self) -> None:
        """CLOSED stands between the responses for two mailboxes, also if the second one is not there (3.2.11)."""
        connection = self.enabled("QRESYNC")
        self.assertTrue(self.say(connection, "a SELECT Trash").startswith("* OK [CLOSED] "))
        self.assertTrue(self.say(connection, "b SELECT nowhere").startswith("* OK [CLOSED] "))
        self.assertTrue(self.say(connection, "c SELECT INBOX").startswith("* FLAGS "))


class ForgottenTests(ResyncCase):
    """Tombstones are given up when there are too many: VANISHED names all that is not there (RFC 7162 3.2.10.1)."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(removals, "KEPT_TOMBSTONES", 1)
        for _ in range(5):
            self.deliver()
        for uid in (2, 3, 7, 9):
            self.remove(uid)
        self.modseq = self.box().highestmodseq

    def test_all_that_is_missing(self) -> None:
        """From 1 up to UIDNEXT."""
        self.assertEqual(self.resync(f"{self.uidvalidity} 1")[0], "VANISHED (EARLIER) 2:3,7,9")

    def test_known_uids(self) -> None:
        """Only of those that the client knows."""
        self.assertEqual(self.resync(f"{self.uidvalidity} 1 3:8")[0], "VANISHED (EARLIER) 3,7")

    def test_match_data(self) -> None:
        """Nothing is missing below a message whose number is still the same (RFC 7162 3.2.5.2)."""
        # 1 4 5 6 8 10
        self.assertEqual(self.resync(f"{self.uidvalidity} 1 1:10 (1,4 1,6)")[0], "VANISHED (EARLIER) 7,9")
        self.assertEqual(self.resync(f"{self.uidvalidity} 1 1:10 (1,4:5 1,6:7)")[0], "VANISHED (EARLIER) 7,9")
        self.assertEqual(self.resync(f"{self.uidvalidity} 1 (1,2 1,2)")[0], "VANISHED (EARLIER) 2:3,7,9")
        self.assertEqual(self.resync(f"{self.uidvalidity} 1 (1:4294967295 1:4294967295)")[0],
                         "VANISHED (EARLIER) 2:3,7,9")

    def test_lately(self) -> None:
        """A client that was here a moment ago is told precisely."""
        self.remove(10)
        self.assertEqual(self.resync(f"{self.uidvalidity} {self.modseq}"), ["VANISHED (EARLIER) 10"])

    def test_uid_fetch(self) -> None:
        """The same holds for UID FETCH ... VANISHED."""
        connection = self.enabled("QRESYNC")
        self.assertEqual(self.say(connection, f"a UID FETCH 3:* FLAGS (CHANGEDSINCE {self.modseq - 3} VANISHED)"),
                         "* VANISHED (EARLIER) 3,7,9\r\na OK UID FETCH completed\r\n")


class NewsTests(ResyncCase):
    """What comes unasked, and when."""

    def test_vanished_instead_of_expunge(self) -> None:
        """One line for all, in NOOP and in IDLE."""
        connection = self.enabled("QRESYNC")
        self.remove(2, 3, 5)
        self.assertEqual(self.say(connection, "a NOOP"), "* VANISHED 2:3,5\r\na OK NOOP completed\r\n")
        self.say(connection, "b IDLE")
        self.remove(1)
        self.assertEqual(self.heard(connection), "* VANISHED 1\r\n")

    def test_many_vanish(self) -> None:
        """Lines stay short, however many holes there are."""
        for _ in range(795):
            self.deliver()
        connection = self.enabled("QRESYNC")
        self.remove(*range(1, 801, 2))
        lines = self.say(connection, "a NOOP").split("\r\n")
        self.assertEqual([line.partition(",")[0] for line in lines], [
            "* VANISHED 1", "* VANISHED 701", "a OK NOOP completed", ""])

    def test_expunge_during_fetch_by_number(self) -> None:
        """Numbers stay as they are, and the client is told how far it really knows (RFC 7162 3.2.5)."""
        connection = self.enabled("QRESYNC")
        self.remove(1)
        self.say(self.selected(), "a UID STORE 2 +FLAGS.SILENT \\Flagged")
        self.assertEqual(self.say(connection, "b FETCH 3 MODSEQ"), (
            "* 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent) MODSEQ (8))\r\n* 3 FETCH (MODSEQ (4))\r\n"
            "* OK [HIGHESTMODSEQ 6] Messages are gone that cannot be told of yet\r\nb OK FETCH completed\r\n"
        ))
        self.assertEqual(self.say(connection, "c NOOP"), "* VANISHED 1\r\nc OK NOOP completed\r\n")

    def test_expunge_before_a_fetch_that_fails(self) -> None:
        """The same holds where the answer is NO."""
        connection = self.enabled("QRESYNC")
        self.remove(1)
        self.say(self.selected(), "a UID STORE 2 +FLAGS.SILENT \\Flagged")
        self.assertIn("* OK [HIGHESTMODSEQ 6] Messages are gone that cannot be told of yet\r\nb NO [EXPUNGEISSUED] ",
                      self.say(connection, "b FETCH 1 MODSEQ"))

    def test_flags_of_others(self) -> None:
        """They come with mod-sequence, and with the UID under QRESYNC (RFC 7162 3.2.4)."""
        condstore, qresync, plain = self.enabled("CONDSTORE"), self.enabled("QRESYNC"), self.selected()
        self.say(plain, "a STORE 5 +FLAGS.SILENT \\Seen")
        self.assertIn("* 5 FETCH (FLAGS (\\Seen \\Recent) MODSEQ (7))\r\n", self.say(condstore, "a NOOP"))
        self.assertIn("* 5 FETCH (UID 5 FLAGS (\\Seen) MODSEQ (7))\r\n", self.say(qresync, "a NOOP"))

    def test_expunge_tells_how_far(self) -> None:
        """HIGHESTMODSEQ of EXPUNGE covers what others did meanwhile: it is told before."""
        connection, other = self.enabled("QRESYNC"), self.selected()
        self.say(connection, "a STORE 1 +FLAGS.SILENT \\Deleted")
        self.say(other, "a STORE 5 +FLAGS.SILENT \\Flagged")
        self.assertEqual(self.say(connection, "b EXPUNGE"), (
            "* 5 FETCH (UID 5 FLAGS (\\Flagged \\Recent) MODSEQ (8))\r\n* VANISHED 1\r\n"
            "b OK [HIGHESTMODSEQ 9] EXPUNGE completed\r\n"
        ))

    def test_enabled_while_selected(self) -> None:
        """A client that enables it late is told where it stands; ENABLE twice changes nothing."""
        connection = self.selected()
        self.assertEqual(self.say(connection, "a ENABLE CONDSTORE QRESYNC"), (
            "* OK [HIGHESTMODSEQ 6] Highest\r\n* ENABLED CONDSTORE QRESYNC\r\na OK ENABLE completed\r\n"))
        self.assertEqual(self.say(connection, "b ENABLE QRESYNC CONDSTORE"),
                         "* ENABLED\r\nb OK ENABLE completed\r\n")
        self.remove(1)
        self.assertIn("* VANISHED 1\r\n", self.say(connection, "c NOOP"))

    def test_switched_off(self) -> None:
        """Without the capability nothing of it is left (issue 3: off-switch per capability)."""
        connection = self.logged_in(self.listener(disabled=frozenset({"CONDSTORE", "QRESYNC", "OBJECTID"})))
        answer = self.say(connection, "s SELECT INBOX")
        self.assertNotIn("HIGHESTMODSEQ", answer)
        self.assertNotIn("MAILBOXID", answer)
        self.assertEqual(self.say(connection, "a ENABLE QRESYNC CONDSTORE"), "* ENABLED\r\na OK ENABLE completed\r\n")
        self.assertIn("b BAD ", self.say(connection, "b SELECT INBOX (CONDSTORE)"))


class UnchangedSinceTests(ResyncCase):
    """STORE UNCHANGEDSINCE loses no update of anybody (RFC 7162 3.1.3)."""

    def test_the_second_loses(self) -> None:
        """Of two clients that saw the same state one changes it, the other is told MODIFIED."""
        one, two = self.enabled("CONDSTORE"), self.enabled("CONDSTORE")
        self.assertEqual(self.say(one, "a STORE 1:2 (UNCHANGEDSINCE 6) +FLAGS.SILENT (mine)").split("\r\n")[-2],
                         "a OK STORE completed")
        answer = self.say(two, "b STORE 2:3 (UNCHANGEDSINCE 6) +FLAGS.SILENT (mine)")
        self.assertIn("* 2 FETCH (FLAGS (mine) MODSEQ (7))\r\n", answer)
        self.assertIn("* 3 FETCH (MODSEQ (8))\r\n", answer)
        self.assertIn("b OK [MODIFIED 2] Conditional STORE completed\r\n", answer)

    def test_counting(self) -> None:
        """Many sessions count with keywords, each step once: nothing is lost, nothing happens twice."""
        sessions = [self.enabled("CONDSTORE") for _ in range(4)]
        known = [6] * len(sessions)
        done = 0
        for turn in range(40):
            # two clients act on what they know, only then do they look again
            pair = (turn % 4, (turn * 3 + 1) % 4)
            won = [
                "OK STORE" in self.say(
                    sessions[one], f"a STORE 1 (UNCHANGEDSINCE {known[one]}) FLAGS.SILENT (n{done + 1})")
                for one in dict.fromkeys(pair)
            ]
            self.assertLessEqual(sum(won), 1)
            done += sum(won)
            for one in pair:
                known[one] = int(re.findall(r"MODSEQ \((\d+)\)", self.say(sessions[one], "b FETCH 1 MODSEQ"))[-1])
        self.assertGreater(done, 10)
        self.assertIn(f"FLAGS (n{done})", self.say(sessions[0], "c FETCH 1 FLAGS").replace(" \\Recent", ""))

    def test_expunged_meanwhile(self) -> None:
        """By number NO says that some are gone; MODIFIED still names the others (RFC 7162 3.1.3)."""
        connection = self.enabled("CONDSTORE")
        self.remove(1)
        self.say(self.selected(), "a UID STORE 2 +FLAGS.SILENT \\Seen")
        self.assertIn("b NO [MODIFIED 2] ", self.say(connection, "b STORE 1:3 (UNCHANGEDSINCE 6) +FLAGS (\\Seen)"))
        self.assertIn("c OK UID STORE", self.say(connection, "c UID STORE 1 (UNCHANGEDSINCE 6) +FLAGS (\\Seen)"))
