"""Tests of quantummail.store.acls and quantummail.store.rights: what others may do with a mailbox."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import acls, rights
from quantummail.store.account_changes import AccountNews
from quantummail.store.acls import Entry
from quantummail.store.errors import LimitReached, NoSuchMailbox, NoSuchUser, NotAllowed, OverQuota
from quantummail.store.flags import ANSWERED, DELETED, FLAGGED, KEYWORD_SHIFT, SEEN
from tests.store.messages import append, box, content
from tests.support.stores import make_store, make_user, now


class RightsTests(SynchronousTestCase):
    """Letters."""

    def test_parse(self) -> None:
        """Each right once, in one order; the letters of RFC 2086 stand for those that replace them."""
        for text, expected in (("", ""), ("rl", "lr"), ("llr", "lr"), ("c", "kx"), ("ld", "lte"), ("xcdt", "kxte")):
            self.assertEqual(rights.parse(text), expected)
        for text in ("L", "lz", "1", "l r", "lé"):
            self.assertRaises(ValueError, rights.parse, text)

    def test_shown(self) -> None:
        """The obsolete letters are there where any of their members is."""
        for text, expected in (("lr", "lr"), ("lk", "lkc"), ("x", "xc"), ("t", "td"), (rights.ALL, "lrswipkxteacd")):
            self.assertEqual(rights.shown(text), expected)

    def test_flags(self) -> None:
        """s is for \\Seen, t for \\Deleted, w for all others."""
        everything = SEEN | DELETED | ANSWERED | FLAGGED | 1 << KEYWORD_SHIFT
        for letters, expected in (
            ("lr", 0), ("s", SEEN), ("t", DELETED), ("w", ANSWERED | FLAGGED | 1 << KEYWORD_SHIFT),
            ("swt", everything),
        ):
            self.assertEqual(rights.flag_mask(letters) & everything, expected)
        self.assertEqual(rights.flag_mask(rights.ALL), -1)


class AclsCase(SynchronousTestCase):
    """Alice's INBOX, and others."""

    def setUp(self) -> None:
        self.store = make_store(self)
        self.acls = self.store.acls
        self.alice = make_user(self.store)
        self.bob = make_user(self.store, "bob@example.test")
        self.carol = make_user(self.store, "carol@example.test")
        self.inbox = box(self.store, self.alice.id)

    def give(self, identifier: str, letters: str, sign: str = "") -> None:
        now(self.acls.change(self.alice.id, self.inbox.id, identifier, letters, sign=sign))

    def rights(self, reader: int) -> str:
        return now(self.acls.rights(reader, self.alice.id, self.inbox.id))

    def entries(self) -> list[Entry]:
        return list(now(self.acls.entries(self.alice.id, self.inbox.id)))


class AclsTests(AclsCase):
    """Lists."""

    def test_owner(self) -> None:
        """Whose mailbox it is has all rights; nobody can change that."""
        self.give("anyone", "lr")
        self.give("-anyone", rights.ALL)
        self.assertEqual(self.rights(self.alice.id), rights.ALL)
        self.give("alice@example.test", rights.ALL)
        self.give("alice@example.test", "l", "+")
        self.assertEqual([entry.identifier for entry in self.entries()],
                         ["alice@example.test", "anyone", "-anyone"])
        for identifier, letters, sign in (
            ("alice@example.test", "lr", ""), ("alice@example.test", "l", "-"), ("-alice@example.test", "l", ""),
        ):
            self.assertRaises(NotAllowed, self.give, identifier, letters, sign)
        self.assertRaises(NotAllowed, now, self.acls.remove(self.alice.id, self.inbox.id, "alice@example.test"))

    def test_given_and_taken(self) -> None:
        """Rights of one and of everybody together, without those that are taken away."""
        self.assertEqual(self.rights(self.bob.id), "")
        self.give("BOB@example.test", "lri")
        self.give("anyone", "lp")
        self.assertEqual((self.rights(self.bob.id), self.rights(self.carol.id)), ("lrip", "lp"))
        self.give("-bob@example.test", "ip")
        self.assertEqual(self.rights(self.bob.id), "lr")
        self.give("bob@example.test", "s", "+")
        self.give("bob@example.test", "r", "-")
        self.assertEqual(self.rights(self.bob.id), "ls")
        self.assertEqual(self.entries(), [
            Entry("alice@example.test", rights.ALL), Entry("anyone", "lp"), Entry("bob@example.test", "lsi"),
            Entry("-bob@example.test", "ip")])
        self.give("bob@example.test", "")
        now(self.acls.remove(self.alice.id, self.inbox.id, "-bob@example.test"))
        now(self.acls.remove(self.alice.id, self.inbox.id, "nobody@example.test"))
        self.assertEqual(self.entries(), [Entry("alice@example.test", rights.ALL), Entry("anyone", "lp")])

    def test_refused(self) -> None:
        """Unknown identifiers, mailboxes of other accounts, too many entries."""
        for identifier in ("nobody@example.test", "no address", "", "authenticated", "--anyone"):
            self.assertRaises(NoSuchUser, self.give, identifier, "lr")
        for wrong in (self.acls.change(self.bob.id, self.inbox.id, "anyone", "lr"),
                      self.acls.remove(self.bob.id, self.inbox.id, "anyone"),
                      self.acls.entries(self.bob.id, self.inbox.id)):
            self.assertRaises(NoSuchMailbox, now, wrong)
        self.patch(acls, "MOST_ENTRIES", 1)
        self.give("bob@example.test", "lr")
        self.give("bob@example.test", "l")
        self.assertRaises(LimitReached, self.give, "carol@example.test", "lr")

    def test_what_is_shared(self) -> None:
        """Others' mailboxes with whose they are; one's own, and those without a right, are not among them."""
        self.assertEqual(list(now(self.acls.shared(self.bob.id))), [])
        self.give("anyone", "lr")
        for reader, expected in ((self.bob, ["INBOX"]), (self.alice, [])):
            found = now(self.acls.shared(reader.id))
            self.assertEqual([each.name for each in found], expected)
        (shared,) = now(self.acls.shared(self.bob.id))
        self.assertEqual((shared.id, shared.owner, shared.rights), (self.inbox.id, "alice@example.test", "lr"))
        self.assertEqual(now(self.acls.find(self.bob.id, "Alice@Example.test", "INBOX")), shared)
        for reader, owner, name in (
            (self.bob, "alice@example.test", "Sent"), (self.bob, "x@example.test", "INBOX"), (self.bob, "", "INBOX"),
            (self.alice, "alice@example.test", "INBOX"), (self.bob, "bob@example.test", "INBOX"),
        ):
            self.assertIsNone(now(self.acls.find(reader.id, owner, name)))
        self.give("-bob@example.test", "lr")
        self.assertEqual(list(now(self.acls.shared(self.bob.id))), [])
        self.assertIsNone(now(self.acls.find(self.bob.id, "alice@example.test", "INBOX")))

    def test_mailboxes_come_and_go(self) -> None:
        """A list follows its mailbox, is passed on to what is created below, and ends with the mailbox."""
        work = now(self.store.mailboxes.create(self.alice.id, "work"))
        now(self.acls.change(self.alice.id, work.id, "bob@example.test", "lrk"))
        now(self.store.mailboxes.create(self.alice.id, "work/a/b"))
        now(self.store.mailboxes.create(self.alice.id, "else"))
        now(self.store.mailboxes.rename(self.alice.id, "work", "play"))
        names = {each.name: each.rights for each in now(self.acls.shared(self.bob.id))}
        self.assertEqual(names, {"play": "lrk", "play/a": "lrk", "play/a/b": "lrk"})
        now(self.store.mailboxes.delete(self.alice.id, "play"))
        self.assertEqual([each.name for each in now(self.acls.shared(self.bob.id))], ["play/a", "play/a/b"])
        self.assertEqual(now(self.acls.rights(self.bob.id, self.alice.id, work.id)), "")

    def test_accounts_go(self) -> None:
        """Who gets the address of a deleted account gets none of its rights; lists of deleted accounts are gone."""
        self.give("bob@example.test", "lr")
        now(self.store.users.delete("bob@example.test"))
        self.assertEqual(len(self.entries()), 1)
        again = make_user(self.store, "bob@example.test")
        self.assertEqual(self.rights(again.id), "")
        self.give("bob@example.test", "lr")
        now(self.store.users.delete("alice@example.test"))
        self.assertEqual(list(now(self.acls.shared(again.id))), [])

    def test_told(self) -> None:
        """Who gains or loses something is told, and sessions in the mailbox look again."""
        told: list[tuple[str, AccountNews]] = []
        modseqs: list[int] = []

        def watch(account_id: int, who: str) -> None:
            self.store.account_changes.watch(account_id, lambda news: told.append((who, news)))

        watch(self.alice.id, "a")
        watch(self.bob.id, "b")
        watch(self.carol.id, "c")
        self.store.changes.watch(self.inbox.id, modseqs.append)
        news = AccountNews(mailboxes=True)
        self.give("bob@example.test", "lr")
        self.assertEqual(told, [("b", news)])
        self.give("bob@example.test", "lr")
        self.assertEqual((told, modseqs), ([("b", news)], [self.inbox.highestmodseq + 1]))
        self.give("anyone", "l")
        self.assertEqual(told[1:], [("a", news), ("b", news), ("c", news)])
        self.store.account_changes.belong(self.bob.id, [self.inbox.id], [self.alice.id])
        del told[:]
        now(self.store.mailboxes.create(self.alice.id, "new"))
        self.assertEqual(sorted(told, key=lambda each: each[0]), [("a", news), ("b", news)])
        del told[:]
        append(self.store, self.inbox)
        self.assertEqual([who for who, _ in told], ["b"])


class CopiesTests(AclsCase):
    """Messages that are copied and moved to another account."""

    def setUp(self) -> None:
        super().setUp()
        self.theirs = box(self.store, self.bob.id)
        for number in range(3):
            append(self.store, self.inbox, b"Subject: %d\r\n\r\ntext of %d\r\n" % (number, number), keywords=("k1",))

    def copy(self, *uids: int, move: bool = False, within: int = -1) -> None:
        copying = self.store.messages.move if move else self.store.messages.copy
        now(copying(self.alice.id, self.inbox.id, uids, self.theirs.id, destination_account=self.bob.id,
                    within=within))

    def test_copy(self) -> None:
        """They have their e-mail id, their content, their flags, and count in the other account."""
        now(self.store.messages.set_flags(self.alice.id, self.inbox.id, [2], "add", SEEN | FLAGGED, ()))
        self.copy(1, 2)
        before = now(self.store.messages.fetch(self.alice.id, self.inbox.id, [1, 2], contents=True))
        after = now(self.store.messages.fetch(self.bob.id, self.theirs.id, [1, 2], contents=True))
        self.assertEqual([(one.email_id, one.contents, one.flags) for one in before],
                         [(one.email_id, one.contents, one.flags) for one in after])
        self.assertEqual(content(self.store, self.theirs, 2), b"Subject: 1\r\n\r\ntext of 1\r\n")
        self.assertTrue(after[0].location.directory.startswith("example.test/bob"))
        quota = now(self.store.mailboxes.quota(self.bob.id))
        self.assertEqual(quota.used_messages, 2)

    def test_some_flags(self) -> None:
        """Those that may not be set there stay behind, keywords too."""
        now(self.store.messages.set_flags(self.alice.id, self.inbox.id, [1], "add", SEEN | FLAGGED | DELETED, ()))
        self.copy(1, within=rights.flag_mask("s"))
        (copied,) = now(self.store.messages.fetch(self.bob.id, self.theirs.id, [1]))
        self.assertEqual(copied.flags, SEEN)
        snapshot = now(self.store.messages.open(self.bob.id, self.theirs.id, claim_recent=False))
        self.assertEqual(snapshot.keywords, ())

    def test_move(self) -> None:
        """Nothing is left behind, not even the rendered content."""
        self.copy(1, 2, 3, move=True)
        self.assertEqual(box(self.store, self.alice.id).messages, 0)
        (moved, *_) = now(self.store.messages.fetch(self.bob.id, self.theirs.id, [1, 2, 3], contents=True))
        self.assertIsNotNone(moved.contents)
        self.assertEqual(now(self.store.mailboxes.quota(self.alice.id)).used_messages, 0)
        self.assertEqual(now(self.store.mailboxes.quota(self.bob.id)).used_messages, 3)
        self.copy_back()

    def copy_back(self) -> None:
        now(self.store.messages.copy(
            self.bob.id, self.theirs.id, [1], self.inbox.id, destination_account=self.alice.id))
        (copied,) = now(self.store.messages.fetch(self.alice.id, self.inbox.id, [4], contents=True))
        self.assertIsNotNone(copied.contents)

    def test_quota(self) -> None:
        """It is the other account that needs the room, also for a move."""
        now(self.store.users.set_quota("bob@example.test", 0, 1))
        for move in (False, True):
            self.assertRaises(OverQuota, self.copy, 1, 2, move=move)
        self.assertEqual((box(self.store, self.alice.id).messages, box(self.store, self.bob.id).messages), (3, 0))
        self.copy(3)

    def test_whose(self) -> None:
        """A mailbox is found in its own account only."""
        for there in (self.alice.id, self.carol.id):
            self.assertRaises(NoSuchMailbox, now, self.store.messages.copy(
                self.alice.id, self.inbox.id, [1], self.theirs.id, destination_account=there))
        self.assertRaises(NoSuchMailbox, now, self.store.messages.copy(
            self.bob.id, self.inbox.id, [1], self.theirs.id))
