"""What a mailbox is for (RFC 6154), kept beside its messages where its name does not tell: it outlives the database."""

from __future__ import annotations

import contextlib
import os
import re

from quantummail.store.maildir import replace_file, sync_directory

FILE = "quantummail-use"
# What every account gets, with the attributes of RFC 6154
STANDARD = {"INBOX": "", "Drafts": "\\Drafts", "Sent": "\\Sent", "Junk": "\\Junk", "Trash": "\\Trash",
            "Archive": "\\Archive"}
_USE = re.compile(r"\\[A-Z][a-z]{1,20}")


def read(directory: str) -> str:
    """What the mailbox's file says, empty if there is none."""
    try:
        with open(os.path.join(directory, FILE), encoding="ascii") as file:
            use = file.read(100).strip()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return ""
    return use if _USE.fullmatch(use) else ""


def keep(directory: str, name: str, use: str) -> None:
    """Write the file of a mailbox, durably, if its name does not tell its use."""
    if use and use != STANDARD.get(name) and use != read(directory):
        replace_file(os.path.join(directory, FILE), os.path.join(directory, "tmp", FILE), f"{use}\n")


def change(directory: str, name: str, use: str) -> str:
    """Make the file tell another use, or take it away where the name tells it; what it said before."""
    before = read(directory)
    put(directory, "" if use == STANDARD.get(name) else use)
    return before


def put(directory: str, use: str) -> None:
    """Write the file as it is to be, durably; empty: without a file."""
    path = os.path.join(directory, FILE)
    if use:
        replace_file(path, os.path.join(directory, "tmp", FILE), f"{use}\n")
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        sync_directory(directory)


def claimed(account: str) -> dict[str, str]:
    """The uses that folders of an account's directory claim by their files, with the folders' names."""
    uses: dict[str, str] = {}
    if os.path.isdir(account):
        for folder in sorted(os.listdir(account)):
            if folder.startswith(".") and (use := read(os.path.join(account, folder))):
                uses.setdefault(use, folder)
    return uses
