"""The search key MODSEQ (RFC 7162 3.1.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.grammar.select import MAX_MODSEQ

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor

_TYPES = ("PRIV", "SHARED", "ALL")


@dataclass(frozen=True, slots=True)
class ModSeq:
    """Messages whose mod-sequence is this or higher."""

    lowest: int


def modseq(cursor: Cursor, _codec: str) -> tuple[ModSeq]:
    """Read ``"MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer``, from behind the word.

    An entry names one flag. A server that keeps one mod-sequence for all of them takes that (RFC 7162 3.1.5).
    """
    cursor.space()
    if cursor.peek() == b'"':
        cursor.string()
        cursor.space()
        if cursor.word() not in _TYPES:
            raise BadSyntax("Unknown type of entry")
        cursor.space()
    return (ModSeq(cursor.number(MAX_MODSEQ)),)
