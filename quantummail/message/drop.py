"""A message that a program of this machine hands to the server: a line that says for whom, and the octets behind it.

The command `sendmail` writes it, to the server's socket or into its drop directory.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

MOST_OCTETS = 256 * 1024
"""Of the line, its end included."""
_KEY = 32


@dataclass(frozen=True, slots=True)
class Drop:
    """What the line says. Addresses are as they were given: a local name may stand for one."""

    key: str
    """Unlike any other's: a message that comes twice, by socket and by file, is known by it."""
    size: int
    """Octets behind the line; their line ends are CRLF."""
    recipients: tuple[str, ...] = ()
    from_header: bool = False
    """Whether the addresses of To, Cc and Bcc are recipients too."""
    sender: str | None = None
    """The reverse-path: empty for the null one, None for the user's own address."""
    name: str = ""
    """The author's name, for a message without From."""
    notify: tuple[str, ...] = ()
    """RFC 3461 4.1."""
    ret: str = ""
    envid: str = ""

    def line(self) -> bytes:
        """The line with its end."""
        words = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(words, separators=(",", ":")).encode("ascii") + b"\n"


def read_line(line: bytes) -> Drop:
    """What a line says; ValueError for everything that `Drop.line` does not write."""
    words = json.loads(line)
    if not isinstance(words, dict) or set(words) != set(Drop.__slots__):
        raise ValueError("no message begins so")
    found = Drop(
        _text(words["key"]), _count(words["size"]), _texts(words["recipients"]), words["from_header"] is True,
        None if words["sender"] is None else _text(words["sender"]), _text(words["name"]),
        _texts(words["notify"]), _text(words["ret"]), _text(words["envid"]))
    if len(found.key) != _KEY or not set(found.notify) <= {"NEVER", "SUCCESS", "FAILURE", "DELAY"}:
        raise ValueError("a message has a key, and NOTIFY its words")
    if found.ret not in ("", "FULL", "HDRS"):
        raise ValueError("RET is FULL or HDRS")
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.replace("\t", " ").isprintable():
        raise ValueError("text is wanted, without control characters")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("a list is wanted")  # noqa: TRY004  # all of it is about what somebody has written
    return tuple(map(_text, value))


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a number is wanted")
    return value
