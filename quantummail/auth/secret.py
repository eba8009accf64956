"""A secret of this server that is always the same: kept in a file of its own, which nobody else can read."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

_OCTETS = 32


def server_secret(path: Path) -> bytes:
    """The secret in this file, which is made if it is not there. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        found = path.read_bytes()
        if len(found) == _OCTETS:
            return found
    made = secrets.token_bytes(_OCTETS)
    beside = path.with_name(f"{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, made)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.replace(path)
    return made
