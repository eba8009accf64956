"""What SEARCH looks for: keys, with NOT and OR in any nesting, read without recursion (RFC 3501 6.4.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from quantummail.imap.grammar import dates
from quantummail.imap.grammar.charsets import BadCharset, search_codec
from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.flags import keyword
from quantummail.imap.grammar.sequence import SequenceSet, sequence_set

MAX_KEYS = 64
MAX_DEPTH = 16
MAX_TEXT = 1024


@dataclass(frozen=True, slots=True)
class All:
    """Every message."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Messages with these numbers."""

    set: SequenceSet


@dataclass(frozen=True, slots=True)
class Uids:
    """Messages with these UIDs."""

    set: SequenceSet


@dataclass(frozen=True, slots=True)
class Recent:
    """Messages that are \\Recent in this session."""


@dataclass(frozen=True, slots=True)
class Flagged:
    """Messages with a flag or keyword."""

    name: str


@dataclass(frozen=True, slots=True)
class InternalDate:
    """Messages that arrived on a day from `first` to `last` (days since the epoch, both included)."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Within:
    """Messages that arrived at least (`older`) or at most so many seconds ago (RFC 5032)."""

    seconds: int
    older: bool


@dataclass(frozen=True, slots=True)
class SentDate:
    """Messages whose Date header has a day from `first` to `last`."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Size:
    """Messages of `smallest` to `largest` octets."""

    smallest: int
    largest: int


@dataclass(frozen=True, slots=True)
class Header:
    """Messages with a header field of this name that contains this text (any field if the text is empty)."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """Messages with this text in the header or the body."""

    text: str


@dataclass(frozen=True, slots=True)
class Body:
    """Messages with this text in the body."""

    text: str


@dataclass(frozen=True, slots=True)
class Not:
    """Operator: turns the value before it."""


@dataclass(frozen=True, slots=True)
class Or:
    """Operator: one of the two values before it."""


@dataclass(frozen=True, slots=True)
class And:
    """Operator: all of the `count` values before it."""

    count: int


EARLIEST, LATEST = -(1 << 62), 1 << 62
Program = tuple[object, ...]
"""Keys and operators in postfix order."""
Reader = Callable[[Cursor, str], Program]
"""Reads the arguments of one key; the second argument is the codec of its strings."""


@dataclass(frozen=True, slots=True)
class Query:
    """A whole SEARCH."""

    program: Program


class _Open:
    """An operator whose operands are still coming: NOT, OR, a parenthesis, or the whole query."""

    __slots__ = ("count", "kind")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.count = 0


def search_query(cursor: Cursor) -> Query:
    """Read ``["CHARSET" SP astring SP] search-key *(SP search-key)``, up to the end."""
    codec = _named_charset(cursor)
    query = Query(search_program(cursor, codec))
    cursor.end()
    return query


def search_with_charset(cursor: Cursor) -> Query:
    """Read ``charset SP search-key *(SP search-key)``, up to the end, as in SORT and THREAD (RFC 5256 section 3)."""
    name = cursor.astring().decode("ascii", "replace")
    cursor.space()
    query = Query(search_program(cursor, search_codec(name)))
    cursor.end()
    return query


def _named_charset(cursor: Cursor) -> str:
    # RFC 9755 section 3, RFC 9051 6.4.4: UTF-8 once it is enabled
    codec = "utf-8" if cursor.utf8 else "ascii"
    start = cursor.position
    if cursor.peek() not in (b"(", b'"', b"{", b"*") and cursor.word() == "CHARSET":
        cursor.space()
        name = cursor.astring().decode("ascii", "replace")
        cursor.space()
        codec = search_codec(name)
    else:
        cursor.position = start
    return codec


def search_program(cursor: Cursor, codec: str) -> Program:
    """Read keys up to the end of the command."""
    program: list[object] = []
    stack = [_Open("all")]
    keys = 0
    while True:
        if _open(cursor, stack):
            continue
        keys += 1
        if keys > MAX_KEYS:
            raise LimitExceeded(f"At most {MAX_KEYS} search keys")
        program += _leaf(cursor, codec)
        _completed(stack, program)
        while cursor.peek() == b")" and len(stack) > 1:
            cursor.expect(b")")
            _close(stack, program)
        if cursor.at_end:
            break
        cursor.space()
    if len(stack) > 1:
        raise BadSyntax("Unfinished search key")
    if stack[0].count > 1:
        program.append(And(stack[0].count))
    return tuple(program)


def _open(cursor: Cursor, stack: list[_Open]) -> bool:
    """Read the beginning of a nested key, if there is one."""
    if cursor.skip(b"("):
        kind = "("
    else:
        start = cursor.position
        letters = cursor.data[start : start + 4].upper()
        if letters == b"NOT ":
            kind, cursor.position = "not", start + 4
        elif letters[:3] == b"OR ":
            kind, cursor.position = "or", start + 3
        else:
            return False
    stack.append(_Open(kind))
    if len(stack) > MAX_DEPTH:
        raise LimitExceeded(f"Search keys are nested more than {MAX_DEPTH} deep")
    return True


def _completed(stack: list[_Open], program: list[object]) -> None:
    """One operand is complete: so may be the operators that waited for it."""
    while True:
        top = stack[-1]
        top.count += 1
        if top.kind == "not":
            program.append(Not())
        elif top.kind == "or" and top.count == 2:
            program.append(Or())
        else:
            return
        stack.pop()


def _close(stack: list[_Open], program: list[object]) -> None:
    top = stack.pop()
    if top.kind != "(":
        raise BadSyntax("Unfinished search key")
    if top.count > 1:
        program.append(And(top.count))
    _completed(stack, program)


def _leaf(cursor: Cursor, codec: str) -> Program:
    if cursor.peek().isdigit() or cursor.peek() in (b"*", b"$"):
        return (Numbers(sequence_set(cursor)),)
    reader = READERS.get(cursor.word())
    if reader is None:
        raise BadSyntax("Unknown search key")
    return reader(cursor, codec)


def search_text(cursor: Cursor, codec: str) -> str:
    """Read the text of a key."""
    cursor.space()
    octets = cursor.astring()
    if len(octets) > MAX_TEXT:
        raise LimitExceeded(f"A search text has at most {MAX_TEXT} octets")
    try:
        return octets.decode(codec)
    except UnicodeDecodeError:
        if codec == "ascii":
            # Without CHARSET the strings are US-ASCII (RFC 3501 6.4.4): the client is told which sets it could name
            raise BadCharset("US-ASCII") from None
        raise BadSyntax("Text does not fit its character set") from None


def _flag(name: str, *, wanted: bool = True) -> Reader:
    program: Program = (Flagged(name),) if wanted else (Flagged(name), Not())
    return lambda _cursor, _codec: program


def _constant(*program: object) -> Reader:
    return lambda _cursor, _codec: program


def _keyword(cursor: Cursor, _codec: str) -> Program:
    cursor.space()
    return (Flagged(keyword(cursor)),)


def _unkeyword(cursor: Cursor, codec: str) -> Program:
    return (*_keyword(cursor, codec), Not())


def _uid(cursor: Cursor, _codec: str) -> Program:
    cursor.space()
    return (Uids(sequence_set(cursor)),)


def _days(kind: type[InternalDate | SentDate], relation: str) -> Reader:
    def read(cursor: Cursor, _codec: str) -> Program:
        cursor.space()
        day = dates.day(cursor)
        first, last = {"before": (EARLIEST, day - 1), "on": (day, day), "since": (day, LATEST)}[relation]
        return (kind(first, last),)

    return read


def _larger(cursor: Cursor, _codec: str) -> Program:
    cursor.space()
    return (Size(cursor.number() + 1, LATEST),)


def _smaller(cursor: Cursor, _codec: str) -> Program:
    cursor.space()
    return (Size(0, cursor.number() - 1),)


def _within(*, older: bool) -> Reader:
    def read(cursor: Cursor, _codec: str) -> Program:
        cursor.space()
        seconds = cursor.number()
        if not seconds:
            # RFC 5032 section 4: the interval is an nz-number
            raise BadSyntax("The interval must not be zero")
        return (Within(seconds, older),)

    return read


def _address(name: str) -> Reader:
    return lambda cursor, codec: (Header(name, search_text(cursor, codec)),)


def _header(cursor: Cursor, codec: str) -> Program:
    cursor.space()
    name = cursor.astring().decode("ascii", "replace")
    return (Header(name, search_text(cursor, codec)),)


READERS: dict[str, Reader] = {
    "ALL": _constant(All()),
    "ANSWERED": _flag("\\Answered"),
    "BCC": _address("Bcc"),
    "BEFORE": _days(InternalDate, "before"),
    "BODY": lambda cursor, codec: (Body(search_text(cursor, codec)),),
    "CC": _address("Cc"),
    "DELETED": _flag("\\Deleted"),
    "DRAFT": _flag("\\Draft"),
    "FLAGGED": _flag("\\Flagged"),
    "FROM": _address("From"),
    "HEADER": _header,
    "KEYWORD": _keyword,
    "LARGER": _larger,
    "NEW": _constant(Recent(), Flagged("\\Seen"), Not(), And(2)),
    "OLD": _constant(Recent(), Not()),
    "OLDER": _within(older=True),
    "ON": _days(InternalDate, "on"),
    "RECENT": _constant(Recent()),
    "SEEN": _flag("\\Seen"),
    "SENTBEFORE": _days(SentDate, "before"),
    "SENTON": _days(SentDate, "on"),
    "SENTSINCE": _days(SentDate, "since"),
    "SINCE": _days(InternalDate, "since"),
    "SMALLER": _smaller,
    "SUBJECT": _address("Subject"),
    "TEXT": lambda cursor, codec: (Text(search_text(cursor, codec)),),
    "TO": _address("To"),
    "UID": _uid,
    "UNANSWERED": _flag("\\Answered", wanted=False),
    "UNDELETED": _flag("\\Deleted", wanted=False),
    "UNDRAFT": _flag("\\Draft", wanted=False),
    "UNFLAGGED": _flag("\\Flagged", wanted=False),
    "UNKEYWORD": _unkeyword,
    "UNSEEN": _flag("\\Seen", wanted=False),
    "YOUNGER": _within(older=False),
}
"""Keys by name. An extension adds its own."""
