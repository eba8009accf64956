"""Tests of quantummail.imap.commands.messagelimit and uidbatches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quantummail.imap.commands import uidbatches
from quantummail.imap.commands.uidbatches import batches_of
from tests.imap.case import ImapCase


class MessageLimitTests(ImapCase):
    """A limit for each command (RFC 9738)."""

    def setUp(self) -> None:
        super().setUp()
        for _ in range(5):
            self.deliver()
        self.connection = self.selected(factory=self.listener(messages_per_command=2))

    def test_advertised(self) -> None:
        """Only where there is a limit."""
        self.assertIn(" MESSAGELIMIT=2 ", self.say(self.connection, "a CAPABILITY"))
        self.assertNotIn("MESSAGELIMIT", self.say(self.selected(), "a CAPABILITY"))

    def test_fetch(self) -> None:
        """The newest ones, and where to go on."""
        self.assertEqual(self.say(self.connection, "a FETCH 1:4 UID"), (
            "* 3 FETCH (UID 3)\r\n* 4 FETCH (UID 4)\r\na OK [MESSAGELIMIT 2 3] FETCH completed\r\n"
        ))
        self.assertIn("b OK UID FETCH", self.say(self.connection, "b UID FETCH 1:2 UID"))

    def test_store(self) -> None:
        """The others keep their flags."""
        self.assertIn("a OK [MESSAGELIMIT 2 4] STORE", self.say(self.connection, "a STORE 1:* +FLAGS.SILENT \\Seen"))
        self.assertIn("* SEARCH 4 5\r\n", self.say(self.connection, "b SEARCH SEEN"))
        answer = self.say(self.connection, "c UID STORE 1:* (UNCHANGEDSINCE 1) +FLAGS \\Flagged")
        self.assertIn("* OK [MESSAGELIMIT 2 4] ", answer)
        self.assertIn("c OK [MODIFIED 4:5] ", answer)

    def test_copy(self) -> None:
        """All or nothing."""
        self.assertEqual(self.say(self.connection, "a COPY 1:3 Trash"), "a NO [MESSAGELIMIT 2] Too many messages\r\n")
        self.assertIn("b OK [COPYUID ", self.say(self.connection, "b COPY 1:2 Trash"))

    def test_move(self) -> None:
        """A part is moved."""
        answer = self.say(self.connection, "a UID MOVE 1:* Trash")
        self.assertIn("a OK [MESSAGELIMIT 2 4] UID MOVE completed\r\n", answer)
        self.assertIn(" 4:5 1:2] Moved\r\n", answer)
        self.say(self.connection, "b ENABLE QRESYNC")
        answer = self.say(self.connection, "c MOVE 1:* Trash")
        self.assertIn("* OK [HIGHESTMODSEQ 8] MOVE completed\r\nc OK [MESSAGELIMIT 2 2] MOVE completed\r\n", answer)


class UidBatchesTests(ImapCase):
    """UIDBATCHES (RFC 10022)."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(uidbatches, "SMALLEST", 2)
        for _ in range(7):
            self.deliver()
        self.connection = self.selected()
        self.say(self.connection, "d UID STORE 2,7 +FLAGS.SILENT \\Deleted")
        self.say(self.connection, "e EXPUNGE")

    def test_all(self) -> None:
        """From the newest message down to UID 1, without holes."""
        self.assertEqual(self.say(self.connection, "a UIDBATCHES 2"),
                         '* UIDBATCHES (TAG "a") 6:5,4:3,2:1\r\na OK UIDBATCHES completed\r\n')
        self.assertIn("6:1\r\n", self.say(self.connection, "b UIDBATCHES 5"))
        self.assertIn("6:1\r\n", self.say(self.connection, "b UIDBATCHES 4294967295"))

    def test_some(self) -> None:
        """Those that are asked for, as far as they are there."""
        self.assertIn(") 4:3\r\n", self.say(self.connection, "a UIDBATCHES 2 2:2"))
        self.assertIn(") 4:3,2:1\r\n", self.say(self.connection, "a UIDBATCHES 2 2:99"))
        self.assertIn('(TAG "a")\r\n', self.say(self.connection, "a UIDBATCHES 2 4:9"))

    def test_empty_mailbox(self) -> None:
        """No messages, no batches."""
        self.say(self.connection, "s SELECT Trash")
        self.assertIn('(TAG "a")\r\na OK', self.say(self.connection, "a UIDBATCHES 2"))

    def test_refused(self) -> None:
        """Too small, in the wrong order, or no such thing."""
        self.assertIn("a NO [TOOFEW] ", self.say(self.connection, "a UIDBATCHES 1"))
        self.assertIn("a BAD [CLIENTBUG] ", self.say(self.connection, "a UIDBATCHES 2 3:1"))
        for arguments in ("", " ", " x", " 2 1", " 2 0:1", " 2 1:*", " 2 1:2 3"):
            self.assertIn("a BAD ", self.say(self.connection, f"a UIDBATCHES{arguments}"))

    def test_within_the_limit_of_messages(self) -> None:
        """A batch is not larger than what a command may be about."""
        connection = self.selected(factory=self.listener(messages_per_command=3))
        self.assertIn(") 6:4,3:1\r\n", self.say(connection, "a UIDBATCHES 500"))

    @given(st.sets(st.integers(1, 60)), st.integers(1, 9))
    def test_batches(self, numbers: set[int], size: int) -> None:
        """Each message is in one batch, all batches but the last one are full."""
        uids = sorted(numbers)
        batches = batches_of(uids, size)
        covered = [uid for high, low in batches for uid in range(high, low - 1, -1)]
        self.assertEqual(covered, list(range(uids[-1], 0, -1)) if uids else [])
        counts = [sum(low <= uid <= high for uid in uids) for high, low in batches]
        self.assertEqual(counts, [size] * (len(uids) // size) + [len(uids) % size] * (len(uids) % size > 0))
