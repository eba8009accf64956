"""Recordings of dialogues: files below the data directory, one for each time that an account was recorded.

A file is text. Its first line is JSON: whose dialogue it is, from when until when, how many octets at most. While its
name ends with ``.running`` a server adds to it; the commands begin and end recordings by making and renaming files.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

RUNNING, ENDED = ".running", ".ended"


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording."""

    name: str
    address: str
    begins: float
    ends: float
    limit: int
    """Octets of the file, at most."""
    path: Path
    size: int

    def runs(self, now: float) -> bool:
        """Whether more is added to it, if a server is there."""
        return self.path.suffix == RUNNING and now < self.ends


class Recordings:
    """The directory of all recordings."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def begin(self, address: str, seconds: float, limit: int, now: float) -> Recording:
        """Ask the server to record an account's dialogues. Raises OSError."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        name = f"{datetime.fromtimestamp(now, UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        head = json.dumps({"address": address, "begins": now, "ends": now + seconds, "limit": limit}) + "\n"
        made, path = self.directory / f"{name}.new", self.directory / f"{name}{RUNNING}"
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(head)
        # the server sees it when it is whole
        made.rename(path)
        return Recording(name, address, now, now + seconds, limit, path, len(head))

    def list(self) -> list[Recording]:
        """All that there are, the oldest first."""
        try:
            paths = sorted(self.directory.iterdir())
        except FileNotFoundError:
            return []
        return [found for found in map(_read_head, paths) if found is not None]

    def end(self, recording: Recording) -> None:
        """Have nothing added any more."""
        if recording.path.suffix == RUNNING:
            recording.path.rename(recording.path.with_suffix(ENDED))

    def delete(self, recording: Recording) -> None:
        """Remove it, whether it has ended or not."""
        recording.path.unlink(missing_ok=True)


def _read_head(path: Path) -> Recording | None:
    if path.suffix not in (RUNNING, ENDED):
        return None
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            head = json.loads(file.readline(1000))
            size = os.fstat(file.fileno()).st_size
        return Recording(
            path.stem, str(head["address"]), float(head["begins"]), float(head["ends"]), int(head["limit"]), path, size)
    except (OSError, ValueError, KeyError, TypeError):
        return None
