"""Tests of quantummail.store.annotations and quantummail.store.special_uses."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import annotations as module
from quantummail.store import usefile
from quantummail.store.account_changes import AccountNews
from quantummail.store.annotations import SPECIAL_USE, Annotated, Asked, TooManyAnnotations
from quantummail.store.errors import NoSuchMailbox
from tests.store.messages import box
from tests.support.stores import make_store, make_user, now


class AnnotationsTests(SynchronousTestCase):
    """Alice's INBOX, and the server."""

    def setUp(self) -> None:
        self.store = make_store(self)
        self.user = make_user(self.store)
        self.inbox = box(self.store, self.user.id)

    def set(self, values: dict[str, bytes | None], *, most: int = 10, name: str = "INBOX", reader: int = 0) -> None:
        now(self.store.annotations.annotate_mailbox(
            self.user.id, box(self.store, self.user.id, name).id, reader or self.user.id, values, most))

    def get(
        self, *entries: str, depth: int | None = 0, max_size: int | None = None, name: str = "INBOX", reader: int = 0
    ) -> Annotated:
        return now(self.store.annotations.of_mailbox(
            self.user.id, box(self.store, self.user.id, name).id, reader or self.user.id,
            Asked(entries, depth, max_size)))

    def test_set_replace_remove(self) -> None:
        """What is set is there, with any octets; None removes it."""
        self.set({"/private/a": b"\x00\xff", "/shared/b": b""})
        self.set({"/private/a": b"new"})
        self.assertEqual(self.get("/private/a", "/shared/b").values, {"/private/a": b"new", "/shared/b": b""})
        self.set({"/private/a": None, "/private/never": None})
        self.assertEqual(self.get("/private/a", "/shared/b").values, {"/shared/b": b""})

    def test_depth(self) -> None:
        """The entries, one level below them, everything below them; not what only begins alike."""
        self.set(dict.fromkeys(("/private/a", "/private/a/b", "/private/a/b/c", "/private/ab"), b"x"))
        for depth, expected in (
            (0, ["/private/a"]), (1, ["/private/a", "/private/a/b"]),
            (None, ["/private/a", "/private/a/b", "/private/a/b/c"]),
        ):
            self.assertEqual(list(self.get("/private/a", depth=depth).values), expected)

    def test_max_size(self) -> None:
        """Longer values are left out; their sizes are told."""
        self.set({"/private/a": b"1", "/private/b": b"22", "/private/c": b"333"})
        self.assertEqual(
            self.get("/private", depth=1, max_size=1),
            Annotated({"/private/a": b"1"}, {"/private/b": 2, "/private/c": 3}))

    def test_readers(self) -> None:
        """Private annotations are seen by who has set them, shared ones by everybody."""
        self.set({"/private/a": b"mine", "/shared/a": b"ours"})
        self.assertEqual(self.get("/private/a", "/shared/a", reader=99).values, {"/shared/a": b"ours"})

    def test_too_many(self) -> None:
        """Each kind has its limit; replacing is always possible, and nothing is done in part."""
        self.set({"/private/a": b"", "/private/b": b"", "/shared/a": b""}, most=2)
        self.assertRaises(TooManyAnnotations, self.set, {"/private/a": b"new", "/private/c": b""}, most=2)
        self.assertEqual(self.get("/private/a").values, {"/private/a": b""})
        self.set({"/private/a": None, "/private/c": b"", "/private/b": b"new"}, most=2)
        self.assertEqual(list(self.get("/private", depth=None).values), ["/private/b", "/private/c"])

    def test_too_big(self) -> None:
        """All annotations of an account together have a limit, too: they are in no quota."""
        self.patch(module, "MOST_OCTETS", 10)
        self.set({"/private/a": b"12345"})
        self.set({"/private/a": b"54321"}, name="Sent")
        for values in ({"/private/a": b"1"}, {"/private/b": b"1"}, {"/shared/b": b"1"}):
            self.assertRaises(TooManyAnnotations, self.set, values)
        self.set({"/private/a": None})
        self.set({"/shared/b": b"12345"})

    def test_follow_the_mailbox(self) -> None:
        """Annotations go with a mailbox that is renamed, and away with one that is deleted."""
        now(self.store.mailboxes.create(self.user.id, "a"))
        self.set({"/private/x": b"x"}, name="a")
        now(self.store.mailboxes.rename(self.user.id, "a", "b"))
        self.assertEqual(self.get("/private/x", name="b").values, {"/private/x": b"x"})
        now(self.store.mailboxes.delete(self.user.id, "b"))
        now(self.store.mailboxes.create(self.user.id, "b"))
        self.assertEqual(self.get("/private/x", name="b").values, {})

    def test_no_mailbox(self) -> None:
        """A mailbox that is gone has no annotations, and gets none."""
        kept = self.store.annotations
        for asking in (
            kept.of_mailbox(self.user.id, 999, self.user.id, Asked(["/private/a"])),
            kept.annotate_mailbox(self.user.id, 999, self.user.id, {"/private/a": b""}, 10),
        ):
            self.assertRaises(NoSuchMailbox, now, asking)

    def test_of_mailboxes(self) -> None:
        """Some entries of all mailboxes at once."""
        self.set({"/private/a": b"1", "/private/b": b"2"})
        self.set({"/private/a": b"3"}, name="Sent")
        self.assertEqual(
            now(self.store.annotations.of_mailboxes(self.user.id, self.user.id, ["/private/a", "/shared/a"])),
            {self.inbox.id: {"/private/a": b"1"}, box(self.store, self.user.id, "Sent").id: {"/private/a": b"3"}})

    def test_server(self) -> None:
        """The server has annotations too: everybody's own, and shared ones."""
        kept, asked = self.store.annotations, Asked(["/private/a", "/shared/a"])
        now(kept.annotate_server(self.user.id, {"/private/a": b"mine", "/shared/a": b"ours"}, 1))
        self.assertEqual(now(kept.of_server(self.user.id, asked)).values,
                         {"/private/a": b"mine", "/shared/a": b"ours"})
        self.assertEqual(now(kept.of_server(99, asked)).values, {"/shared/a": b"ours"})
        self.assertRaises(
            TooManyAnnotations, now, kept.annotate_server(self.user.id, {"/private/b": b""}, 1))

    def test_told(self) -> None:
        """Watchers of the account learn which entries were touched."""
        told: list[AccountNews] = []
        self.addCleanup(self.store.account_changes.watch(self.user.id, told.append))
        self.set({"/private/a": b"1"})
        now(self.store.annotations.annotate_server(99, {"/private/a": b"1", "/shared/b": b"1"}, 10))
        self.assertEqual(told, [AccountNews(annotated=((self.inbox.id, "/private/a"),)),
                                AccountNews(annotated=((0, "/shared/b"),))])

    def test_user_deleted(self) -> None:
        """Nothing of an account stays when it is deleted."""
        now(self.store.annotations.annotate_server(self.user.id, {"/private/a": b"mine"}, 1))
        now(self.store.users.delete(self.user.address))
        self.assertEqual(now(self.store.annotations.of_server(self.user.id, Asked(["/private/a"]))).values, {})


class SpecialUseTests(SynchronousTestCase):
    """RFC 6154 section 4."""

    def setUp(self) -> None:
        self.store = make_store(self)
        self.user = make_user(self.store)

    def give(self, name: str, use: bytes | None) -> None:
        now(self.store.annotations.annotate_mailbox(
            self.user.id, box(self.store, self.user.id, name).id, self.user.id, {SPECIAL_USE: use}, 10))

    def use(self, name: str) -> str:
        return box(self.store, self.user.id, name).special_use

    def test_moves(self) -> None:
        """A mailbox gets a use, the one that had it loses it, and the tree remembers."""
        now(self.store.mailboxes.create(self.user.id, "Old"))
        told: list[AccountNews] = []
        self.addCleanup(self.store.account_changes.watch(self.user.id, told.append))
        self.give("Old", b"\\Archive")
        self.assertEqual((self.use("Old"), self.use("Archive")), ("\\Archive", ""))
        directory = os.path.join(self.store.bodies._root, "example.test/alice/.Old")
        self.assertEqual(usefile.read(directory), "\\Archive")
        self.assertEqual(
            [box_id for news in told for box_id, _ in news.annotated],
            [box(self.store, self.user.id, "Old").id, box(self.store, self.user.id, "Archive").id])
        self.give("Archive", b"\\Archive")
        self.assertEqual((self.use("Old"), self.use("Archive")), ("", "\\Archive"))
        self.assertEqual(usefile.read(directory), "")

    def test_taken_away(self) -> None:
        """NIL takes the use away; the entry shows what LIST shows."""
        asked = Asked([SPECIAL_USE])
        sent = box(self.store, self.user.id, "Sent").id
        of_mailbox = self.store.annotations.of_mailbox
        self.assertEqual(now(of_mailbox(self.user.id, sent, self.user.id, asked)).values, {SPECIAL_USE: b"\\Sent"})
        self.assertEqual(now(of_mailbox(self.user.id, sent, self.user.id, Asked([SPECIAL_USE], 0, 2))).left_out,
                         {SPECIAL_USE: 5})
        self.give("Sent", None)
        self.assertEqual(now(of_mailbox(self.user.id, sent, self.user.id, asked)).values, {})
