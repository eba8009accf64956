"""Room that is kept back for a full disk."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.reserve import Reserve


class ReserveTests(SynchronousTestCase):
    """A directory on a disk with room."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "reserve"
        self.reserve = Reserve(str(self.path))

    def test_taken_and_given(self) -> None:
        """What was taken is real room, and is given to the disk once."""
        self.reserve.renew()
        status = os.stat(self.path)
        self.assertGreater(status.st_size, 0)
        self.assertGreaterEqual(status.st_blocks * 512, status.st_size)
        self.assertTrue(self.reserve.release())
        self.assertFalse(self.path.exists())
        self.assertFalse(self.reserve.release())

    def test_not_at_once_again(self) -> None:
        """After it was needed it is not taken again at once: somebody is making room."""
        self.reserve.renew()
        self.reserve.release()
        self.reserve.renew()
        self.assertFalse(self.path.exists())

    def test_of_another_server(self) -> None:
        """What a server before has left is used."""
        self.reserve.renew()
        before = self.path.stat().st_ino
        other = Reserve(str(self.path))
        other.renew()
        self.assertEqual(self.path.stat().st_ino, before)
        self.assertTrue(other.release())

    def test_no_directory(self) -> None:
        """Where nothing can be taken, there is none, and nobody fails."""
        reserve = Reserve("/nowhere/reserve")
        reserve.renew()
        self.assertFalse(reserve.release())
