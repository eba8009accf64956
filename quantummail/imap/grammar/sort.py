"""SORT's criteria and THREAD's algorithms (RFC 5256 section 5, RFC 5957 section 4)."""

from __future__ import annotations

from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded

_MAX_CRITERIA = 16
KEYS = frozenset(("ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO"))
DISPLAY_KEYS = frozenset(("DISPLAYFROM", "DISPLAYTO"))


def sort_criteria(cursor: Cursor, keys: frozenset[str]) -> tuple[tuple[str, bool], ...]:
    """Read ``"(" sort-criterion *(SP sort-criterion) ")"``: keys, and whether each is turned by REVERSE.

    A key that was there already decides nothing, and is left out.
    """
    cursor.expect(b"(")
    found: dict[str, bool] = {}
    for _ in range(_MAX_CRITERIA):
        key = cursor.word()
        reverse = key == "REVERSE"
        if reverse:
            cursor.space()
            key = cursor.word()
        if key not in keys:
            raise BadSyntax("Unknown sort criterion")
        found.setdefault(key, reverse)
        if cursor.skip(b")"):
            return tuple(found.items())
        cursor.space()
    raise LimitExceeded(f"At most {_MAX_CRITERIA} sort criteria")
