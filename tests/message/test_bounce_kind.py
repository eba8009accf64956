"""Kinds of bounces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.bounce_kind import BounceKind, bounce_kind

CASES = (
    ((550, "5.1.1", "No such user here", "RCPT TO"), "hard"),
    ((550, "5.1.1", "<x@y>: Recipient address rejected: User unknown in virtual mailbox table", "RCPT TO"), "hard"),
    ((550, "5.1.2", "the domain does not exist", ""), "hard"),
    ((556, "5.1.10", "the domain takes no mail", ""), "hard"),
    ((550, "5.2.1", "The email account that you tried to reach is disabled", "RCPT TO"), "hard"),
    ((550, "", "no such user", "RCPT TO"), "hard"),
    ((550, "", "Requested action not taken: mailbox unavailable", "RCPT TO"), "permanent"),
    ((550, "5.0.0", "<bob@x> user unknown", "RCPT TO"), "hard"),
    ((550, "", "user unknown", "the message"), "permanent"),
    ((550, "5.1.1", "rejected due to your spam reputation", "RCPT TO"), "permanent"),
    ((550, "5.7.1", "We do not relay to this domain", "RCPT TO"), "permanent"),
    ((554, "5.7.1", "user unknown to our policy", "RCPT TO"), "permanent"),
    ((552, "5.3.4", "message too big", "MAIL FROM"), "permanent"),
    ((552, "5.2.2", "no room", "RCPT TO"), "soft"),
    ((550, "", "mailbox is full", "RCPT TO"), "soft"),
    ((554, "", "user is over quota", "RCPT TO"), "soft"),
)
GIVEN_UP = (
    ((400, "4.4.1", "given up after too long; the last answer was: 400 nobody answers", ""), "transient"),
    ((450, "4.2.0", "given up after too long; the last answer was: 450 greylisted", "RCPT TO"), "transient"),
    ((452, "4.2.2", "given up after too long; the last answer was: 452 mailbox full", "RCPT TO"), "soft"),
    ((451, "4.1.1", "given up after too long; no such user", "RCPT TO"), "transient"),
)


class BounceKindTests(SynchronousTestCase):
    """From codes and words to four kinds."""

    def test_refused(self) -> None:
        """Refusals for good."""
        for (code, status, words, step), kind in CASES:
            self.assertEqual(bounce_kind(code, status, words, step=step).value, kind, words)

    def test_given_up(self) -> None:
        """What was temporary until it had taken too long is never hard: the address may be good."""
        for (code, status, words, step), kind in GIVEN_UP:
            self.assertEqual(bounce_kind(code, status, words, step=step, given_up=True).value, kind, words)

    @given(st.integers(0, 999), st.text(max_size=8), st.text(max_size=3000))
    def test_anything(self, code: int, status: str, words: str) -> None:
        """Whatever servers say has a kind."""
        self.assertIsInstance(bounce_kind(code, status, words), BounceKind)

    def test_long(self) -> None:
        """Long answers cost nothing."""
        bounce_kind(550, "", "mailbox " * 100_000, step="RCPT TO")
