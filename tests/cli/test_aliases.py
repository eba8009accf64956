"""What is odd about an alias; the commands are in tests/scenarios."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.cli.aliases import doubt
from tests.support.stores import make_store, make_user, now


class DoubtTests(SynchronousTestCase):
    """Targets that may not be what was meant."""

    def setUp(self) -> None:
        self.store = make_store(self)
        make_user(self.store, "alice@example.test")

    def doubts(self, alias: str, *targets: str) -> list[str]:
        """What is said about the targets of a new alias."""
        now(self.store.aliases.add(alias, targets))
        return [now(doubt(self.store, alias, target)) for target in targets]

    def test_nothing_odd(self) -> None:
        """Accounts, details of them, other aliases and roles are good targets."""
        now(self.store.aliases.add("team@example.test", ["alice@example.test"]))
        self.assertEqual(
            set(self.doubts("a@example.test", "alice@example.test", "alice+x@example.test", "team@example.test")), {""})

    def test_itself(self) -> None:
        """An alias that stands for itself gets nothing from there."""
        self.assertEqual(self.doubts("a@example.test", "a@example.test"), ["a@example.test stands for itself"])

    def test_nobody(self) -> None:
        """Neither does one whose target is not there, or disabled; where a catch-all takes it, it is there."""
        self.assertEqual(self.doubts("a@example.test", "b@example.test"), ["b@example.test does not exist"])
        self.assertEqual(self.doubts("@example.test", "c@example.test"), ["c@example.test does not exist"])
        now(self.store.users.set_enabled("alice@example.test", False))
        self.assertEqual(self.doubts("d@example.test", "alice@example.test"), ["alice@example.test is disabled"])
        now(self.store.users.set_enabled("alice@example.test", True))
        self.assertEqual(self.doubts("@example.test", "alice@example.test"), [""])
        self.assertEqual(self.doubts("e@example.test", "f@example.test"), [""])

    def test_loop(self) -> None:
        """A target that leads back is told, also when it leads to somebody, too."""
        self.doubts("a@example.test", "b@example.test", "alice@example.test")
        (said,) = self.doubts("b@example.test", "a@example.test")
        self.assertEqual(said, "a@example.test leads back to b@example.test")

    def test_elsewhere(self) -> None:
        """What leads elsewhere is sent there: nothing is odd about it."""
        self.assertEqual(self.doubts("a@example.test", "x@example.org"), [""])
        self.assertEqual(self.doubts("b@example.test", "a@example.test"), [""])
