"""No space, no inodes: mail is refused for now, nothing is lost, and what needs no room goes on."""

from __future__ import annotations

import time
import unittest

from tests.faults.case import PLAIN, address, imap
from tests.faults.disk import SmallDisk
from tests.faults.ledger import Ledger, message, token
from tests.faults.wire import Pop3, Smtp, eventually
from tests.support.server import RunningServer

MEGABYTE = 1 << 20
# The server asks the disk for its free space not at every command
REMEMBERED = 0.6
# so that no more comes in meanwhile than the margin it keeps
PAUSE = 0.05
TEMPORARY = (451, 452)


class FullDiskTests(unittest.TestCase):
    """Each test has a disk of its own, of 8 MB."""

    def use(self, inodes: int = 10_000) -> None:
        """Start a server on a small disk."""
        self.disk = self.enterContext(SmallDisk(8 * MEGABYTE, inodes))
        self.server = RunningServer(users=("alice", "bob"), settings=PLAIN, directory=self.disk.directory())
        self.addCleanup(self.server.close)
        self.server.log_path = self.disk.log
        self.server.start()
        self.ledger = Ledger(self.server, ("alice", "bob"))
        self.number = 0

    def smtp(self, listener: str = "smtp") -> Smtp:
        """An SMTP client that has said hello."""
        client = Smtp(self.server.ports[listener])
        self.addCleanup(client.close)
        client.hello("LHLO" if listener == "lmtp" else "EHLO")
        return client

    def deliver(self, client: Smtp, size: int = 2000) -> int:
        """Send one message, and note it if it is taken; the code."""
        self.number += 1
        name = token("disk", self.number, size)
        code, _ = client.deliver(message(name), address(self.server, "alice"))
        if code == 250:
            self.ledger.delivered["alice"].add(name)
        return code

    def works(self) -> None:
        """Mail goes in and out, after everything that was."""
        eventually(lambda: self.smtp().say("MAIL FROM:<a@example.net>")[0] == 250)
        self.assertEqual(self.deliver(self.smtp()), 250)
        self.ledger.check()
        self.server.restart()
        self.ledger.check()

    def test_refused_before_the_disk_is_full(self) -> None:
        """With little space left: 452 4.3.1 to MAIL, NO to APPEND; and users can still remove mail."""
        self.use()
        self.assertEqual(self.deliver(self.smtp()), 250)
        self.disk.fill(leave=MEGABYTE // 2)
        time.sleep(REMEMBERED)
        code, text = self.smtp().say("MAIL FROM:<friend@example.net>")
        self.assertEqual((code, text[:5]), (452, "4.3.1"))
        with imap(self.server, "bob", "INBOX") as client:
            client.send(b"a APPEND INBOX {3000}\r\n")
            self.assertEqual(client.finished("a").status, "NO")
        with imap(self.server, "alice", "INBOX") as client:
            client.must("STORE 1 +FLAGS (\\Deleted)")
            client.must("EXPUNGE")
        self.ledger.delivered["alice"].clear()
        self.ledger.gone.add(("alice", "INBOX", 1))
        self.disk.make_room()
        self.works()

    def test_full_in_the_middle(self) -> None:
        """A disk that fills up while a message comes: a temporary failure at its end, on every way in."""
        self.use()
        self.assertEqual(self.deliver(self.smtp()), 250)
        clients = [(self.smtp(listener), size) for listener in ("smtp", "lmtp") for size in (20_000, 700_000)]
        for client, _ in clients:
            client.begin(address(self.server, "alice"))
        appending = self.enterContext(imap(self.server, "bob", "INBOX"))
        appending.send(b"a APPEND INBOX {700010}\r\n")
        self.assertEqual(appending.line()[:1], b"+")
        for number, (client, size) in enumerate(clients):
            # again for each: the server has given its reserve, and what it had begun to write, back to the disk
            self.disk.fill()
            client.send(message(token("refused", number, size)) + b".\r\n")
            self.assertIn(client.reply()[0], TEMPORARY)
        self.disk.fill()
        appending.send(b"x" * 700_010 + b"\r\n")
        self.assertEqual(appending.finished("a").status, "NO")
        self.assertEqual(len(self.ledger.delivered["alice"]), 1)
        self.disk.make_room()
        self.works()

    def test_reading_on_a_full_disk(self) -> None:
        """With no octet left mail can be read, and removed by IMAP and POP3: room was kept back for that."""
        self.use()
        for _ in range(4):
            self.assertEqual(self.deliver(self.smtp()), 250)
        # what the server writes behind its answers would ask for the reserve while the disk is being filled
        time.sleep(REMEMBERED)
        self.disk.fill()
        with imap(self.server, "alice") as client:
            client.must("EXAMINE INBOX")
            self.assertEqual(len(client.bodies()), 4)
            client.must("NOOP")
            self.assertEqual(client.say("STATUS INBOX (MESSAGES)").status, "OK")
            client.must("SELECT INBOX")
            client.must("STORE 2 +FLAGS (\\Deleted)")
            client.must("EXPUNGE")
        with Pop3(self.server.ports["pop3"]) as pop3:
            pop3.login(address(self.server, "alice"), self.server.passwords[address(self.server, "alice")])
            pop3.must("RETR 1")
            pop3.lines()
            pop3.must("DELE 3")
            pop3.must("QUIT")
        for uid in (2, 4):
            self.ledger.gone.add(("alice", "INBOX", uid))
            self.ledger.delivered["alice"].discard(token("disk", uid, 2000))
        time.sleep(REMEMBERED)
        self.assertEqual(self.smtp().say("MAIL FROM:<friend@example.net>")[0], 452)
        self.disk.make_room()
        self.works()

    def test_restart_on_a_full_disk(self) -> None:
        """A server that is started on a full disk lets people read and remove their mail."""
        self.use()
        self.assertEqual(self.deliver(self.smtp()), 250)
        self.disk.fill()
        self.server.kill()
        self.server.start()
        with imap(self.server, "alice", "INBOX") as client:
            self.assertEqual(len(client.bodies()), 1)
        self.disk.make_room()
        self.works()

    def test_senders_until_the_disk_is_full(self) -> None:
        """Whoever keeps sending until nothing more goes in has lost nothing that was acknowledged."""
        self.use()
        client, codes = self.smtp(), [250]
        while codes[-1] == 250 and len(codes) < 1000:
            time.sleep(PAUSE)
            try:
                codes.append(self.deliver(client, 60_000))
            except AssertionError as error:
                self.assertIn("452 4.3.1", str(error))
                break
        print(f"full disk: {len(self.ledger.delivered['alice'])} messages of 60 KB taken, then 452")
        self.ledger.check()
        with imap(self.server, "alice", "INBOX") as imap_client:
            imap_client.must("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            imap_client.must("EXPUNGE")
        self.ledger.gone |= {("alice", "INBOX", uid) for uid in range(1, len(self.ledger.delivered["alice"]) + 1)}
        self.ledger.delivered["alice"].clear()
        self.works()

    def test_out_of_inodes(self) -> None:
        """Without inodes mail is refused for now: 452 4.3.1 to MAIL, a temporary failure where it is too late."""
        self.use(inodes=400)
        self.assertEqual(self.deliver(self.smtp()), 250)
        late = self.smtp()
        late.begin(address(self.server, "alice"))
        self.disk.use_inodes()
        late.send(message(token("refused", 1, 700_000)) + b".\r\n")
        self.assertIn(late.reply()[0], TEMPORARY)
        time.sleep(REMEMBERED)
        code, text = self.smtp().say("MAIL FROM:<friend@example.net>")
        self.assertEqual((code, text[:5]), (452, "4.3.1"))
        with imap(self.server, "alice", "INBOX") as client:
            self.assertEqual(client.append("INBOX", b"Subject: no\r\n\r\n").status, "NO")
            self.assertEqual(client.say('CREATE "A/B/C"').status, "NO")
            self.assertEqual(len(client.bodies()), 1)
        self.disk.make_room()
        with imap(self.server, "alice") as client:
            client.must('CREATE "A/B/C"')
        self.works()
