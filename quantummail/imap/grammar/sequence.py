"""Sequence sets: which messages a command is about, by number or by UID (RFC 3501 section 9)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantummail.imap.grammar.cursor import MAX_NUMBER, BadSyntax, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quantummail.imap.grammar.cursor import Cursor

# sequence-set = (seq-number / seq-range) *("," sequence-set)
# seq-range    = seq-number ":" seq-number          ; in any order
# seq-number   = nz-number / "*"
_SET = re.compile(rb"[0-9*:,]+")
_MEMBER = re.compile(rb"(\*|[1-9][0-9]{0,9})(?::(\*|[1-9][0-9]{0,9}))?")
MAX_RANGES = 1000


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Numbers and ranges, normalised. What ``*`` stands for is only known when the set is resolved."""

    ranges: tuple[tuple[int, int], ...]
    """Ranges without ``*``: ascending, not touching."""
    star_from: int | None
    """The lowest number that a range to ``*`` begins with; `MAX_NUMBER` for a bare ``*``, None without any."""
    largest: int
    """The largest number that is written in the set, 0 when there is only ``*``."""
    saved: bool = False
    """Whether it is ``$``: the result of the last search that was saved (RFC 5182). The view knows it."""

    def within(self, last: int) -> list[tuple[int, int]]:
        """The ranges, ascending and disjoint, when `last` is the largest number in use. Empty when that is 0."""
        if last == 0:
            return []
        ranges = [(first, min(end, last)) for first, end in self.ranges if first <= last]
        if self.star_from is not None:
            # "3291:*" means the last message too when 3291 is above it (RFC 3501 section 9, seq-range)
            ranges.append((min(self.star_from, last), last))
            ranges = merged(ranges)
        return ranges

    def exceeds(self, last: int) -> bool:
        """Whether a number above `last` is written in the set, or ``*`` when there is no message."""
        return self.largest > last or (last == 0 and self.star_from is not None)


SAVED = SequenceSet((), None, 0, saved=True)


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges in order; those that overlap or touch become one."""
    result: list[tuple[int, int]] = []
    for first, end in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            if end > result[-1][1]:
                result[-1] = (result[-1][0], end)
        else:
            result.append((first, end))
    return result


def sequence_set(cursor: Cursor) -> SequenceSet:
    """Read a set."""
    # RFC 5182 section 3: seq-last-command = "$", alone
    if cursor.skip(b"$"):
        return SAVED
    text = cursor.matching(_SET, "Invalid message set")
    ranges: list[tuple[int, int]] = []
    star_from: int | None = None
    largest = 0
    for member in text.split(b","):
        found = _MEMBER.fullmatch(member)
        if found is None:
            raise BadSyntax("Invalid message set")
        numbers = [_number(side) for side in found.groups() if side is not None]
        known = [number for number in numbers if number is not None]
        largest = max(largest, *known, 0)
        if len(known) == len(numbers):
            ranges.append((min(known), max(known)))
        else:
            star_from = min([*known, MAX_NUMBER if star_from is None else star_from])
    normal = tuple(merged(ranges))
    if len(normal) > MAX_RANGES:
        raise LimitExceeded(f"At most {MAX_RANGES} ranges in a message set")
    return SequenceSet(normal, star_from, largest)


def _number(text: bytes) -> int | None:
    if text == b"*":
        return None
    number = int(text)
    if number > MAX_NUMBER:
        raise BadSyntax("Invalid message set")
    return number


def render(numbers: Iterable[int]) -> bytes:
    """A set of ascending numbers as short as it can be written: ``1:3,7``."""
    return render_ranges(runs(numbers))


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as ranges without holes."""
    found: list[tuple[int, int]] = []
    first = previous = 0
    for number in numbers:
        if number == previous + 1 and first:
            previous = number
            continue
        if first:
            found.append((first, previous))
        first = previous = number
    if first:
        found.append((first, previous))
    return found


def render_ranges(ranges: Iterable[tuple[int, int]]) -> bytes:
    """Ranges as a set: ``1:3,7``."""
    return ",".join([str(first) if first == last else f"{first}:{last}" for first, last in ranges]).encode("ascii")


def common(one: Iterable[tuple[int, int]], other: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """What two lists of ascending, disjoint ranges have in common."""
    found: list[tuple[int, int]] = []
    left, right = list(one), list(other)
    i = j = 0
    while i < len(left) and j < len(right):
        first, last = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if first <= last:
            found.append((first, last))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return found


def holes(numbers: Iterable[int], last: int) -> list[tuple[int, int]]:
    """The ranges from 1 to `last` that hold none of these ascending numbers."""
    found: list[tuple[int, int]] = []
    free = 1
    for number in numbers:
        if number > last:
            break
        if number > free:
            found.append((free, number - 1))
        free = number + 1
    if free <= last:
        found.append((free, last))
    return found
