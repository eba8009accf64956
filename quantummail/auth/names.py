"""User names: which account one means, and how it is written to the log."""

from __future__ import annotations

from quantummail.store.errors import InvalidName
from quantummail.store.names import normal_address

MAX_USERNAME = 320


def normalised(username: str) -> str:
    """The address a user name stands for; empty for what cannot be one (a name without domain)."""
    if len(username) > MAX_USERNAME:
        return ""
    try:
        return normal_address(username)
    except InvalidName:
        return ""


def printable(username: str) -> str:
    """A user name for one field of a log line: nothing that could be taken for another field or line."""
    return "".join(character if character.isprintable() and character != " " else "?"
                   for character in username[:MAX_USERNAME])
