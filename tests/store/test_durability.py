"""Tests of quantummail.store.durability."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.durability import Durability, WrittenFile


class SyncTests(SynchronousTestCase):
    """Real files."""

    def sync(self, count: int) -> tuple[list[WrittenFile], list[Any]]:
        """Write files in a directory each, and sync them."""
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        durability = Durability(temporary.name)
        durability.start()
        self.addCleanup(durability.stop)
        files = []
        for number in range(count):
            path = os.path.join(temporary.name, str(number), "file")
            os.mkdir(os.path.dirname(path))
            files.append(WrittenFile(path, os.open(path, os.O_CREAT | os.O_WRONLY)))
        return files, durability.sync(files)

    def test_closed(self) -> None:
        """Few or many: every file is closed when it is durable."""
        for count in (1, 2, 5):
            files, outcomes = self.sync(count)
            self.assertEqual(outcomes, [None] * count)
            for file in files:
                self.assertRaises(OSError, os.fstat, file.descriptor)

    def test_own_failure(self) -> None:
        """A file whose descriptor or directory tells of an error fails, its neighbour does not."""
        with tempfile.TemporaryDirectory() as directory:
            good = WrittenFile(f"{directory}/good", os.open(f"{directory}/good", os.O_CREAT | os.O_WRONLY))
            lost = WrittenFile(f"{directory}/nowhere/lost", os.open(f"{directory}/x", os.O_CREAT | os.O_WRONLY))
            durability = Durability(directory)
            first, second = durability.sync([good, lost])
        self.assertIsNone(first)
        self.assertIsInstance(second, OSError)
