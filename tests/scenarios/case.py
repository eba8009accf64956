"""What scenarios share: a running server, clients that trust its certificate, empty mailboxes."""

from __future__ import annotations

import atexit
import contextlib
import functools
import imaplib
import poplib
import shutil
import smtplib
import ssl
import tempfile
import time
import unittest
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tests.support.server import RunningServer

T = TypeVar("T")
# The certificate is for this name
HOST = "localhost"
STRANGER = "friend@example.net"
# imaplib refuses lines longer than a megabyte, which literals of responses are not
imaplib._MAXLINE = 10_000_000  # type: ignore[attr-defined]  # there is no other way to say it


@functools.cache
def _shared_server() -> RunningServer:
    # Wrong passwords that tests try must not slow down the next test
    patient = {"free_failures": "1000", "client_failures": "0"}
    server = RunningServer(users=("alice", "bob"), settings={"login": patient})
    atexit.register(server.close)
    return server


class Scenario(unittest.TestCase):
    """Tests with a running server that find the mailboxes of `users` empty.

    All classes share one server with alice and bob, unless a class wants its own: with other users or settings,
    or because its tests make domains and aliases, or stop and measure the server.

    When the class is done, the log must not tell of anything unexpected.
    """

    users: Sequence[str] = ("alice", "bob")
    settings: Mapping[str, Mapping[str, str]] = {}
    own_server = False
    server: RunningServer
    _log_begins: int

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        if cls.own_server or cls.settings or not set(cls.users) <= {"alice", "bob"}:
            cls.server = RunningServer(users=cls.users, settings=cls.settings)
            cls.addClassCleanup(cls.server.close)
        else:
            cls.server = _shared_server()
        cls._ensure_running()
        cls._log_begins = len(cls.server.log())
        cls.addClassCleanup(cls._check_log)

    @classmethod
    def _ensure_running(cls) -> None:
        if cls.server.process is None or cls.server.process.poll() is not None:
            cls.server.start()

    @classmethod
    def _check_log(cls) -> None:
        log = cls.server.log()[cls._log_begins:]
        for sign in ("Traceback", "unexpected error", "Unhandled"):
            if sign in log:
                raise AssertionError(f"the log tells of something unexpected:\n{log[-6000:]}")

    def setUp(self) -> None:
        super().setUp()
        # a test that failed may have left it stopped
        self._ensure_running()
        self._leaving: set[str] = set()
        for user in self.users:
            self._empty(user)

    def _empty(self, user: str) -> None:
        imap = self.imap(user)
        for folder in folders(imap):
            if folder not in ("INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"):
                imap.delete(quoted(folder))
                imap.unsubscribe(quoted(folder))
                continue
            _, counted = imap.select(folder)
            if counted[0] != b"0":
                imap.store("1:*", "+FLAGS.SILENT", "(\\Deleted)")
            imap.close()
        # files of removed messages go in the background, half a second later
        maildir = self.server.maildir(self.address(user))
        self._leaving |= {_unique(path) for part in ("new", "cur") for path in maildir.glob(f"**/{part}/*")}

    # Accounts.

    def address(self, user: str) -> str:
        """The address of a user, which is also its name to log in."""
        return f"{user}@{self.server.domain}"

    def password(self, user: str) -> str:
        """The password of a user."""
        return self.server.passwords[self.address(user)]

    @property
    def tls(self) -> ssl.SSLContext:
        """What trusts the server's certificate, and nothing else."""
        return ssl.create_default_context(cafile=str(self.server.certificate))

    # Clients of the standard library.

    def imap(self, user: str = "alice") -> imaplib.IMAP4_SSL:
        """A logged-in IMAP client on the TLS port, logged out after the test."""
        client = imaplib.IMAP4_SSL(HOST, self.server.ports["imaps"], ssl_context=self.tls, timeout=60)
        self.addCleanup(_quietly, client.logout)
        client.login(self.address(user), self.password(user))
        return client

    def pop3(self, user: str = "alice", *, utf8: bool = False) -> poplib.POP3_SSL:
        """A logged-in POP3 client on the TLS port, gone after the test."""
        client = poplib.POP3_SSL(HOST, self.server.ports["pop3s"], context=self.tls, timeout=60)
        self.addCleanup(_quietly, client.close)
        if utf8:
            client.utf8()
        client.user(self.address(user))
        client.pass_(self.password(user))
        return client

    def smtp(self, listener: str = "smtp") -> smtplib.SMTP:
        """An SMTP client that has said EHLO, gone after the test."""
        client = smtplib.SMTP(HOST, self.server.ports[listener], "client.example.net", timeout=60)
        self.addCleanup(client.close)
        client.ehlo()
        return client

    # Mail.

    def deliver(self, message: bytes, *recipients: str, sender: str = STRANGER, options: Sequence[str] = ()) -> None:
        """Send a message as another server would, octet for octet; recipients are users or whole addresses."""
        with self.smtp() as smtp:
            smtp.sendmail(sender, [self._whole(each) for each in recipients or ("alice",)], message, options)

    def _whole(self, recipient: str) -> str:
        return recipient if "@" in recipient else self.address(recipient)

    def inbox(self, user: str = "alice", folder: str = "INBOX") -> list[bytes]:
        """All messages of a mailbox as IMAP gives them; looking does not make them seen."""
        imap = self.imap(user)
        typ, data = imap.select(quoted(folder), readonly=True)
        self.assertEqual(typ, "OK", data)
        if data == [b"0"]:
            return []
        return [octets for _, octets in fetch(imap, "1:*", "BODY.PEEK[]")]

    def files(self, user: str = "alice", folder: str = "") -> list[Path]:
        """The files of a mailbox (a Maildir++ folder such as .Sent, or the inbox) that came with this test."""
        maildir = self.server.maildir(self.address(user)) / folder
        found = sorted([*(maildir / "new").iterdir(), *(maildir / "cur").iterdir()])
        return [path for path in found if _unique(path) not in self._leaving]

    def assertDelivered(self, stored: bytes, sent: bytes) -> None:
        """What is stored is what was sent, octet for octet, below trace fields that we put on top."""
        self.assertTrue(stored.endswith(sent), f"{stored[:2000]!r}\n is not\n{sent[:2000]!r}")
        for line in stored[:len(stored) - len(sent)].split(b"\r\n"):
            self.assertRegex(line, rb"\A(Return-Path: |Delivered-To: |Received: |\t.|\Z)")

    # Time and space.

    def eventually(self, question: Callable[[], T], patience: float = 10.0) -> T:
        """Ask until the answer is true, and return it; fail when that takes too long."""
        deadline = time.monotonic() + patience
        while True:
            answer = question()
            if answer:
                return answer
            if time.monotonic() > deadline:
                self.fail(f"still {answer!r} after {patience:g} s")
            time.sleep(0.02)

    def home(self) -> Path:
        """An empty directory for a program, gone after the test."""
        directory = Path(tempfile.mkdtemp(prefix="quantummail-home-"))
        self.addCleanup(shutil.rmtree, directory, True)
        directory.chmod(0o700)
        return directory

    def private_file(self, path: Path, text: str) -> Path:
        """Write a configuration with a password in it as programs want it: mode 0600."""
        path.write_text(text, "utf-8")
        path.chmod(0o600)
        return path


def quoted(name: str) -> str:
    """A mailbox name as imaplib must be given it."""
    return f'"{name}"'


def folders(imap: imaplib.IMAP4, command: str = "LIST") -> dict[str, set[str]]:
    """Mailboxes by name with their attributes, the deepest first."""
    _, lines = imap.list() if command == "LIST" else imap.lsub()
    found: dict[str, set[str]] = {}
    for line in lines:
        if isinstance(line, bytes):
            attributes, _, rest = line.decode().partition(") ")
            name = rest.partition(" ")[2].strip('"')
            found[name] = set(attributes.lstrip("(").split())
    return dict(sorted(found.items(), key=lambda item: -item[0].count("/")))


def fetch(imap: imaplib.IMAP4, numbers: str, *items: str) -> list[tuple[bytes, bytes]]:
    """FETCH: for each message the text of the response, and its literal (empty if there is none; one at most)."""
    found: list[tuple[bytes, bytes]] = []
    rest_of_line = False
    for piece in imap.fetch(numbers, f"({' '.join(items)})")[1]:
        if isinstance(piece, tuple):
            found.append(piece)
        elif piece is not None and rest_of_line:
            text, literal = found[-1]
            found[-1] = (text + piece, literal)
        elif piece is not None:
            found.append((piece, b""))
        rest_of_line = isinstance(piece, tuple)
    return found


def simple_message(subject: str = "hello", body: str = "How are you?\r\n", **fields: str) -> bytes:
    """A message as mail programs make it."""
    header = {"From": f"Friend <{STRANGER}>", "To": "alice@example.test", "Subject": subject,
              "Date": "Fri, 20 Nov 2026 10:00:00 +0000", "Message-ID": f"<{subject.replace(' ', '.')}@example.net>",
              **{name.replace("_", "-"): value for name, value in fields.items()}}
    return ("".join(f"{name}: {value}\r\n" for name, value in header.items()) + "\r\n" + body).encode()


def _unique(path: Path) -> str:
    # what stands behind the colon are flags
    return path.name.partition(":")[0]


def _quietly(close: Callable[[], object]) -> None:
    # the test may have ended the connection itself
    with contextlib.suppress(OSError, imaplib.IMAP4.error):
        close()
