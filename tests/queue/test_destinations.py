"""What waits for a destination."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.queue.destinations import Destination
from quantummail.store.outgoing_records import Claimed, OutgoingMessage, OutgoingRecipient


def claimed(name: str, lane: str = "alice", priority: int = 0) -> Claimed:
    """A message that waits."""
    message = OutgoingMessage(name, None, lane, "submission", "a@example.test", 1, priority=priority)
    return Claimed(message, (OutgoingRecipient(1, "b@a.test", "a.test"),))


def order(destination: Destination) -> list[str]:
    """Everything in the order in which it goes."""
    return [one.message.id for one in destination.drain()]


class TurnTests(SynchronousTestCase):
    """Whose turn it is."""

    def test_lanes(self) -> None:
        """One message of somebody else does not wait for a mailing."""
        destination = Destination("a.test", 5)
        for number in range(4):
            destination.add(claimed(f"m{number}", "mailing"))
        destination.add(claimed("x", "alice"))
        destination.add(claimed("y", "bob"))
        self.assertEqual(order(destination), ["m0", "x", "y", "m1", "m2", "m3"])

    def test_priority(self) -> None:
        """Within a lane what is urgent goes first, otherwise what came first."""
        destination = Destination("a.test", 5)
        for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", -1)):
            destination.add(claimed(name, priority=priority))
        self.assertEqual(order(destination), ["d", "a", "c", "b"])

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 1)), max_size=40))
    def test_nothing_lost(self, coming: list[tuple[int, int]]) -> None:
        """Everything comes out once, and no lane twice while another waits for its first turn."""
        destination = Destination("a.test", 5)
        for number, (lane, priority) in enumerate(coming):
            destination.add(claimed(str(number), str(lane), priority))
        self.assertEqual(len(destination), len(coming))
        taken = [coming[int(name)][0] for name in order(destination)]
        self.assertEqual(sorted(taken), sorted(lane for lane, _ in coming))
        lanes = {lane for lane, _ in coming}
        self.assertEqual(set(taken[: len(lanes)]), lanes)


class LimitTests(SynchronousTestCase):
    """How much at once."""

    def test_grows(self) -> None:
        """It begins with one, and takes more as long as it goes well, up to its most."""
        destination = Destination("a.test", 3)
        seen = []
        for _ in range(30):
            seen.append(destination.limit)
            destination.succeeded()
        self.assertEqual((seen[0], max(seen), seen), (1, 3, sorted(seen)))

    def test_slowed(self) -> None:
        """Asked for less, it gives half, but never nothing."""
        destination = Destination("a.test", 8, limit=8)
        limits = []
        for _ in range(5):
            destination.slowed()
            limits.append(destination.limit)
        self.assertEqual(limits, [4, 2, 1, 1, 1])

    def test_ready(self) -> None:
        """Not beyond the limit, not while it is blocked, not without anything."""
        destination = Destination("a.test", 3, limit=2)
        self.assertFalse(destination.ready(0))
        destination.add(claimed("x"))
        self.assertTrue(destination.ready(0))
        destination.active = 2
        self.assertFalse(destination.ready(0))
        destination.active = 0
        destination.unreachable(0, "nobody there", 60, 3600)
        self.assertFalse(destination.ready(59))
        self.assertTrue(destination.ready(60))

    def test_unreachable(self) -> None:
        """Longer each time, up to a limit; short again once somebody answers."""
        destination = Destination("a.test", 3)
        waits = []
        now = 1000.0
        for _ in range(10):
            for _together in range(3):
                destination.unreachable(now, "nobody there", 60, 3600)
            waits.append(destination.blocked_until - now)
            now = destination.blocked_until
        self.assertEqual((waits[:3], waits[-1]), ([60, 120, 240], 3600))
        destination.succeeded()
        destination.unreachable(now, "nobody there", 60, 3600)
        self.assertEqual(destination.blocked_until, now + 60)
