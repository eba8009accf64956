"""Too many connections, too slow, too long: limits refuse in the words of the protocol, and others are served."""

from __future__ import annotations

import resource
import socket
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from tests.faults.canary import Canary
from tests.faults.case import PLAIN, FaultCase
from tests.faults.ledger import message, token
from tests.faults.wire import Gone, Imap, Pop3, Smtp

MEGABYTE = 1 << 20
IDLE = 2000
PATIENT = 1.0


class IdleTests(FaultCase):
    """More sockets than a listener takes."""

    settings = {**PLAIN, "smtp": {"max_connections": "1000"}, "imap": {"max_connections": "100"}}

    @classmethod
    def setUpClass(cls) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < IDLE + 500:
            raise unittest.SkipTest(f"only {hard} open files are allowed (ulimit -Hn), {IDLE + 500} are needed")
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if soft < IDLE + 500:
            resource.setrlimit(resource.RLIMIT_NOFILE, (IDLE + 500, hard))
            cls.addClassCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        super().setUpClass()

    def test_idle_sockets(self) -> None:
        """Of 2000 idle sockets 1000 are greeted and 1000 refused with 421; mail goes in by the other ways."""
        client = self.imap("bob", "INBOX")
        before = self.resident()
        with Canary(client) as waits:
            sockets = [self._connect("smtp") for _ in range(IDLE)]
            with ThreadPoolExecutor(8) as pool:
                greetings = list(pool.map(_first_line, sockets))
            welcome = [one for one, said in zip(sockets, greetings, strict=True) if said.startswith(b"220")]
            refused = [said for said in greetings if said.startswith(b"421 4.")]
            self.assertEqual((len(welcome), len(refused)), (1000, IDLE - 1000))
            # octet by octet, never a whole command
            for octet in (b"E", b"H", b"L"):
                for one in welcome[:300]:
                    one.send(octet)
            name = token("flood", 1, 3000)
            self.assertEqual(self.smtp("lmtp").deliver(message(name), self.address("alice"))[0], 250)
            grown = self.resident() - before
            for one in sockets:
                one.close()
        print(f"{IDLE} sockets: {len(refused)} refused by 421, server grew by {grown / MEGABYTE:.1f} MB; {waits}")
        self.assertLess(waits.longest, PATIENT)
        self.assertLess(grown, 64 * MEGABYTE)
        self.eventually(lambda: Smtp(self.server.ports["smtp"]).reply()[0] == 220)

    def test_imap_connections(self) -> None:
        """IMAP says BYE to whom it cannot take, and takes others as soon as somebody leaves."""
        clients = [Imap(self.server.ports["imap"]) for _ in range(150)]
        greetings = [client.greeting for client in clients]
        self.assertEqual(sum(line.startswith(b"* OK") for line in greetings), 100)
        self.assertEqual(sum(line.startswith(b"* BYE") for line in greetings), 50)
        for client in clients:
            client.close()
        self.eventually(lambda: Imap(self.server.ports["imap"]).greeting.startswith(b"* OK"))

    def _connect(self, listener: str) -> socket.socket:
        one = socket.create_connection(("127.0.0.1", self.server.ports[listener]), 20)
        self.addCleanup(one.close)
        return one


class SlowTests(FaultCase):
    """Who drips octets is cut off like who is silent."""

    settings = {**PLAIN, "smtp": {"idle_timeout": "1s", "data_timeout": "1s"},
                "imap": {"login_timeout": "1s"}, "pop3": {"login_timeout": "1s"}}

    def test_dripping(self) -> None:
        """A command that comes octet by octet does not hold a connection beyond its timeout."""
        clients = {
            listener: Smtp(self.server.ports[listener]) for listener in ("smtp", "imap", "pop3") for _ in range(3)
        }
        began = time.monotonic()
        ended: dict[str, float] = {}
        while len(ended) < len(clients) and time.monotonic() - began < 6:
            for listener, client in clients.items():
                if listener not in ended:
                    try:
                        client.send(b"x")
                    except Gone:
                        ended[listener] = time.monotonic() - began
            time.sleep(0.1)
        print("dripping clients are cut off after " + ", ".join(f"{name} {at:.1f} s" for name, at in ended.items()))
        self.assertEqual(ended.keys(), clients.keys())

    def test_silence(self) -> None:
        """A silent client is told 421 before it is cut off."""
        client = self.smtp()
        self.assertRegex(client.rest(), rb"^421 4\.4\.2 ")


class LongTests(FaultCase):
    """Lines and commands beyond their limits."""

    settings = {**PLAIN, "smtp": {"max_message_size": "20M", "max_errors": "100"}}

    def setUp(self) -> None:
        super().setUp()
        # the first login takes memory for its hash
        self.empty()

    def test_long_commands(self) -> None:
        """A command line of a megabyte is refused once, and the next command is understood."""
        before = self.resident()
        smtp = self.smtp()
        self.assertEqual(smtp.say(b"x" * MEGABYTE)[0], 500)
        self.assertEqual(smtp.say(b"MAIL FROM:<" + b"a" * MEGABYTE + b"@b.c>")[0] // 100, 5)
        self.assertEqual(smtp.say("NOOP")[0], 250)
        pop3 = Pop3(self.server.ports["pop3"])
        self.addCleanup(pop3.close)
        self.assertEqual(pop3.say(b"USER " + b"x" * MEGABYTE)[:4], b"-ERR")
        self.assertEqual(pop3.say("CAPA")[:3], b"+OK")
        imap = self.imap()
        self.assertIn(imap.say(b"NOOP " + b"x" * MEGABYTE).status, ("BAD", "NO"))
        imap.must("NOOP")
        self.assertLess(self.resident() - before, 16 * MEGABYTE)

    def test_long_lines_of_messages(self) -> None:
        """A message whose one line has 5 MB comes through as it is."""
        octets = b"Subject: long\r\n\r\n" + b"x" * (5 * MEGABYTE) + b"\r\n"
        self.assertEqual(self.smtp().deliver(octets, self.address("alice"))[0], 250)
        self.assertTrue(next(iter(self.bodies().values())).endswith(octets))

    def test_nul(self) -> None:
        """NUL in a command is refused, in a message too: no other program could carry it on."""
        smtp = self.smtp()
        for command in (b"MAIL FROM:<a\0@example.net>", b"NO\0OP", b"HELO a\0b"):
            self.assertEqual(smtp.say(command)[0] // 100, 5, command)
        smtp.begin(self.address("alice"))
        smtp.send(b"Subject: nul\r\n\r\na\0b\r\n.\r\n")
        self.assertEqual(smtp.reply()[0], 550)
        pop3 = Pop3(self.server.ports["pop3"])
        self.addCleanup(pop3.close)
        self.assertEqual(pop3.say(b"USER a\0b")[:4], b"-ERR")
        self.assertEqual(self.bodies(), {})

    def test_chunks_that_lie(self) -> None:
        """BDAT and SIZE that say one thing and do another: counted, never trusted."""
        smtp = self.smtp()
        address = self.address("alice")
        smtp.say("MAIL FROM:<a@example.net> SIZE=10", f"RCPT TO:<{address}>")
        smtp.send(b"BDAT 30 LAST\r\nSubject: more than it said\r\n\r\n")
        self.assertEqual(smtp.reply()[0], 250)
        self.assertEqual(smtp.say("MAIL FROM:<a@example.net> SIZE=99999999999999999999")[0] // 100, 5)
        self.assertEqual(smtp.say("MAIL FROM:<a@example.net> SIZE=21000000")[0], 552)
        smtp.say("MAIL FROM:<a@example.net>", f"RCPT TO:<{address}>")
        # a command inside of a chunk is text
        smtp.send(b"BDAT 12\r\nSubject: x\r\nBDAT 8 LAST\r\n\r\nRSET\r\n")
        self.assertEqual([smtp.reply()[0] for _ in range(2)], [250, 250])
        for argument in ("-1", "1e3", "", "5 FIRST", "0x10", "9" * 30):
            other = self.smtp()
            other.say("MAIL FROM:<a@example.net>", f"RCPT TO:<{address}>")
            other.send(f"BDAT {argument}\r\n".encode())
            self.assertGreaterEqual(other.reply()[0], 400, argument)
        # TLS in the middle of a message (CVE-2026-45185)
        other = self.smtp()
        other.say("MAIL FROM:<a@example.net>", f"RCPT TO:<{address}>", )
        other.send(b"BDAT 5\r\nabcd\n")
        other.reply()
        # the bare LF has ended the connection, or the handshake begins anew, or it is out of order
        self.assertIn(other.say("STARTTLS")[0], (220, 421, 503))
        self.assertEqual(len(self.bodies()), 2)

    def test_too_much(self) -> None:
        """A message over the limit is refused at its end, while others are served and nothing is kept."""
        before = self.resident()
        smtp = self.smtp()
        smtp.begin(self.address("alice"))
        with Canary(self.imap("bob", "INBOX")) as waits:
            for _ in range(60):
                smtp.send(b"x" * (MEGABYTE - 2) + b"\r\n")
            smtp.send(b".\r\n")
            self.assertEqual(smtp.reply()[0], 552)
        self.assertLess(waits.longest, PATIENT)
        self.assertLess(self.resident() - before, 32 * MEGABYTE)
        self.assertEqual(list((self.server.directory / "data/spool").glob("*.tmp")), [])


class ErrorTests(FaultCase):
    """Clients that only make mistakes."""

    def test_errors_end_the_connection(self) -> None:
        """After some mistakes the connection ends, on every protocol."""
        for listener, noise in (("smtp", b"NONSENSE\r\n"), ("imap", b"a NONSENSE\r\n"), ("pop3", b"NONSENSE\r\n")):
            client = Smtp(self.server.ports[listener])
            client.send(noise * 200)
            said = client.rest()
            self.assertLess(said.count(b"\n"), 40, listener)
            client.close()

    def test_two_pop3_sessions(self) -> None:
        """What is deleted by POP3 is what the session saw, whatever another session removes and adds meanwhile."""
        names = [token("pop", number, 500) for number in range(4)]
        smtp = self.smtp()
        for name in names[:3]:
            smtp.deliver(message(name), self.address("alice"))
        pop3 = self.pop3()
        pop3.must("UIDL")
        self.assertEqual(len(pop3.lines()), 3)
        other = Pop3(self.server.ports["pop3"])
        self.addCleanup(other.close)
        other.say(f"USER {self.address('alice')}")
        second = other.say(f"PASS {self.server.passwords[self.address('alice')]}")
        imap = self.imap("alice", "INBOX")
        imap.must("STORE 1 +FLAGS (\\Deleted)")
        imap.must("EXPUNGE")
        smtp.deliver(message(names[3]), self.address("alice"))
        pop3.must("DELE 2")
        if second.startswith(b"+OK"):
            other.must("DELE 2")
            other.say("QUIT")
        pop3.say("QUIT")
        left = self.bodies().values()
        self.assertEqual([octets.endswith(message(name)) for octets, name in zip(left, names[2:], strict=True)],
                         [True, True])


def _first_line(one: socket.socket) -> bytes:
    try:
        return one.recv(200)
    except OSError:
        return b""
