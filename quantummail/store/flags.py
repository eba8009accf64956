"""Flags of a message as one integer: system flags in the low byte, keywords of its mailbox above them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

SEEN, ANSWERED, FLAGGED, DELETED, DRAFT = 1, 2, 4, 8, 16
SYSTEM_MASK = 0xFF
KEYWORD_SHIFT = 8
# A signed 64-bit column holds the byte of system flags and this many keywords
MAX_KEYWORDS = 54
MAX_KEYWORD_LENGTH = 64

SYSTEM_FLAGS: dict[str, int] = {
    "\\Seen": SEEN, "\\Answered": ANSWERED, "\\Flagged": FLAGGED, "\\Deleted": DELETED, "\\Draft": DRAFT,
}
_BY_LOWER = {name.lower(): bit for name, bit in SYSTEM_FLAGS.items()}


def system_flag(name: str) -> int:
    """The bit of a system flag (any case), 0 for anything else."""
    return _BY_LOWER.get(name.lower(), 0)


def names(flags: int, keywords: Sequence[str]) -> list[str]:
    """The names of all set flags. `keywords` are those of the mailbox, in the order of their bits."""
    found = [name for name, bit in SYSTEM_FLAGS.items() if flags & bit]
    bits = flags >> KEYWORD_SHIFT
    index = 0
    while bits:
        if bits & 1 and index < len(keywords):
            found.append(keywords[index])
        bits >>= 1
        index += 1
    return found


def split(flags: Iterable[str]) -> tuple[int, list[str]]:
    """Divide flag names into the mask of system flags and the keywords. Unknown ``\\Flags`` are left out."""
    mask, keywords = 0, []
    for name in flags:
        if name.startswith("\\"):
            mask |= system_flag(name)
        else:
            keywords.append(name)
    return mask, keywords
