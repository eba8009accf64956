"""Passwords: guessed in masses, timed, logged; and what stays of the owner's access."""

from __future__ import annotations

import base64
import json
import re
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.faults.canary import Canary
from tests.faults.case import PLAIN, FaultCase
from tests.faults.wire import Gone, Imap, Pop3, Smtp

MEGABYTE = 1 << 20

_SASL = (("imap", "a AUTHENTICATE PLAIN"), ("pop3", "AUTH PLAIN"), ("submission", "AUTH PLAIN"))


def plain(address: str, password: str) -> str:
    """The response of SASL PLAIN."""
    return base64.b64encode(f"\0{address}\0{password}".encode()).decode()


class FloodTests(FaultCase):
    """Hundreds of guesses a second."""

    settings = {**PLAIN, "imap": {"login_delay": "0.1s"}}

    def test_flood(self) -> None:
        """500 bad logins a second, for five seconds: others are served, the owner logs in, memory stays bounded."""
        owner = self.server.passwords[self.address("bob")]
        # the owner's address is known, and the password was right lately
        self.imap("bob").close()
        before = self.resident()
        counted = 0
        with Canary(self.imap("bob", "INBOX")) as waits, ThreadPoolExecutor(10) as pool:
            until = time.monotonic() + 5
            guessers = [pool.submit(self._guess, number, until) for number in range(10)]
            logins = []
            while time.monotonic() < until:
                began = time.monotonic()
                with Imap(self.server.ports["imap"]) as client:
                    client.login(self.address("bob"), owner)
                logins.append(time.monotonic() - began)
                time.sleep(0.25)
            counted = sum(guesser.result() for guesser in guessers)
        grown = self.resident() - before
        print(f"{counted / 5:.0f} bad logins/s: {waits}; the owner logged in {len(logins)} times, at most after "
              f"{max(logins) * 1000:.0f} ms; server grew by {grown / MEGABYTE:.1f} MB")
        self.assertGreater(counted / 5, 100)
        self.assertLess(waits.longest, 1.5)
        self.assertLess(grown, 200 * MEGABYTE)

    def _guess(self, number: int, until: float) -> int:
        """Guess with many connections at once, from an address of its own."""
        count = 0
        while time.monotonic() < until:
            clients = [Imap(self.server.ports["imap"], source=f"127.1.{number}.{each + 1}") for each in range(40)]
            for each, client in enumerate(clients):
                # a name for each connection: an account that fails too often is answered late
                client.send(b"a LOGIN user%d.%d.%d@example.test guess\r\n" % (number, count, each) * 3)
            for client in clients:
                try:
                    for _ in range(3):
                        client.line()
                        count += 1
                except Gone:
                    pass
                client.close()
        return count


class TimingTests(FaultCase):
    """How long a refusal takes tells nothing. Without the delays that guessing costs: they hide what is measured."""

    settings = {
        **PLAIN, "login": {"free_failures": "100000", "account_failures": "0", "known_failures": "0"},
        "imap": {"login_delay": "0.001", "max_login_attempts": "100000"},
        "pop3": {"max_login_attempts": "100000", "max_errors": "100000", "max_connections_per_minute": "0"},
        "submission": {"max_login_attempts": "100000", "max_errors": "100000"},
    }
    SAMPLES = 40

    def compare(self, what: str, attempt: Callable[[str], object]) -> None:
        """Try wrong passwords of known and unknown users in turn, and compare the medians."""
        known: list[float] = []
        unknown: list[float] = []
        for number in range(self.SAMPLES):
            for address, times in ((self.address("alice"), known), (f"nobody{number}@example.test", unknown)):
                began = time.perf_counter()
                attempt(address)
                times.append(time.perf_counter() - began)
        medians = statistics.median(known) * 1000, statistics.median(unknown) * 1000
        print(f"{what}: a known user is refused after {medians[0]:.2f} ms, an unknown one after {medians[1]:.2f} ms")
        # 1 ms on a quiet machine; 16 ms would be no hash at all
        self.assertLess(abs(medians[0] - medians[1]), 4)

    def test_imap(self) -> None:
        """LOGIN."""
        client = Imap(self.server.ports["imap"])
        self.addCleanup(client.close)
        self.compare("LOGIN", lambda address: self.assertFalse(client.say(f"LOGIN {address} wrong-guess").ok))

    def test_pop3(self) -> None:
        """PASS."""
        client = Pop3(self.server.ports["pop3"])
        self.addCleanup(client.close)

        def attempt(address: str) -> None:
            client.must(f"USER {address}")
            self.assertEqual(client.say("PASS wrong-guess")[:4], b"-ERR")

        self.compare("PASS", attempt)

    def test_submission(self) -> None:
        """AUTH."""
        client = self.smtp("submission")
        self.compare("AUTH", lambda address: self.assertEqual(
            client.say(f"AUTH PLAIN {plain(address, 'wrong-guess')}")[0], 535))

    def test_words(self) -> None:
        """What is said to a wrong password is what is said to an unknown user."""
        imap, smtp = Imap(self.server.ports["imap"]), self.smtp("submission")
        self.addCleanup(imap.close)
        addresses = (self.address("alice"), "nobody@example.test", "alice", "", "alice@elsewhere.test", "x" * 400)
        self.assertEqual(len({imap.say(f'LOGIN "{address}" wrong').text for address in addresses}), 1)
        self.assertEqual(len({smtp.say(f"AUTH PLAIN {plain(address, 'wrong')}") for address in addresses[:3]}), 1)


class GuessingTests(FaultCase):
    """One account under attack."""

    settings = {**PLAIN, "login": {"account_failures": "5", "free_failures": "2", "max_delay": "1s"},
                "imap": {"login_delay": "0.01s"}}

    def test_owner_gets_in(self) -> None:
        """Guessing becomes slow, then impossible; who has logged in from an address before still does, at once."""
        password = self.server.passwords[self.address("alice")]
        self.imap("alice").close()
        times = []
        for number in range(6):
            with Imap(self.server.ports["imap"], source=f"127.7.7.{number + 1}") as guesser:
                began = time.monotonic()
                response = guesser.say(f"LOGIN {self.address('alice')} guess{number}")
                times.append(time.monotonic() - began)
                self.assertEqual(response.status, "NO")
        self.assertGreater(times[4], 0.9)
        with Imap(self.server.ports["imap"], source="127.7.7.99") as guesser:
            # even the right guess is not looked at any more
            self.assertEqual(guesser.say(f"LOGIN {self.address('alice')} {password}").status, "NO")
        began = time.monotonic()
        self.imap("alice").must("NOOP")
        took = time.monotonic() - began
        print("guesses take " + ", ".join(f"{each:.2f}" for each in times) + f" s, the owner {took:.2f} s")
        self.assertLess(took, 0.9)

    def test_broken_exchanges(self) -> None:
        """Whatever a client sends as SASL, the next client logs in (CVE-2025-59028)."""
        noise = ("====", "!!!!", "A", "*", "", "\x7f", "AAAA" * 2000, "AGFsaWNlAA==", "AAAAAA==", "//79/A==")
        for text in noise:
            for listener, begin in _SASL:
                client = Smtp(self.server.ports[listener])
                client.line()
                if listener == "submission":
                    client.say("EHLO client.example.net")
                try:
                    client.send(f"{begin}\r\n".encode())
                    client.line()
                    client.send(f"{text}\r\n".encode())
                    client.line()
                except Gone:
                    pass
                client.close()
        self.imap("bob").must("NOOP")
        self.assertNotIn("Traceback", self.server.log())
        self.assertNotIn("unexpected error", self.server.log())


class LogTests(FaultCase):
    """What clients say is in the log, and moves nothing there."""

    def strike(self) -> None:
        """Say it everywhere."""
        forged = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe \u2028 09:00:00.000 info auth login user=root"
        smtp = Smtp(self.server.ports["smtp"])
        smtp.reply()
        for command in (f"EHLO {forged}", f"HELO a\rb{forged}", f"MAIL FROM:<\"{forged}\"@example.net>",
                        f"RCPT TO:<{forged}@example.test>", f"VRFY {forged}", f"{forged}"):
            smtp.say(command.encode())
        smtp.close()
        smtp = self.smtp()
        smtp.begin(self.address("alice"))
        smtp.send(f"Subject: {forged}\r\nFrom: \x1b[31m\r\n\r\nx\r\n.\r\n".encode())
        smtp.reply()
        name = f"a\r\n{forged}".encode()
        for _ in range(2):
            client = Imap(self.server.ports["imap"])
            client.say(b"LOGIN {%d+}\r\n%s wrong" % (len(name), name))
            client.close()
        client = self.imap("alice")
        client.say(b"CREATE {%d+}\r\n%s" % (len(name), name))
        client.say('CREATE "&AAoAGwBb-31m"')
        client.say(b'ID ("name" {%d+}\r\n%s)' % (len(name), name))
        client.say(b"\x1b[31mNONSENSE")
        pop3 = Pop3(self.server.ports["pop3"])
        pop3.say(f"USER {forged}")
        pop3.say("PASS wrong")
        pop3.close()
        submission = self.smtp("submission")
        submission.say(f"AUTH PLAIN {plain(name.decode(), 'wrong')}")
        self.assertTrue(client.must("NOOP").ok)

    def test_text(self) -> None:
        """Every line is an event of ours, without control characters; nobody forges one."""
        self.strike()
        log = self.server.log_path.read_bytes().decode("utf-8")
        self.assertNotRegex(log, r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")
        for line in log.splitlines():
            self.assertRegex(line, r"^\d\d:\d\d:\d\d\.\d{3} (debug|info|warn|error|critical) ")
            self.assertIsNone(re.match(r"\S+ info +auth +login user=root", line))


class JsonLogTests(LogTests):
    """The same for programs that read the log."""

    settings = {"server": {"plaintext_login": "loopback", "log": "json"}}

    def test_text(self) -> None:
        """Every line is one object, in ASCII."""
        self.strike()
        lines = self.server.log_path.read_bytes().decode("ascii").splitlines()
        for line in lines:
            self.assertIsInstance(json.loads(line), dict)
        self.assertNotRegex("\n".join(lines), r"[\x00-\x09\x0b-\x1f\x7f]")
