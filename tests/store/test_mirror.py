"""Tests of quantummail.store.mirror: file names learn flags, files of removed messages go."""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import Connection, select, text
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import mirror
from quantummail.store.flags import DELETED, FLAGGED, SEEN
from quantummail.store.tables import messages, removals
from tests.store.messages import append, box, content, uids
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now


class MirrorTests(SynchronousTestCase):
    """An account whose flags changed."""

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.store = make_store(self, self.directory)
        self.user = make_user(self.store)
        self.inbox = box(self.store, self.user.id)
        self.maildir = self.directory / "mail/example.test/alice"

    def names(self) -> list[str]:
        """Files of INBOX, without what comes before the flags."""
        return sorted(
            f"{part}/{path.name.partition(':')[2]}"
            for part in ("new", "cur") for path in (self.maildir / part).iterdir()
        )

    def flag(self, uid: int, flags: int) -> None:
        """Replace a message's flags."""
        now(self.store.messages.set_flags(self.user.id, self.inbox.id, [uid], "replace", flags, ()))

    def rows(self, *columns: Any) -> list[Any]:
        """What the table of messages says."""

        async def read() -> list[Any]:
            def read_txn(connection: Connection) -> list[Any]:
                return list(connection.execute(select(*columns)))

            return await self.store.database.run(read_txn)

        return now(read())

    def test_flags(self) -> None:
        """A file moves to cur with the letters of its message's flags."""
        uid = append(self.store, self.inbox).uid
        self.flag(uid, SEEN | FLAGGED)
        now(self.store.mirror.catch_up())
        self.assertEqual(self.names(), ["cur/2,FS"])

    def test_no_flags(self) -> None:
        """A message that loses its last flag stays in cur."""
        uid = append(self.store, self.inbox, flags=SEEN).uid
        self.flag(uid, 0)
        now(self.store.mirror.catch_up())
        self.assertEqual(self.names(), ["cur/2,"])

    def test_pages(self) -> None:
        """More than a page of changes is done at once."""
        count = mirror._PAGE + 5
        for _ in range(count):
            append(self.store, self.inbox)
        now(self.store.messages.set_flags(
            self.user.id, self.inbox.id, range(1, count + 1), "add", DELETED, ()))
        now(self.store.mirror.catch_up())
        self.assertEqual(self.names(), ["cur/2,T"] * count)
        now(self.store.messages.expunge(self.user.id, self.inbox.id))
        now(self.store.mirror.catch_up())
        self.assertEqual(self.names(), [])

    def test_renamed_by_others(self) -> None:
        """A file that another program has renamed is found."""
        uid = append(self.store, self.inbox).uid
        (file,) = (self.maildir / "new").iterdir()
        file.rename(self.maildir / "cur" / f"{file.name}:2,R")
        self.flag(uid, SEEN)
        now(self.store.mirror.catch_up())
        self.assertEqual(self.names(), ["cur/2,S"])

    def test_gone(self) -> None:
        """A file that is gone is not looked for again and again."""
        uid = append(self.store, self.inbox).uid
        (file,) = (self.maildir / "new").iterdir()
        file.unlink()
        self.flag(uid, SEEN)
        now(self.store.mirror.catch_up())
        self.assertEqual(self.rows(messages.c.stale, messages.c.on_disk), [(False, -1)])

    def test_cannot_rename(self) -> None:
        """A name that cannot be changed stays to be changed, and holds nothing up."""
        uid = append(self.store, self.inbox).uid
        self.flag(uid, SEEN)
        (file,) = (self.maildir / "new").iterdir()
        blocker = self.maildir / "cur" / f"{file.name}:2,S"
        blocker.mkdir()
        other = append(self.store, self.inbox, flags=SEEN).uid
        self.flag(other, FLAGGED)
        now(self.store.mirror.catch_up())
        self.assertEqual(self.rows(messages.c.uid, messages.c.stale), [(uid, True), (other, False)])
        blocker.rmdir()
        now(self.store.mirror.catch_up())
        self.assertEqual(self.names(), ["cur/2,F", "cur/2,S"])

    def test_cannot_remove(self) -> None:
        """A file that cannot be removed is remembered: a scan must not bring its message back."""
        uid = append(self.store, self.inbox).uid
        (file,) = (self.maildir / "new").iterdir()
        now(self.store.messages.remove(self.user.id, self.inbox.id, [uid]))
        file.rename(self.directory / "aside")
        file.mkdir()
        now(self.store.mirror.catch_up())
        self.assertEqual(len(self.rows(removals.c.id)), 1)
        file.rmdir()
        (self.directory / "aside").rename(file)
        now(self.store.reindex())
        self.assertEqual(uids(self.store, self.inbox), [])
        self.assertEqual(self.rows(removals.c.id), [])
        self.assertEqual(self.names(), [])

    def test_renamed_mailbox(self) -> None:
        """A removal whose mailbox is renamed while its page is worked on is not forgotten."""
        mailbox = now(self.store.mailboxes.create(self.user.id, "One"))
        uid = append(self.store, mailbox).uid
        now(self.store.messages.remove(self.user.id, mailbox.id, [uid]))
        unlink = self.store.mirror._unlink

        def rename_first(doomed: Any) -> Any:
            self.store.mirror._unlink = unlink  # type: ignore[method-assign]  # the race, made certain
            now(self.store.mailboxes.rename(self.user.id, "One", "Two"))
            return unlink(doomed)

        self.store.mirror._unlink = rename_first  # type: ignore[method-assign]  # the race, made certain
        now(self.store.mirror.catch_up())
        now(self.store.mirror.catch_up())
        self.assertEqual(os.listdir(self.maildir / ".Two/new"), [])

    def test_flags_in_a_renamed_mailbox(self) -> None:
        """Flags in a mailbox that is renamed while its page is worked on are not forgotten."""
        mailbox = now(self.store.mailboxes.create(self.user.id, "One"))
        uid = append(self.store, mailbox).uid
        now(self.store.messages.set_flags(self.user.id, mailbox.id, [uid], "add", SEEN, ()))
        rename = self.store.mirror._rename

        def rename_first(renamings: Any) -> Any:
            self.store.mirror._rename = rename  # type: ignore[method-assign]  # the race, made certain
            now(self.store.mailboxes.rename(self.user.id, "One", "Two"))
            return rename(renamings)

        self.store.mirror._rename = rename_first  # type: ignore[method-assign]  # the race, made certain
        now(self.store.mirror.catch_up())
        self.assertEqual(self.rows(messages.c.stale), [(True,)])
        now(self.store.mirror.catch_up())
        (name,) = os.listdir(self.maildir / ".Two/cur")
        self.assertTrue(name.endswith(":2,S"))

    def test_nothing_to_rename(self) -> None:
        """A flag that came and went leaves the file in new/."""
        uid = append(self.store, self.inbox).uid
        self.flag(uid, SEEN)
        self.flag(uid, 0)
        now(self.store.mirror.catch_up())
        self.assertEqual(self.names(), ["new/"])
        self.assertEqual(self.rows(messages.c.stale), [(False,)])

    def test_changed_meanwhile(self) -> None:
        """Flags that change while the file is renamed are told in the next round."""
        uid = append(self.store, self.inbox).uid
        self.flag(uid, SEEN)
        rename = self.store.mirror._rename

        def change_first(renamings: Any) -> Any:
            self.store.mirror._rename = rename  # type: ignore[method-assign]  # the race, made certain
            self.flag(uid, FLAGGED)
            return rename(renamings)

        self.store.mirror._rename = change_first  # type: ignore[method-assign]  # the race, made certain
        now(self.store.mirror.catch_up())
        now(self.store.mirror.catch_up())
        self.assertEqual(self.names(), ["cur/2,F"])
        self.assertEqual(content(self.store, self.inbox, uid)[:5], b"From:")

    def test_index(self) -> None:
        """Looking for stale rows reads an index of nothing else, however many messages there are."""

        async def plan() -> str:
            def plan_txn(connection: Connection) -> str:
                statement = str(mirror._STALE.compile(connection, compile_kwargs={"literal_binds": False}))
                rows = connection.execute(
                    text(f"EXPLAIN QUERY PLAN {statement.replace('?', '0')}"))
                return "; ".join(row.detail for row in rows)

            return await self.store.database.run(plan_txn)

        self.assertIn("USING INDEX ix_messages_stale", now(plan()))
