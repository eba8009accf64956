"""Rights on mailboxes, as letters (RFC 4314 section 2.1).

l: see it, r: read, s: \\Seen, w: other flags and shared annotations, i: add messages, p: be written to,
k: create below, x: delete and rename it, t: \\Deleted, e: expunge, a: give rights to others.
"""

from __future__ import annotations

from quantummail.store.flags import DELETED, KEYWORD_SHIFT, SEEN

ALL = "lrswipkxtea"
"""Those that there are: whose mailbox it is has all of them, always."""
# RFC 4314 2.1.1: what the letters of RFC 2086 stand for
_OBSOLETE = {"c": "kx", "d": "te"}
_KEYWORDS = -1 << KEYWORD_SHIFT


def parse(letters: str) -> str:
    """The rights that a client or an administrator writes, each once; ValueError names the letter that is none."""
    found: set[str] = set()
    for letter in letters:
        if letter not in ALL and letter not in _OBSOLETE:
            raise ValueError(f"there is no right {letter!r}")
        found.update(_OBSOLETE.get(letter, letter))
    return ordered(found)


def ordered(rights: set[str]) -> str:
    """Rights in the order in which they are written."""
    return "".join(letter for letter in ALL if letter in rights)


def shown(rights: str) -> str:
    """Rights with the obsolete letters that clients of RFC 2086 look for (RFC 4314 2.1.1)."""
    return rights + "".join(
        obsolete for obsolete, members in _OBSOLETE.items() if any(member in rights for member in members))


def flag_mask(rights: str) -> int:
    """The bits of `Message.flags` that may be changed (RFC 4314 section 4); -1 for all of them."""
    mask = -1
    for right, bits in (("s", SEEN), ("t", DELETED), ("w", ~(SEEN | DELETED))):
        if right not in rights:
            mask &= ~bits
    return mask


def may_set_keywords(mask: int) -> bool:
    """Whether keywords are among the bits of a `flag_mask`."""
    return bool(mask & _KEYWORDS)
