"""Tests of quantummail.imap.watched: what is news to a client."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap.grammar.cursor import Cursor
from quantummail.imap.grammar.notify import notify_request
from quantummail.imap.watched import Watched
from quantummail.store.records import Mailbox


def box(number: int, name: str, messages: int = 0, uidnext: int = 1) -> Mailbox:
    """A mailbox."""
    return Mailbox(number, 1, name, "", f"F{number}", 7, uidnext, messages + 1, messages, 0, 0, 0)


class WatchedTests(SynchronousTestCase):
    """Five mailboxes."""

    def watched(self, groups: str, subscribed: tuple[str, ...] = ()) -> Watched:
        self.boxes = [box(1, "INBOX"), box(2, "a"), box(3, "a/b"), box(4, "a/b/c"), box(5, "x")]
        watched = Watched(notify_request(Cursor(b" SET " + groups.encode())).groups)
        watched.begin(self.boxes, subscribed)
        return watched

    def test_created(self) -> None:
        """A new mailbox, and its parent, whether that exists or not (RFC 5465 5.4)."""
        watched = self.watched("(personal (MailboxName))")
        self.assertEqual(watched.learn([*self.boxes, box(6, "x/y"), box(7, "no/such")], ()),
                         dict.fromkeys(("x", "x/y", "no", "no/such"), ""))
        self.assertEqual(watched.learn([*self.boxes, box(6, "x/y"), box(7, "no/such")], ()), {})

    def test_deleted(self) -> None:
        """A mailbox that is gone, and its parent."""
        watched = self.watched("(personal (MailboxName))")
        self.assertEqual(watched.learn([each for each in self.boxes if each.id != 3], ()), {"a": "", "a/b": ""})

    def test_renamed(self) -> None:
        """A new name with the old one, once for all that is below."""
        watched = self.watched("(personal (MailboxName))")
        renamed = [replace(each, name="z" + each.name[1:]) if each.name[0] == "a" else each for each in self.boxes]
        self.assertEqual(watched.learn(renamed, ()), {"z": "a"})

    def test_renamed_apart(self) -> None:
        """What got a name of its own meanwhile is told for itself."""
        watched = self.watched("(personal (MailboxName))")
        names = {2: "z", 3: "z/b", 4: "q"}
        renamed = [replace(each, name=names.get(each.id, each.name)) for each in self.boxes]
        self.assertEqual(watched.learn(renamed, ()), {"z": "a", "q": "a/b/c"})

    def test_subscriptions(self) -> None:
        """Each name that was subscribed to, or no longer is; a filter of subscriptions counts both."""
        watched = self.watched("(subscribed (SubscriptionChange))", ("a", "x"))
        self.assertEqual(watched.learn(self.boxes, ("a", "a/b")), {"x": "", "a/b": ""})

    def test_filters(self) -> None:
        """Only what the groups are about."""
        watched = self.watched("(subtree a (MailboxName)) (mailboxes INBOX (SubscriptionChange))")
        self.assertEqual(
            watched.learn([*self.boxes, box(6, "a/d"), box(7, "y")], ("INBOX", "a")), {"a": "", "a/d": "", "INBOX": ""})

    def test_caused(self) -> None:
        """What the client did itself is left out once, with the parents."""
        watched = self.watched("(personal (MailboxName))")
        watched.caused("a/n")
        more = [*self.boxes, box(6, "a/n"), box(7, "o")]
        self.assertEqual(watched.learn(more, ()), {"o": ""})
        self.assertEqual(watched.learn(self.boxes, ()), {"a": "", "a/n": "", "o": ""})

    def test_counters(self) -> None:
        """What a STATUS has to tell, for each kind of change."""
        before = box(2, "a", 3, 4)
        for groups, after, condstore, expected in (
            ("MessageNew MessageExpunge", replace(before, messages=4, uidnext=5, highestmodseq=9), False,
             ["UIDNEXT", "MESSAGES", "UNSEEN"]),
            ("MessageNew MessageExpunge", replace(before, messages=2, highestmodseq=9), True,
             ["UIDNEXT", "MESSAGES", "UNSEEN", "HIGHESTMODSEQ"]),
            ("MessageNew MessageExpunge", replace(before, unseen=1, highestmodseq=9), True, []),
            ("MessageNew MessageExpunge FlagChange", replace(before, unseen=1, highestmodseq=9), False, ["UNSEEN"]),
            ("MessageNew MessageExpunge FlagChange", replace(before, highestmodseq=9), False, []),
            ("MessageNew MessageExpunge FlagChange", replace(before, highestmodseq=9), True,
             ["UIDVALIDITY", "UNSEEN", "HIGHESTMODSEQ"]),
            ("MessageNew MessageExpunge", replace(before, uidvalidity=8), False,
             ["UIDVALIDITY", "UIDNEXT", "MESSAGES", "UNSEEN"]),
            ("MailboxName", replace(before, messages=4, uidnext=5), True, []),
        ):
            with self.subTest(groups=groups, after=after):
                watched = Watched(notify_request(Cursor(f" SET (personal ({groups}))".encode())).groups)
                watched.begin([before], ())
                self.assertEqual(watched.status(after, condstore=condstore), expected)
                self.assertEqual(watched.status(after, condstore=condstore), [])

    def test_own_messages(self) -> None:
        """Messages that the client has put there itself are no news, unless others came with them."""
        watched = self.watched("(personal (MessageNew MessageExpunge))")
        watched.own(2, 2)
        self.assertEqual(watched.status(box(2, "a", 2, 3), condstore=False), [])
        watched.own(2, 1)
        self.assertNotEqual(watched.status(box(2, "a", 4, 5), condstore=False), [])

    def test_new_mailbox(self) -> None:
        """A mailbox that came with messages in it; one that took the place of another tells its UIDVALIDITY."""
        watched = self.watched("(personal (MessageNew MessageExpunge FlagChange))")
        watched.learn([*self.boxes[1:], box(6, "n", 2, 3), box(7, "INBOX")], ())
        self.assertEqual(watched.status(box(6, "n", 2, 3), condstore=False), ["UIDNEXT", "MESSAGES", "UNSEEN"])
        self.assertIn("UIDVALIDITY", watched.status(box(7, "INBOX"), condstore=False))

    def test_unknown(self) -> None:
        """A mailbox that nobody has heard of."""
        watched = self.watched("(personal (MessageNew MessageExpunge))")
        self.assertEqual(watched.status(box(9, "n", 2, 3), condstore=False), [])
        self.assertIsNone(watched.name_of(9))
