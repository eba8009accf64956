"""What a search is to return: MIN, MAX, ALL, COUNT and more (RFC 4731, 5182, 5267, 9394)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from quantummail.imap.grammar.cursor import MAX_NUMBER, BadSyntax, Cursor

S = TypeVar("S", bound=Sequence[int])

# partial-range = nz-number ":" nz-number / "-" nz-number ":" "-" nz-number          RFC 9394 section 4
_RANGE = re.compile(rb"(-?)([1-9][0-9]{0,9}):(-?)([1-9][0-9]{0,9})")
OPTIONS = ("MIN", "MAX", "ALL", "COUNT", "SAVE", "UPDATE", "CONTEXT", "PARTIAL")


@dataclass(frozen=True, slots=True)
class Partial:
    """A part of the results, counted from 1; `backwards`: from the end."""

    first: int
    last: int
    backwards: bool = False

    def of(self, results: S) -> S:
        """This part of them, in their own order."""
        if self.backwards:
            count = len(results)
            part = results[max(0, count - self.last) : max(0, count - self.first + 1)]
        else:
            part = results[self.first - 1 : self.last]
        return part  # type: ignore[return-value]  # a slice of an array is an array

    @property
    def text(self) -> bytes:
        """As it is written; the smaller number first, since both orders mean the same."""
        sign = b"-" if self.backwards else b""
        return b"%s%d:%s%d" % (sign, self.first, sign, self.last)


@dataclass(frozen=True, slots=True)
class Options:
    """The return options of one command."""

    names: frozenset[str]
    partial: Partial | None = None

    @property
    def silent(self) -> bool:
        """Whether nothing is to be returned at all (RFC 5182 section 1: SAVE alone)."""
        return self.names == {"SAVE"}

    @property
    def whole(self) -> bool:
        """Whether all results are referred to, not only some of them (RFC 5182 2.4, RFC 9394 3.2)."""
        return not self.names & {"MIN", "MAX", "PARTIAL"} or bool(self.names & {"ALL", "COUNT"})

    def referred(self, results: Sequence[int]) -> Sequence[int]:
        """The results that are returned, or saved (if they are more than counted)."""
        if self.whole or not results:
            return results
        chosen = set(self.partial.of(results)) if self.partial is not None else set()
        if "MIN" in self.names:
            chosen.add(results[0])
        if "MAX" in self.names:
            chosen.add(results[-1])
        return sorted(chosen)


ALL = Options(frozenset(("ALL",)))


def return_options(cursor: Cursor) -> Options | None:
    """Read ``["RETURN" SP "(" [option *(SP option)] ")" SP]``; None when it is not there."""
    if cursor.data[cursor.position : cursor.position + 7].upper() != b"RETURN ":
        return None
    cursor.position += 7
    cursor.expect(b"(")
    names: set[str] = set()
    partial: Partial | None = None
    while not cursor.skip(b")"):
        if names:
            cursor.space()
        name = cursor.word()
        if name not in OPTIONS:
            raise BadSyntax("Unknown return option")
        if name == "PARTIAL":
            if partial is not None:
                # RFC 9394 3.1
                raise BadSyntax("PARTIAL is for once")
            cursor.space()
            partial = partial_range(cursor)
        names.add(name)
    cursor.space()
    if partial is not None and "ALL" in names:
        # RFC 9394 3.1
        raise BadSyntax("Either ALL or PARTIAL")
    # RFC 4731 3.1: an empty list means ALL
    return Options(frozenset(names or {"ALL"}), partial)


def partial_range(cursor: Cursor) -> Partial:
    """Read a range of results."""
    found = _RANGE.fullmatch(cursor.matching(_RANGE, "Invalid range of results"))
    assert found is not None
    sign, one, other_sign, other = found.groups()
    numbers = sorted((int(one), int(other)))
    if sign != other_sign or numbers[1] > MAX_NUMBER:
        raise BadSyntax("Invalid range of results")
    return Partial(numbers[0], numbers[1], backwards=bool(sign))
