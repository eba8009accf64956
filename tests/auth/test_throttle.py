"""How fast passwords may be guessed."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth.throttle import Buckets, LoginLimits, Throttle

LIMITS = LoginLimits(client=10, client_per_hour=10, network=30, network_per_hour=30, account=20, account_per_hour=20,
                     known=15, known_per_hour=3600)
VICTIM = "alice@example.test"


class ThrottleCase(SynchronousTestCase):
    """A throttle with small limits."""

    def setUp(self) -> None:
        self.throttle = Throttle(LIMITS)

    def fail_until_refused(self, address: str = VICTIM, client: str = "192.0.2.1", now: float = 0.0) -> int:
        """How many failed guesses are taken."""
        for count in range(1000):
            if self.throttle.charge(address, client, now) is None:
                return count
        raise AssertionError("never refused")

    def log_in(self, address: str = VICTIM, client: str = "198.51.100.7", now: float = 0.0) -> None:
        """A login with the right password."""
        charge = self.throttle.charge(address, client, now)
        assert charge is not None
        charge.succeeded(now)


class GuessTests(ThrottleCase):
    """Failed guesses."""

    def test_client(self) -> None:
        """One address runs out of guesses, and gets more in the course of time."""
        self.assertEqual(self.fail_until_refused(), 10)
        self.assertEqual(self.fail_until_refused(now=3600.0), 10)
        self.assertEqual(self.fail_until_refused(now=3600.0 + 720.0), 2)

    def test_one_network(self) -> None:
        """A /24 runs out too, whatever accounts it tries: 10 000 guesses an hour are impossible (faults.md P3)."""
        taken = sum(self.fail_until_refused(f"user{host}@example.test", f"192.0.2.{host}") for host in range(256))
        self.assertEqual(taken, 30)

    def test_ipv6_network(self) -> None:
        """The addresses of a /64 are one client."""
        self.fail_until_refused(client="2001:db8::1")
        self.assertIsNone(self.throttle.charge("other@example.test", "2001:db8::2", 0.0))

    def test_account(self) -> None:
        """From many networks an account can be guessed at only so often."""
        taken = 0
        for host in range(100):
            taken += self.throttle.charge(VICTIM, f"10.{host}.0.1", 0.0) is not None
        self.assertEqual(taken, 20)

    def test_in_parallel(self) -> None:
        """Guesses count when they begin, so many at once are not more than one after another."""
        charges = [self.throttle.charge(VICTIM, "192.0.2.1", 0.0) for _ in range(50)]
        self.assertEqual(sum(charge is not None for charge in charges), 10)

    def test_delays(self) -> None:
        """After three failures each answer comes a second later, up to a bound."""
        delays = []
        for _ in range(10):
            charge = self.throttle.charge(VICTIM, "192.0.2.1", 0.0)
            assert charge is not None
            delays.append(charge.delay)
        self.assertEqual(delays, [0, 0, 0, 1, 2, 3, 4, 5, 6, 7])

    def test_longest_delay(self) -> None:
        """No delay is longer than the bound."""
        throttle = Throttle(LoginLimits(max_delay=4.0))
        charges = [throttle.charge(VICTIM, "192.0.2.1", 0.0) for _ in range(20)]
        self.assertEqual(max(charge.delay for charge in charges if charge is not None), 4.0)

    def test_clock_backwards(self) -> None:
        """A clock that jumps back gives nobody guesses."""
        self.fail_until_refused(now=1000.0)
        self.assertEqual(self.fail_until_refused(now=0.0), 0)

    def test_switched_off(self) -> None:
        """Zero switches a limit off."""
        throttle = Throttle(LoginLimits(client=0, network=0, account=0))
        self.assertTrue(all(throttle.charge(VICTIM, "192.0.2.1", 0.0) for _ in range(1000)))


class OwnerTests(ThrottleCase):
    """The owner of an account that is attacked."""

    def test_known_address(self) -> None:
        """From an address where he has logged in before, the owner is neither refused nor slowed down."""
        self.log_in()
        for host in range(100):
            self.throttle.charge(VICTIM, f"10.{host}.0.1", 0.0)
        self.assertIsNone(self.throttle.charge(VICTIM, "203.0.113.1", 0.0))
        charge = self.throttle.charge(VICTIM, "198.51.100.7", 0.0)
        assert charge is not None
        self.assertEqual(charge.delay, 0)

    def test_known_address_among_guessers(self) -> None:
        """Not even when his own network has no guesses left."""
        self.log_in()
        self.fail_until_refused("other@example.test", "198.51.100.7")
        self.assertIsNotNone(self.throttle.charge(VICTIM, "198.51.100.7", 0.0))

    def test_known_address_is_limited(self) -> None:
        """But a known address has no free guesses at the password either."""
        self.log_in()
        self.assertEqual(self.fail_until_refused(client="198.51.100.7"), 15)

    def test_known_for_a_while(self) -> None:
        """An address is forgotten after a month."""
        self.log_in()
        self.fail_until_refused("other@example.test", "198.51.100.7", now=LIMITS.known_for + 1)
        self.assertIsNone(self.throttle.charge(VICTIM, "198.51.100.7", LIMITS.known_for + 1))

    def test_success_costs_nothing(self) -> None:
        """Any number of right logins is free."""
        for _ in range(1000):
            self.log_in()

    def test_success_forgives_nothing(self) -> None:
        """Logging in to an account of one's own does not buy guesses at others."""
        taken = 0
        for _ in range(50):
            self.log_in("mallory@example.test", "192.0.2.1") if taken < 9 else None
            taken += self.throttle.charge(VICTIM, "192.0.2.1", 0.0) is not None
        self.assertEqual(taken, 10)

    def test_local_programs(self) -> None:
        """A webmail on this machine logs in for everybody: only accounts are limited there."""
        for client in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "unix"):
            throttle = Throttle(LIMITS)
            charges = [throttle.charge(f"user{number}@example.test", client, 0.0) for number in range(100)]
            self.assertTrue(all(charges), client)

    def test_no_account(self) -> None:
        """A name that is no address counts for its client alone."""
        self.assertEqual(self.fail_until_refused(""), 10)


class BucketTests(SynchronousTestCase):
    """Token buckets."""

    def test_bounded(self) -> None:
        """What is remembered is bounded; the oldest is forgotten first."""
        buckets = Buckets(1, 1)
        for number in range(50_001):
            buckets.take(str(number), 0.0)
        self.assertFalse(buckets.full("0", 0.0))
        self.assertTrue(buckets.full("1", 0.0))
