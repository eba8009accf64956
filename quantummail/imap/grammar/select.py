"""The parameters of SELECT and EXAMINE (RFC 4466 2.1, RFC 7162 3.1.8 and 3.2.5)."""

from __future__ import annotations

from dataclasses import dataclass

from quantummail.imap.grammar.cursor import BadSyntax, Cursor
from quantummail.imap.grammar.sequence import SequenceSet, sequence_set

# mod-sequence-value = 1*DIGIT, below 2^63
MAX_MODSEQ = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class MatchData:
    """Message numbers and the UIDs that the client knows behind them, pair by pair."""

    numbers: SequenceSet
    uids: SequenceSet


@dataclass(frozen=True, slots=True)
class Resync:
    """What a client knows of a mailbox: ``QRESYNC (uidvalidity modseq [known-uids] [(numbers uids)])``."""

    uidvalidity: int
    modseq: int
    known: SequenceSet | None
    match: MatchData | None


@dataclass(frozen=True, slots=True)
class SelectParameters:
    """What stands in parentheses behind the mailbox."""

    condstore: bool = False
    resync: Resync | None = None


def select_parameters(cursor: Cursor) -> SelectParameters:
    """Read ``[SP "(" select-param *(SP select-param) ")"]``, up to the end.

    select-param =/ condstore-param / "QRESYNC" SP "(" uidvalidity SP mod-sequence-value
                    [SP known-uids] [SP seq-match-data] ")"
    """
    if cursor.at_end:
        return SelectParameters()
    cursor.space()
    cursor.expect(b"(")
    found = [_parameter(cursor)]
    while cursor.skip(b" "):
        found.append(_parameter(cursor))
    cursor.expect(b")")
    cursor.end()
    resyncs = [one for one in found if one is not None]
    if len(resyncs) > 1:
        raise BadSyntax("QRESYNC stands there twice")
    return SelectParameters(condstore=None in found, resync=resyncs[0] if resyncs else None)


def _parameter(cursor: Cursor) -> Resync | None:
    """One parameter: None for CONDSTORE, which has no value."""
    name = cursor.word()
    if name == "CONDSTORE":
        return None
    if name != "QRESYNC":
        raise BadSyntax("Unknown parameter")
    cursor.space()
    cursor.expect(b"(")
    uidvalidity = cursor.number()
    cursor.space()
    modseq = cursor.number(MAX_MODSEQ)
    if not uidvalidity or not modseq:
        # RFC 7162 section 7: both begin with 1
        raise BadSyntax("UIDVALIDITY and mod-sequence are never 0")
    known: SequenceSet | None = None
    match: MatchData | None = None
    if cursor.skip(b" "):
        if cursor.peek() != b"(":
            known = _plain_set(cursor)
            if cursor.skip(b" "):
                match = _match_data(cursor)
        else:
            match = _match_data(cursor)
    cursor.expect(b")")
    return Resync(uidvalidity, modseq, known, match)


def _match_data(cursor: Cursor) -> MatchData:
    cursor.expect(b"(")
    numbers = _plain_set(cursor)
    cursor.space()
    uids = _plain_set(cursor)
    cursor.expect(b")")
    if _count(numbers) != _count(uids):
        raise BadSyntax("As many UIDs as message numbers, please")
    return MatchData(numbers, uids)


def _plain_set(cursor: Cursor) -> SequenceSet:
    found = sequence_set(cursor)
    if found.star_from is not None:
        # RFC 7162 3.2.5.1, 3.2.5.2
        raise BadSyntax("'*' means nothing here")
    return found


def _count(numbers: SequenceSet) -> int:
    return sum(last - first + 1 for first, last in numbers.ranges)
