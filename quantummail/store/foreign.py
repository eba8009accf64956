"""Files that other programs put into a Maildir: listed, read, described. Blocking; runs in threads."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from quantummail.message.description import describe
from quantummail.message.ids import new_id
from quantummail.store.additions import Rendered
from quantummail.store.bodies import with_crlf
from quantummail.store.maildir import IN_NEW, file_name, keyword_letters, split_info
from quantummail.store.storing import rendered_of

_DOVECOT_KEYWORDS = "dovecot-keywords"
# A name that `file_name` made for a delivery: it says how many octets the message has
_DELIVERED = re.compile(r"[0-9]+\.Q[0-9a-z]+R[0-9]+\..*,S=([0-9]+)")


class TornFile(Exception):
    """A delivery that a power cut has interrupted: not all of it is there, and it was promised to nobody."""


@dataclass(frozen=True, slots=True)
class ForeignFile:
    """An entry of new/ or cur/."""

    path: str
    """Below the Maildir."""
    name: str
    """Without the flags."""
    on_disk: int
    letters: tuple[int, ...]
    """Dovecot's keywords: 0 for ``a``."""
    mtime: int
    ctime: float


@dataclass(frozen=True, slots=True)
class Foreign:
    """A foreign message as the index wants it."""

    name: str
    size: int
    email_id: str
    bare_lf: bool
    rendered: Rendered


def list_maildir(path: str) -> dict[str, ForeignFile]:
    """All files of new/ and cur/ by their names without flags."""
    found: dict[str, ForeignFile] = {}
    # new first: what moves to cur meanwhile is then seen twice, not never
    for part in ("new", "cur"):
        with os.scandir(os.path.join(path, part)) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if not entry.is_file(follow_symlinks=False):
                    continue
                name, flags = split_info(entry.name)
                found[name] = ForeignFile(
                    f"{part}/{entry.name}", name, IN_NEW if part == "new" else flags,
                    tuple(keyword_letters(entry.name)), int(status.st_mtime), status.st_ctime,
                )
    return found


def read_foreign(path: str, file: ForeignFile) -> Foreign:
    """Read and describe a file. Its name is changed if it cannot be kept in a table. Raises TornFile."""
    full = os.path.join(path, file.path)
    with open(full, "rb", opener=_no_link) as opened:
        octets = opened.read()
    bare_lf = octets.count(b"\n") != octets.count(b"\r\n")
    if bare_lf:
        octets = with_crlf(octets)
    delivered = _DELIVERED.fullmatch(file.name)
    if delivered is not None and len(octets) < int(delivered[1]):
        raise TornFile(f"{len(octets)} of {delivered[1]} octets")
    email_id = new_id()
    name = file.name
    if not name.isprintable() or len(name) > 200:
        name = file_name(file.mtime, f"F{email_id}", len(octets))
        os.rename(full, os.path.join(path, file.path.replace(file.name, name)))
    return Foreign(name, len(octets), email_id, bare_lf, rendered_of(describe(octets)))


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


def dovecot_keywords(path: str) -> list[str]:
    """The names behind Dovecot's letters, by their numbers: a tree that comes from Dovecot keeps its keywords."""
    names: list[str] = []
    try:
        with open(os.path.join(path, _DOVECOT_KEYWORDS), encoding="utf-8", errors="replace") as file:
            for line in file:
                number, _, name = line.strip().partition(" ")
                if number.isdigit() and int(number) < 26 and name.isprintable():
                    names += [""] * (int(number) + 1 - len(names))
                    names[int(number)] = name
    except FileNotFoundError:
        pass
    return names
