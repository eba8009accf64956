"""Tests of mailboxes of other users: nothing is shown, and nothing done, but what their lists allow (RFC 4314)."""

from __future__ import annotations

import re

from quantummail.imap.registry import COMMANDS
from quantummail.imap.server import IMAPConnection
from quantummail.store.rights import ALL
from tests.auth.accounts import PASSWORDS
from tests.imap.case import PASSWORD
from tests.imap.shared_case import BOB, CAROL, THERE, SharedCase
from tests.support.stores import make_user, now

# Commands that know no name of a mailbox, or of one that is selected already
NAMELESS = frozenset((
    "CAPABILITY", "NOOP", "LOGOUT", "UNAUTHENTICATE", "STARTTLS", "LOGIN", "AUTHENTICATE", "ID", "ENABLE", "NAMESPACE",
    "IDLE", "COMPRESS", "CHECK", "CLOSE", "UNSELECT", "EXPUNGE", "FETCH", "STORE", "SEARCH", "SORT", "THREAD",
    "CANCELUPDATE", "UIDBATCHES", "SETQUOTA", "UID EXPUNGE", "UID FETCH", "UID STORE", "UID SEARCH", "UID SORT",
    "UID THREAD",
))
# Every other command, with a mailbox as {}
NAMING = (
    'SELECT "{}"', 'EXAMINE "{}"', 'STATUS "{}" (MESSAGES UIDNEXT MAILBOXID RECENT DELETED-STORAGE)', 'CREATE "{}"',
    'CREATE "{}/below"', 'DELETE "{}"', 'RENAME "{}" "{}2"', 'RENAME "{}" "here"', 'RENAME Drafts "{}"',
    'RENAME Drafts "{}/below"', 'SUBSCRIBE "{}"', 'UNSUBSCRIBE "{}"', 'LIST "" "{}"', 'LIST "" "{}/*"',
    'LIST "" "{}" RETURN (CHILDREN STATUS (MESSAGES) MYRIGHTS METADATA (/shared/comment))', 'LSUB "" "{}"',
    'LIST (SUBSCRIBED RECURSIVEMATCH) "" "{}"', "APPEND \"{}\" {{3+}}\r\nabc", 'COPY 1 "{}"', 'UID COPY 1 "{}"',
    'MOVE 1 "{}"', 'UID MOVE 1 "{}"', "REPLACE 1 \"{}\" {{3+}}\r\nabc", "UID REPLACE 1 \"{}\" {{3+}}\r\nabc",
    'APPEND Drafts CATENATE (URL "/{}/;UID=1")', f'SETACL "{{}}" {BOB} lr', f'DELETEACL "{{}}" {BOB}', 'GETACL "{}"',
    f'LISTRIGHTS "{{}}" {BOB}', 'MYRIGHTS "{}"', 'GETQUOTAROOT "{}"', "GETQUOTA {}", 'GETMETADATA "{}" /shared/comment',
    'SETMETADATA "{}" (/private/comment "x")', 'SETMETADATA "{}" (/shared/comment "x")',
    'ESEARCH IN (MAILBOXES "{}") RETURN (COUNT) ALL', 'ESEARCH IN (SUBTREE "{}") RETURN (COUNT) ALL',
    'ESEARCH IN (SUBSCRIBED PERSONAL) RETURN (COUNT) SUBJECT secret',
    'NOTIFY SET STATUS (MAILBOXES "{}" (MessageNew MessageExpunge MailboxName))',
    'NOTIFY SET STATUS (SUBTREE "{}" (MessageNew MessageExpunge MailboxName))',
)


class UnseenTests(SharedCase):
    """What may not be seen is as if it did not exist."""

    def setUp(self) -> None:
        super().setUp()
        self.deliver(b"Subject: secret\r\nMessage-ID: <1@x>\r\n\r\nsecret words\r\n", "box")
        now(self.store.mailboxes.create(self.user.id, "box/below"))
        body = self.store.bodies.spooled()
        now(body.write(b"Subject: mine\r\n\r\nmy words\r\n"))
        now(self.store.messages.append(
            self.bob.id, self.mailbox_id("INBOX", self.bob), body, flags=0, keywords=(), internal_date=1))

    def answer(self, template: str, name: str) -> str:
        """What Bob hears, without the name, and times; whatever he has done is undone."""
        guest = self.guest()
        self.say(guest, "s SELECT INBOX")
        said = self.say(guest, f"a {template.format(name, name)}") + self.say(guest, "b NOOP")
        self.say(guest, f'c UNSUBSCRIBE "{name}"')
        self.leave(guest)
        # URLs are repeated as they are shown
        return said.replace(name, "X").replace(name.replace(" ", "%20"), "X")

    def test_all_commands(self) -> None:
        """Every command says the same of a mailbox without rights as of one that is not there, and of no user."""
        names = {re.match(r"(UID )?\w+", template)[0] for template in NAMING}  # type: ignore[index]  # they all match
        self.assertEqual(names | NAMELESS, set(COMMANDS))
        for template in NAMING:
            there = self.answer(template, f"{THERE}/box")
            for other in (f"{THERE}/nothing", "Other Users/nobody@example.test/box"):
                self.assertEqual(there, self.answer(template, other), template)
            self.assertNotIn("SERVERBUG", there)
            self.assertNotIn("secret", there)
        self.assertEqual(
            [box.name for box in now(self.store.mailboxes.list(self.user.id)) if box.name.startswith("box")],
            ["box", "box/below"])

    def test_with_other_rights(self) -> None:
        """Without l, other rights change nothing for commands that need more than there is."""
        for right in "pswit":
            self.give(right)
            for template in ('SELECT "{}"', 'STATUS "{}" (MESSAGES)', 'DELETE "{}"', 'GETACL "{}"', 'LIST "" "{}"',
                             'GETQUOTAROOT "{}"', 'GETMETADATA "{}" /shared/comment', 'LSUB "" "{}"'):
                self.assertEqual(
                    self.answer(template, f"{THERE}/box"), self.answer(template, f"{THERE}/nothing"), (right, template))

    def test_lists(self) -> None:
        """Neither LIST, nor NAMESPACE, nor searches in everything show anything."""
        guest = self.guest()
        self.assertNotIn("Other", self.say(guest, 'a LIST "" *'))
        self.assertEqual(self.say(guest, 'b LIST "" "Other Users/%"'), "b OK LIST completed\r\n")
        self.assertEqual(self.say(guest, 'c ESEARCH IN (SUBTREE "Other Users") ALL'), "c OK ESEARCH completed\r\n")

    def test_ids(self) -> None:
        """Identifiers of messages find nothing outside of the mailbox."""
        guest = self.guest()
        self.say(guest, "s SELECT INBOX")
        owner = self.selected("box")
        ids = self.say(owner, "a FETCH 1 (EMAILID THREADID)")
        email, thread = re.findall(r"ID \((\w+)\)", ids)
        for key in (f"EMAILID {email}", f"THREADID {thread}", "BODY secret", "TEXT secret", "SUBJECT secret"):
            self.assertIn("* SEARCH\r\n", self.say(guest, f"b SEARCH {key}"))
            self.assertEqual(self.say(guest, f"c ESEARCH IN (PERSONAL) {key}"), "c OK ESEARCH completed\r\n")

    def test_anyone_else(self) -> None:
        """What one may do says nothing for another; one's own mailboxes are not found as another's."""
        self.give(ALL, identifier=BOB)
        make_user(self.store, CAROL, PASSWORDS.hash(PASSWORD))
        carol = self.logged_in(name=CAROL)
        self.assertIn("a NO [NONEXISTENT]", self.say(carol, f'a SELECT "{THERE}/box"'))
        owner = self.logged_in()
        self.assertIn("a NO [NONEXISTENT]", self.say(owner, f'a SELECT "{THERE}/box"'))
        self.assertIn("b NO [NONEXISTENT]", self.say(self.guest(), f'b SELECT "{THERE}/INBOX"'))

    def test_switched_off(self) -> None:
        """Without ACL there is no namespace of others, and its name is one like all others."""
        self.give(ALL)
        guest = self.guest(self.listener(disabled=frozenset({"ACL"})))
        capabilities = self.say(guest, "a CAPABILITY")
        self.assertNotIn("ACL", capabilities)
        self.assertNotIn("RIGHTS=", capabilities)
        self.assertIn('* NAMESPACE (("" "/")) NIL NIL\r\n', self.say(guest, "b NAMESPACE"))
        self.assertNotIn("Other", self.say(guest, 'c LIST "" *'))
        for command in ("SELECT", "MYRIGHTS", "STATUS"):
            arguments = " (MESSAGES)" if command == "STATUS" else ""
            answer = self.say(guest, f'd {command} "{THERE}/box"{arguments}')
            self.assertRegex(answer, r"d (NO \[NONEXISTENT\]|BAD Unknown command)")
        self.assertIn("e OK", self.say(guest, 'e CREATE "Other Users/mine"'))
        self.assertIn("f OK", self.say(self.guest(), 'f SELECT "Other Users/mine"'))


class NeededTests(SharedCase):
    """Each operation needs exactly the rights of RFC 4314 section 4."""

    # the rights, then what needs all of them, in alice's box that bob has selected
    SELECTED = (
        ("e", "EXPUNGE"), ("e", "UID EXPUNGE 1:*"), ("te", "MOVE 1 Drafts"), ("te", "UID MOVE 1 Drafts"),
        ("te", "REPLACE 1 Drafts {3+}\r\nabc"), ("s", r"STORE 1 +FLAGS (\Seen)"), ("t", r"STORE 1 +FLAGS (\Deleted)"),
        ("w", r"STORE 1 +FLAGS (\Flagged \Answered)"), ("w", "STORE 1 -FLAGS (k1)"), ("w", "STORE 1 FLAGS (k1)"),
    )
    # without having selected it
    BY_NAME = (
        ("r", 'SELECT "{}"'), ("r", 'EXAMINE "{}"'), ("r", 'STATUS "{}" (MESSAGES)'), ("r", 'GETQUOTAROOT "{}"'),
        ("r", 'GETMETADATA "{}" /private/comment'), ("r", 'SETMETADATA "{}" (/private/comment "x")'),
        ("w", 'SETMETADATA "{}" (/shared/comment "x")'), ("rw", 'SETMETADATA "{}" (/shared/a "x" /private/a "x")'),
        ("i", 'APPEND "{}" {{3+}}\r\nabc'), ("i", 'COPY 1 "{}"'), ("i", 'MOVE 1 "{}"'),
        ("i", 'REPLACE 1 "{}" {{3+}}\r\nabc'), ("k", 'CREATE "{}/new"'), ("x", 'RENAME "{}" "{}2"'),
        ("x", 'DELETE "{}"'),
        ("a", 'GETACL "{}"'), ("a", 'SETACL "{}" anyone l'), ("a", 'DELETEACL "{}" anyone'),
        ("a", 'LISTRIGHTS "{}" anyone'),
    )

    def message_of_bob(self, guest: IMAPConnection) -> None:
        self.say(guest, "m APPEND INBOX {3+}\r\nabc")
        self.say(guest, "m SELECT INBOX")

    def test_selected(self) -> None:
        """With them it is done, without any one of them it is refused, and nothing has changed."""
        for needed, command in self.SELECTED:
            if not now(self.store.messages.open(self.user.id, self.mailbox_id("box"), claim_recent=False)).uids:
                self.deliver(mailbox="box")
            for missing in needed:
                guest = self.visiting("".join(set(ALL) - {missing, *("swt" if "FLAGS (k1)" in command else "")}))
                self.assertIn("a NO [NOPERM]", self.say(guest, f"a {command}"), (command, missing))
            guest = self.visiting("lr" + needed)
            self.assertIn("a OK", self.say(guest, f"a {command}"), command)

    def test_by_name(self) -> None:
        """The same for commands that name the mailbox."""
        now(self.store.mailboxes.create(self.user.id, "parent"))
        # RENAME wants k above
        self.give("k", "parent")
        for number, (needed, template) in enumerate(self.BY_NAME):
            name = f"parent/{number}"
            now(self.store.mailboxes.create(self.user.id, name))
            command = template.format(f"{THERE}/{name}", f"{THERE}/{name}")
            for missing in needed:
                guest = self.guest()
                self.message_of_bob(guest)
                self.give("".join(set(ALL) - {missing}), name)
                self.assertRegex(self.say(guest, f"a {command}"), r"(?m)^a NO \[NOPERM\]", (command, missing))
                self.leave(guest)
            self.give("l" + needed, name)
            guest = self.guest()
            self.message_of_bob(guest)
            self.assertRegex(self.say(guest, f"a {command}"), r"(?m)^a OK", command)
            self.leave(guest)

    def test_rename_needs_the_new_parent(self) -> None:
        """k above the new name, x on what is below the old one."""
        for name in ("from", "from/a", "to"):
            now(self.store.mailboxes.create(self.user.id, name))
        for above, below, expected in (("lr", "x", "NO [NOPERM]"), ("k", "lr", "NO [NOPERM]"), ("k", "x", "OK")):
            self.give("lx", "from")
            self.give(below, "from/a")
            self.give(above, "to")
            self.assertIn(f"a {expected}", self.say(self.guest(), f'a RENAME "{THERE}/from" "{THERE}/to/from"'))
        self.assertIsNotNone(now(self.store.mailboxes.find(self.user.id, "to/from/a")))

    def test_nothing_leaves_its_account(self) -> None:
        """Mailboxes are not renamed to other accounts; INBOX stays; nobody makes a tree in another's account."""
        self.give(ALL)
        self.give(ALL, "INBOX")
        guest = self.guest()
        for command in (f'RENAME "{THERE}/box" mine', f'RENAME Drafts "{THERE}/box/mine"', 'CREATE "Other Users"',
                        'CREATE "Other Users/x"', f'CREATE "{THERE}"', f'DELETE "{THERE}/INBOX"',
                        f'RENAME "{THERE}/INBOX" "{THERE}/box/x"', 'RENAME Drafts "Other Users/x"'):
            self.assertRegex(self.say(guest, f"a {command}"), r"\Aa NO \[(CANNOT|NOPERM)\]", command)
        self.assertIn("b NO [NOPERM]", self.say(guest, f'b CREATE "{THERE}/top"'))
        self.assertIn("c NO [USEATTR]", self.say(guest, f'c CREATE "{THERE}/box/x" (USE (\\Sent))'))

    def test_what_is_taken_says_nothing(self) -> None:
        """A name that is taken by what the user may not see is refused like one that he may not use."""
        now(self.store.mailboxes.create(self.user.id, "box/secret"))
        self.give("lkx")
        now(self.store.mailboxes.create(self.user.id, "box/moving"))
        guest = self.guest()
        self.assertIn("a NO [NOPERM]", self.say(guest, f'a CREATE "{THERE}/box/secret"'))
        self.assertIn("b NO [NOPERM]", self.say(guest, f'b RENAME "{THERE}/box/moving" "{THERE}/box/secret"'))
        self.assertIn("c NO [ALREADYEXISTS]", self.say(guest, f'c CREATE "{THERE}/box/moving"'))
