"""Programs of others that tests talk to. `make test` installs them where it may."""

from __future__ import annotations

import os
import shutil
import subprocess
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Seconds until a program that waits for something that does not come is ended
PATIENCE = 60.0


def needs(*programs: str) -> Callable[[Any], Any]:
    """Skip a test (or class) that needs programs which are not here, and say which. In CI a missing one fails."""
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing or os.environ.get("CI") == "true":
        return lambda test: test
    return unittest.skip(f"not installed: {', '.join(missing)}")


def program(name: str) -> str:
    """The path of a program. Skips the test that is running, by name, when it is not here; in CI that fails."""
    found = shutil.which(name)
    if found is not None:
        return found
    if os.environ.get("CI") == "true":
        raise AssertionError(f"not installed: {name}")
    raise unittest.SkipTest(f"not installed: {name}")


def run(
    name: str, *arguments: str | Path, text: str | bytes = "", home: Path | None = None, code: int | None = 0,
    patience: float = PATIENCE,
) -> str:
    """Run a program to its end; what it printed, both streams.

    :param text: its standard input.
    :param home: its HOME and working directory, so that it finds the configuration of the test and no other.
    :param code: the exit code that it must end with; None takes any.
    """
    done = run_octets(name, *arguments, text=text, home=home, code=code, patience=patience)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def run_octets(
    name: str, *arguments: str | Path, text: str | bytes = "", home: Path | None = None, code: int | None = 0,
    patience: float = PATIENCE,
) -> subprocess.CompletedProcess[bytes]:
    """As `run`, but both streams are kept as they are, each for itself."""
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm", "HOME": str(home or "/nonexistent")}
    command = [program(name), *map(str, arguments)]
    done = subprocess.run(
        command, input=text.encode() if isinstance(text, str) else text, capture_output=True, cwd=home, env=environ,
        timeout=patience, check=False)
    if code is not None and done.returncode != code:
        raise AssertionError(f"{name} ended with {done.returncode}, not {code}:\n{' '.join(command)}\n"
                             f"{done.stdout[-4000:].decode('utf-8', 'replace')}\n"
                             f"{done.stderr[-4000:].decode('utf-8', 'replace')}")
    return done
