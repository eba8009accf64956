"""Tests of NOTIFY (RFC 5465): what a client hears, without asking, of what others do."""

from __future__ import annotations

from typing import Any

from quantummail.imap.server import IMAPConnection
from quantummail.store.annotations import SPECIAL_USE
from quantummail.store.errors import Unavailable
from quantummail.store.flags import SEEN
from tests.auth.accounts import PASSWORDS
from tests.imap.case import NAME, PASSWORD, ImapCase
from tests.support.stores import make_user, now
from tests.support.transport import MemoryTransport

ALL = "(personal (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange))"


class NotifyCase(ImapCase):
    """One client that listens, one that does things."""

    def setUp(self) -> None:
        super().setUp()
        self.listener_ = self.logged_in()
        self.other = self.logged_in()

    def notify(self, arguments: str, connection: IMAPConnection | None = None) -> None:
        answer = self.say(connection or self.listener_, f"n NOTIFY SET {arguments}")
        assert answer.endswith("n OK NOTIFY completed\r\n"), answer

    def do(self, *commands: str) -> str:
        """What the listener hears of what the other does."""
        for command in commands:
            answer = self.say(self.other, f"o {command}")
            assert "\r\no OK" in "\r\n" + answer, answer
        return self.heard(self.listener_)


class OtherMailboxesTests(NotifyCase):
    """Messages in mailboxes that are not open."""

    def test_new_mail(self) -> None:
        """STATUS, at once; HIGHESTMODSEQ for those who know it."""
        self.notify("(mailboxes Sent (MessageNew MessageExpunge))")
        self.deliver(mailbox="Sent")
        self.assertEqual(self.heard(self.listener_), "* STATUS Sent (UIDNEXT 2 MESSAGES 1 UNSEEN 1)\r\n")
        self.deliver(mailbox="Drafts")
        self.assertEqual(self.heard(self.listener_), "")
        self.say(self.listener_, "a ENABLE CONDSTORE")
        self.deliver(mailbox="Sent")
        self.assertEqual(
            self.heard(self.listener_), "* STATUS Sent (UIDNEXT 3 MESSAGES 2 UNSEEN 2 HIGHESTMODSEQ 3)\r\n")

    def test_flags_and_expunge(self) -> None:
        """Counters that change with flags, messages that go."""
        self.deliver(mailbox="Sent")
        self.notify(ALL)
        self.assertEqual(self.do("SELECT Sent", r"STORE 1 FLAGS (\Seen \Deleted)"), "* STATUS Sent (UNSEEN 0)\r\n")
        self.assertEqual(self.do(r"STORE 1 +FLAGS (\Flagged)"), "")
        self.assertEqual(self.do("EXPUNGE"), "* STATUS Sent (UIDNEXT 2 MESSAGES 0 UNSEEN 0)\r\n")
        self.say(self.listener_, "a ENABLE CONDSTORE")
        self.deliver(mailbox="Sent", flags=SEEN)
        self.heard(self.listener_)
        self.assertEqual(
            self.do(r"STORE 1 +FLAGS (\Flagged)"),
            f"* STATUS Sent (UIDVALIDITY {self.uidvalidity('Sent')} UNSEEN 0 HIGHESTMODSEQ 7)\r\n")

    def uidvalidity(self, name: str) -> int:
        found = now(self.store.mailboxes.find(self.user.id, name))
        assert found is not None
        return found.uidvalidity

    def test_other_users(self) -> None:
        """What happens elsewhere is nobody's business here."""
        bob = make_user(self.store, "bob@example.test", PASSWORDS.hash(PASSWORD))
        self.notify(ALL)
        now(self.store.mailboxes.create(bob.id, "new"))
        self.assertEqual(self.heard(self.listener_), "")

    def test_during_a_command(self) -> None:
        """What happens while the client is being answered is told behind that."""
        self.notify(ALL)
        fetch = self.store.mailboxes.find

        async def slow(*args: Any) -> Any:
            self.patch(self.store.mailboxes, "find", fetch)
            self.deliver(mailbox="Sent")
            return await fetch(*args)

        self.patch(self.store.mailboxes, "find", slow)
        answer = self.say(self.listener_, "a STATUS Drafts (MESSAGES)")
        self.assertEqual(answer, "* STATUS Drafts (MESSAGES 0)\r\na OK STATUS completed\r\n"
                                 "* STATUS Sent (UIDNEXT 2 MESSAGES 1 UNSEEN 1)\r\n")

    def test_in_the_middle_of_a_command(self) -> None:
        """A client that has sent half a command hears all the same, but not in the middle of its message."""
        self.notify(ALL)
        self.assertEqual(self.say(self.listener_, b"a NO"), "")
        self.deliver(mailbox="Sent")
        self.assertIn("* STATUS Sent ", self.heard(self.listener_))
        self.assertEqual(self.say(self.listener_, b"OP\r\n"), "a OK NOOP completed\r\n")
        self.say(self.listener_, b"b APPEND Drafts {3}\r\n")
        self.deliver(mailbox="Sent")
        self.assertEqual(self.heard(self.listener_), "")
        answer = self.say(self.listener_, b"abc\r\n")
        self.assertRegex(answer, r"\Ab OK .*\r\n\* STATUS Sent .*\r\n\Z")

    def test_replaced_and_ended(self) -> None:
        """The next NOTIFY replaces what was asked for; NONE, UNAUTHENTICATE and the end of the connection end it."""
        self.notify(ALL)
        self.notify("(mailboxes Drafts (MessageNew MessageExpunge))")
        self.deliver(mailbox="Sent")
        self.assertEqual(self.heard(self.listener_), "")
        self.say(self.listener_, "a NOTIFY NONE")
        self.deliver(mailbox="Drafts")
        self.assertEqual(self.heard(self.listener_), "")
        self.assertEqual(self.store.account_changes.watched(), ([], []))
        self.notify(ALL)
        self.say(self.listener_, "b UNAUTHENTICATE")
        self.assertEqual(self.store.account_changes.watched(), ([], []))

    def test_new_mailbox_with_mail(self) -> None:
        """Mail in a mailbox that was made after NOTIFY."""
        self.notify(ALL)
        self.do("CREATE new")
        self.deliver(mailbox="new")
        self.assertEqual(self.heard(self.listener_), "* STATUS new (UIDNEXT 2 MESSAGES 1 UNSEEN 1)\r\n")

    def test_trouble(self) -> None:
        """What cannot be found out ends the notifications, with words (RFC 5465 5.8); the connection lives on."""
        self.notify(ALL)

        async def failing(*_args: object) -> None:
            raise Unavailable("the database is not available")

        self.patch(self.store.mailboxes, "some", failing)
        self.deliver(mailbox="Sent")
        self.assertRegex(self.heard(self.listener_), r"\A\* OK \[NOTIFICATIONOVERFLOW\] [^\r]*\r\n\Z")
        self.deliver(mailbox="Sent")
        self.assertEqual(self.say(self.listener_, "a NOOP"), "a OK NOOP completed\r\n")

    def test_mistake(self) -> None:
        """A mistake of ours is logged, and is not taken for the answer to a command."""
        self.say(self.listener_, "a NOOP")
        self.notify(ALL)

        async def failing(*_args: object) -> None:
            raise ZeroDivisionError

        self.patch(self.store.mailboxes, "some", failing)
        self.deliver(mailbox="Sent")
        self.assertRegex(self.heard(self.listener_), r"\A\* NO \[SERVERBUG\] [^\r]*\r\n\Z")
        self.assertEqual(self.say(self.listener_, "b NOOP"), "b OK NOOP completed\r\n")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_hung_up(self) -> None:
        """A client that goes while it does not read leaves nothing behind, not even in the log."""
        self.notify(ALL)
        transport = self.listener_.transport
        assert isinstance(transport, MemoryTransport)
        transport.full()
        self.deliver(mailbox="Sent")
        transport.lose()
        self.assertEqual(self.store.account_changes.watched(), ([], []))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_too_many(self) -> None:
        """A request beyond all measure is refused (RFC 5465 3.1)."""
        groups = " ".join(["(personal NONE)"] * 101)
        self.assertIn("a NO [NOTIFICATIONOVERFLOW] ", self.say(self.listener_, f"a NOTIFY SET {groups}"))

    def test_without_annotations(self) -> None:
        """Where METADATA is switched off, so are its events."""
        connection = self.logged_in(self.listener(disabled=frozenset({"METADATA"})))
        self.assertIn("a NO [BADEVENT (FlagChange MailboxName MessageExpunge MessageNew SubscriptionChange)] ",
                      self.say(connection, "a NOTIFY SET (personal (ServerMetadataChange))"))


class TreeTests(NotifyCase):
    """Mailboxes that come, go, and change their names; subscriptions."""

    def test_created(self) -> None:
        """LIST of the new mailbox, and of its parent (RFC 5465 5.4)."""
        self.notify(ALL)
        self.assertEqual(
            self.do("CREATE Sent/2026"),
            '* LIST (\\HasChildren \\Subscribed \\Sent) "/" Sent\r\n* LIST (\\HasNoChildren) "/" Sent/2026\r\n')

    def test_deleted(self) -> None:
        """A name that is none any more is told to be."""
        self.do("CREATE a/b/c")
        self.notify(ALL)
        self.assertEqual(
            self.do("DELETE a/b"),
            '* LIST (\\HasChildren) "/" a\r\n* LIST (\\NonExistent \\HasChildren) "/" a/b\r\n')
        self.assertEqual(
            self.do("DELETE a/b/c"),
            '* LIST (\\NonExistent \\HasNoChildren) "/" a/b\r\n* LIST (\\NonExistent \\HasNoChildren) "/" a/b/c\r\n')

    def test_renamed(self) -> None:
        """The old name comes along, once for a whole tree; names in modified UTF-7, or in UTF-8."""
        self.do("CREATE a/b")
        self.notify(ALL)
        self.assertEqual(
            self.do("RENAME a &AMk-t&AOk-"), '* LIST (\\HasChildren) "/" &AMk-t&AOk- ("OLDNAME" (a))\r\n')
        self.say(self.listener_, "u ENABLE UTF8=ACCEPT")
        heard = self.do("RENAME &AMk-t&AOk- a").encode("latin-1").decode()
        self.assertEqual(heard, '* LIST (\\HasChildren) "/" a ("OLDNAME" ("Été"))\r\n')

    def test_inbox_renamed(self) -> None:
        """RENAME of INBOX makes a mailbox; INBOX itself is where it was."""
        self.deliver()
        self.notify("(personal (MailboxName))")
        self.assertEqual(self.do("RENAME INBOX old"), '* LIST (\\HasNoChildren) "/" old\r\n')

    def test_subscriptions(self) -> None:
        """\\Subscribed or not, whether the mailbox exists or not (RFC 5465 5.5)."""
        self.notify("(subscribed (SubscriptionChange))")
        self.assertEqual(self.do("UNSUBSCRIBE Junk"), '* LIST (\\HasNoChildren \\Junk) "/" Junk\r\n')
        self.assertEqual(self.do("SUBSCRIBE none"), '* LIST (\\NonExistent \\HasNoChildren \\Subscribed) "/" none\r\n')

    def test_subscribed(self) -> None:
        """Which mailboxes are watched follows the subscriptions (RFC 5465 6.4)."""
        self.notify("(subscribed (MessageNew MessageExpunge))")
        self.do("CREATE new")
        self.deliver(mailbox="new")
        self.assertEqual(self.heard(self.listener_), "")
        self.do("SUBSCRIBE new")
        self.assertEqual(self.heard(self.listener_), "")
        self.deliver(mailbox="new")
        self.assertIn("* STATUS new (UIDNEXT 3 MESSAGES 2 UNSEEN 2)", self.heard(self.listener_))

    def test_account_deleted(self) -> None:
        """An account that is gone leaves nothing behind."""
        self.notify(ALL)
        now(self.store.users.delete(NAME))
        self.assertEqual(self.flushLoggedErrors(), [])


class SelectedTests(NotifyCase):
    """The mailbox that is open."""

    def setUp(self) -> None:
        super().setUp()
        for _ in range(3):
            self.deliver()
        self.say(self.other, "s SELECT INBOX")
        self.say(self.listener_, "s SELECT INBOX")

    def test_selected(self) -> None:
        """Everything at once, flags with UIDs (RFC 5465 5.1)."""
        self.notify("(selected (MessageNew MessageExpunge FlagChange))")
        self.deliver()
        self.assertEqual(self.heard(self.listener_), "* 4 EXISTS\r\n* 1 RECENT\r\n")
        self.assertEqual(self.do(r"STORE 2 +FLAGS (\Deleted)"), "* 2 FETCH (UID 2 FLAGS (\\Deleted))\r\n")
        self.assertEqual(self.do("EXPUNGE"), "* 2 EXPUNGE\r\n")

    def test_selected_delayed(self) -> None:
        """EXPUNGE waits for a command that allows it, or for IDLE (RFC 5465 6.1.2)."""
        self.notify("(selected-delayed (MessageNew MessageExpunge FlagChange))")
        self.assertEqual(self.do(r"STORE 2 +FLAGS (\Deleted)", "EXPUNGE"), "* 2 FETCH (UID 2 FLAGS (\\Deleted))\r\n")
        self.assertEqual(self.say(self.listener_, "a FETCH 1 UID"), "* 1 FETCH (UID 1)\r\na OK FETCH completed\r\n")
        self.assertEqual(self.say(self.listener_, "b NOOP"), "* 2 EXPUNGE\r\nb OK NOOP completed\r\n")
        self.do(r"STORE 2 +FLAGS (\Deleted)", "EXPUNGE")
        self.assertEqual(self.say(self.listener_, "c IDLE"), "+ idling\r\n* 2 EXPUNGE\r\n")

    def test_qresync(self) -> None:
        """VANISHED for those who have enabled it."""
        self.say(self.listener_, "e ENABLE QRESYNC")
        self.notify("(selected (MessageNew MessageExpunge))")
        self.assertEqual(self.do(r"STORE 2 +FLAGS.SILENT (\Deleted)", "EXPUNGE"), "* VANISHED 2\r\n")

    def test_items(self) -> None:
        """What is asked for of new messages comes with them; \\Seen stays as it is."""
        self.notify("(selected (MessageNew (UID BODY[HEADER.FIELDS (Subject)]) MessageExpunge))")
        self.deliver(b"Subject: new\r\n\r\ntext\r\n")
        self.assertEqual(
            self.heard(self.listener_), "* 4 EXISTS\r\n* 1 RECENT\r\n"
            "* 4 FETCH (UID 4 BODY[HEADER.FIELDS (Subject)] {16}\r\nSubject: new\r\n\r\n)\r\n")
        self.assertIn("FLAGS (\\Recent)", self.say(self.listener_, "a FETCH 4 FLAGS"))

    def test_items_with_a_command(self) -> None:
        """The same when a command brings the news."""
        self.say(self.listener_, "i IDLE")
        self.say(self.listener_, b"DONE\r\n")
        self.notify("(selected (MessageNew (UID) MessageExpunge))")
        self.say(self.listener_, b"a NO")
        self.deliver()
        self.assertEqual(self.heard(self.listener_), "* 4 EXISTS\r\n* 1 RECENT\r\n* 4 FETCH (UID 4)\r\n")

    def test_own_messages(self) -> None:
        """Nothing is fetched of what the client has put there itself (RFC 5465 5.2)."""
        self.notify("(selected (MessageNew (UID) MessageExpunge))")
        answer = self.say(self.listener_, b"a APPEND INBOX {3+}\r\nabc\r\n")
        self.assertRegex(answer, r"\A\* 4 EXISTS\r\n\* 1 RECENT\r\na OK \[APPENDUID \d+ 4\] APPEND completed\r\n\Z")
        answer = self.say(self.listener_, b"b COPY 1 INBOX\r\n")
        self.assertRegex(answer, r"\A\* 5 EXISTS\r\n\* 2 RECENT\r\nb OK \[COPYUID [^\]]*\] COPY completed\r\n\Z")
        self.deliver()
        self.assertIn("* 6 FETCH (UID 6)", self.heard(self.listener_))

    def test_without_flags(self) -> None:
        """Without FlagChange flags are not told at once; with a command they are."""
        self.notify("(selected (MessageNew MessageExpunge))")
        self.assertEqual(self.do(r"STORE 2 +FLAGS (\Seen)"), "")
        self.deliver()
        self.assertEqual(self.heard(self.listener_), "* 4 EXISTS\r\n* 1 RECENT\r\n")
        self.assertEqual(
            self.say(self.listener_, "a NOOP"), "* 2 FETCH (UID 2 FLAGS (\\Seen))\r\na OK NOOP completed\r\n")
        self.assertEqual(self.say(self.listener_, "b NOOP"), "b OK NOOP completed\r\n")

    def test_none(self) -> None:
        """Who does not ask for the selected mailbox hears of it with his own commands only, not even in IDLE."""
        for arguments in ("SET (personal (MessageNew MessageExpunge FlagChange))", "SET (selected NONE)", "NONE"):
            self.say(self.listener_, f"n NOTIFY {arguments}")
            self.deliver()
            self.assertEqual(self.heard(self.listener_), "")
            self.assertIn(" EXISTS\r\n", self.say(self.listener_, "a NOOP"))
            self.assertEqual(self.say(self.listener_, "i IDLE"), "+ idling\r\n")
            self.deliver()
            self.assertEqual(self.heard(self.listener_), "")
            self.assertIn(" EXISTS\r\n", self.say(self.listener_, b"DONE\r\n"))

    def test_implicit_noop(self) -> None:
        """NOTIFY brings what has accumulated (RFC 5465 3.1)."""
        self.deliver()
        self.assertEqual(
            self.say(self.listener_, "a NOTIFY SET (selected (MessageNew MessageExpunge))"),
            "* 4 EXISTS\r\n* 1 RECENT\r\na OK NOTIFY completed\r\n")

    def test_idle(self) -> None:
        """In IDLE the same is told as outside (RFC 5465 section 4)."""
        self.notify(f"(selected (MessageNew (UID) MessageExpunge)) {ALL}")
        self.say(self.listener_, "i IDLE")
        self.deliver()
        self.assertEqual(self.heard(self.listener_), "* 4 EXISTS\r\n* 1 RECENT\r\n* 4 FETCH (UID 4)\r\n")
        self.deliver(mailbox="Sent")
        self.assertEqual(self.heard(self.listener_), "* STATUS Sent (UIDNEXT 2 MESSAGES 1 UNSEEN 1)\r\n")
        self.assertEqual(self.do("CREATE new"), '* LIST (\\HasNoChildren) "/" new\r\n')
        self.assertEqual(self.say(self.listener_, b"DONE\r\n"), "i OK IDLE terminated\r\n")

    def test_deleted(self) -> None:
        """A selected mailbox that is deleted ends the session (RFC 2180 3.3), and nothing is left."""
        self.do("CREATE doomed")
        self.say(self.listener_, "a SELECT doomed")
        self.notify("(selected (MessageNew MessageExpunge)) (personal (MailboxName))")
        self.assertIn("* BYE The selected mailbox was deleted", self.do("DELETE doomed"))

    def test_own_copy_elsewhere(self) -> None:
        """What the client copies into another mailbox is no news to it; what others add is."""
        self.notify("(personal (MessageNew MessageExpunge))")
        self.assertNotIn("STATUS", self.say(self.listener_, "a COPY 1:2 Sent"))
        self.assertNotIn("STATUS", self.say(self.listener_, "b MOVE 3 Sent"))
        self.deliver(mailbox="Sent")
        self.assertEqual(self.heard(self.listener_), "* STATUS Sent (UIDNEXT 5 MESSAGES 4 UNSEEN 4)\r\n")


class AnnotationTests(NotifyCase):
    """Annotations that change (RFC 5465 5.6, 5.7)."""

    def test_mailbox(self) -> None:
        """The names of the entries, also of those that are removed."""
        self.notify("(mailboxes (INBOX Archive) (MailboxMetadataChange))")
        self.assertEqual(
            self.do('SETMETADATA INBOX (/private/comment "x" /shared/comment NIL)'),
            "* METADATA INBOX /private/comment /shared/comment\r\n")
        self.assertEqual(self.do('SETMETADATA Sent (/private/comment "x")'), "")
        self.assertEqual(self.do('SETMETADATA "" (/private/comment "x")'), "")
        self.assertEqual(
            self.do('SETMETADATA Sent (/private/specialuse "\\\\Archive")'), f"* METADATA Archive {SPECIAL_USE}\r\n")

    def test_server(self) -> None:
        """The server's annotations: one's own, and those of all."""
        self.notify("(inboxes (ServerMetadataChange))")
        self.assertEqual(self.do('SETMETADATA "" (/private/a "x")'), '* METADATA "" /private/a\r\n')
        self.assertEqual(self.do('SETMETADATA INBOX (/private/a "x")'), "")
        now(self.store.users.create("root@example.test", PASSWORDS.hash(PASSWORD), admin=True))
        administrator = self.logged_in(name="root@example.test")
        self.say(administrator, 'a SETMETADATA "" (/shared/comment "closed" /private/b "mine")')
        self.assertEqual(self.heard(self.listener_), '* METADATA "" /shared/comment\r\n')
