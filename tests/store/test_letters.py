"""Tests of quantummail.store.letters: keywords are in the tree, and never the wrong ones."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, select
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import letters
from quantummail.store.flags import MAX_KEYWORDS, SEEN, names
from quantummail.store.letters import Letters
from quantummail.store.maildir import replace_file
from quantummail.store.records import Mailbox
from quantummail.store.store import Store
from quantummail.store.tables import messages
from tests.store.messages import PLAIN, append, box, uids
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now

ADDRESS = "alice@example.test"


class FileTests(SynchronousTestCase):
    """What the file of a Maildir says."""

    def read(self, text: bytes) -> Letters:
        """The letters of a Maildir with this file."""
        directory = temporary_directory(self)
        (directory / letters.FILE).write_bytes(text)
        return letters.read(str(directory))

    def test_names(self) -> None:
        """Letters and keywords, both ways, in any case."""
        found = self.read(b"0 $Forwarded\n1 NonJunk\n25 Last\n")
        self.assertEqual(found.keywords(1 | 1 << 25 | 1 << 7), ["$Forwarded", "Last"])
        self.assertEqual(found.of(["nonjunk", "Unknown"]), 2)
        self.assertEqual(found.missing(["nonjunk", "Unknown"]), ["Unknown"])

    def test_what_cannot_be_a_keyword(self) -> None:
        """Names that cannot be keywords keep their letters for themselves; so do those beyond z, and other lines."""
        found = self.read(b"0 bad word\n1 ) \\Deleted\n2 \xff\n3 good\n4\nx y\n99 High\n4 " + b"x" * 65 + b"\n")
        self.assertEqual(found.keywords(-1), ["good"])
        self.assertEqual(found.known, 0b11111)
        self.assertEqual(found.missing(["High"]), ["High"])

    def test_twice(self) -> None:
        """A keyword with two letters is written with the first."""
        found = self.read(b"1 a\n2 A\n")
        self.assertEqual((found.of(["a"]), found.keywords(0b110)), (2, ["a", "A"]))

    def test_no_file(self) -> None:
        """Without a file no letter has a meaning."""
        self.assertEqual(letters.read("/nonexistent").known, 0)


class KeywordCase(SynchronousTestCase):
    """An account with two messages."""

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.store = make_store(self, self.directory)
        self.user = make_user(self.store)
        self.inbox = box(self.store, self.user.id)
        self.maildir = self.directory / "mail/example.test/alice"
        for _ in range(2):
            append(self.store, self.inbox)

    def change(self, uid: int, operation: Any, *keywords: str, flags: int = 0) -> None:
        """Change flags."""
        now(self.store.messages.set_flags(self.user.id, self.inbox.id, [uid], operation, flags, keywords))

    def mirror(self) -> None:
        """Let file names follow."""
        now(self.store.mirror.catch_up())

    def infos(self, maildir: str = ".") -> list[str]:
        """What the names of files tell, in the order of their names."""
        return [
            path.name.partition(":2,")[2]
            for path in sorted(
                (path for part in ("new", "cur") for path in (self.maildir / maildir / part).iterdir()),
                key=lambda path: path.name.partition(":")[0])
        ]

    def keywords(self, uid: int, store: Store | None = None, mailbox: Mailbox | None = None) -> list[str]:
        """The flags of a message."""
        store, mailbox = store or self.store, mailbox or self.inbox
        snapshot = now(store.messages.open(mailbox.account_id, mailbox.id, claim_recent=False))
        (found,) = now(store.messages.fetch(mailbox.account_id, mailbox.id, [uid]))
        return names(found.flags, snapshot.keywords)

    def rebuilt(self) -> Store:
        """The store after the loss of its database."""
        for file in self.directory.glob("index.sqlite*"):
            file.rename(file.with_name(f"lost-{file.name}"))
        store = make_store(self, self.directory)
        now(store.reindex())
        return store

    def found(self, name: str = "INBOX") -> list[list[str]]:
        """The flags of all messages of a mailbox after a rebuild, in the order of their files' names."""
        store = self.rebuilt()
        user = now(store.users.find(ADDRESS))
        assert user is not None
        mailbox = box(store, user.id, name)
        found = now(store.messages.fetch(user.id, mailbox.id, uids(store, mailbox)))
        ordered = sorted(found, key=lambda message: os.path.basename(message.location.path).partition(":")[0])
        return [self.keywords(message.uid, store, mailbox) for message in ordered]

    def stale(self) -> list[bool]:
        """Which rows are stale, in the order of UIDs."""

        async def read() -> list[bool]:
            def read_txn(connection: Connection) -> list[bool]:
                return list(connection.execute(select(messages.c.stale).order_by(messages.c.uid)).scalars())

            return await self.store.database.run(read_txn)

        return now(read())


class MirrorTests(KeywordCase):
    """Keywords in file names."""

    def test_letters(self) -> None:
        """Letters stand behind the flags, in the order of the alphabet; one that is removed goes."""
        self.change(1, "add", "$Work", "Home", flags=SEEN)
        self.change(2, "add", "Home")
        self.mirror()
        self.assertCountEqual(self.infos(), ["Sab", "b"])
        self.assertEqual((self.maildir / letters.FILE).read_text(), "0 $Work\n1 Home\n")
        self.change(1, "remove", "$Work")
        self.mirror()
        self.assertCountEqual(self.infos(), ["Sb", "b"])
        self.assertEqual(self.stale(), [False, False])

    def test_rebuilt(self) -> None:
        """Keywords are brought back with a deleted database, in every mailbox, copies and new messages too."""
        self.change(1, "add", "$Work", "zu-Hause")
        trash = box(self.store, self.user.id, "Trash")
        now(self.store.messages.copy(self.user.id, self.inbox.id, [1], trash.id))
        append(self.store, trash, flags=SEEN, keywords=["Other", "$work"])
        self.mirror()
        store = self.rebuilt()
        user = now(store.users.find(ADDRESS))
        assert user is not None
        for name, expected in (("INBOX", [[], ["$Work", "zu-Hause"]]),
                               ("Trash", [["$Work", "zu-Hause"], ["\\Seen", "$Work", "Other"]])):
            mailbox = box(store, user.id, name)
            self.assertCountEqual(
                [sorted(self.keywords(uid, store, mailbox)) for uid in uids(store, mailbox)],
                [sorted(each) for each in expected])

    def test_more_than_letters(self) -> None:
        """The 27th keyword of a mailbox is kept in the index only, and nothing tries again and again to write it."""
        many = [f"k{number:02}" for number in range(30)]
        self.change(1, "add", *many)
        self.mirror()
        self.assertCountEqual(self.infos(), ["", "abcdefghijklmnopqrstuvwxyz"])
        self.assertEqual(self.stale(), [False, False])
        self.assertEqual(self.keywords(1), many)
        self.assertCountEqual(self.found(), [[], many[:26]])

    def test_meaningless_letters(self) -> None:
        """A letter that no file explains stays where it is, and is given to no keyword."""
        (self.maildir / "cur/9.other:2,Sa").write_bytes(PLAIN)
        now(self.store.adoption.scan(self.user.id, ADDRESS, full=True))
        self.change(1, "add", "New")
        self.change(3, "add", "New")
        self.mirror()
        self.assertCountEqual(self.infos(), ["b", "", "Sab"])
        self.assertEqual((self.maildir / letters.FILE).read_text(), "1 New\n")

    def test_file_of_others(self) -> None:
        """What Dovecot has written stays, whatever it is; letters for names that mean nothing to us are not given."""
        (self.maildir / letters.FILE).write_bytes(b"0 $Forwarded\n2 bad word\n30 \xffx\n")
        self.change(1, "add", "New", "$forwarded", "More")
        self.mirror()
        self.assertCountEqual(self.infos(), ["abd", ""])
        self.assertEqual((self.maildir / letters.FILE).read_bytes(),
                         b"0 $Forwarded\n1 New\n2 bad word\n3 More\n30 \xffx\n")

    def test_full_disk(self) -> None:
        """Where the disk does not take the file, keywords wait, and other flags go on."""
        def full(path: str, temporary: str, text: str) -> None:
            raise OSError(errno.ENOSPC, "no space left")

        sent = box(self.store, self.user.id, "Sent")
        append(self.store, sent)
        now(self.store.messages.set_flags(self.user.id, sent.id, [1], "add", SEEN, ()))
        self.change(1, "add", "New")
        self.patch(letters, "replace_file", full)
        self.mirror()
        self.assertEqual((self.infos(), self.infos(".Sent")), (["", ""], ["S"]))
        self.assertEqual(sum(self.stale()), 1)
        self.patch(letters, "replace_file", replace_file)
        self.mirror()
        self.assertCountEqual(self.infos(), ["a", ""])

    def test_followed(self) -> None:
        """Letters that another program puts into names, and takes out, change the keywords that they mean."""
        many = [f"k{number:02}" for number in range(27)]
        self.change(1, "add", *many)
        self.change(2, "add", "k00")
        self.mirror()
        (longer,) = (path for path in (self.maildir / "cur").iterdir() if path.name.endswith("xyz"))
        (other,) = (path for path in (self.maildir / "cur").iterdir() if path.name.endswith(":2,a"))
        longer.rename(f"{str(longer).partition(':')[0]}:2,Sbz")
        other.rename(f"{str(other).partition(':')[0]}:2,c")
        self.assertEqual(now(self.store.adoption.scan(self.user.id, ADDRESS, full=True)).flags, 2)
        self.assertEqual(self.keywords(1), ["\\Seen", "k01", "k25", "k26"])
        self.assertEqual(self.keywords(2), ["k02"])
        self.mirror()
        self.assertCountEqual(self.infos(), ["Sbz", "c"])
        self.assertEqual(now(self.store.adoption.scan(self.user.id, ADDRESS, full=True)).flags, 0)


class CrashTests(KeywordCase):
    """Whenever the machine stops, no message has a keyword that it never had."""

    def steps(self) -> Sequence[Callable[[], None]]:
        """What users do: keywords come and go, places of unused ones are given to others."""
        many = [f"k{number}" for number in range(MAX_KEYWORDS - 1)]
        return (
            lambda: self.change(1, "add", "Work"),
            self.mirror,
            lambda: self.change(1, "replace", flags=SEEN),
            lambda: self.change(2, "add", "Home"),
            self.mirror,
            lambda: self.change(2, "replace"),
            lambda: self.change(1, "add", "Other"),
            lambda: self.change(2, "add", *many),
            lambda: self.change(2, "replace"),
            lambda: self.change(2, "add", "Last"),
            self.mirror,
        )

    def test_stopped_anywhere(self) -> None:
        """The disk stops taking renames, at each of them in turn; then the database is lost."""
        had = ({"Work", "Other"}, {"Home", "Last", *(f"k{number}" for number in range(MAX_KEYWORDS))})
        for count in range(40):
            self.setUp()
            first, second = sorted((self.maildir / "new").iterdir())
            by_uid = [os.path.basename(row.location.path)
                      for row in now(self.store.messages.fetch(self.user.id, self.inbox.id, [1, 2]))]
            possible = had if [first.name, second.name] == by_uid else had[::-1]
            finished = self.run_until(count)
            for keywords, may_have in zip(self.found(), possible, strict=True):
                self.assertLessEqual(set(keywords) - {"\\Seen"}, may_have, count)
            if finished:
                return
        self.fail("the steps never came to their end")

    def run_until(self, count: int) -> bool:
        """Do the steps, and stop at the rename of this number."""
        rename = os.rename
        done = 0

        def stopping(source: Any, target: Any) -> None:
            nonlocal done
            if done == count:
                raise OSError(errno.EIO, "stopped")
            done += 1
            rename(source, target)

        patch = self.patch(os, "rename", stopping)
        for step in self.steps():
            step()
            if done == count:
                break
        patch.restore()
        return done < count

    def test_renamed_before_the_row(self) -> None:
        """A place that is given to another keyword while files are renamed does not mislead the names."""
        rename = self.store.mirror._rename

        def change_first(renamings: Any) -> Any:
            self.store.mirror._rename = rename  # type: ignore[method-assign]  # the race, made certain
            self.change(1, "replace")
            self.change(2, "add", *(f"k{number}" for number in range(MAX_KEYWORDS)))
            self.change(2, "replace")
            self.change(1, "add", "Other")
            return rename(renamings)

        self.change(1, "add", "Work")
        self.store.mirror._rename = change_first  # type: ignore[method-assign]  # the race, made certain
        self.mirror()
        self.mirror()
        self.assertCountEqual(self.found(), [[], ["Other"]])
