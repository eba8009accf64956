"""What can be asked of the texts of messages: in the words of the index, and of a message that is read instead.

Texts are folded already: see `quantummail.message.search_text`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from quantummail.message.search_fields import SearchFields

TRIGRAM = 3
# A long text is narrowed enough by some of its trigrams: all candidates are looked at
_MOST_TRIGRAMS = 24
FIELDS = {"from": "from_", "to": "to_", "cc": "cc", "bcc": "bcc", "subject": "subject"}
"""Fields of a header that have a column of their own, by name."""


@dataclass(frozen=True, slots=True)
class InField:
    """A text in one of `FIELDS`; the empty text is in every message that has the field."""

    name: str
    text: str

    def sql(self) -> tuple[str, tuple[object, ...]]:
        """The condition, on headers `h` and texts `t`, and its parameters."""
        column = f"h.{FIELDS[self.name]}"
        return (f"instr({column}, ?)", (self.text,)) if self.text else (f"{column} IS NOT NULL", ())

    def matches(self, fields: SearchFields) -> bool:
        """The same of a message that is read."""
        value: str | None = getattr(fields, {"from": "from_"}.get(self.name, self.name))
        return value is not None and self.text in value


@dataclass(frozen=True, slots=True)
class SentOn:
    """A Date field with a day from `first` to `last` (since the epoch, both included)."""

    first: int
    last: int

    def sql(self) -> tuple[str, tuple[object, ...]]:
        """The condition and its parameters."""
        return "h.sent_day BETWEEN ? AND ?", (self.first, self.last)

    def matches(self, fields: SearchFields) -> bool:
        """The same of a message that is read."""
        return fields.sent_day is not None and self.first <= fields.sent_day <= self.last


@dataclass(frozen=True, slots=True)
class InHeader:
    """A text in any field of this name (in lower case)."""

    name: str
    text: str

    def sql(self) -> tuple[str, tuple[object, ...]]:
        """A condition that lets too much through: `in_lines` decides."""
        return "instr(t.header, ?) AND instr(t.header, ?)", (f"\n{self.name}:", self.text)

    def in_lines(self, lines: Sequence[str]) -> bool:
        """Whether a header of these lines has it."""
        start = f"{self.name}:"
        return any(line.startswith(start) and self.text in line[len(start) :].lstrip(" ") for line in lines)


@dataclass(frozen=True, slots=True)
class InBody:
    """A text in the body."""

    text: str

    def sql(self) -> tuple[str, tuple[object, ...]]:
        """The condition and its parameters."""
        return "instr(t.body, ?)", (self.text,)


@dataclass(frozen=True, slots=True)
class Anywhere:
    """A text in the header or the body."""

    text: str

    def sql(self) -> tuple[str, tuple[object, ...]]:
        """The condition and its parameters."""
        return "(instr(t.body, ?) OR instr(t.header, ?))", (self.text, self.text)


OfFields: TypeAlias = InField | SentOn
"""Answered from a few columns."""
OfTexts: TypeAlias = InHeader | InBody | Anywhere
"""Answered from whole texts."""
Condition: TypeAlias = OfFields | OfTexts


def trigrams(text: str) -> str:
    """What the index is asked for texts that may contain this one; empty if it is too short for that."""
    count = len(text) - TRIGRAM + 1
    if count <= 0:
        return ""
    step = max(1, count // _MOST_TRIGRAMS)
    found = dict.fromkeys(text[start : start + TRIGRAM] for start in range(0, count, step))
    return " AND ".join('"{}"'.format(one.replace('"', '""')) for one in found)
