"""Sockets are opened as the configuration says, or the reason is told."""

from __future__ import annotations

import os
import socket

from twisted.internet.protocol import ServerFactory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.config import parse
from quantummail.service.listeners import CannotListen, Listener, open_all
from tests.support.places import temporary_directory


class ReadingClock(Clock):
    """What a port uses of a reactor."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: set[object] = set()

    def addReader(self, reader: object) -> None:  # noqa: N802  # Twisted calls it
        self.readers.add(reader)

    def removeWriter(self, writer: object) -> None:  # noqa: N802  # Twisted calls it
        """Nobody writes."""

    def removeReader(self, reader: object) -> None:  # noqa: N802  # Twisted calls it
        self.readers.discard(reader)


class ListenerTests(SynchronousTestCase):
    """Real sockets of this machine, on which nobody speaks."""

    def setUp(self) -> None:
        self.path = temporary_directory(self) / "lmtp"

    def opened(self, text: str, inherited: dict[str, list[socket.socket]] | None = None) -> list[Listener]:
        listeners = open_all(parse(text).listeners(), inherited or {})
        for listener in listeners:
            self.addCleanup(listener.socket.close)
        return listeners

    def refused(self, text: str) -> str:
        return str(self.assertRaises(CannotListen, self.opened, text))

    def test_tcp(self) -> None:
        """An address and port; sockets do not block."""
        (listener,) = self.opened("[smtp]\nlisten = 127.0.0.1:0\n")
        self.assertEqual((listener.name, listener.socket.getblocking()), ("smtp", False))
        self.assertRegex(listener.address, r"^127\.0\.0\.1:\d+$")
        socket.create_connection(listener.socket.getsockname()).close()

    def test_ipv6_is_ipv6_alone(self) -> None:
        """`[::]` and `0.0.0.0` can have the same port."""
        if not socket.has_ipv6:
            self.skipTest("no IPv6")
        (first,) = self.opened("[smtp]\nlisten = [::1]:0\n")
        self.assertTrue(first.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
        self.assertTrue(first.address.startswith("[::1]:"))

    def test_unix(self) -> None:
        """A unix socket has the permissions that the configuration says."""
        (listener,) = self.opened(f"[lmtp]\nlisten = unix:{self.path}\nsocket_mode = 0600\n")
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(listener.address, f"unix:{self.path}")

    def test_unix_socket_of_a_dead_server(self) -> None:
        """What a killed server left behind is replaced."""
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(self.path))
        dead.close()
        self.opened(f"[lmtp]\nlisten = unix:{self.path}\n")

    def test_unix_socket_of_a_living_server(self) -> None:
        """A socket that somebody listens on is left alone."""
        self.opened(f"[lmtp]\nlisten = unix:{self.path}\n")
        self.assertIn("another program listens there", self.refused(f"[lmtp]\nlisten = unix:{self.path}\n"))

    def test_adopted_unix_socket(self) -> None:
        """Accepting leaves the permissions alone, and stopping leaves file and socket to whoever opened them."""
        (listener,) = self.opened(f"[lmtp]\nlisten = unix:{self.path}\nsocket_mode = 0600\n")
        opened = listener.socket.dup()
        self.addCleanup(opened.close)
        reactor, factory = ReadingClock(), ServerFactory()
        port = listener.start(reactor, factory)  # type: ignore[arg-type]  # what a port uses of it
        self.assertEqual((self.path.stat().st_mode & 0o777, factory.numPorts), (0o600, 1))
        self.assertEqual(len(reactor.readers), 1)
        port.stopListening()
        reactor.advance(0)
        self.assertEqual((reactor.readers, factory.numPorts), (set(), 0))
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.path))

    def test_a_file_is_not_replaced(self) -> None:
        """A file that is no socket is left alone."""
        self.path.write_text("precious")
        self.refused(f"[lmtp]\nlisten = unix:{self.path}\n")
        self.assertEqual(self.path.read_text(), "precious")

    def test_taken(self) -> None:
        """A port that somebody has is named, with its section; what was opened before is closed."""
        (first,) = self.opened("[smtp]\nlisten = 127.0.0.1:0\n")
        before = len(os.listdir("/proc/self/fd"))
        text = self.refused(f"[smtp]\nlisten = 127.0.0.1:0\n[imap]\nlisten = {first.address}\n")
        self.assertEqual(text, f"[imap] cannot listen on {first.address}: another program listens there")
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)

    def test_systemd(self) -> None:
        """`systemd` takes the sockets named like the section, `fd:` those of another name."""
        given = [socket.socket() for _ in range(3)]
        for each in given:
            self.addCleanup(each.close)
        listeners = self.opened("[smtp]\nlisten = systemd\n[imap]\nlisten = fd:mailboxes\n",
                                {"smtp": given[:2], "mailboxes": given[2:]})
        self.assertEqual([(listener.name, listener.inherited) for listener in listeners],
                         [("smtp", "smtp"), ("smtp", "smtp"), ("imap", "mailboxes")])
        # one that blocks would stop the server at the second accept
        self.assertFalse(any(each.getblocking() for each in given))

    def test_systemd_gave_nothing(self) -> None:
        """A socket that is not there is named."""
        self.assertEqual(self.refused("[smtp]\nlisten = systemd\n"),
                         "[smtp] systemd gave us no socket named 'smtp' (FileDescriptorName=)")
