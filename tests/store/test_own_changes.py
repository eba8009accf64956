"""Tests of quantummail.store.own_changes: our changes of a directory are told from those of others."""

from __future__ import annotations

import os
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from quantummail.store import own_changes
from quantummail.store.own_changes import Change
from tests.support.places import temporary_directory


class OwnChangesTests(SynchronousTestCase):
    """A directory that is known."""

    def setUp(self) -> None:
        self.patch(own_changes, "_TICK_NS", 0)
        self.path = temporary_directory(self) / "new"
        self.path.mkdir()
        self.seconds = 1000
        self.happen(self.path / "first")
        self.here = [str(self.path)]
        own_changes.begin(self.here)
        self.addCleanup(own_changes.forget, self.here)

    def happen(self, path: Path) -> None:
        """A file appears, at another time than all before."""
        path.touch()
        self.seconds += 1
        os.utime(path.parent, (self.seconds, self.seconds))

    def test_nothing(self) -> None:
        """A directory that nobody changes stays known."""
        self.assertFalse(own_changes.unknown(self.here))

    def test_others(self) -> None:
        """What others do is seen, and stays to be seen after a change of ours."""
        self.happen(self.path / "other")
        self.assertTrue(own_changes.unknown(self.here))
        with Change(str(self.path / "ours")):
            self.happen(self.path / "ours")
        self.assertTrue(own_changes.unknown(self.here))

    def test_ours(self) -> None:
        """Changes of ours leave it known, also those that fail."""
        for name in ("one", "two"):
            with Change(str(self.path / name)):
                self.happen(self.path / name)
        with self.assertRaises(OSError), Change(str(self.path / "three")):
            os.unlink(self.path / "three")
        self.assertFalse(own_changes.unknown(self.here))

    def test_overlapping(self) -> None:
        """Two changes of ours at the same time may be taken for somebody else's, never the other way round."""
        with Change(str(self.path / "one")), Change(str(self.path / "two")):
            self.happen(self.path / "one")
        self.assertFalse(own_changes.unknown(self.here))
        with Change(str(self.path / "three")):
            with Change(str(self.path / "four")):
                self.happen(self.path / "four")
            self.happen(self.path / "three")
        self.assertTrue(own_changes.unknown(self.here))

    def test_forgotten(self) -> None:
        """A directory that nobody follows is not known, and costs nothing."""
        own_changes.forget(self.here)
        with Change(str(self.path / "one")):
            self.happen(self.path / "one")
        self.assertTrue(own_changes.unknown(self.here))

    def test_gone(self) -> None:
        """A directory that is not there any more is strange, not an error."""
        self.path.rename(self.path.with_name("old"))
        self.assertTrue(own_changes.unknown(self.here))
        with self.assertRaises(OSError), Change(str(self.path / "one")):
            os.unlink(self.path / "one")

    def test_changing_all_the_time(self) -> None:
        """A time that is as young as a tick of the clock is not trusted."""
        self.patch(own_changes, "_TICK_NS", 1 << 62)
        self.patch(time, "sleep", lambda _seconds: None)
        os.utime(self.path)
        own_changes.begin(self.here)
        self.assertTrue(own_changes.unknown(self.here))
