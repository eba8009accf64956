"""mbsync keeps a Maildir and an account the same, in both directions."""

from __future__ import annotations

from pathlib import Path

from tests.scenarios.case import HOST, Scenario, folders, quoted, simple_message
from tests.support.programs import run


class Mbsync(Scenario):
    """alice's account and a local Maildir."""

    users = ("alice",)

    def setUp(self) -> None:
        super().setUp()
        self.directory = self.home()
        (self.directory / "local").mkdir()
        self.private_file(self.directory / ".mbsyncrc", f"""
IMAPAccount alice
Host {HOST}
Port {self.server.ports["imaps"]}
User {self.address("alice")}
Pass {self.password("alice")}
SSLType IMAPS
CertificateFile {self.server.certificate}
AuthMechs LOGIN

IMAPStore remote
Account alice

MaildirStore local
Path {self.directory}/local/
Inbox {self.directory}/local/INBOX
SubFolders Verbatim

Channel all
Far :remote:
Near :local:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
""")

    def sync(self) -> None:
        """Run mbsync for everything."""
        run("mbsync", "-a", home=self.directory)

    def local(self, folder: str = "INBOX") -> list[Path]:
        """The files of a local folder."""
        directory = self.directory / "local" / folder
        return sorted([*(directory / "new").glob("*"), *(directory / "cur").glob("*")])

    def test_new_mail_comes(self) -> None:
        """Mail on the server comes to the local Maildir; our octets, with LF as mbsync writes them."""
        self.deliver(simple_message("comes"))
        self.sync()
        (path,) = self.local()
        text = path.read_bytes()
        header, _, body = text.partition(b"\n\n")
        kept = [line for line in header.split(b"\n") if not line.startswith(b"X-TUID:")]
        self.assertEqual(b"\r\n".join(kept) + b"\r\n\r\n" + body.replace(b"\n", b"\r\n"), self.inbox()[0])

    def test_new_mail_goes(self) -> None:
        """A file in a local folder goes to the server, once."""
        self.sync()
        new = self.directory / "local" / "Sent" / "cur" / "1.sent.here:2,S"
        new.write_bytes(simple_message("goes").replace(b"\r\n", b"\n"))
        self.sync()
        self.sync()
        (stored,) = self.inbox(folder="Sent")
        self.assertIn(b"Subject: goes\r\n", stored)
        imap = self.imap()
        imap.select("Sent")
        self.assertEqual(imap.search(None, "SEEN"), ("OK", [b"1"]))

    def test_flags(self) -> None:
        """Flags go both ways and meet."""
        self.deliver(simple_message())
        self.sync()
        path = self.local()[0]
        path.rename(path.parent.parent / "cur" / (path.name.partition(":")[0] + ":2,F"))
        imap = self.imap()
        imap.select()
        imap.store("1", "+FLAGS", "(\\Answered \\Seen)")
        self.sync()
        self.assertTrue(self.local()[0].name.endswith(":2,FRS"), self.local())
        imap.noop()
        _, found = imap.search(None, "FLAGGED ANSWERED SEEN")
        self.assertEqual(found, [b"1"])

    def test_removed_here(self) -> None:
        """What is removed locally is removed on the server."""
        for number in range(3):
            self.deliver(simple_message(f"number {number}"))
        self.sync()
        next(path for path in self.local() if b"number 1" in path.read_bytes()).unlink()
        self.sync()
        left = self.inbox()
        self.assertEqual(len(left), 2)
        self.assertFalse(any(b"number 1" in message for message in left))

    def test_removed_there(self) -> None:
        """What is removed on the server is removed locally."""
        for number in range(3):
            self.deliver(simple_message(f"number {number}"))
        self.sync()
        imap = self.imap()
        imap.select()
        imap.store("2", "+FLAGS.SILENT", "(\\Deleted)")
        imap.expunge()
        self.sync()
        self.assertEqual(len(self.local()), 2)
        self.assertFalse(any(b"number 1" in path.read_bytes() for path in self.local()))

    def test_folders(self) -> None:
        """Folders that either side makes are made on the other, with their mail."""
        imap = self.imap()
        imap.create(quoted("Lists/python dev"))
        imap.append(quoted("Lists/python dev"), "", "", simple_message("listed"))
        for part in ("cur", "new", "tmp"):
            (self.directory / "local" / "Projects" / part).mkdir(parents=True)
        (self.directory / "local" / "Projects" / "new" / "2.mail.here").write_bytes(b"Subject: planned\n\nplan\n")
        self.sync()
        self.assertIn("Projects", folders(self.imap()))
        self.assertIn(b"Subject: planned\r\n", self.inbox(folder="Projects")[0])
        self.assertIn(b"Subject: listed", self.local("Lists/python dev")[0].read_bytes())

    def test_removed_folder(self) -> None:
        """A folder that was emptied and deleted on the server is removed locally."""
        imap = self.imap()
        imap.create("Passing")
        self.sync()
        self.assertTrue((self.directory / "local" / "Passing").is_dir())
        imap.delete("Passing")
        self.sync()
        self.assertFalse((self.directory / "local" / "Passing" / "cur").is_dir())

    def test_nothing_to_do(self) -> None:
        """A second run changes nothing: no message twice, UIDVALIDITY as before."""
        for number in range(20):
            self.deliver(simple_message(f"number {number}"))
        self.sync()
        before = [path.name for path in self.local()]
        self.sync()
        self.assertEqual([path.name for path in self.local()], before)
        self.assertEqual(len(self.inbox()), 20)

    def test_after_restart(self) -> None:
        """After a restart of the server it is the same account: nothing comes twice."""
        self.deliver(simple_message("before"))
        self.sync()
        self.server.restart()
        self.deliver(simple_message("after"))
        self.sync()
        self.assertEqual(len(self.local()), 2)
        self.assertEqual(len(self.inbox()), 2)
