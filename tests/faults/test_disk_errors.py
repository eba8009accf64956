"""A disk that fails: EIO where a message or the database is made durable, a database that another process locks."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

from tests.faults.canary import Canary
from tests.faults.case import FaultCase, tracer
from tests.faults.ledger import Ledger, message, rows_without_files, strays, token
from tests.faults.trace import Traced

TEMPORARY = (451, 452)
SENDERS = 20


class DiskErrorTests(FaultCase):
    """What the disk did not take is not acknowledged, and when the disk works again so does the server."""

    ledger: ClassVar[Ledger]
    number = 0

    @classmethod
    def setUpClass(cls) -> None:
        tracer()
        super().setUpClass()
        cls.ledger = Ledger(cls.server, cls.users)

    def tearDown(self) -> None:
        """Everything works again, and after a kill too."""
        self.assertEqual(self.deliver()[0], 250)
        self.eventually(lambda: not strays(self.server))
        self.ledger.check()
        self.server.kill()
        self.server.start()
        # the commit that failed may have reached the log of the database: its row has no file, the scan drops it
        self.eventually(lambda: not rows_without_files(self.server))
        self.ledger.check()

    def deliver(self) -> tuple[int, str]:
        """Send one message, and note it if it is taken; the reply."""
        type(self).number += 1
        name = token("error", self.number, 3_000)
        with_code = self.smtp("smtp")
        code, text = with_code.deliver(message(name), self.address("alice"))
        with_code.close()
        if code == 250:
            self.ledger.delivered["alice"].add(name)
        return code, text

    def refused_while(self, *injections: str) -> Traced:
        """Deliver and APPEND while system calls fail: all of it is refused for now."""
        assert self.server.process is not None
        client = self.imap("bob", "INBOX")
        traced = Traced([self.server.pid], *injections, follow=True)
        with traced:
            self.assertIn(self.deliver()[0], TEMPORARY)
            self.assertEqual(client.append("INBOX", b"Subject: no\r\n\r\nno\r\n").status, "NO")
            self.assertIn(self.deliver()[0], TEMPORARY)
        self.assertEqual(client.must("STATUS INBOX (MESSAGES)").untagged, [b'* STATUS INBOX (MESSAGES 0)\r\n'])
        self.assertGreaterEqual(sum(traced.injected.values()), 3, traced.injected)
        return traced

    def test_fsync_fails(self) -> None:
        """EIO on fsync: no 250, no OK, and no second try that would succeed and lie."""
        self.refused_while("fsync:error=EIO")

    def test_group_sync_fails(self) -> None:
        """EIO on syncfs, which makes the files of many senders durable at once: none of them hears 250."""
        self.deliver()
        clients = [self.smtp("lmtp") for _ in range(SENDERS)]
        for client in clients:
            client.begin(self.address("alice"))
        with Traced([self.server.pid], "syncfs:error=EIO", "fsync:error=EIO", follow=True) as traced:
            for number, client in enumerate(clients):
                client.send(message(token("group", number, 3_000)) + b".\r\n")
            with ThreadPoolExecutor(SENDERS) as pool:
                codes = list(pool.map(lambda client: client.reply()[0], clients))
        self.assertEqual(set(codes) - set(TEMPORARY), set())
        print(f"{SENDERS} at once: {dict(traced.injected)} failed, all refused for now")

    def test_database_cannot_be_synced(self) -> None:
        """EIO where the database becomes durable: no 250."""
        self.refused_while("fdatasync:error=EIO")

    def test_database_cannot_be_written(self) -> None:
        """EIO where the database is written: no 250."""
        self.refused_while("pwrite64:error=EIO")

    def test_database_has_no_space(self) -> None:
        """ENOSPC where the database is written: no 250."""
        self.refused_while("pwrite64:error=ENOSPC")

    def test_file_has_no_space(self) -> None:
        """ENOSPC where the message is renamed into its place: no 250, and nothing is left behind."""
        self.refused_while("?rename:error=ENOSPC", "renameat:error=ENOSPC", "renameat2:error=ENOSPC")

    def test_locked_database(self) -> None:
        """Another process holds the database for too long: 451 then, others are served meanwhile, and all recovers."""
        other = sqlite3.connect(self.server.database, isolation_level=None)
        canary = self.imap("bob", "INBOX")
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with Canary(canary) as waits:
            code, text = self.deliver()
        took = time.monotonic() - began
        self.assertEqual(code, 451, text)
        self.assertLess(took, 15)
        self.assertLess(waits.longest, 2)
        other.execute("ROLLBACK")
        print(f"locked database: 451 after {took:.1f} s; {waits}")
