"""The tree and the index: foreign files are taken in, a lost index is made again from the tree."""

from __future__ import annotations

import imaplib
import os
import time

from tests.scenarios.case import Scenario, fetch, folders, quoted, simple_message


class ForeignFiles(Scenario):
    """Other programs write into the Maildir."""

    users = ("alice",)

    def put(self, name: str, message: bytes, folder: str = "", part: str = "new", user: str = "alice") -> None:
        """Write a file as another Maildir program would."""
        maildir = self.server.maildir(self.address(user)) / folder
        for each in ("tmp", "new", "cur"):
            (maildir / each).mkdir(parents=True, exist_ok=True)
        (maildir / "tmp" / name).write_bytes(message)
        (maildir / "tmp" / name).rename(maildir / part / name)

    def test_reindex(self) -> None:
        """A file in new/ with CRLF is there after `reindex`, while the server runs; a second run finds nothing."""
        message = simple_message("foreign")
        self.put("1700000000.M1P1.elsewhere", message)
        # the server may have been faster, if a session of the test before has INBOX open
        self.assertRegex(self.server.command("reindex", self.address("alice")).stdout, "1 messages(?: taken in)?")
        self.assertEqual(self.inbox(), [message])
        self.assertIn("0 messages taken in", self.server.command("reindex").stdout)
        self.assertEqual(self.pop3().stat(), (1, len(message)))

    def test_sessions_notice(self) -> None:
        """A session that is open while the command runs is told of what it found."""
        imap = self.imap()
        imap.select()
        # a name of its own: that of a removed message is on its way out
        self.put("1700000000.M8P1.elsewhere", simple_message("foreign"))
        self.server.command("reindex")
        deadline = time.monotonic() + 20
        while imap.noop() and imap.response("EXISTS")[1][-1] != b"1":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.2)

    def test_seen_by_the_server(self) -> None:
        """A session sees what another program delivers while it has the mailbox open, without any command."""
        imap = self.imap()
        imap.select()
        self.put("1700000000.M9P1.elsewhere", simple_message("foreign"))
        deadline = time.monotonic() + 20
        while imap.noop() and imap.response("EXISTS")[1][-1] != b"1":
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.2)

    def test_on_its_way(self) -> None:
        """What a running server may just have written itself is left to it, and taken in when it has stopped."""
        # nobody has ever opened this mailbox: there the server itself would look, which knows what is on its way
        self.server.add_user("carol")
        message = simple_message("on its way")
        self.put(f"{int(time.time())}.Q0123456789abcdefR0.here,S={len(message)}", message, user="carol")
        said = self.server.command("reindex").stdout
        self.assertIn("0 messages taken in", said)
        self.assertIn("written itself in the last 60 seconds was left to it", said)
        self.server.stop()
        said = self.server.command("reindex").stdout
        self.assertIn("1 messages taken in", said)
        self.assertNotIn("left to it", said)
        self.server.start()
        self.assertEqual(self.inbox("carol"), [message])

    def test_what_was_looked_at(self) -> None:
        """The answer says how much there is, also when nothing has changed."""
        self.deliver(simple_message("one"))
        mailboxes = len(folders(self.imap()))
        said = self.server.command("reindex", self.address("alice")).stdout
        self.assertEqual(said.splitlines()[:2], [
            f"looked at 1 accounts, {mailboxes} mailboxes, 1 messages",
            "0 mailboxes made, 0 messages taken in, 0 gone, flags of 0 changed"])
        self.assertRegex(self.server.command("reindex").stdout, r"\Alooked at [2-9] accounts, ")

    def test_texts(self) -> None:
        """`reindex --text` makes the full-text index again, beside a server or without one; searches stay complete."""
        self.deliver(simple_message("one", "zebra\r\n"))
        imap = self.imap()
        imap.select()
        self.assertEqual(imap.search(None, "BODY", "zebra")[1], [b"1"])
        self.assertIn("the server makes it again", self.server.command("reindex", "--text").stdout)
        self.assertEqual(imap.search(None, "BODY", "zebra")[1], [b"1"])
        self.server.stop()
        said = self.server.command("reindex", "--text", self.address("alice")).stdout
        self.assertEqual(said, "the full-text index is made again\n")
        self.server.start()
        imap = self.imap()
        imap.select()
        self.assertEqual(imap.search(None, "BODY", "zebra")[1], [b"1"])

    def test_line_feeds(self) -> None:
        """A file with LF alone is served with CRLF, and its sizes are those of what is served."""
        message = simple_message("with line feeds", "one\r\ntwo\r\n.three\r\n")
        self.put("1700000001.M2P1.elsewhere:2,S", message.replace(b"\r\n", b"\n"), part="cur")
        self.server.command("reindex")
        self.assertEqual(self.inbox(), [message])
        pop3 = self.pop3()
        self.assertEqual(pop3.stat(), (1, len(message)))
        self.assertEqual(b"\r\n".join([*pop3.retr(1)[1], b""]), message)
        imap = self.imap()
        imap.select()
        ((said, octets),) = fetch(imap, "1", "RFC822.SIZE", "BODY.PEEK[TEXT]<5.8>")
        self.assertIn(f"RFC822.SIZE {len(message)}".encode(), said)
        self.assertEqual(octets, b"two\r\n.th")

    def test_flags_and_folder(self) -> None:
        """Flags in the name and a new Maildir++ folder are taken over, subscribed; the date is the file's."""
        name = "1700000002.M3P1.elsewhere:2,FRS"
        self.put(name, simple_message("filed"), ".Old.2019", "cur")
        path = self.server.maildir(self.address("alice")) / ".Old.2019" / "cur" / name
        os.utime(path, (1_500_000_000, 1_500_000_000))
        self.server.command("reindex")
        imap = self.imap()
        self.assertEqual(imap.select(quoted("Old/2019")), ("OK", [b"1"]))
        ((said, _),) = fetch(imap, "1", "FLAGS", "INTERNALDATE")
        for flag in (b"\\Flagged", b"\\Answered", b"\\Seen"):
            self.assertIn(flag, said)
        self.assertEqual(imaplib.Internaldate2tuple(said), time.localtime(1_500_000_000))
        self.assertIn("Old/2019", folders(imap, "LSUB"))

    def test_at_start(self) -> None:
        """The start takes foreign files in as well, and follows flags and removals by other programs."""
        for number in range(3):
            self.deliver(simple_message(f"number {number}"))
        paths = sorted(self.files(), key=lambda path: path.read_bytes().partition(b"number ")[2][:1])
        self.server.stop()
        paths[0].unlink()
        paths[1].rename(paths[1].parent.parent / "cur" / (paths[1].name.partition(":")[0] + ":2,F"))
        self.put("1700000003.M4P1.elsewhere", simple_message("foreign"))
        self.server.start()
        imap = self.imap()

        def seen() -> bool:
            imap.select()
            found = fetch(imap, "1:*", "FLAGS", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
            return ([b"foreign" in subject for _, subject in found] == [False, False, True]
                    and b"\\Flagged" in found[0][0] and b"number 1" in found[0][1])

        self.eventually(seen)


class LostIndex(Scenario):
    """The database is gone, the tree is there."""

    users = ("alice",)
    own_server = True

    def test_rebuilt(self) -> None:
        """Folders, flags, dates and octets are back; UIDs are above the old ones, or UIDVALIDITY is."""
        imap = self.imap()
        imap.create(quoted("Grüße und mehr".encode("utf-7").decode().replace("+", "&")))
        imap.create(quoted("Work/2026"))
        for number in range(4):
            imap.append(quoted("Work/2026"), "(\\Seen \\Flagged)" if number == 2 else "",
                        imaplib.Time2Internaldate(1_600_000_000 + number), simple_message(f"number {number}"))
        for number in range(3):
            self.deliver(simple_message(f"inbox {number}"))
        before = {name: self.state(name) for name in ("INBOX", "Work/2026")}
        listed = folders(imap)
        # flags go into the names in the background
        self.eventually(lambda: any(path.name.endswith(":2,FS") for path in self.files(folder=".Work.2026")))

        self.server.stop()
        for path in self.server.database.parent.glob("quantummail.sqlite*"):
            path.unlink()
        self.server.command("init", "--domain", self.server.domain)
        password = self.server.command("user", "add", self.address("alice"), "--generate").stdout.split()[-1]
        self.server.passwords[self.address("alice")] = password
        self.server.command("reindex")
        self.server.start()

        self.assertEqual(folders(self.imap()), listed)
        for name, (old_validity, old_uids, old_mails) in before.items():
            validity, uids, mails = self.state(name)
            self.assertEqual(mails, old_mails)
            if validity == old_validity:
                self.assertGreater(min(uids), max(old_uids))
            else:
                self.assertGreater(validity, old_validity)

    def state(self, mailbox: str) -> tuple[int, list[int], list[tuple[bytes, bytes]]]:
        """UIDVALIDITY, UIDs, and each message with what is known about it."""
        imap = self.imap()
        imap.select(quoted(mailbox), readonly=True)
        validity = int(imap.response("UIDVALIDITY")[1][0])
        uids = [int(uid) for uid in imap.uid("SEARCH", "ALL")[1][0].split()]
        mails = []
        for said, octets in fetch(imap, "1:*", "FLAGS", "INTERNALDATE", "BODY.PEEK[]"):
            known = said.replace(b"\\Recent", b"").replace(b"( ", b"(").replace(b" )", b")")
            mails.append((known, octets))
        return validity, uids, mails
