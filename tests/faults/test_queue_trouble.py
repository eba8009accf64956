"""What the queue lives through: no DNS, no room on the disk, a clock that is wrong."""

from __future__ import annotations

import smtplib
import sqlite3
import time
import unittest

from tests.faults.case import FaultCase, imap
from tests.faults.disk import SmallDisk
from tests.faults.ledger import token
from tests.faults.queue_case import DOMAIN, Promises
from tests.faults.sink import Sink
from tests.faults.wire import eventually
from tests.support.server import RunningServer, free_ports

MEGABYTE = 1 << 20
REMEMBERED = 0.6


class DeadDnsTests(FaultCase):
    """Nobody answers questions."""

    (dead,) = free_ports(1)
    settings = {
        "server": {"plaintext_login": "loopback"},
        "dns": {"servers": f"127.0.0.1:{dead}", "timeout": "1s"},
        "queue": {"first_retry": "1s", "longest_wait": "1s", "lifetime": "1s"},
    }

    def test_nothing_bounces(self) -> None:
        """Mail waits, and neither bounces nor is warned about, while its domain cannot be looked up."""
        with Sink(free_ports(1)[0]) as sink:
            promises = Promises(self.server, sink)
            client = promises.writer()
            self.addCleanup(client.close)
            for domain in ("example.org", "example.net"):
                promises.submit(client, token("dns", domain, 500), f"x@{domain}")
            eventually(lambda: self.server.log().count("is not reached") >= 2, 30)
            self.server.restart()
            eventually(lambda: self.server.log().count("is not reached") >= 4, 30)
            self.assertEqual({state for _, _, state in promises.waiting()}, {"due"})
            self.assertEqual(promises.reported(), set())
            with imap(self.server, "alice", "INBOX") as inbox:
                self.assertEqual(inbox.bodies(), {})
            sink.close()


class FullDiskTests(unittest.TestCase):
    """A queue on a disk of 12 MB."""

    def test_drains(self) -> None:
        """With no room left mail is refused for now (452), and what is queued goes out all the same."""
        disk = self.enterContext(SmallDisk(12 * MEGABYTE))
        (port,) = free_ports(1)
        sink = Sink(port)
        self.addCleanup(sink.close)
        sink.busy = True
        server = RunningServer(users=("alice",), directory=disk.directory(), settings={
            "server": {"plaintext_login": "loopback"},
            "sending": {"routes": f"{DOMAIN} smtp://127.0.0.1:{port}?tls=none"},
            "queue": {"first_retry": "1s", "longest_wait": "1s"},
        })
        self.addCleanup(server.close)
        server.log_path = disk.log
        server.start(patience=60)
        promises = Promises(server, sink)
        client = promises.writer()
        self.addCleanup(client.close)
        code = 0
        for number in range(500):
            try:
                promises.submit(client, token("full", number, 60_000), f"x{number}@{DOMAIN}")
            except smtplib.SMTPResponseException as refused:
                code = refused.smtp_code
                break
            time.sleep(0.02)
        self.assertEqual(code, 452)
        disk.fill()
        sink.busy = False
        eventually(lambda: not promises.missing(), 90)
        eventually(lambda: not promises.waiting(), 60)
        disk.make_room()
        time.sleep(REMEMBERED)
        promises.submit(promises.writer(), token("full", 1000, 500), f"last@{DOMAIN}")
        promises.check()
        print(f"full disk: {len(promises.made)} queued messages of 60 KB went out, then there was room again")


class ClockTests(FaultCase):
    """The clock was a day ahead when rows were written, and is back."""

    def test_ahead_and_back(self) -> None:
        """What says that it is due tomorrow, or leased until then, is tried now; what came tomorrow is not given up."""
        (port,) = free_ports(1)
        server = self.server
        server.stop()
        text = server.config_path.read_text("utf-8")
        server.config_path.write_text(
            f"{text}\n[sending]\nroutes = {DOMAIN} smtp://127.0.0.1:{port}?tls=none\n"
            "[queue]\nfirst_retry = 1s\nlongest_wait = 1s\n", "utf-8")
        sink = Sink(port)
        self.addCleanup(sink.close)
        sink.busy = True
        server.start(patience=60)
        promises = Promises(server, sink)
        client = promises.writer()
        self.addCleanup(client.close)
        for number in range(4):
            promises.submit(client, token("clock", number, 500), f"x{number}@{DOMAIN}")
        eventually(lambda: server.log().count("deferred by") >= 4, 30)
        server.kill()
        connection = sqlite3.connect(server.database)
        connection.execute("UPDATE outgoing SET created = created + 86400")
        connection.execute("UPDATE outgoing_recipients SET due = due + 86400, leased_until = leased_until + 86400")
        connection.commit()
        connection.close()
        sink.busy = False
        server.start(patience=60)
        promises.check()
