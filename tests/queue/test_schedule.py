"""When things are tried again."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.queue.schedule import Schedule


class ScheduleTests(SynchronousTestCase):
    """RFC 5321 4.5.4.1."""

    def test_waits(self) -> None:
        """The first wait is under five minutes, each is twice the one before, none is endless."""
        schedule = Schedule(random=lambda: 0.5)
        waits = [schedule.next(1000, attempts) - 1000 for attempts in range(1, 10)]
        self.assertEqual(waits[:4], [241, 481, 961, 1921])
        self.assertEqual(waits[-1], 14401)
        for extreme in (lambda: 0.0, lambda: 0.999999):
            self.assertLess(Schedule(random=extreme).next(0, 1), 300)

    def test_horizon(self) -> None:
        """Nothing is due beyond the horizon, after any number of attempts."""
        schedule = Schedule(random=lambda: 0.9999999)
        for attempts in (1, 5, 50, 5000):
            self.assertLessEqual(schedule.next(0, attempts), schedule.horizon)

    def test_jitter(self) -> None:
        """What failed together does not come back together."""
        schedule = Schedule()
        self.assertGreater(len({schedule.next(0, 8) for _ in range(50)}), 10)

    def test_given_up(self) -> None:
        """After five days, but never before three attempts: a clock that jumps bounces nothing."""
        schedule = Schedule()
        for age, attempts, expected in ((5 * 86400, 3, True), (5 * 86400 - 1, 99, False), (10**9, 2, False)):
            self.assertEqual(schedule.expired(age + 7, 7, attempts), expected)

    def test_warned(self) -> None:
        """After four hours, if at all."""
        for schedule, age, expected in (
            (Schedule(), 4 * 3600, True), (Schedule(), 4 * 3600 - 1, False), (Schedule(warn_after=0), 10**9, False),
        ):
            self.assertEqual(schedule.overdue(age + 7, 7), expected)
