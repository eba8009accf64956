"""Places for the files of a test."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import unittest


def temporary_directory(testcase: unittest.TestCase) -> Path:
    """A directory that is there for as long as the test runs. (trial's mktemp leaves its own in the checkout.)"""
    directory = tempfile.TemporaryDirectory(prefix="quantummail-test-")
    testcase.addCleanup(directory.cleanup)
    return Path(directory.name)
