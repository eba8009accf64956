"""Answers on standard output, and the first of them: which versions run here."""

from __future__ import annotations

import platform
import sqlite3
from importlib.metadata import PackageNotFoundError, version


def say(text: str) -> None:
    """A line for the one who typed the command."""
    print(text)  # noqa: T201  # a command's answer


def say_versions() -> None:
    """The versions of everything that a report of a mistake should name."""
    say(f"QuantumMail {_ours()}")
    say(f"Python {platform.python_version()}, Twisted {version('twisted')}, SQLAlchemy {version('sqlalchemy')}, "
        f"SQLite {sqlite3.sqlite_version}, cryptography {version('cryptography')}")


def _ours() -> str:
    try:
        return version("quantummail")
    except PackageNotFoundError:
        return "(not installed)"
