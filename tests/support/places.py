"""Places for the files of a test."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import unittest

# Stores sync all they write: in memory that costs nothing
_IN_MEMORY = "/dev/shm"


def temporary_directory(testcase: unittest.TestCase) -> Path:
    """A directory that is there for as long as the test runs. (trial's mktemp leaves its own in the checkout.)"""
    where = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
    directory = tempfile.TemporaryDirectory(prefix="quantummail-test-", dir=where)
    testcase.addCleanup(directory.cleanup)
    return Path(directory.name)
