"""What the tests of faults share: a server that takes passwords on loopback, clients on it, and how long they run."""

from __future__ import annotations

import os
import time
import unittest
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tests.faults.wire import Imap, Pop3, Smtp, eventually
from tests.support.programs import program
from tests.support.server import RunningServer

T = TypeVar("T")
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "20"))
LONG = ROUNDS >= 100
"""Whether this is `make faults`, which leaves nothing out."""

PLAIN: Mapping[str, Mapping[str, str]] = {"server": {"plaintext_login": "loopback"}}


def needs_root(what: str) -> None:
    """Skip the test unless it may do what only root may."""
    if os.geteuid() != 0:
        raise unittest.SkipTest(f"only root can {what}")


def tracer() -> str:
    """The path of strace, if it may look into a server that runs already."""
    path = program("strace")
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    if os.geteuid() != 0 and scope.exists() and scope.read_text().strip() != "0":
        raise unittest.SkipTest("kernel.yama.ptrace_scope lets only root trace a process that runs")
    return path


class FaultCase(unittest.TestCase):
    """One server for the class, with plaintext logins: what is under test is not TLS."""

    users: Sequence[str] = ("alice", "bob")
    settings: Mapping[str, Mapping[str, str]] = PLAIN
    server: RunningServer

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.server = RunningServer(users=cls.users, settings=cls.settings)
        cls.addClassCleanup(cls.server.close)
        cls.server.start()

    def address(self, user: str) -> str:
        """The address of a user."""
        return address(self.server, user)

    def imap(self, user: str = "alice", mailbox: str = "", *, source: str = "127.0.0.1") -> Imap:
        """A logged-in IMAP client, with a mailbox selected if one is given."""
        client = imap(self.server, user, mailbox, source=source)
        self.addCleanup(client.close)
        return client

    def pop3(self, user: str = "alice") -> Pop3:
        """A logged-in POP3 client."""
        client = Pop3(self.server.ports["pop3"])
        self.addCleanup(client.close)
        return client.login(self.address(user), self.server.passwords[self.address(user)])

    def smtp(self, listener: str = "smtp", *, source: str = "127.0.0.1") -> Smtp:
        """An SMTP or LMTP client that has said hello."""
        client = Smtp(self.server.ports[listener], source=source)
        self.addCleanup(client.close)
        client.hello("LHLO" if listener == "lmtp" else "EHLO")
        return client

    def bodies(self, user: str = "alice", mailbox: str = "INBOX") -> dict[int, bytes]:
        """All messages of a mailbox, by UID."""
        with imap(self.server, user, mailbox) as client:
            return client.bodies()

    def empty(self, user: str = "alice", mailbox: str = "INBOX") -> None:
        """Remove all messages."""
        with imap(self.server, user, mailbox) as client:
            client.say("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            client.must("EXPUNGE")

    def eventually(self, question: Callable[[], T], patience: float = 10.0) -> None:
        """Ask until the answer is yes."""
        eventually(question, patience)

    def resident(self) -> int:
        """Octets of memory that the server has."""
        return resident(self.server.pid)


def quiet(pid: int, patience: float = 60.0) -> None:
    """Wait until a server has done what it does behind the answers: the full-text index of what has just come."""
    deadline = time.monotonic() + patience
    used, idle_since = -1, time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - idle_since < 1.5:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        now_used = int(fields[11]) + int(fields[12])
        if now_used > used + 2:
            used, idle_since = now_used, time.monotonic()
        time.sleep(0.1)


def address(server: RunningServer, user: str) -> str:
    """The address of a user."""
    return f"{user}@{server.domain}"


def imap(server: RunningServer, user: str = "alice", mailbox: str = "", *, source: str = "127.0.0.1") -> Imap:
    """A logged-in IMAP client."""
    client = Imap(server.ports["imap"], source=source)
    try:
        client.login(address(server, user), server.passwords[address(server, user)])
        if mailbox:
            client.must(f'SELECT "{mailbox}"')
    except BaseException:
        client.close()
        raise
    return client


def resident(pid: int) -> int:
    """Octets of memory that a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
