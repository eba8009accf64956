"""The lock of a data directory."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from quantummail.service.lock import DataLock, Locked, is_held
from tests.support.places import temporary_directory


class LockTests(SynchronousTestCase):
    """One at a time."""

    def setUp(self) -> None:
        self.path = temporary_directory(self) / "lock"
        self.first, self.second = DataLock(self.path), DataLock(self.path)
        self.addCleanup(self.first.release)
        self.addCleanup(self.second.release)

    def test_a_second_one_is_refused(self) -> None:
        """Whoever has the lock is named."""
        self.first.acquire()
        self.assertEqual(str(self.assertRaises(Locked, self.second.acquire)), str(os.getpid()))

    def test_released(self) -> None:
        """After the release it is free; releasing twice is harmless."""
        self.first.acquire()
        self.first.release()
        self.first.release()
        self.second.acquire()

    def test_a_file_that_was_left_is_no_lock(self) -> None:
        """What counts is the kernel's lock and not the file."""
        self.path.write_text("1\n")
        self.first.acquire()
        self.assertEqual(self.path.read_text(), f"{os.getpid()}\n")

    def test_looked_at(self) -> None:
        """Whoever only looks sees whether it is held, and takes nothing away."""
        self.assertFalse(is_held(self.path))
        self.first.acquire()
        self.assertTrue(is_held(self.path))
        self.first.release()
        self.assertFalse(is_held(self.path))
        self.second.acquire()
