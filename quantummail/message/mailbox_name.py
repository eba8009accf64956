"""Names of mailboxes in the one form that all parts of the server have: Unicode in NFC, ``/`` between levels."""

from __future__ import annotations

import unicodedata

DELIMITER = "/"
OTHER_USERS = "Other Users"
"""The first level of the names of others' mailboxes; the second one is an address."""
MOST_LEVELS = 16
MOST_LEVEL_OCTETS = 255


def normal(name: str) -> str:
    """The name in its one form, INBOX in capitals; ValueError says, in words for a client, why it can be none.

    Whoever has decoded a name asks here: no control character, no empty level, no ``.`` or ``..``, no bounds exceeded.
    """
    name = unicodedata.normalize("NFC", name)
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in name):
        raise ValueError("a mailbox name has no control characters")
    levels = name.split(DELIMITER)
    if len(levels) > MOST_LEVELS + (2 if levels[0] == OTHER_USERS else 0):
        raise ValueError(f"a mailbox name has at most {MOST_LEVELS} levels")
    for level in levels:
        if level in ("", ".", ".."):
            raise ValueError("no level of a mailbox name is empty, '.' or '..'")
        if len(level.encode("utf-8")) > MOST_LEVEL_OCTETS:
            raise ValueError(f"a level of a mailbox name has at most {MOST_LEVEL_OCTETS} octets")
    # RFC 3501 5.1: INBOX in any case is the same mailbox; so is the parent of INBOX/x
    if levels[0].upper() == "INBOX":
        levels[0] = "INBOX"
    return DELIMITER.join(levels)
