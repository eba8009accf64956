"""Tests of quantummail.store.adoption, store.folders and store.foreign: the tree and the index are brought together."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select, update
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import foreign, uidfile, usefile
from quantummail.store.adoption import Findings
from quantummail.store.flags import ANSWERED, FLAGGED, MAX_KEYWORDS, SEEN, names
from quantummail.store.maildir import file_name
from quantummail.store.records import Mailbox
from quantummail.store.tables import mailboxes, messages, removals
from quantummail.store.transaction import Transaction
from tests.store.messages import PLAIN, append, box, content, uids
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now

LF = PLAIN.replace(b"\r\n", b"\n")


class TreeCase(SynchronousTestCase):
    """An account and its tree."""

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.store = make_store(self, self.directory)
        self.user = make_user(self.store)
        self.inbox = box(self.store, self.user.id)
        self.maildir = self.directory / "mail/example.test/alice"

    def scan(self, *, full: bool = True) -> Findings:
        """Look through the account."""
        return now(self.store.adoption.scan(self.user.id, self.user.address, full=full))

    def put(self, path: str, octets: bytes = PLAIN) -> None:
        """A file, as another program puts it there."""
        (self.maildir / path).write_bytes(octets)

    def message(self, uid: int = 1, mailbox: Mailbox | None = None) -> Any:
        """A message of INBOX with its contents."""
        (found,) = now(self.store.messages.fetch(
            self.user.id, (mailbox or self.inbox).id, [uid], contents=True))
        return found

    def write(self, work_txn: Callable[..., Any], *arguments: Any) -> Any:
        """Do something to the database."""

        async def write() -> Any:
            return await self.store.database.write(work_txn, *arguments)

        return now(write())


class MessageTests(TreeCase):
    """Files of other programs in an account's Maildir."""

    def test_new(self) -> None:
        """A file in new/ is an unseen message, and stays there."""
        self.put("new/1.other")
        self.assertEqual(self.scan().adopted, 1)
        self.assertEqual(content(self.store, self.inbox, 1), PLAIN)
        self.assertEqual(self.message().flags, 0)
        self.assertTrue((self.maildir / "new/1.other").exists())

    def test_flags(self) -> None:
        """Letters in the name of a file are flags of its message."""
        self.put("cur/1.other:2,FRS")
        self.scan()
        self.assertEqual(self.message().flags, FLAGGED | ANSWERED | SEEN)

    def test_counters(self) -> None:
        """Counters and quota count adopted messages, beyond the quota too."""
        now(self.store.users.set_quota(self.user.address, 10, 1))
        self.put("new/1.other")
        self.put("cur/2.other:2,S")
        self.scan()
        found = box(self.store, self.user.id)
        self.assertEqual((found.messages, found.unseen, found.size), (2, 1, 2 * len(PLAIN)))
        self.assertEqual(now(self.store.mailboxes.quota(self.user.id)).used_bytes, 2 * len(PLAIN))

    def test_line_feeds(self) -> None:
        """A file with LF line ends is shown, measured and described with CRLF; the file is left alone."""
        self.put("new/1.other", LF)
        self.scan()
        message = self.message()
        self.assertEqual(message.size, len(PLAIN))
        self.assertEqual(content(self.store, self.inbox, 1), PLAIN)
        self.assertIn(b"14 1", message.contents.body)
        self.assertEqual((self.maildir / "new/1.other").read_bytes(), LF)

    def test_line_feeds_copied(self) -> None:
        """A copy of such a file is not taken for torn when the database is rebuilt."""
        self.put("new/1.other", LF)
        self.scan()
        trash = box(self.store, self.user.id, "Trash")
        now(self.store.messages.copy(self.user.id, self.inbox.id, [1], trash.id))
        self.write(_forget_rows_txn)
        self.scan()
        (uid,) = uids(self.store, trash)
        self.assertEqual(content(self.store, trash, uid), PLAIN)

    def test_large(self) -> None:
        """Large files are described without being held in memory, with the same outcome."""
        line = b"x" * 70 + b"\n"
        text = LF + line * (foreign._SMALL // len(line) + 2)
        self.put("new/1.lf", text)
        self.put("new/2.crlf", text.replace(b"\n", b"\r\n"))
        self.assertEqual(self.scan().adopted, 2)
        first, second = self.message(1), self.message(2)
        self.assertEqual(first.size, second.size)
        self.assertEqual(first.contents, second.contents)
        self.assertEqual(content(self.store, self.inbox, 1), content(self.store, self.inbox, 2))

    def test_empty(self) -> None:
        """An empty file is a message without octets."""
        self.put("new/1.other", b"")
        self.assertEqual(self.scan().adopted, 1)
        self.assertEqual(content(self.store, self.inbox, 1), b"")

    def test_nothing_but_nul(self) -> None:
        """A delivery of which only the length came to disk is put aside, as one that is too short."""
        name = "1795168370.Q38frby0jt8j7t4jaR0.host,S=50"
        self.put(f"new/{name}", b"\0" * 50)
        self.assertEqual(self.scan().adopted, 0)
        self.assertTrue((self.maildir / "tmp" / name).exists())

    def test_no_files(self) -> None:
        """Links, pipes and directories are no messages."""
        self.put("../outside")
        os.symlink(self.maildir / "../outside", self.maildir / "new/1.link")
        os.mkfifo(self.maildir / "new/2.pipe")
        (self.maildir / "cur/3.directory").mkdir()
        self.put("new/.hidden")
        findings = self.scan()
        self.assertEqual((findings.adopted, findings.errors), (0, []))

    def test_names(self) -> None:
        """Names that a table cannot hold are changed; messages with them can be read and flagged."""
        for name in (b"\xff\xfe", b"a\nb", b"x" * 240, b":2,F"):
            with open(os.path.join(os.fsencode(self.maildir), b"cur", name), "wb") as file:
                file.write(PLAIN)
        self.assertEqual(self.scan().adopted, 4)
        now(self.store.messages.set_flags(self.user.id, self.inbox.id, range(1, 5), "add", SEEN, ()))
        now(self.store.mirror.catch_up())
        for uid in range(1, 5):
            self.assertEqual(content(self.store, self.inbox, uid), PLAIN)
            self.assertTrue((self.maildir / self.message(uid).location.path).exists())

    def test_order(self) -> None:
        """UIDs follow the times of the files, which are the internal dates."""
        for name, when in (("a", 3000), ("b", 1000), ("c", 2000)):
            self.put(f"new/{name}")
            os.utime(self.maildir / "new" / name, (when, when))
        self.scan()
        self.assertEqual([self.message(uid).internal_date for uid in (1, 2, 3)], [1000, 2000, 3000])

    def test_dovecot_keywords(self) -> None:
        """Letters a to z are the keywords that Dovecot's file names, if they can be keywords."""
        (self.maildir / "dovecot-keywords").write_text(
            "0 $Forwarded\n1 bad word\n2 ) \\Deleted\n3 NonJunk\n99 High\nx y\n")
        self.put("cur/1.other:2,Sabcd")
        self.scan()
        keywords = now(self.store.messages.open(self.user.id, self.inbox.id, claim_recent=False)).keywords
        self.assertEqual(names(self.message().flags, keywords), ["\\Seen", "$Forwarded", "NonJunk"])

    def test_too_many_keywords(self) -> None:
        """A message whose keywords do not fit is adopted without them."""
        append(self.store, self.inbox, keywords=[f"k{number}" for number in range(MAX_KEYWORDS)])
        (self.maildir / "dovecot-keywords").write_text("0 Another\n")
        self.put("cur/1.other:2,Sa")
        self.assertEqual(self.scan().adopted, 1)

    def test_vanished(self) -> None:
        """A message whose file another program removed is expunged."""
        append(self.store, self.inbox)
        append(self.store, self.inbox)
        next((self.maildir / "new").iterdir()).unlink()
        self.assertEqual(self.scan().vanished, 1)
        self.assertEqual(len(uids(self.store, self.inbox)), 1)

    def test_comes_back(self) -> None:
        """A file that vanished and comes back is a message again, and is not taken away."""
        append(self.store, self.inbox)
        (file,) = (self.maildir / "new").iterdir()
        file.rename(self.directory / "aside")
        self.scan()
        (self.directory / "aside").rename(file)
        now(self.store.mirror.catch_up())
        self.assertEqual(self.scan().adopted, 1)
        self.assertEqual(content(self.store, self.inbox, 2), PLAIN)

    def test_other_flags(self) -> None:
        """Flags that another program wrote into a file's name become the message's."""
        append(self.store, self.inbox, flags=SEEN)
        (file,) = (self.maildir / "cur").iterdir()
        file.rename(file.with_name(file.name.replace(":2,S", ":2,FR")))
        self.assertEqual(self.scan().flags, 1)
        self.assertEqual(self.message().flags, ANSWERED | FLAGGED)
        self.assertEqual(box(self.store, self.user.id).unseen, 1)

    def test_moved_to_cur(self) -> None:
        """A file that another program only moved to cur/ is found at once afterwards."""
        append(self.store, self.inbox)
        (file,) = (self.maildir / "new").iterdir()
        file.rename(self.maildir / "cur" / f"{file.name}:2,")
        self.scan()
        self.assertTrue((self.maildir / self.message().location.path).exists())

    def test_our_own_rename(self) -> None:
        """A rename of ours between listing and looking is not taken for another program's."""
        append(self.store, self.inbox, flags=SEEN)
        snapshot = self.store.messages.arrivals.snapshot

        def flag_first(directory: str) -> set[str]:
            # after the directory was listed, before its rows are read
            now(self.store.messages.set_flags(self.user.id, self.inbox.id, [1], "add", FLAGGED, ()))
            now(self.store.mirror.catch_up())
            return snapshot(directory)

        self.store.messages.arrivals.snapshot = flag_first  # type: ignore[method-assign]  # the race, made certain
        self.assertEqual(self.scan().flags, 0)
        self.assertEqual(self.message().flags, SEEN | FLAGGED)

    def test_arriving(self) -> None:
        """A file whose row is about to be committed is not adopted."""
        name = "1795168370.Q38frby0jt8j7t4jaR0.host,S=5"
        self.put(f"new/{name}")
        self.store.messages.arrivals.expect([("example.test/alice", name)])
        self.assertEqual(self.scan().adopted, 0)

    def test_removed(self) -> None:
        """A file that waits to be removed is not adopted."""
        uid = append(self.store, self.inbox).uid
        now(self.store.messages.remove(self.user.id, self.inbox.id, [uid]))
        self.assertEqual(self.scan().adopted, 0)

    def test_unchanged(self) -> None:
        """A Maildir that has not changed since the last scan is not listed."""
        self.put("new/1.other")
        for part in ("new", "cur"):
            os.utime(self.maildir / part, (1000, 1000))
        self.scan()
        self.put("new/2.other")
        os.utime(self.maildir / "new", (1000, 1000))
        self.assertEqual(self.scan(full=False).adopted, 0)
        os.utime(self.maildir / "new", (2000, 2000))
        self.assertEqual(self.scan(full=False).adopted, 1)

    def test_too_young(self) -> None:
        """Files of our own making that are left alone because they are young are seen next time, others now."""
        self.put(f"new/{file_name(1, 'Q0123456789abcdefR0', len(PLAIN))}")
        self.put(f"new/{file_name(1, 'C0123456789abcdef', len(PLAIN))}")
        self.put("new/1.other")
        for part in ("new", "cur"):
            os.utime(self.maildir / part, (1000, 1000))
        self.assertEqual(now(self.store.adoption.scan(
            self.user.id, self.user.address, full=False, min_age=60)).adopted, 1)
        self.assertEqual(self.scan(full=False).adopted, 2)

    def test_unreadable(self) -> None:
        """A file that cannot be read is reported, and holds nothing up."""
        (self.maildir / "new/2.other").write_bytes(PLAIN)
        self.put("new/1.other")
        read = foreign.read_foreign

        def broken(path: str, file: foreign.StrangeFile) -> foreign.Foreign:
            if file.name == "1.other":
                raise OSError(5, "Input/output error")
            return read(path, file)

        self.patch(__import__("quantummail.store.adoption", fromlist=["x"]), "read_foreign", broken)
        findings = self.scan()
        self.assertEqual((findings.adopted, len(findings.errors)), (1, 1))

    def test_abandoned(self) -> None:
        """What lies in tmp/ for more than 36 hours goes, what is younger stays."""
        self.put("tmp/old")
        self.put("tmp/young")
        self.assertEqual(foreign.sweep(str(self.maildir)), 0)
        self.patch(foreign, "_ABANDONED_AFTER", -10)
        old = time.time() - 60
        os.utime(self.maildir / "tmp/old", (old, old))
        self.assertEqual(foreign.sweep(str(self.maildir)), 2)

    def test_not_mounted(self) -> None:
        """Where everything is gone, the numbers too, the index is kept."""
        append(self.store, self.inbox)
        shutil.rmtree(self.directory / "mail")
        findings = self.scan()
        self.assertEqual(findings.vanished, 0)
        self.assertEqual(len(findings.errors), 1)
        self.assertEqual(uids(self.store, self.inbox), [1])

    def test_numbers_lost(self) -> None:
        """A mailbox that has lost only its file with the numbers gets it again."""
        append(self.store, self.inbox)
        (self.maildir / uidfile.FILE).unlink()
        self.scan()
        promise = uidfile.read(str(self.maildir))
        assert promise is not None
        self.assertEqual(promise.uidvalidity, self.inbox.uidvalidity)
        self.assertGreater(promise.reserved, 1)


class FolderTests(TreeCase):
    """Folders of the tree."""

    def names(self) -> set[str]:
        """The mailboxes of the account."""
        return {found.name for found in now(self.store.mailboxes.list(self.user.id))}

    def test_new_folder(self) -> None:
        """A folder with a Maildir in it is a mailbox, subscribed, with its messages."""
        for part in ("cur", "new", "tmp"):
            (self.maildir / ".Lists.Python" / part).mkdir(parents=True)
        self.put(".Lists.Python/cur/1.other:2,S")
        findings = self.scan()
        self.assertEqual((findings.mailboxes, findings.adopted), (1, 1))
        self.assertIn("Lists/Python", now(self.store.mailboxes.subscriptions(self.user.id)))

    def test_other_writing(self) -> None:
        """A folder whose name is written in another way is renamed to ours."""
        (self.maildir / ".A&AEI-" / "cur").mkdir(parents=True)
        self.scan()
        self.assertIn("AB", self.names())
        self.assertTrue((self.maildir / ".AB/new").is_dir())

    def test_no_name(self) -> None:
        """A folder that no mailbox can be named after is reported and left alone."""
        for name in (".&&&", ".a..b", ".Inbox"):
            (self.maildir / name / "cur").mkdir(parents=True)
        findings = self.scan()
        self.assertEqual((findings.mailboxes, len(findings.errors)), (0, 3))

    def test_lost_directory(self) -> None:
        """A mailbox whose directory was taken away gets an empty one."""
        shutil.rmtree(self.maildir / ".Sent")
        self.scan()
        self.assertTrue((self.maildir / ".Sent/new").is_dir())

    def test_half_renamed(self) -> None:
        """A rename whose row a crash has lost is completed; UIDVALIDITY and UIDs stay."""
        made = now(self.store.mailboxes.create(self.user.id, "Old"))
        append(self.store, made)
        (self.maildir / ".Old").rename(self.maildir / ".Brand New")
        findings = self.scan()
        self.assertEqual(findings.errors, [])
        found = box(self.store, self.user.id, "Brand New")
        self.assertEqual((found.id, found.uidvalidity), (made.id, made.uidvalidity))
        self.assertNotIn("Old", self.names())
        self.assertEqual(content(self.store, found, 1), PLAIN)

    def test_half_deleted(self) -> None:
        """A deletion that was not committed is taken back, with the messages."""
        made = now(self.store.mailboxes.create(self.user.id, "Kept"))
        append(self.store, made)
        (self.maildir / ".Kept").rename(self.maildir / f"tmp/removed-{made.id}")
        self.scan()
        self.assertEqual(content(self.store, made, 1), PLAIN)

    def test_deleted(self) -> None:
        """The files of a deletion that was committed go."""
        aside = self.maildir / "tmp/removed-987654"
        (aside / "cur").mkdir(parents=True)
        (self.maildir / "tmp/removed-x").mkdir()
        self.assertEqual(self.scan().errors, [])
        self.assertFalse(aside.exists())

    def test_deleted_account(self) -> None:
        """A scan that is late for an account makes nothing."""
        now(self.store.users.delete(self.user.address))
        self.scan()
        self.assertFalse(self.maildir.exists())

    def test_renamed_meanwhile(self) -> None:
        """A mailbox that is renamed while it is scanned loses no message."""
        made = now(self.store.mailboxes.create(self.user.id, "One"))
        append(self.store, made)
        snapshot = self.store.messages.arrivals.snapshot

        def rename_first(directory: str) -> set[str]:
            if directory.endswith("/.One"):
                now(self.store.mailboxes.rename(self.user.id, "One", "Two"))
                now(self.store.mailboxes.create(self.user.id, "One"))
            return snapshot(directory)

        self.store.messages.arrivals.snapshot = rename_first  # type: ignore[method-assign]  # the race, made certain
        self.scan()
        now(self.store.mirror.catch_up())
        self.assertEqual(content(self.store, made, 1), PLAIN)


class RebuildTests(TreeCase):
    """The database is lost."""

    def test_rebuilt(self) -> None:
        """Accounts, folders, messages and flags come back from the tree."""
        lists = now(self.store.mailboxes.create(self.user.id, "Lists/\N{GREEK SMALL LETTER PI}"))
        append(self.store, lists, flags=FLAGGED)
        append(self.store, self.inbox)
        make_user(self.store, "o'brien%@example.test")
        now(self.store.stop())
        for path in self.directory.glob("index.sqlite*"):
            path.unlink()
        self.store = make_store(self, self.directory)
        findings = now(self.store.reindex())
        self.assertEqual((findings.adopted, findings.errors), (2, []))
        self.assertEqual(
            {user.address for user in now(self.store.users.list())}, {"alice@example.test", "o'brien%@example.test"})
        user = now(self.store.users.find("alice@example.test"))
        assert user is not None
        found = box(self.store, user.id, lists.name)
        self.assertEqual(found.uidvalidity, lists.uidvalidity)
        (uid,) = uids(self.store, found)
        (message,) = now(self.store.messages.fetch(user.id, found.id, [uid]))
        self.assertEqual(message.flags, FLAGGED)
        self.assertEqual(box(self.store, user.id, "Sent").special_use, "\\Sent")


class SpecialUseTests(TreeCase):
    """What mailboxes are for, after the database was lost."""

    def rebuilt(self) -> dict[str, str]:
        """Names and uses in a new database that was made from the tree."""
        now(self.store.stop())
        for path in self.directory.glob("index.sqlite*"):
            path.unlink()
        self.store = make_store(self, self.directory)
        now(self.store.reindex())
        user = now(self.store.users.find(self.user.address))
        assert user is not None
        return {found.name: found.special_use for found in now(self.store.mailboxes.list(user.id))}

    def test_renamed(self) -> None:
        """A mailbox that was renamed, or made for a use, is still for it, and no other is made in its place."""
        now(self.store.mailboxes.rename(self.user.id, "Sent", "Gesendet"))
        now(self.store.mailboxes.create(self.user.id, "Stars", "\\Flagged"))
        found = self.rebuilt()
        self.assertEqual((found["Gesendet"], found["Stars"], found["Drafts"]), ("\\Sent", "\\Flagged", "\\Drafts"))
        self.assertNotIn("Sent", found)

    def test_same_name_again(self) -> None:
        """One that only has the name for a use does not get it when another one is for it."""
        now(self.store.mailboxes.rename(self.user.id, "Sent", "Weg"))
        now(self.store.mailboxes.create(self.user.id, "Sent"))
        found = self.rebuilt()
        self.assertEqual((found["Weg"], found["Sent"]), ("\\Sent", ""))

    def test_by_name(self) -> None:
        """A folder of a standard name that comes back is for what its name says."""
        now(self.store.mailboxes.delete(self.user.id, "Junk"))
        self.assertIsNone(now(self.store.mailboxes.find(self.user.id, "Junk")))
        for part in ("cur", "new", "tmp"):
            (self.maildir / ".Junk" / part).mkdir(parents=True)
        self.scan()
        self.assertEqual(box(self.store, self.user.id, "Junk").special_use, "\\Junk")

    def test_nonsense(self) -> None:
        """A file that says nothing that can be understood says nothing."""
        for text in (b"", b"Sent\n", b"\\sent", b"\\S\xe4nt", b"\\Sent \\Junk"):
            (self.maildir / ".Archive/quantummail-use").write_bytes(text)
            self.assertEqual(usefile.read(str(self.maildir / ".Archive")), "")


def _forget_rows_txn(transaction: Transaction) -> None:
    """As if the database had come back without messages."""
    connection: Connection = transaction.connection
    connection.execute(messages.delete())
    connection.execute(removals.delete())
    connection.execute(update(mailboxes).values(messages=0, unseen=0, deleted=0, size=0))
    connection.execute(select(mailboxes.c.id))
