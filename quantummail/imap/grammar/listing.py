"""The arguments of LIST and LSUB, extended (RFC 5258) or not (RFC 3501)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.mailbox import InvalidMailbox, decode
from quantummail.imap.grammar.patterns import ListPattern

MAX_PATTERNS = 100

ReturnReader = Callable[[Cursor], Any]
"""Reads what stands behind the name of a return option, with the space before it."""


@dataclass(frozen=True, slots=True)
class ListRequest:
    """What LIST asks for."""

    select: frozenset[str]
    """Selection options."""
    patterns: tuple[ListPattern, ...]
    """Those that a mailbox's name could match."""
    returns: Mapping[str, Any]
    """Return options, with what their readers gave."""
    extended: bool
    """Whether anything of RFC 5258 was used."""

    @property
    def asks_delimiter(self) -> bool:
        """Whether this is the request for the hierarchy delimiter (RFC 3501 6.3.8; not if extended: RFC 5258 3)."""
        return not self.extended and len(self.patterns) == 1 and not self.patterns[0].text


def list_request(cursor: Cursor, selections: frozenset[str], returns: Mapping[str, ReturnReader]) -> ListRequest:
    """Read ``[SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]``.

    `selections` and `returns` are the options that are known; others are an error (RFC 5258 section 3). Without any
    `returns` nothing of RFC 5258 is taken.
    """
    cursor.space()
    select: frozenset[str] = frozenset()
    extended = bool(returns) and cursor.peek() == b"("
    if extended:
        select = _selection(cursor, selections)
        cursor.space()
    reference = cursor.astring()
    cursor.space()
    if returns and cursor.peek() == b"(":
        extended = True
        texts = _patterns(cursor)
    else:
        texts = [cursor.list_mailbox()]
    wanted: dict[str, Any] = {}
    if returns and not cursor.at_end:
        extended = True
        cursor.space()
        wanted = _returns(cursor, returns)
    cursor.end()
    patterns = [found for text in texts if (found := _pattern(cursor, reference, text, extended)) is not None]
    return ListRequest(select, tuple(patterns), wanted, extended)


def _selection(cursor: Cursor, known: frozenset[str]) -> frozenset[str]:
    cursor.expect(b"(")
    names: list[str] = []
    while not cursor.skip(b")"):
        if names:
            cursor.space()
        names.append(cursor.word())
        if names[-1] not in known:
            raise BadSyntax("Unknown selection option")
    # RFC 5258 section 6: only a list-select-base-opt has something that can be matched recursively
    if "RECURSIVEMATCH" in names and "SUBSCRIBED" not in names:
        raise BadSyntax("RECURSIVEMATCH needs another selection option")
    return frozenset(names)


def _patterns(cursor: Cursor) -> list[bytes]:
    """Read ``"(" list-mailbox *(SP list-mailbox) ")"``."""
    cursor.expect(b"(")
    found = [cursor.list_mailbox()]
    while cursor.skip(b" "):
        found.append(cursor.list_mailbox())
        if len(found) > MAX_PATTERNS:
            raise LimitExceeded(f"At most {MAX_PATTERNS} patterns")
    cursor.expect(b")")
    return found


def _returns(cursor: Cursor, known: Mapping[str, ReturnReader]) -> dict[str, Any]:
    """Read ``"RETURN" SP "(" [return-option *(SP return-option)] ")"``."""
    if cursor.word() != "RETURN":
        raise BadSyntax("Expected RETURN")
    cursor.space()
    cursor.expect(b"(")
    found: dict[str, Any] = {}
    while not cursor.skip(b")"):
        if found:
            cursor.space()
        name = cursor.word()
        if name not in known:
            raise BadSyntax("Unknown return option")
        found[name] = known[name](cursor)
    return found


def _pattern(cursor: Cursor, reference: bytes, text: bytes, extended: bool) -> ListPattern | None:
    """Reference and pattern as one pattern; None if no mailbox can have such a name."""
    if not text:
        # RFC 5258 section 3: in the extended form an empty pattern matches nothing
        return None if extended else ListPattern("")
    try:
        # The reference is what the name begins with; a pattern does not break out of it
        return ListPattern(decode(reference, utf8=cursor.utf8) + decode(text, utf8=cursor.utf8))
    except InvalidMailbox:
        return None
