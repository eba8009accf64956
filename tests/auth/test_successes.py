"""Passwords that were right a moment ago."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth.successes import LIFETIME, Successes


class SuccessesTests(SynchronousTestCase):
    """What is remembered, and for how long."""

    def setUp(self) -> None:
        self.successes = Successes()
        self.successes.add(1, "{X}hash", "secret", 100.0)

    def test_known(self) -> None:
        """The same account, hash and password are known for five minutes."""
        self.assertTrue(self.successes.knows(1, "{X}hash", "secret", 100.0 + LIFETIME - 1))

    def test_expired(self) -> None:
        """Not longer, however often it is asked."""
        for seconds in range(100, 400, 10):
            self.successes.knows(1, "{X}hash", "secret", float(seconds))
        self.assertFalse(self.successes.knows(1, "{X}hash", "secret", 400.0))

    def test_others(self) -> None:
        """Another password, account or hash is not known: a changed password ends it at once."""
        self.assertFalse(self.successes.knows(1, "{X}hash", "Secret", 101.0))
        self.assertFalse(self.successes.knows(2, "{X}hash", "secret", 101.0))
        self.assertFalse(self.successes.knows(1, "{X}other", "secret", 101.0))
        self.assertTrue(self.successes.knows(1, "{X}hash", "secret", 101.0))

    def test_clock_backwards(self) -> None:
        """A clock that jumped back makes it unknown rather than eternal."""
        self.assertFalse(self.successes.knows(1, "{X}hash", "secret", 50.0))

    def test_bounded(self) -> None:
        """The oldest of many are forgotten."""
        for number in range(2, 10_002):
            self.successes.add(number, "h", "p", 100.0)
        self.assertFalse(self.successes.knows(1, "{X}hash", "secret", 101.0))
        self.assertTrue(self.successes.knows(2, "h", "p", 101.0))

    def test_no_secret(self) -> None:
        """Neither passwords nor hashes can be read from memory through it."""
        self.assertNotIn(b"secret", b"".join(digest for digest, _ in self.successes._digests.values()))
