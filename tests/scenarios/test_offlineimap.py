"""offlineimap keeps a Maildir and an account the same."""

from __future__ import annotations

from pathlib import Path

from tests.scenarios.case import HOST, Scenario, quoted, simple_message
from tests.support.programs import run


class OfflineImap(Scenario):
    """alice's account and a local Maildir."""

    users = ("alice",)

    def setUp(self) -> None:
        super().setUp()
        self.directory = self.home()
        self.private_file(self.directory / ".offlineimaprc", f"""
[general]
accounts = alice
metadata = {self.directory}/meta
ui = basic
socktimeout = 30

[Account alice]
localrepository = local
remoterepository = remote

[Repository local]
type = Maildir
localfolders = {self.directory}/local
sep = /

[Repository remote]
type = IMAP
remotehost = {HOST}
remoteport = {self.server.ports["imaps"]}
remoteuser = {self.address("alice")}
remotepass = {self.password("alice").replace("%", "%%")}
ssl = yes
sslcacertfile = {self.server.certificate}
auth_mechanisms = PLAIN
""")

    def sync(self) -> str:
        """Run it once."""
        return run("offlineimap", "-o", home=self.directory)

    def local(self, folder: str = "INBOX") -> list[Path]:
        """The files of a local folder."""
        directory = self.directory / "local" / folder
        return sorted([*(directory / "new").glob("*"), *(directory / "cur").glob("*")])

    def test_there_and_back(self) -> None:
        """Mail, flags, removals and folders come, then changes made locally go."""
        imap = self.imap()
        imap.create(quoted("Work/2026"))
        imap.append(quoted("Work/2026"), "(\\Flagged)", "", simple_message("work"))
        for number in range(3):
            self.deliver(simple_message(f"number {number}"))
        self.sync()
        self.assertEqual(len(self.local()), 3)
        self.assertIn(",F", self.local("Work/2026")[0].name)

        first, second, third = sorted(self.local(), key=lambda path: path.read_bytes().partition(b"number ")[2][:1])
        first.unlink()
        second.rename(second.parent.parent / "cur" / (second.name.partition(":")[0] + ":2,RS"))
        (third.parent.parent / "new" / "3.written.here").write_bytes(b"Subject: written here\n\nlocally\n")
        self.sync()
        stored = self.inbox()
        self.assertEqual(len(stored), 3)
        self.assertIn(b"Subject: written here\r\n", stored[-1])
        imap.select()
        self.assertEqual(imap.search(None, "ANSWERED SEEN"), ("OK", [b"1"]))

        imap.store("1", "+FLAGS.SILENT", "(\\Deleted)")
        imap.expunge()
        self.sync()
        self.assertEqual(len(self.local()), 2)
