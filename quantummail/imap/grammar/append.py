"""The arguments of APPEND and REPLACE, which go on behind each literal (RFC 3501 6.3.11, RFC 3502, RFC 4469, RFC 8508).

Each line of the command is read as far as it has come: what it says are steps, of which the last may ask for octets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

from quantummail.imap.grammar import dates
from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.flags import flag_list
from quantummail.imap.grammar.mailbox import mailbox

if TYPE_CHECKING:
    from quantummail.imap.grammar.literals import Announced

# literal / literal8, at the end of the line
_LITERAL = re.compile(rb"~?\{\d{1,20}\+?\}\Z")
# Messages of one command, and parts of one message: what is kept of each is little
MAX_MESSAGES = 10_000
MAX_PARTS = 1000


@dataclass(frozen=True, slots=True)
class Begins:
    """A message begins."""

    flags: tuple[str, ...]
    internal_date: int | None
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Octets:
    """The octets that follow the line belong to the message."""

    literal: Announced
    alone: bool
    """Whether they are all of it."""


@dataclass(frozen=True, slots=True)
class Url:
    """The octets that an IMAP URL names belong to the message (RFC 4469)."""

    url: bytes


@dataclass(frozen=True, slots=True)
class UrlComes:
    """The octets that follow the line are such a URL."""

    literal: Announced


@dataclass(frozen=True, slots=True)
class Ends:
    """The message is whole."""


Step = Begins | Octets | Url | UrlComes | Ends


class _State(Enum):
    MESSAGE = auto()
    """Before a message."""
    LITERAL = auto()
    """Behind the one literal of a message."""
    PART = auto()
    """Before a part of CATENATE."""
    AFTER_PART = auto()


def append_mailbox(cursor: Cursor) -> str:
    """Read the mailbox, with the spaces around it."""
    cursor.space()
    name = mailbox(cursor)
    cursor.space()
    return name


class Messages:
    """The messages of one command, line by line.

    ``1*(SP append-opts SP append-data)``, of which the first space is read already; one message only where `many` is
    not said.
    """

    __slots__ = ("_count", "_many", "_offers", "_parts", "_state", "_utf8")

    def __init__(self, offers: Callable[[str], bool], *, many: bool) -> None:
        """`offers` says whether an extension is switched on."""
        self._offers = offers
        self._many = many
        self._state = _State.MESSAGE
        self._utf8 = False
        self._count = 0
        self._parts = 0

    def read(self, line: Cursor, literal: Announced | None) -> Iterator[Step]:
        """The steps of a line without its end, and of the literal that it announces."""
        while True:
            if self._utf8:
                line.expect(b")")
                self._utf8 = False
            if self._state is _State.LITERAL:
                self._state = _State.MESSAGE
                yield Ends()
            if self._state is _State.MESSAGE:
                if self._count and line.at_end:
                    return
                yield from self._message(line, literal)
            elif self._state is _State.PART:
                yield from self._part(line, literal)
            elif line.skip(b")"):
                self._state = _State.MESSAGE
                yield Ends()
            else:
                line.space()
                self._state = _State.PART
            if literal is not None and line.at_end:
                return

    def _message(self, line: Cursor, literal: Announced | None) -> Iterator[Step]:
        if self._count:
            # RFC 3502 section 6
            if not self._many:
                raise BadSyntax("Only one message at a time")
            line.space()
        self._count += 1
        if self._count > MAX_MESSAGES:
            raise LimitExceeded(f"At most {MAX_MESSAGES} messages at once")
        yield _options(line)
        if line.peek() in (b"{", b"~"):
            self._state = _State.LITERAL
            yield Octets(self._announced(line, literal), alone=True)
            return
        kind = line.word() if line.peek().isalpha() else ""
        if kind == "UTF8":
            # RFC 6855 section 4; RFC 9755 does without
            self._state = _State.LITERAL
            yield self._utf8_literal(line, literal, alone=True)
        elif kind == "CATENATE" and self._offers("CATENATE"):
            line.space()
            line.expect(b"(")
            self._state = _State.PART
            self._parts = 0
        else:
            raise BadSyntax("Expected the message as a literal")

    def _part(self, line: Cursor, literal: Announced | None) -> Iterator[Step]:
        # cat-part = text-literal / url, text-literal = "TEXT" SP literal, url = "URL" SP astring (RFC 4469 section 5)
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise LimitExceeded(f"At most {MAX_PARTS} parts of a message")
        kind = line.word()
        self._state = _State.AFTER_PART
        if kind == "UTF8":
            yield self._utf8_literal(line, literal, alone=False)
            return
        line.space()
        if kind == "TEXT":
            yield Octets(self._announced(line, literal), alone=False)
        elif kind != "URL":
            raise BadSyntax("Expected TEXT or URL")
        elif line.peek() == b"{":
            yield UrlComes(self._announced(line, literal))
        else:
            yield Url(line.astring())

    def _utf8_literal(self, line: Cursor, literal: Announced | None, *, alone: bool) -> Octets:
        if not self._offers("UTF8=ACCEPT"):
            raise BadSyntax("Expected the message as a literal")
        line.space()
        line.expect(b"(")
        self._utf8 = True
        return Octets(self._announced(line, literal), alone)

    def _announced(self, line: Cursor, literal: Announced | None) -> Announced:
        line.matching(_LITERAL, "Expected the message as a literal")
        if literal is None:
            # the announcement itself stands at the end of the command: no literal followed it
            raise BadSyntax("Expected the message as a literal")
        if literal.binary and not (self._offers("BINARY") or self._utf8):
            raise BadSyntax("Binary literals are not known here")
        return literal


def _options(line: Cursor) -> Begins:
    """Read ``[flag-list SP] [date-time SP]``."""
    flags: tuple[str, ...] = ()
    internal_date = None
    if line.peek() == b"(":
        flags = flag_list(line)
        line.space()
    if line.peek() == b'"':
        internal_date = dates.date_time(line)
        line.space()
    return Begins(flags, internal_date)
