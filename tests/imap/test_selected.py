"""Tests of the selected state: quantummail.imap.view, session and commands.selected, move, idle."""

from __future__ import annotations

from typing import Any

from tests.imap.case import ImapCase
from tests.support.stores import make_user, now


class StoreTests(ImapCase):
    """STORE, alone and beside other sessions."""

    def setUp(self) -> None:
        super().setUp()
        for _ in range(3):
            self.deliver()
        self.one, self.two = self.selected(), self.selected()

    def test_answers(self) -> None:
        """The new flags are told, the keyword table first (RFC 3501 6.4.6, 7.2.6)."""
        answer = self.say(self.one, "a STORE 1:2 +FLAGS ($Forwarded \\Seen)")
        self.assertEqual(answer, (
            "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Forwarded)\r\n"
            "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Forwarded \\*)] Flags permitted\r\n"
            "* 1 FETCH (FLAGS (\\Seen $Forwarded \\Recent))\r\n* 2 FETCH (FLAGS (\\Seen $Forwarded \\Recent))\r\n"
            "a OK STORE completed\r\n"
        ))
        self.assertEqual(self.say(self.one, "b UID STORE 1 -FLAGS.SILENT \\Seen"), "b OK UID STORE completed\r\n")
        self.assertEqual(self.say(self.one, "c STORE 1 FLAGS ()"),
                         "* 1 FETCH (FLAGS (\\Recent))\r\nc OK STORE completed\r\n")
        self.assertEqual(self.say(self.one, "d UID STORE 1 FLAGS \\Draft \\Flagged"),
                         "* 1 FETCH (UID 1 FLAGS (\\Flagged \\Draft \\Recent))\r\nd OK UID STORE completed\r\n")

    def test_unchanged(self) -> None:
        """Flags that are set already are told all the same."""
        self.say(self.one, "a STORE 1 +FLAGS \\Seen")
        self.assertEqual(self.say(self.one, "b STORE 1 +FLAGS \\Seen"),
                         "* 1 FETCH (FLAGS (\\Seen \\Recent))\r\nb OK STORE completed\r\n")

    def test_others_come_in_between(self) -> None:
        """What others change while the flags are set is told behind it: no mod-sequence ever falls."""
        self.say(self.one, "a STORE 1 +FLAGS \\Seen")
        messages = self.store.messages
        set_flags = messages.set_flags

        async def with_another(*arguments: Any, **settings: Any) -> Any:
            messages.set_flags = set_flags  # type: ignore[method-assign]  # for this one command
            self.say(self.two, "w STORE 3 +FLAGS.SILENT \\Flagged")
            change = await set_flags(*arguments, **settings)
            self.say(self.two, "x STORE 1 +FLAGS.SILENT \\Deleted")
            return change

        self.patch(messages, "set_flags", with_another)
        self.assertEqual(
            self.say(self.one, "b STORE 1:2 +FLAGS \\Seen"),
            "* 1 FETCH (FLAGS (\\Seen \\Recent))\r\n* 1 FETCH (FLAGS (\\Seen \\Deleted \\Recent))\r\n"
            "* 2 FETCH (FLAGS (\\Seen \\Recent))\r\n* 3 FETCH (FLAGS (\\Flagged \\Recent))\r\n"
            "b OK STORE completed\r\n")

    def test_others_are_told(self) -> None:
        """Another session hears of it, .SILENT or not; the one who did it hears nothing."""
        self.assertEqual(self.say(self.one, "a STORE 2 +FLAGS.SILENT \\Seen"), "a OK STORE completed\r\n")
        self.assertEqual(self.say(self.one, "b NOOP"), "b OK NOOP completed\r\n")
        self.assertEqual(self.say(self.two, "c NOOP"), "* 2 FETCH (FLAGS (\\Seen))\r\nc OK NOOP completed\r\n")

    def test_silent_tells_what_others_did(self) -> None:
        """A silent STORE does not hide what somebody else changed before (RFC 3501 6.4.6)."""
        self.say(self.two, "a STORE 1 +FLAGS \\Flagged")
        self.assertEqual(self.say(self.one, "b STORE 1 +FLAGS.SILENT \\Seen"),
                         "* 1 FETCH (FLAGS (\\Flagged \\Recent))\r\nb OK STORE completed\r\n")

    def test_refused(self) -> None:
        r"""\Recent and unknown system flags cannot be set; nothing at all after EXAMINE."""
        for flags in ("\\Recent", "\\Foo", "(\\Seen", "", "\\*", "[x]"):
            self.assertIn("a BAD ", self.say(self.one, f"a STORE 1 +FLAGS {flags}"))
        self.assertIn("b BAD ", self.say(self.one, "b STORE 1 FOO \\Seen"))
        self.say(self.one, "c EXAMINE INBOX")
        for command in ("STORE 1 +FLAGS \\Seen", "EXPUNGE", "UID EXPUNGE 1", "MOVE 1 Trash", "UID MOVE 1 Trash"):
            self.assertIn("d NO [NOPERM] ", self.say(self.one, f"d {command}"))

    def test_keywords_are_bounded(self) -> None:
        """More keywords than a mailbox holds are NO [LIMIT] (I5)."""
        answer = ""
        for number in range(70):
            answer = self.say(self.one, f"a STORE 1 +FLAGS.SILENT k{number}")
        self.assertIn("a NO [LIMIT] ", answer)

    def test_keyword_in_the_place_of_another(self) -> None:
        """Where a new keyword takes the place of one that is not used any more, others learn its name first."""
        keywords = " ".join(f"k{number}" for number in range(54))
        self.say(self.one, f"a STORE 1 FLAGS.SILENT ({keywords})")
        self.say(self.one, "b STORE 1 -FLAGS.SILENT k0")
        self.say(self.two, "c NOOP")
        self.assertIn("\\*)]", self.say(self.one, "d STORE 2 +FLAGS new"))
        answer = self.say(self.two, "e FETCH 2 FLAGS")
        self.assertRegex(answer, r"(?s)^\* FLAGS .* new k1 .*\* 2 FETCH \(FLAGS \(new\)\)\r\ne OK")


class ExpungeTests(ImapCase):
    """Message numbers change only where they may (RFC 3501 5.5, 7.4.1)."""

    def setUp(self) -> None:
        super().setUp()
        for _ in range(4):
            self.deliver()
        self.one, self.two = self.selected(), self.selected()

    def test_expunge(self) -> None:
        r"""\Deleted messages go, each response true at its place."""
        self.say(self.one, "a STORE 2,4 +FLAGS.SILENT \\Deleted")
        self.assertEqual(self.say(self.one, "b EXPUNGE"), "* 4 EXPUNGE\r\n* 2 EXPUNGE\r\nb OK EXPUNGE completed\r\n")
        self.assertEqual(self.say(self.one, "c FETCH 1:* UID"),
                         "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 3)\r\nc OK FETCH completed\r\n")

    def test_not_during_fetch_store_search(self) -> None:
        """By number FETCH, STORE and SEARCH never renumber; the command after them does."""
        now(self.store.messages.remove(self.user.id, self.mailbox_id(), [1]))
        self.assertNotIn("EXPUNGE\r\n", self.say(self.two, "a FETCH 2 FLAGS"))
        self.assertNotIn("EXPUNGE\r\n", self.say(self.two, "b STORE 2 +FLAGS \\Seen"))
        self.assertEqual(self.say(self.two, "c SEARCH SEEN"), "* SEARCH 2\r\nc OK [EXPUNGEISSUED] SEARCH completed\r\n")
        self.assertEqual(self.say(self.two, "d SEARCH ALL"),
                         "* SEARCH 1 2 3 4\r\nd OK [EXPUNGEISSUED] SEARCH completed\r\n")
        self.assertEqual(self.say(self.two, "e STORE 1 +FLAGS \\Seen"),
                         "e NO [EXPUNGEISSUED] Some of the messages have been deleted\r\n")
        self.assertEqual(self.say(self.two, "f COPY 1 Sent"),
                         "* 1 EXPUNGE\r\nf NO [EXPUNGEISSUED] Some of the messages have been deleted\r\n")

    def test_silent_store_of_deleted(self) -> None:
        """A client that does not want to hear of flags is not told that messages are gone (RFC 2180 4.2.1)."""
        now(self.store.messages.remove(self.user.id, self.mailbox_id(), [1]))
        self.assertEqual(self.say(self.two, "a STORE 1:2 +FLAGS.SILENT \\Seen"), "a OK STORE completed\r\n")

    def test_by_uid(self) -> None:
        """UID commands may renumber."""
        now(self.store.messages.remove(self.user.id, self.mailbox_id(), [1]))
        self.assertEqual(self.say(self.two, "a UID SEARCH ALL"),
                         "* SEARCH 1 2 3 4\r\n* 1 EXPUNGE\r\na OK UID SEARCH completed\r\n")
        self.assertEqual(self.say(self.two, "b UID STORE 1:2 +FLAGS.SILENT \\Seen"), "b OK UID STORE completed\r\n")

    def test_new_mail_during_fetch(self) -> None:
        """EXISTS may come with every command."""
        self.deliver()
        self.assertEqual(self.say(self.one, "a FETCH 1 UID"),
                         "* 5 EXISTS\r\n* 5 RECENT\r\n* 1 FETCH (UID 1)\r\na OK FETCH completed\r\n")

    def test_close(self) -> None:
        """CLOSE removes without a word; UNSELECT leaves everything (RFC 3501 6.4.2, RFC 3691)."""
        self.say(self.one, "a STORE 1 +FLAGS.SILENT \\Deleted")
        self.assertEqual(self.say(self.one, "b UNSELECT"), "b OK UNSELECT completed\r\n")
        self.assertIn("* 4 EXISTS", self.say(self.one, "c SELECT INBOX"))
        self.assertEqual(self.say(self.one, "d CLOSE"), "d OK CLOSE completed\r\n")
        self.assertIn("e BAD ", self.say(self.one, "e EXPUNGE"))
        self.assertIn("* 3 EXISTS", self.say(self.one, "f SELECT INBOX"))

    def test_close_after_examine(self) -> None:
        """After EXAMINE nothing is removed."""
        self.say(self.one, "a STORE 1 +FLAGS.SILENT \\Deleted")
        self.say(self.one, "b EXAMINE INBOX")
        self.say(self.one, "c CLOSE")
        self.assertIn("* 4 EXISTS", self.say(self.one, "d SELECT INBOX"))

    def test_uid_expunge(self) -> None:
        """UID EXPUNGE removes only what it names (RFC 4315 2.1)."""
        self.say(self.one, "a STORE 1:3 +FLAGS.SILENT \\Deleted")
        self.assertEqual(self.say(self.one, "b UID EXPUNGE 2,4"), "* 2 EXPUNGE\r\nb OK UID EXPUNGE completed\r\n")

    def test_select_fails(self) -> None:
        """After a SELECT that failed nothing is selected (RFC 3501 6.3.1)."""
        self.assertIn("a NO [NONEXISTENT] ", self.say(self.one, "a SELECT nowhere"))
        self.assertIn("b BAD ", self.say(self.one, "b FETCH 1 UID"))


class CopyTests(ImapCase):
    """COPY and MOVE."""

    def setUp(self) -> None:
        super().setUp()
        for number in range(4):
            self.deliver(keywords=("$Label",) if number == 0 else (), flags=1)
        self.connection = self.selected()

    def test_copy(self) -> None:
        """COPYUID names both sides; flags, keywords and dates go along (RFC 4315, RFC 3501 6.4.7)."""
        self.assertRegex(self.say(self.connection, "a COPY 1,3:4 Sent"),
                         r"^a OK \[COPYUID \d+ 1,3:4 1:3\] COPY completed\r\n$")
        self.say(self.connection, "b SELECT Sent")
        self.assertEqual(self.say(self.connection, "c FETCH 1 (FLAGS INTERNALDATE)"),
                         '* 1 FETCH (FLAGS (\\Seen $Label \\Recent) INTERNALDATE "17-Jul-1996 02:44:25 +0000")\r\n'
                         "c OK FETCH completed\r\n")

    def test_copy_to_itself(self) -> None:
        """A copy into the same mailbox is a new message there."""
        self.assertRegex(self.say(self.connection, "a UID COPY 1 INBOX"),
                         r"^\* 5 EXISTS\r\n\* \d RECENT\r\na OK \[COPYUID \d+ 1 5\] UID COPY completed\r\n$")

    def test_nowhere(self) -> None:
        """A mailbox that does not exist could be created (RFC 3501 6.4.7)."""
        for command in ("COPY", "UID COPY", "MOVE", "UID MOVE"):
            self.assertIn("a NO [TRYCREATE] ", self.say(self.connection, f"a {command} 1 nowhere"))

    def test_deleted_meanwhile(self) -> None:
        """So could one that has just been deleted; without the selected mailbox there is nothing left to say."""
        for command, kind in (("COPY 1", "copy"), ("UID MOVE 1", "move")):
            for doomed, answer in (("Trash", "a NO [TRYCREATE] "), ("Selected", "* BYE ")):
                self.say(self.connection, "c CREATE Trash")
                self.say(self.connection, "c CREATE Selected")
                self.deliver(mailbox="Selected")
                connection = self.selected("Selected")
                wanted = getattr(self.store.messages, kind)

                async def late(
                    *arguments: Any, doomed: str = doomed, wanted: Any = wanted, **options: Any
                ) -> Any:
                    await self.store.mailboxes.delete(self.user.id, doomed)
                    return await wanted(*arguments, **options)

                patch = self.patch(self.store.messages, kind, late)
                self.assertIn(answer, self.say(connection, f"a {command} Trash"))
                patch.restore()

    def test_nothing(self) -> None:
        """UIDs that are not there are passed over."""
        self.assertEqual(self.say(self.connection, "a UID COPY 77 Sent"), "a OK UID COPY completed\r\n")
        self.assertEqual(self.say(self.connection, "a UID MOVE 77 Sent"), "a OK UID MOVE completed\r\n")

    def test_move(self) -> None:
        """COPYUID comes before the EXPUNGE responses (RFC 6851 4.3)."""
        self.assertRegex(
            self.say(self.connection, "a MOVE 2:3 Trash"),
            r"^\* OK \[COPYUID \d+ 2:3 1:2\] Moved\r\n\* 3 EXPUNGE\r\n\* 2 EXPUNGE\r\na OK MOVE completed\r\n$",
        )

    def test_over_quota(self) -> None:
        """A full account takes no copies (RFC 9208)."""
        now(self.store.users.set_quota(self.user.address, 0, 2))
        self.assertIn("a NO [OVERQUOTA] ", self.say(self.connection, "a COPY 1 Sent"))
        self.assertIn("b NO [OVERQUOTA] ", self.say(self.connection, b"b APPEND INBOX {9+}\r\nNOOP\r\nxyz\r\n"))
        self.assertEqual(self.say(self.connection, "c GETQUOTA \"\""),
                         '* QUOTA "" (MESSAGE 4 2)\r\nc OK GETQUOTA completed\r\n')


class RecentTests(ImapCase):
    r"""\Recent (RFC 3501 2.3.2)."""

    def test_first_session_only(self) -> None:
        """The first session to select a mailbox is told, the next is not; EXAMINE leaves it to others."""
        self.deliver()
        connection = self.logged_in()
        self.assertIn("* 1 RECENT", self.say(connection, "a EXAMINE INBOX"))
        self.assertIn("* 1 RECENT", self.say(connection, "b SELECT INBOX"))
        other = self.logged_in()
        self.assertIn("* 0 RECENT", self.say(other, "c SELECT INBOX"))
        self.assertIn("(\\Recent)", self.say(connection, "d FETCH 1 FLAGS"))
        self.assertIn("FLAGS ()", self.say(other, "e FETCH 1 FLAGS"))

    def test_first_unseen(self) -> None:
        """UNSEEN is the number of the first message without it; left out when there is none."""
        self.deliver(flags=1)
        self.deliver()
        connection = self.logged_in()
        self.assertIn("* OK [UNSEEN 2]", self.say(connection, "a SELECT INBOX"))
        self.say(connection, "b STORE 2 +FLAGS \\Seen")
        self.assertNotIn("UNSEEN", self.say(connection, "c SELECT INBOX"))


class IdleTests(ImapCase):
    """IDLE (RFC 2177)."""

    def setUp(self) -> None:
        super().setUp()
        self.deliver()
        self.deliver()
        self.one, self.two = self.selected(), self.selected()
        self.say(self.one, "i IDLE")

    def test_pushes(self) -> None:
        """New mail, flags and expunges are told at once."""
        self.deliver()
        self.assertEqual(self.heard(self.one), "* 3 EXISTS\r\n* 3 RECENT\r\n")
        self.say(self.two, "a STORE 1 +FLAGS (\\Deleted)")
        self.assertEqual(self.heard(self.one), "* 1 FETCH (FLAGS (\\Deleted \\Recent))\r\n")
        self.say(self.two, "b EXPUNGE")
        self.assertEqual(self.heard(self.one), "* 1 EXPUNGE\r\n")
        self.assertEqual(self.say(self.one, "DONE"), "i OK IDLE terminated\r\n")

    def test_only_in_idle(self) -> None:
        """Without a command in progress nothing is said."""
        self.say(self.one, "DONE")
        self.deliver()
        self.assertEqual(self.heard(self.one), "")
        self.assertEqual(self.heard(self.two), "")

    def test_slow_done(self) -> None:
        """DONE may come octet by octet, in small letters."""
        for octet in (b"d", b"o", b"n", b"e", b"\r"):
            self.assertEqual(self.say(self.one, octet), "")
        self.assertEqual(self.say(self.one, b"\n"), "i OK IDLE terminated\r\n")

    def test_hung_up(self) -> None:
        """A client that hung up is not told."""
        self.one.transport.lose()  # type: ignore[union-attr]  # MemoryTransport
        self.deliver()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_mailbox_deleted(self) -> None:
        """When somebody else deletes the mailbox the session ends (RFC 2180 3.3)."""
        self.say(self.two, "a CREATE box")
        self.say(self.one, "DONE")
        self.say(self.one, "b SELECT box")
        self.say(self.one, "c IDLE")
        self.say(self.two, "d DELETE box")
        self.assertEqual(self.heard(self.one), "* BYE The selected mailbox was deleted\r\n")

    def test_own_mailbox_deleted(self) -> None:
        """Who deletes the mailbox that it has selected goes on without one."""
        self.say(self.two, "a CREATE box")
        self.say(self.two, "b SELECT box")
        self.assertEqual(self.say(self.two, "c DELETE box"), "c OK DELETE completed\r\n")
        self.assertIn("d BAD ", self.say(self.two, "d CHECK"))


class AccountTests(ImapCase):
    """What belongs to others (I7), and how many may come (I10)."""

    def test_nothing_of_others(self) -> None:
        """No verb reaches mail of another account (I7)."""
        self.deliver()
        hashed = now(self.store.users.credentials("alice@example.test"))
        assert hashed is not None
        make_user(self.store, "bob@example.test", hashed.password_hash)
        connection = self.logged_in(name="bob@example.test")
        self.assertIn("* 0 EXISTS", self.say(connection, "a SELECT INBOX"))
        for name in ("alice@example.test/INBOX", "../alice/INBOX", "user.alice", "#shared/alice", "~alice/INBOX"):
            for verb in ("SELECT", "EXAMINE", "DELETE"):
                self.assertIn("b NO ", self.say(connection, f"b {verb} {name}"))
        self.say(connection, "c EXAMINE INBOX")
        self.assertIn("* SEARCH\r\n", self.say(connection, "d UID SEARCH ALL"))

    def test_connections_of_a_user(self) -> None:
        """A user has a limited number of connections; one that ends makes room (RFC 5530)."""
        factory = self.listener(connections_per_user=2)
        first, _ = self.logged_in(factory), self.logged_in(factory)
        third, _ = self.connect(factory)
        self.assertIn("a NO [LIMIT] ", self.say(third, 'a LOGIN alice@example.test "secret word"'))
        first.transport.lose()  # type: ignore[union-attr]  # MemoryTransport
        self.assertIn("b OK ", self.say(third, 'b LOGIN alice@example.test "secret word"'))

    def test_switched_off(self) -> None:
        """A capability that is switched off is neither shown nor understood."""
        connection = self.logged_in(self.listener(disabled=frozenset({"MOVE", "IDLE", "LITERAL+", "UIDPLUS"})))
        answer = self.say(connection, "a CAPABILITY")
        for name in (" MOVE", " IDLE", " LITERAL+", " UIDPLUS"):
            self.assertNotIn(name, answer)
        self.say(connection, "b SELECT INBOX")
        for command in ("MOVE 1 Trash", "UID MOVE 1 Trash", "IDLE", "UID EXPUNGE 1"):
            self.assertEqual(self.say(connection, f"c {command}"), "c BAD Unknown command\r\n")
        self.assertIn("d OK APPEND", self.say(connection, b"d APPEND Sent {3+}\r\nabc\r\n"))

    def test_unexpected(self) -> None:
        """Whatever goes wrong inside is NO [SERVERBUG], and the session lives on."""
        connection = self.logged_in()

        def broken(*_: object) -> None:
            raise RuntimeError("broken")

        self.patch(self.store.mailboxes, "find", broken)
        self.assertEqual(self.say(connection, "a SELECT INBOX"),
                         "a NO [SERVERBUG] Internal error, please try again later\r\n")
        self.assertIn("b NO [SERVERBUG] ", self.say(connection, b"b APPEND INBOX {11+}\r\nc LOGOUT\r\n \r\n"))
        self.assertEqual(self.say(connection, "d NOOP"), "d OK NOOP completed\r\n")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)


class SelectAgainTests(ImapCase):
    """SELECT of a mailbox that was opened before."""

    def test_renamed(self) -> None:
        """The name counts, not what it meant before."""
        one, two = self.logged_in(), self.logged_in()
        self.say(one, "a CREATE Old")
        self.deliver(mailbox="Old")
        self.assertIn("* 1 EXISTS", self.say(one, "b SELECT Old"))
        self.say(two, "c RENAME Old New")
        self.assertIn("d NO [NONEXISTENT]", self.say(two, "d SELECT Old"))
        self.say(two, "e CREATE Old")
        self.assertIn("* 0 EXISTS", self.say(two, "f SELECT Old"))
        self.assertIn("* 1 EXISTS", self.say(two, "g SELECT New"))

    def test_deleted(self) -> None:
        """A mailbox that was made anew is another one."""
        one = self.logged_in()
        self.say(one, "a CREATE Box")
        before = self.say(one, "b SELECT Box")
        self.say(one, "c DELETE Box")
        self.say(one, "d CREATE Box")
        after = self.say(one, "e SELECT Box")
        self.assertIn("e OK", after)
        self.assertNotEqual(before.split("UIDVALIDITY ")[1].split("]")[0], after.split("UIDVALIDITY ")[1].split("]")[0])
