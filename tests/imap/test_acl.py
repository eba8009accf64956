"""Tests of the commands of ACL, and of what guests see and do in mailboxes of other users (RFC 4314)."""

from __future__ import annotations

import re

from quantummail.store.flags import DELETED, FLAGGED, SEEN
from quantummail.store.rights import ALL
from tests.auth.accounts import PASSWORDS
from tests.imap.case import NAME, PASSWORD
from tests.imap.shared_case import BOB, CAROL, THERE, SharedCase
from tests.support.stores import make_user, now

SHOWN = "lrswipkxteacd"


class CommandsTests(SharedCase):
    """SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS."""

    def test_lists(self) -> None:
        """Rights are given, added, taken and shown, with the letters of RFC 2086."""
        owner = self.logged_in()
        for command, shown in (
            (f"SETACL box {BOB} lrc", f"{NAME} {SHOWN} {BOB} lrkxc"),
            (f"SETACL box {BOB} +d", f"{NAME} {SHOWN} {BOB} lrkxtecd"),
            (f"SETACL box {BOB} -kxt", f"{NAME} {SHOWN} {BOB} lred"),
            ("SETACL box anyone lp", f"{NAME} {SHOWN} anyone lp {BOB} lred"),
            (f"SETACL box -{BOB} e", f"{NAME} {SHOWN} anyone lp {BOB} lred -{BOB} ed"),
            (f"DELETEACL box {BOB}", f"{NAME} {SHOWN} anyone lp -{BOB} ed"),
            ('SETACL box anyone ""', f"{NAME} {SHOWN} -{BOB} ed"),
            (f"DELETEACL box -{BOB}", f"{NAME} {SHOWN}"),
        ):
            self.assertIn("a OK", self.say(owner, f"a {command}"), command)
            self.assertEqual(self.say(owner, "b GETACL box"), f"* ACL box {shown}\r\nb OK GETACL completed\r\n")

    def test_refused(self) -> None:
        """What is no right is BAD (RFC 4314 3.1); no such user, and the owner's rights, are NO."""
        owner = self.logged_in()
        for command, answer in (
            (f"SETACL box {BOB} lz", "BAD"), (f"SETACL box {BOB} LR", "BAD"), (f"SETACL box {BOB} +l+r", "BAD"),
            (f"SETACL box {BOB}", "BAD"), ('SETACL box "" l', "BAD"), ("SETACL box nobody@example.test l", "NO"),
            (f"SETACL box {NAME} lr", "NO [CANNOT]"), (f"DELETEACL box {NAME}", "NO [CANNOT]"),
            (f"SETACL nothing {BOB} lr", "NO [NONEXISTENT]"), (f"SETACL box {NAME} {ALL}", "OK"),
            ("GETACL box x", "BAD"), ("DELETEACL box nobody@example.test", "OK"),
        ):
            self.assertTrue(self.say(owner, f"a {command}").startswith(f"a {answer}"), command)

    def test_rights(self) -> None:
        """LISTRIGHTS and MYRIGHTS, of the owner and of guests."""
        owner = self.logged_in()
        separate = " ".join(SHOWN)
        self.assertIn(f"* LISTRIGHTS box {NAME} {SHOWN}\r\n", self.say(owner, f"a LISTRIGHTS box {NAME}"))
        for who in ("anyone", BOB, "-anyone", "nobody@example.test"):
            self.assertIn(f'* LISTRIGHTS box {who} "" {separate}\r\n', self.say(owner, f"a LISTRIGHTS box {who}"))
        self.assertIn(f"* MYRIGHTS box {SHOWN}\r\n", self.say(owner, "b MYRIGHTS box"))
        self.give("lrx")
        self.assertIn(f'* MYRIGHTS "{THERE}/box" lrxc\r\n', self.say(self.guest(), f'c MYRIGHTS "{THERE}/box"'))
        for rights, answer in (("swtep", "NO [NONEXISTENT]"), ("i", "* MYRIGHTS"), ("a", "* MYRIGHTS")):
            self.give(rights)
            self.assertIn(answer, self.say(self.guest(), f'c MYRIGHTS "{THERE}/box"'))

    def test_a_guest_who_administers(self) -> None:
        """Whoever has the right a gives rights to others, but takes none from the owner."""
        make_user(self.store, CAROL, PASSWORDS.hash(PASSWORD))
        self.give("la")
        guest = self.guest()
        self.assertIn("a OK", self.say(guest, f'a SETACL "{THERE}/box" {CAROL} lr'))
        self.assertIn(f'* ACL "{THERE}/box" {NAME} {SHOWN} {BOB} la {CAROL} lr\r\n',
                      self.say(guest, f'b GETACL "{THERE}/box"'))
        self.assertIn("c NO [CANNOT]", self.say(guest, f'c SETACL "{THERE}/box" {NAME} l'))

    def test_capability(self) -> None:
        """ACL, and which of its rights RFC 2086 did not have."""
        words = self.say(self.logged_in(), "a CAPABILITY").split()
        self.assertIn("ACL", words)
        self.assertIn("RIGHTS=texk", words)


class ListTests(SharedCase):
    """Names of others' mailboxes."""

    def test_names(self) -> None:
        """Those that may be seen, with their parents, which may not be selected; special uses stay with the owner."""
        now(self.store.mailboxes.create(self.user.id, "box/hidden"))
        now(self.store.mailboxes.create(self.user.id, "box/hidden/deep"))
        self.give("l", "box/hidden/deep")
        self.give("l", "Sent")
        self.give("r", "box/hidden")
        guest = self.guest()
        self.assertEqual(self.say(guest, 'a LIST "" "Other Users*"').split("\r\n")[:-2], [
            r'* LIST (\Noselect \HasChildren) "/" "Other Users"',
            rf'* LIST (\Noselect \HasChildren) "/" "{THERE}"',
            rf'* LIST (\HasNoChildren) "/" "{THERE}/Sent"',
            rf'* LIST (\Noselect \HasChildren) "/" "{THERE}/box"',
            rf'* LIST (\Noselect \HasChildren) "/" "{THERE}/box/hidden"',
            rf'* LIST (\HasNoChildren) "/" "{THERE}/box/hidden/deep"',
        ])
        self.assertIn(r'(\NonExistent \HasChildren) "/" "Other Users"', self.say(
            guest, 'b LIST "" "%" RETURN (CHILDREN)'))

    def test_returns(self) -> None:
        """STATUS and METADATA come with what may be read, MYRIGHTS with all that is seen."""
        self.deliver(mailbox="box")
        self.say(self.logged_in(), 'a SETMETADATA box (/shared/comment "ours" /private/comment "mine")')
        self.give("l", "Sent")
        self.give("lr")
        answer = self.say(self.guest(), 'b LIST "" "Other Users/*" RETURN (STATUS (MESSAGES RECENT) MYRIGHTS METADATA '
                                        "(/shared/comment /private/comment))")
        self.assertEqual(re.findall(r'\* STATUS "(.*?)" \((.*?)\)', answer), [(f"{THERE}/box", "MESSAGES 1 RECENT 1")])
        self.assertEqual(re.findall(r'\* MYRIGHTS "(.*?)" (\w+)', answer), [
            (f"{THERE}/Sent", "l"), (f"{THERE}/box", "lr")])
        self.assertEqual(re.findall(r'\* METADATA "(.*?)" \((.*?)\)\r', answer), [
            (f"{THERE}/box", '/shared/comment "ours" /private/comment NIL')])

    def test_subscriptions(self) -> None:
        """Guests subscribe for themselves; what cannot be seen any more is shown as any name that is not there."""
        self.give("lr")
        guest = self.guest()
        self.say(guest, f'a SUBSCRIBE "{THERE}/box"')
        self.assertIn(f'* LSUB () "/" "{THERE}/box"\r\n', self.say(guest, 'b LSUB "" "Other*"'))
        self.assertNotIn("Other", self.say(self.logged_in(), 'c LSUB "" *'))
        self.give("")
        self.assertIn(rf'* LSUB (\Noselect) "/" "{THERE}/box"', self.say(guest, 'd LSUB "" "Other*"'))

    def test_spellings(self) -> None:
        """INBOX and addresses in any case; local parts that have the delimiter in them; deep names."""
        odd = make_user(self.store, "a/b%2F@example.test", PASSWORDS.hash(PASSWORD))
        inbox = self.mailbox_id("INBOX", odd)
        now(self.store.acls.change(odd.id, inbox, BOB, "lr"))
        self.give("lr", "INBOX")
        deep = "/".join("abcdefghijklmnop")
        now(self.store.mailboxes.create(self.user.id, deep))
        self.give("lr", deep)
        guest = self.guest()
        self.assertIn('"Other Users/a%2Fb%252f@example.test/INBOX"', self.say(guest, 'a LIST "" *'))
        for name in ("Other Users/a%2Fb%252f@example.test/inbox", "Other Users/ALICE@Example.test/Inbox",
                     f"{THERE}/{deep}"):
            self.assertIn("b OK", self.say(guest, f'b SELECT "{name}"'), name)

    def test_names_from_before(self) -> None:
        """A mailbox of one's own that had such a name before is found; no new one can be made."""
        now(self.store.mailboxes.create(self.bob.id, "Other Users/old"))
        now(self.store.mailboxes.create(self.bob.id, f"{THERE}/box"))
        self.give("lr")
        guest = self.guest()
        self.assertIn("a OK", self.say(guest, 'a SELECT "Other Users/old"'))
        self.assertIn(f'* MYRIGHTS "{THERE}/box" {SHOWN}', self.say(guest, f'b MYRIGHTS "{THERE}/box"'))
        self.assertEqual(self.say(guest, 'c LIST "" "Other Users/*"').count("/box"), 1)
        self.assertIn("d OK", self.say(guest, 'd RENAME "Other Users/old" elsewhere'))
        self.assertIn("e NO [CANNOT]", self.say(guest, 'e RENAME elsewhere "Other Users/old"'))


class InsideTests(SharedCase):
    """Mailboxes of others that are selected."""

    def setUp(self) -> None:
        super().setUp()
        self.deliver(b"Subject: one\r\n\r\nsome words\r\n", "box", keywords=("k1",))

    def test_what_may_be_changed(self) -> None:
        """READ-ONLY or READ-WRITE, and PERMANENTFLAGS, tell what is allowed (RFC 4314 5.2)."""
        for rights, how, flags in (
            ("lr", "READ-ONLY", ""), ("lrs", "READ-WRITE", r"\Seen"), ("lrt", "READ-WRITE", r"\Deleted"),
            ("lrw", "READ-WRITE", r"\Answered \Flagged \Draft k1 \*"), ("lri", "READ-WRITE", ""),
            ("lre", "READ-WRITE", ""), ("lrkxap", "READ-ONLY", ""),
            (ALL, "READ-WRITE", r"\Seen \Answered \Flagged \Deleted \Draft k1 \*"),
        ):
            self.give(rights)
            answer = self.say(self.guest(), f'a SELECT "{THERE}/box"')
            self.assertIn(f"a OK [{how}]", answer)
            self.assertIn(f"* OK [PERMANENTFLAGS ({flags})]", answer)
        self.assertIn("PERMANENTFLAGS ()", self.say(self.guest(), f'a EXAMINE "{THERE}/box"'))

    def test_seen(self) -> None:
        """Messages are shown without the right s, and then stay unseen."""
        self.assertIn("some words", self.say(self.visiting("lr"), "a FETCH 1 BODY[]"))
        self.assertEqual(self.flags(1) & SEEN, 0)
        self.assertIn(r"FLAGS (\Seen k1", self.say(self.visiting("lrs"), "a FETCH 1 BODY[]"))
        self.assertEqual(self.flags(1) & SEEN, SEEN)

    def test_some_flags(self) -> None:
        """Of several flags those are changed that may be; the others stay (RFC 4314 section 4)."""
        guest = self.visiting("lrs")
        answer = self.say(guest, r"a STORE 1 +FLAGS (\Seen \Flagged \Deleted k2)")
        self.assertIn("a OK", answer)
        self.assertIn(r"FLAGS (\Seen k1", answer)
        self.assertEqual(self.flags(1) & 0xFF, SEEN)
        self.say(self.selected("box"), r"b STORE 1 +FLAGS (\Flagged)")
        self.assertIn(r"* 1 FETCH (FLAGS (\Flagged k1", self.say(guest, "c STORE 1 FLAGS (k1)"))
        self.assertIn("d NO [NOPERM]", self.say(guest, r"d STORE 1 -FLAGS (\Flagged)"))
        self.assertIn("e OK", self.say(guest, r"e STORE 1 +FLAGS ()"))

    def test_close(self) -> None:
        """CLOSE removes nothing without the right e, and closes all the same."""
        for rights, left in (("lrt", 1), ("lrte", 0)):
            guest = self.visiting(rights)
            self.say(guest, r"a STORE 1 +FLAGS (\Deleted)")
            self.assertIn("b OK", self.say(guest, "b CLOSE"))
            box = now(self.store.mailboxes.find(self.user.id, "box"))
            assert box is not None
            self.assertEqual(box.messages, left)

    def test_recent(self) -> None:
        r"""What is \Recent is the owner's to see first."""
        self.assertIn("* 1 RECENT", self.say(self.visiting("lrs"), f'a SELECT "{THERE}/box"'))
        self.assertIn("* 1 RECENT", self.say(self.logged_in(), "b SELECT box"))
        self.assertIn("* 0 RECENT", self.say(self.logged_in(), "c SELECT box"))

    def test_everything_is_read(self) -> None:
        """All commands that read see the owner's messages: searches, sorting, threads, ids, previews."""
        guest = self.visiting("lr")
        for command, found in (
            ("SEARCH TEXT words", "* SEARCH 1"), ("SORT (SUBJECT) UTF-8 ALL", "* SORT 1"),
            ("THREAD REFERENCES UTF-8 ALL", "* THREAD (1)"), ("SEARCH RETURN (COUNT) KEYWORD k1", "COUNT 1"),
            ("FETCH 1 (PREVIEW THREADID EMAILID)", '"some words"'), ("FETCH 1 BINARY[1]", "some words"),
            ("SEARCH SUBJECT one", "* SEARCH 1"), ("UID FETCH 1 (ENVELOPE)", '"one"'), ("CHECK", "a OK"),
            (f'ESEARCH IN (SUBTREE "{THERE}") SUBJECT one', f'MAILBOX "{THERE}/box"'),
            (f'STATUS "{THERE}/box" (MESSAGES)', f'* STATUS "{THERE}/box" (MESSAGES 1)'),
        ):
            self.assertIn(found, self.say(guest, f"a {command}"), command)
        (email,) = re.findall(r"EMAILID \((\w+)\)", self.say(guest, "a FETCH 1 EMAILID"))
        self.assertIn("* SEARCH 1", self.say(guest, f"a SEARCH EMAILID {email}"))

    def test_annotations(self) -> None:
        """Private annotations are the reader's own; the special use is the owner's."""
        now(self.store.mailboxes.create(self.user.id, "Saved", "\\Flagged"))
        self.give("lrw")
        self.give("lrw", "Saved")
        guest, owner = self.guest(), self.logged_in()
        self.assertIn("a OK", self.say(guest, f'a SETMETADATA "{THERE}/box" (/private/a "b" /shared/a "s")'))
        answer = self.say(owner, "b GETMETADATA box (/private/a /shared/a)")
        self.assertIn("/private/a NIL", answer)
        self.assertIn('/shared/a "s"', answer)
        self.assertIn('/private/a "b"', self.say(guest, f'c GETMETADATA "{THERE}/box" /private/a'))
        self.assertNotIn("Flagged", self.say(guest, f'd GETMETADATA "{THERE}/Saved" /private/specialuse'))
        self.assertIn("e NO [USEATTR]", self.say(
            guest, f'e SETMETADATA "{THERE}/box" (/private/specialuse "\\\\Junk")'))

    def test_quota(self) -> None:
        """The root is the owner's, also for GETQUOTA, as long as one of his mailboxes may be read."""
        now(self.store.users.set_quota(NAME, 1024 * 1024, 10))
        self.give("lr")
        guest = self.guest()
        self.assertIn(f'* QUOTAROOT "{THERE}/box" {NAME}\r\n* QUOTA {NAME} (STORAGE 1 1024 MESSAGE 1 10)',
                      self.say(guest, f'a GETQUOTAROOT "{THERE}/box"'))
        self.assertIn("b OK", self.say(guest, f"b GETQUOTA {NAME}"))
        self.give("l")
        self.assertIn("c NO [NONEXISTENT]", self.say(guest, f"c GETQUOTA {NAME}"))


class BetweenAccountsTests(SharedCase):
    """Messages go from one account to another."""

    def setUp(self) -> None:
        super().setUp()
        self.deliver(b"Subject: one\r\n\r\nsome words\r\n", "box", flags=FLAGGED | SEEN, keywords=("k1",))

    def test_copied_to_the_guest(self) -> None:
        """A copy is the guest's own, with the same id, and found by its text."""
        guest = self.visiting("lr")
        self.assertIn("a OK [COPYUID", self.say(guest, "a COPY 1 INBOX"))
        (email,) = re.findall(r"EMAILID \((\w+)\)", self.say(guest, "b FETCH 1 EMAILID"))
        self.say(guest, "c SELECT INBOX")
        answer = self.say(guest, "d FETCH 1 (FLAGS EMAILID ENVELOPE BODY.PEEK[])")
        for part in (r"\Seen \Flagged k1", f"EMAILID ({email})", '"one"', "some words"):
            self.assertIn(part, answer)
        self.assertIn("* SEARCH 1", self.say(guest, "e SEARCH BODY words"))
        self.assertIn("f OK", self.say(guest, "f SORT (SUBJECT) UTF-8 ALL"))
        now(self.store.mailboxes.delete(self.user.id, "box"))
        self.assertIn("some words", self.say(guest, "g FETCH 1 BODY.PEEK[TEXT]"))

    def test_moved(self) -> None:
        """MOVE takes it away from the owner; his counters follow."""
        guest = self.visiting("lrte")
        answer = self.say(guest, "a MOVE 1 INBOX")
        self.assertIn("* 1 EXPUNGE", answer)
        self.assertEqual(now(self.store.mailboxes.quota(self.user.id)).used_messages, 0)
        self.assertEqual(now(self.store.mailboxes.quota(self.bob.id)).used_messages, 1)

    def test_brought(self) -> None:
        """Flags that the guest may not set there stay behind; UIDs are told to readers only (RFC 4315 section 3)."""
        for rights, uids, flags in (("li", False, 0), ("lris", True, SEEN), ("lriwt", True, FLAGGED | DELETED)):
            self.give(rights)
            guest = self.guest()
            answer = self.say(guest, f'a APPEND "{THERE}/box" (\\Seen \\Flagged \\Deleted) {{3+}}\r\nabc')
            self.assertEqual("[APPENDUID" in answer, uids)
            self.say(guest, "b APPEND INBOX (\\Seen \\Flagged \\Deleted) {3+}\r\nabc")
            self.say(guest, "c SELECT INBOX")
            answer = self.say(guest, f'd COPY * "{THERE}/box"')
            self.assertIn("d OK", answer)
            self.assertEqual("[COPYUID" in answer, uids)
            box = now(self.store.mailboxes.find(self.user.id, "box"))
            assert box is not None
            for uid in (box.uidnext - 2, box.uidnext - 1):
                self.assertEqual(self.flags(uid) & 0xFF, flags)

    def test_quota(self) -> None:
        """The room is that of the account that has the mailbox."""
        self.give("lri")
        now(self.store.users.set_quota(NAME, 0, 1))
        guest = self.guest()
        self.assertIn("a NO [OVERQUOTA]", self.say(guest, f'a APPEND "{THERE}/box" {{3+}}\r\nabc'))
        now(self.store.users.set_quota(NAME, 0, 0))
        now(self.store.users.set_quota(BOB, 0, 1))
        for tag in "bc":
            self.assertIn(f"{tag} OK", self.say(guest, f'{tag} APPEND "{THERE}/box" {{3+}}\r\nabc'))

    def test_replaced_and_put_together(self) -> None:
        """REPLACE and CATENATE with mailboxes of two accounts."""
        guest = self.visiting("lrte")
        answer = self.say(guest, "a REPLACE 1 Drafts {3+}\r\nabc")
        self.assertIn("* 1 EXPUNGE", answer)
        self.deliver(b"Subject: two\r\n\r\nother words\r\n", "box")
        url = f"/{THERE}/box/;UID=2/;SECTION=TEXT".replace(" ", "%20")
        self.say(guest, f'b APPEND Drafts CATENATE (URL "{url}")')
        self.say(guest, "c SELECT Drafts")
        self.assertIn("other words", self.say(guest, "d FETCH * BODY[]"))

    def test_taken_away_while_it_comes(self) -> None:
        """A message that was long in coming is refused if nobody allows it any more."""
        self.give("li")
        guest = self.guest()
        self.say(guest, f'a APPEND "{THERE}/box" {{3}}\r\n'.encode())
        self.give("l")
        self.assertIn("a NO [NOPERM]", self.say(guest, b"abc\r\n"))


class RunningTests(SharedCase):
    """Sessions that run while rights and messages change."""

    def test_pushed(self) -> None:
        """News come at once in IDLE, whoever makes them."""
        self.deliver(mailbox="box")
        guest, owner = self.visiting("lrswte"), self.selected("box")
        for idle in (guest, owner):
            self.say(idle, "i IDLE")
        self.deliver(mailbox="box")
        for idle in (guest, owner):
            self.assertIn("* 2 EXISTS", self.heard(idle))
        self.say(guest, b"DONE\r\n")
        self.say(guest, r"a STORE 1 +FLAGS (\Deleted)")
        self.assertIn(r"* 1 FETCH (FLAGS (\Deleted", self.heard(owner))
        self.say(guest, "b EXPUNGE")
        self.assertEqual(self.heard(owner), "* 1 EXPUNGE\r\n")

    def test_less_at_the_next_command(self) -> None:
        """A right that is gone is not there at the next command, and PERMANENTFLAGS says so."""
        self.deliver(mailbox="box")
        guest = self.visiting("lrsw")
        self.give("lrs")
        answer = self.say(guest, r"a STORE 1 +FLAGS (\Flagged)")
        self.assertIn(r"* OK [PERMANENTFLAGS (\Seen)]", answer)
        self.assertIn("a NO [NOPERM]", answer)
        self.give("lrse")
        self.assertIn("b OK", self.say(guest, "b EXPUNGE"))

    def test_no_reading_any_more(self) -> None:
        """Without r the connection ends: at the next command, or at once in IDLE and with NOTIFY."""
        for command in ("i IDLE", "i NOTIFY SET (SELECTED (MessageNew MessageExpunge))"):
            guest = self.visiting("lr")
            self.say(guest, command)
            self.give("l")
            self.assertIn("* BYE ", self.heard(guest))
        guest = self.visiting("lr")
        self.deliver(mailbox="box")
        self.give("")
        answer = self.say(guest, "a FETCH 1 BODY[]")
        self.assertIn("* BYE ", answer)
        self.assertNotIn("FETCH", answer)

    def test_leaving_is_always_allowed(self) -> None:
        """Another mailbox can be selected, or none."""
        for command in ("SELECT INBOX", "UNSELECT", "LOGOUT"):
            guest = self.visiting("lr")
            self.give("")
            self.assertIn("a OK", self.say(guest, f"a {command}"))

    def test_gone(self) -> None:
        """A mailbox, or an account, that is deleted."""
        guest = self.visiting("lr")
        now(self.store.mailboxes.delete(self.user.id, "box"))
        self.assertIn("* BYE ", self.say(guest, "a NOOP"))
        guest = self.visiting("lr", "INBOX")
        self.say(guest, "i IDLE")
        now(self.store.users.delete(NAME))
        self.assertIn("* BYE ", self.heard(guest))

    def test_renamed(self) -> None:
        """A guest stays in a mailbox that is renamed, which is told by its new name."""
        guest = self.visiting("lr")
        now(self.store.mailboxes.rename(self.user.id, "box", "new"))
        self.deliver(mailbox="new")
        self.assertIn("* 1 EXISTS", self.say(guest, "a NOOP"))
        self.assertIn(f'MAILBOX "{THERE}/new"', self.say(guest, "b ESEARCH IN (SELECTED) ALL"))


class NotifyTests(SharedCase):
    """NOTIFY of mailboxes of others (RFC 5465)."""

    def test_messages(self) -> None:
        """STATUS where it may be read, nothing where it may only be seen."""
        self.give("lr")
        self.give("l", "Sent")
        guest = self.guest()
        self.say(guest, 'a NOTIFY SET (SUBTREE "Other Users" (MessageNew MessageExpunge FlagChange))')
        self.deliver(mailbox="box")
        self.assertEqual(self.heard(guest), f'* STATUS "{THERE}/box" (UIDNEXT 2 MESSAGES 1 UNSEEN 1)\r\n')
        self.deliver(mailbox="Sent")
        self.assertEqual(self.heard(guest), "")
        self.give("l")
        self.deliver(mailbox="box")
        self.assertEqual(self.heard(guest), "")
        self.give("lr")
        self.deliver(mailbox="box")
        self.assertIn(f'* STATUS "{THERE}/box" (UIDNEXT 4 MESSAGES 3', self.heard(guest))

    def test_personal(self) -> None:
        """Others' mailboxes are not personal."""
        self.give("lr")
        guest = self.guest()
        self.say(guest, "a NOTIFY SET (PERSONAL (MessageNew MessageExpunge MailboxName))")
        self.deliver(mailbox="box")
        self.give("lr", "Sent")
        self.assertEqual(self.heard(guest), "")

    def test_names(self) -> None:
        """Mailboxes that are shared now, or no more, that are made, renamed and deleted by their owner."""
        guest = self.guest()
        self.say(guest, 'a NOTIFY SET (SUBTREE "Other Users" (MailboxName))')
        self.give("lr")
        self.assertIn(f'"{THERE}/box"', self.heard(guest))
        now(self.store.mailboxes.create(self.user.id, "box/new"))
        self.assertIn(f'"{THERE}/box/new"', self.heard(guest))
        now(self.store.mailboxes.rename(self.user.id, "box/new", "box/old"))
        self.assertIn(f'"{THERE}/box/old" ("OLDNAME" ("{THERE}/box/new"))', self.heard(guest))
        self.give("", "box/old")
        self.assertIn(rf'* LIST (\NonExistent \HasNoChildren) "/" "{THERE}/box/old"', self.heard(guest))
        now(self.store.mailboxes.rename(self.user.id, "box/old", "box/older"))
        self.assertEqual(self.heard(guest), "")

    def test_annotations(self) -> None:
        """Shared ones are told to all readers, private ones to their owner."""
        self.give("lr")
        guest, other = self.guest(), self.logged_in()
        self.say(guest, 'a NOTIFY SET (SUBTREE "Other Users" (MailboxMetadataChange))')
        self.say(other, 'b SETMETADATA box (/shared/a "1" /private/a "2")')
        self.assertEqual(self.heard(guest), f'* METADATA "{THERE}/box" /shared/a\r\n')
