"""UIDVALIDITY and a high-water mark of UIDs, kept beside the messages: they outlive the database.

UIDs are promised in blocks: a UID is given only after the file says that it may have been. After the loss of the
database, or the return of an older copy, numbering goes on above everything any client has ever seen.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from quantummail.store.maildir import replace_file

FILE = "quantummail-uids"
BLOCK = 1000


@dataclass(frozen=True, slots=True)
class UidPromise:
    """All UIDs given out under `uidvalidity` are below `reserved`."""

    uidvalidity: int
    reserved: int


def read(directory: str) -> UidPromise | None:
    """What the mailbox's file says; None if there is none, or none that can be understood."""
    try:
        with open(os.path.join(directory, FILE), encoding="ascii") as file:
            version, uidvalidity, reserved = file.read(100).split()
        if version != "1":
            return None
        promise = UidPromise(int(uidvalidity), int(reserved))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return promise if 0 < promise.uidvalidity < 1 << 32 and 0 < promise.reserved <= 1 << 32 else None


def write(directory: str, promise: UidPromise) -> None:
    """Make a promise durable."""
    replace_file(
        os.path.join(directory, FILE), os.path.join(directory, "tmp", FILE),
        f"1 {promise.uidvalidity} {promise.reserved}\n",
    )
