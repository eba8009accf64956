"""IMAP clients that want too much: literals, parentheses, wildcards, searches, ranges, never reading."""

from __future__ import annotations

import time

from tests.faults.canary import Canary
from tests.faults.case import LONG, PLAIN, FaultCase, quiet
from tests.faults.ledger import message, token
from tests.faults.wire import Gone, Imap, Response

MEGABYTE = 1 << 20
# Two noisy cores: what the documentation promises is 250 ms
PATIENT = 1.0


class StrangerTests(FaultCase):
    """Before login."""

    def stranger(self) -> Imap:
        """A client that has not logged in."""
        client = Imap(self.server.ports["imap"])
        self.addCleanup(client.close)
        return client

    def test_huge_literals(self) -> None:
        """Literals of 4 GB, a thousand literals, literals octet by octet: refused before they cost memory."""
        before = self.resident()
        for announced in (b"{4294967295}", b"{99999999999999999999}", b"{4294967296}", b"{9000}"):
            client = self.stranger()
            client.send(b"a LOGIN " + announced + b"\r\n")
            answer = client.line()
            self.assertRegex(answer, rb"^(a BAD|a NO|\* BYE)")
        client = self.stranger()
        client.send(b"a LOGIN {4294967295+}\r\n" + b"x" * MEGABYTE)
        self.assertRegex(client.line(), rb"^(a BAD|\* BYE)")
        slow = self.stranger()
        slow.send(b"a LOGIN {100+}\r\n")
        for _ in range(100):
            slow.send(b"x")
            time.sleep(0.001)
        # before a password is looked at: that takes 19 MB for its hash
        grown = self.resident() - before
        slow.send(b' "wrong"\r\n')
        self.assertEqual(slow.finished("a").status, "NO")
        print(f"huge literals: server grew by {grown / MEGABYTE:.1f} MB")
        self.assertLess(grown, 16 * MEGABYTE)

    def test_many_literals(self) -> None:
        """More literals than a login needs are refused."""
        client = self.stranger()
        client.send(b"a LOGIN " + b"{1+}\r\nx " * 1000 + b"\r\n")
        self.assertRegex(client.line(), rb"^(a BAD|\* BYE)")

    def test_parentheses(self) -> None:
        """A million parentheses are a bad command, and nobody waits for that."""
        for opening in (b"(", b"((", b'("', b"{"):
            client = self.stranger()
            canary = self.imap()
            with Canary(canary) as waits:
                began = time.monotonic()
                try:
                    client.send(b"a LOGIN " + opening * 1_000_000 + b"\r\n")
                    self.assertRegex(client.line(), rb"^(a BAD|\* BYE|\* BAD)")
                except Gone:
                    pass
                took = time.monotonic() - began
                time.sleep(0.1)
            self.assertLess(took, PATIENT)
            self.assertLess(waits.longest, PATIENT)
        print(f"a million parentheses: {took * 1000:.0f} ms")

    def test_endless_line(self) -> None:
        """A line without end is not kept."""
        client = self.stranger()
        before = self.resident()
        try:
            for _ in range(64):
                client.send(b"x" * MEGABYTE)
        except Gone:
            pass
        self.assertLess(self.resident() - before, 16 * MEGABYTE)

    def test_octets(self) -> None:
        """NUL, 8-bit octets, bare line ends and binary noise are bad commands; the next login works."""
        for octets in (b"a LOGIN \0 \0\r\n", b"\xff\xfe\xfd\r\n", b"a\nb\nc\n", bytes(range(256)) * 20 + b"\r\n",
                       b"\r\n" * 50, b"GET / HTTP/1.0\r\nHost: x\r\n\r\n", b"a AUTHENTICATE PLAIN ====\r\n",
                       b"a AUTHENTICATE PLAIN\r\n!!!!\r\n", b"a AUTHENTICATE " + b"A" * 8000 + b"\r\n"):
            client = self.stranger()
            try:
                client.send(octets)
                client.line()
            except Gone:
                pass
            client.close()
            self.imap().must("NOOP")
        self.assertNotIn("Traceback", self.server.log())
        self.assertNotIn("unexpected error", self.server.log())


class UserTests(FaultCase):
    """After login: one user does not take the server away from the others."""

    settings = {**PLAIN, "imap": {"max_connections_per_user": "30", "max_connections_per_client": "0"}}

    def attack(self, what: str, command: bytes, statuses: tuple[str, ...] = ("BAD", "NO", "OK")) -> Response:
        """Run a command of alice while bob looks at his watch."""
        client = self.imap("alice", "INBOX")
        with Canary(self.imap("bob", "INBOX")) as waits:
            began = time.monotonic()
            response = client.say(command)
            took = time.monotonic() - began
            time.sleep(0.06)
        print(f"{what}: {response.status} after {took * 1000:.0f} ms; {waits}")
        self.assertIn(response.status, statuses, response.text)
        self.assertLess(waits.longest, PATIENT)
        client.must("NOOP")
        client.close()
        return response

    def test_nesting(self) -> None:
        """Parentheses and NOTs nested beyond reason are refused, quickly and without a stack."""
        self.attack("SEARCH ((((", b"SEARCH " + b"(" * 30_000 + b"ALL" + b")" * 30_000, ("BAD", "NO"))
        self.attack("SEARCH NOT NOT", b"SEARCH " + b"NOT " * 15_000 + b"ALL", ("BAD", "NO"))
        self.attack("SEARCH OR OR", b"SEARCH " + b"OR " * 12_000 + b"ALL " * 12_001, ("BAD", "NO"))
        self.attack("FETCH ((((", b"FETCH 1 " + b"(" * 60_000, ("BAD", "NO"))

    def test_sequence_sets(self) -> None:
        """Sets with thousands of overlapping ranges cost no more than one."""
        self.imap("alice").append("INBOX", b"Subject: one\r\n\r\none\r\n")
        self.attack("1:*,1:* ...", b"FETCH " + b",".join([b"1:*"] * 15_000) + b" FLAGS")
        self.attack("huge numbers", b"UID FETCH 1:4294967295,4294967295:1 FLAGS", ("OK",))
        self.attack("number too big", b"UID FETCH 1:4294967296 FLAGS", ("BAD",))
        self.attack("deep part", b"FETCH 1 BODY[" + b".".join([b"1"] * 10_000) + b"]")
        self.attack("many parts", b"FETCH 1 (" + b" ".join([b"BODY.PEEK[]<0.1>"] * 3_500) + b")")

    def test_searches_at_once(self) -> None:
        """Twenty sessions that search long texts for sixty words each do not keep others waiting."""
        filler = self.imap("alice", "INBOX")
        text = message(token("search", 1, 200_000))
        for _ in range(20):
            filler.append("INBOX", text)
        sessions = [self.imap("alice", "INBOX") for _ in range(20)]
        command = b"s UID SEARCH " + b"".join(b"OR TEXT word%d " % number for number in range(14)) + b"TEXT last\r\n"
        with Canary(self.imap("bob", "INBOX")) as waits:
            began = time.monotonic()
            for session in sessions:
                session.send(command)
            statuses = {session.finished("s").status for session in sessions}
            took = time.monotonic() - began
        print(f"20 searches of 4 MB for 15 words: {statuses} after {took:.1f} s; {waits}")
        self.assertLessEqual(statuses, {"OK", "NO"})
        self.assertLess(waits.longest, 2 * PATIENT)

    def test_keywords(self) -> None:
        """A mailbox takes a limited number of keywords, then NO with LIMIT; the others still work."""
        client = self.imap("alice", "INBOX")
        client.append("INBOX", b"Subject: keywords\r\n\r\nx\r\n")
        statuses = [client.say(f"STORE 1 +FLAGS.SILENT (keyword{number})") for number in range(100)]
        refused = [response for response in statuses if not response.ok]
        self.assertTrue(refused)
        self.assertTrue(all("[LIMIT]" in response.text for response in refused), refused[0].text)
        client.must("STORE 1 +FLAGS (keyword1 \\Seen)")

    def test_huge_append(self) -> None:
        """APPEND of more than a message may have is refused before the client is asked for it."""
        client = self.imap("alice", "INBOX")
        client.send(b"a APPEND INBOX {4294967295}\r\n")
        response = client.finished("a")
        self.assertEqual(response.status, "NO")
        self.assertIn("[TOOBIG]", response.text)
        client.must("NOOP")

    def test_connections_of_one_user(self) -> None:
        """A user has a limited number of connections; the others are not touched by that."""
        opened, refused = [], 0
        for _ in range(40):
            client = Imap(self.server.ports["imap"])
            self.addCleanup(client.close)
            response = client.say(f'LOGIN alice@example.test "{self.server.passwords["alice@example.test"]}"')
            refused += not response.ok
            opened.append(response.ok)
        self.assertLessEqual(sum(opened), 30)
        self.assertGreaterEqual(refused, 10)
        self.imap("bob").must("NOOP")


class ManyMailboxesTests(FaultCase):
    """LIST with wildcards on an account with very many mailboxes of long names."""

    COUNT = 2000 if LONG else 200

    def test_wildcards(self) -> None:
        """Hundreds of wildcards in a pattern are matched, or refused, in a moment (CVE-2021-40110)."""
        client = self.imap("alice")
        stem = "a" * 180
        began = time.monotonic()
        for start in range(0, self.COUNT, 100):
            client.send(b"".join(b"c%d CREATE %s%d\r\n" % (number, stem.encode(), number)
                                 for number in range(start, start + 100)))
            for number in range(start, start + 100):
                client.finished(f"c{number}")
        made = time.monotonic() - began
        for pattern in ("*a" * 500, "%a" * 500, "*a" * 9 + "b", "*" * 5000, "*%" * 1000 + "x"):
            with Canary(self.imap("bob")) as waits:
                began = time.monotonic()
                response = client.say(f'LIST "" "{pattern}"')
                took = time.monotonic() - began
                time.sleep(0.06)
            print(f"LIST {pattern[:12]}...: {response.status}, {len(response.untagged)} of {self.COUNT} mailboxes, "
                  f"{took * 1000:.0f} ms; {waits}")
            self.assertIn(response.status, ("OK", "NO", "BAD"))
            self.assertLess(took, 2 * PATIENT)
            self.assertLess(waits.longest, PATIENT)
        print(f"{self.COUNT} mailboxes made in {made:.1f} s")


class DeafClientTests(FaultCase):
    """A client that asks for everything and reads nothing."""

    COUNT = 60
    settings = {**PLAIN, "smtp": {"max_message_size": "10M"}}

    def test_memory(self) -> None:
        """FETCH of 120 MB to clients that never read costs no memory, and others are served."""
        self.server.restart()
        filler = self.imap("alice", "INBOX")
        text = message(token("deaf", 1, 2_000_000))
        for _ in range(self.COUNT):
            self.assertTrue(filler.append("INBOX", text).ok)
        self.assertTrue(filler.must("FETCH 1 BODY.PEEK[]").ok)
        deaf: list[Imap] = []
        quiet(self.server.pid)
        before = self.resident()
        with Canary(self.imap("bob", "INBOX")) as waits:
            for _ in range(4):
                deaf.append(self.imap("alice", "INBOX"))
                deaf[-1].send(b"a FETCH 1:* BODY.PEEK[]\r\n" * 3)
            time.sleep(1.0)
            grown = self.resident() - before
        print(f"4 clients that never read: server grew by {grown / MEGABYTE:.1f} MB; {waits}")
        self.assertLess(grown, 32 * MEGABYTE)
        self.assertLess(waits.longest, PATIENT)
        pop3 = self.pop3("alice")
        pop3.send(b"".join(b"RETR %d\r\n" % number for number in range(1, self.COUNT + 1)))
        time.sleep(0.5)
        self.assertLess(self.resident() - before, 48 * MEGABYTE)
        # who is slow gets everything in the end
        self.assertEqual(len(deaf[0].finished("a").untagged), self.COUNT)
