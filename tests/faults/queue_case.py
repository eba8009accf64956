"""What the tests of the queue's faults share: a server that sends to a sink, and a ledger of what it has promised."""

from __future__ import annotations

import re
import smtplib
import sqlite3
import threading
from typing import ClassVar

from tests.faults.case import FaultCase, imap
from tests.faults.ledger import integrity, message, rows_without_files
from tests.faults.sink import Sink
from tests.faults.wire import Gone, eventually
from tests.support.server import RunningServer, free_ports

DOMAIN = "sink.test"
_REPORTED = re.compile(rb"^In-Reply-To: <([a-z0-9.]+)@ledger>\r\n", re.MULTILINE)
_FINAL = re.compile(rb"^Final-Recipient: rfc822; (no[^\r]*)\r\nAction: failed\r\n", re.MULTILINE)


class Promises:
    """Messages that the server took, and their recipients."""

    def __init__(self, server: RunningServer, sink: Sink) -> None:
        self.server = server
        self.sink = sink
        self.lock = threading.Lock()
        self.made: set[tuple[str, str]] = set()

    def writer(self) -> smtplib.SMTP:
        """Alice, logged in."""
        client = smtplib.SMTP("127.0.0.1", self.server.ports["submission"], timeout=20)
        client.login(self.sender, self.server.passwords[self.sender])
        return client

    @property
    def sender(self) -> str:
        """Alice's address."""
        return f"alice@{self.server.domain}"

    def submit(self, client: smtplib.SMTP, name: str, *recipients: str) -> None:
        """Alice writes; `Gone` if the server is. What it says yes to is promised."""
        text = message(name).replace(b"From: ledger@example.net", f"From: {self.sender}".encode())
        try:
            client.sendmail(self.sender, list(recipients), text)
        except (smtplib.SMTPServerDisconnected, OSError) as error:
            if isinstance(error, smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused):
                raise
            raise Gone(str(error)) from error
        with self.lock:
            self.made.update((name, recipient) for recipient in recipients)

    def missing(self) -> set[tuple[str, str]]:
        """What was promised and has not happened: the sink has it, or alice was told that it is refused."""
        with self.lock:
            made = set(self.made)
        with self.sink.lock:
            taken = set(self.sink.taken)
        refused = {one for one in made if one[1].startswith("no")}
        lost = made - refused - taken
        return lost | (refused - self.reported() if refused else set())

    def reported(self) -> set[tuple[str, str]]:
        """What alice was told of."""
        found = set()
        with imap(self.server, "alice", "INBOX") as client:
            for octets in client.bodies().values():
                about = _REPORTED.search(octets)
                if about is not None:
                    found |= {(about[1].decode(), one.decode()) for one in _FINAL.findall(octets)}
        return found

    def check(self, patience: float = 60) -> None:
        """All of it happens; then the queue is empty, and nothing is left of it on the disk."""
        try:
            eventually(lambda: not self.missing(), patience)
            eventually(lambda: not self.waiting(), 20)
            eventually(lambda: not self.files(), 20)
        except AssertionError:
            raise AssertionError(
                f"missing {sorted(self.missing())[:5]}, waiting {self.waiting()[:5]}, files {self.files()[:5]}"
            ) from None
        integrity(self.server.database)
        lost = rows_without_files(self.server)
        if lost:
            raise AssertionError(f"rows without files: {sorted(lost)[:5]}")

    def waiting(self) -> list[tuple[str, str, str]]:
        """Recipients whose fate is open."""
        connection = sqlite3.connect(f"file:{self.server.database}?mode=ro", uri=True, timeout=10)
        try:
            return list(connection.execute(
                "SELECT message_id, address, state FROM outgoing_recipients"
                " WHERE state NOT IN ('delivered', 'failed')"))
        finally:
            connection.close()

    def files(self) -> list[str]:
        """What the queue's directory has of messages that nobody waits for; what was never promised may stay."""
        connection = sqlite3.connect(f"file:{self.server.database}?mode=ro", uri=True, timeout=10)
        try:
            ended = {row[0] for row in connection.execute("SELECT id FROM outgoing WHERE unfinished = 0")}
        finally:
            connection.close()
        return sorted(path.name for path in (self.server.directory / "data" / "queue").iterdir() if path.name in ended)

    @property
    def copies(self) -> int:
        """Messages that the sink has twice, which is allowed where the answer got lost."""
        with self.sink.lock:
            return sum(count - 1 for count in self.sink.taken.values())


class QueueFaultCase(FaultCase):
    """A server whose mail for `sink.test` goes to a sink, retried after a second."""

    users = ("alice", "bob")
    sink: ClassVar[Sink]
    promises: ClassVar[Promises]

    @classmethod
    def setUpClass(cls) -> None:
        (port,) = free_ports(1)
        cls.settings = {
            "server": {"plaintext_login": "loopback"},
            "sending": {"routes": f"{DOMAIN} smtp://127.0.0.1:{port}?tls=none"},
            "queue": {"first_retry": "1s", "longest_wait": "1s"},
        }
        cls.sink = Sink(port)
        cls.addClassCleanup(cls.sink.close)
        super().setUpClass()
        cls.promises = Promises(cls.server, cls.sink)
