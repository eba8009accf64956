"""Relaying for strangers, and what strangers may learn about who is here."""

from __future__ import annotations

import statistics
import time

from tests.faults.case import FaultCase

OUT = "victim@example.org"
# Published relay tests, each for a recipient outside
PATTERNS = (
    f"<{OUT}>", f"{OUT}", f"<@example.test:{OUT}>", f"<@example.test,@mail.example.test:{OUT}>",
    f"<@[127.0.0.1]:{OUT}>", "<victim%example.org@example.test>", "<victim%example.org@[127.0.0.1]>",
    "<victim%example.org@mail.example.test>", "<victim%example.org@localhost>", "<victim%example.org>",
    "<victim@example.org@example.test>", "<victim@example.org@mail.example.test>", "<victim@example.org@[127.0.0.1]>",
    "<example.org!victim@example.test>", "<example.org!victim>", "<example.org!victim@mail.example.test>",
    "<example.test!example.org!victim>", '<"victim@example.org">', '<"victim%example.org">',
    '<"victim@example.org"@example.test>', '<"victim@example.org"@mail.example.test>',
    '<"example.org!victim"@example.test>', "<victim@[127.0.0.1]>", "<victim@127.0.0.1>", "<victim@localhost>",
    "<victim@example.org.>", "<alice@example.test%example.org>", "<alice%example.test@example.org>",
    "<alice@example.test.example.org>", "<victim@sub.example.test>", "<victim@example.org\0@example.test>",
    "<victim@example.org\r@example.test>", "<victim@ex\xe4mple.org>", "<alice+victim@example.org>",
    "<@example.org:alice@example.org>", "<postmaster@example.org>",
)
SENDERS = ("<friend@example.net>", "<>", "<alice@example.test>", "<postmaster@[127.0.0.1]>", "<root@localhost>")


class RelayTests(FaultCase):
    """A stranger on port 25, whose address is not local in any way that counts."""

    settings = {"delivery": {"tarpit_after": "1000"}, "smtp": {"max_errors": "1000"}}

    def test_patterns(self) -> None:
        """No pattern makes us take mail for somebody else, whoever the sender claims to be."""
        self.assertGreaterEqual(len(PATTERNS), 30)
        for sender in SENDERS:
            client = self.smtp(source="127.9.8.7")
            self.assertEqual(client.say(f"MAIL FROM:{sender}")[0], 250)
            for pattern in PATTERNS:
                code, text = client.say(f"RCPT TO:{pattern}".encode("latin-1"))
                self.assertIn(code, (500, 501, 550, 553), f"{sender} {pattern}: {text}")
            self.assertEqual(client.say("DATA")[0] // 100, 5)
            client.close()

    def test_source_route(self) -> None:
        """A source route to one of our users is ignored, or refused: it never leads elsewhere (RFC 5321 C)."""
        client = self.smtp()
        client.say("MAIL FROM:<friend@example.net>")
        self.assertIn(client.say("RCPT TO:<@example.org:alice@example.test>")[0], (250, 501, 550))

    def test_no_login_needed_but_no_submission_without(self) -> None:
        """Submission takes no sender without a login, for local recipients neither."""
        client = self.smtp("submission")
        for sender in SENDERS:
            self.assertIn(client.say(f"MAIL FROM:{sender}")[0], (530, 550))

    def test_users_stay_unknown(self) -> None:
        """VRFY says the same of everybody, EXPN nothing."""
        client = self.smtp()
        names = ("alice@example.test", "nobody@example.test", "alice", "x@y.z")
        answers = {client.say(f"VRFY {name}") for name in names}
        self.assertEqual([code for code, _ in answers], [252], answers)
        self.assertEqual(client.say("EXPN alice")[0], 502)


class TarpitTests(FaultCase):
    """Who guesses recipients waits; who does not does not."""

    settings = {"delivery": {"tarpit_after": "3", "tarpit_delay": "0.3s"}}

    def test_guessing_recipients(self) -> None:
        """Three unknown recipients are answered at once, the next ones late; others are not slowed down."""
        client, other = self.smtp(), self.smtp()
        times = []
        for smtp in (client, other):
            smtp.say("MAIL FROM:<friend@example.net>")
        for number in range(6):
            began = time.monotonic()
            self.assertEqual(client.say(f"RCPT TO:<guess{number}@example.test>")[0], 550)
            times.append(time.monotonic() - began)
        self.assertLess(max(times[:3]), 0.25)
        self.assertGreater(min(times[3:]), 0.29)
        began = time.monotonic()
        self.assertEqual(other.say("RCPT TO:<alice@example.test>")[0], 250)
        self.assertLess(time.monotonic() - began, 0.25)

    def test_speed_of_answers(self) -> None:
        """How long VRFY takes does not tell users from others (median difference below a millisecond)."""
        client = self.smtp()
        known: list[float] = []
        unknown: list[float] = []
        for number in range(60):
            for address, times in (("alice@example.test", known), (f"nobody{number % 10}@example.test", unknown)):
                began = time.monotonic()
                client.say(f"VRFY {address}")
                times.append(time.monotonic() - began)
            if number % 25 == 24:
                client = self.smtp()
        difference = abs(statistics.median(known) - statistics.median(unknown))
        print(f"VRFY: {statistics.median(known) * 1000:.2f} ms, median difference {difference * 1000:.3f} ms")
        self.assertLess(difference, 0.001)
