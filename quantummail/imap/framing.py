"""Where a command ends: lines and literals of one client, collected within the limits of its state. Knows no transport.

RFC 3501 2.2.1 and 4.3, RFC 7888. The octets of a command are counted before they are asked for or kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from quantummail.imap.grammar.literals import announced
from quantummail.wire.lines import LineBuffer, LineTooLong

_IDENTIFICATION = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\+]{1,64} ID ", re.IGNORECASE)
_LEADING_TAG = re.compile(rb"([^\x00-\x20\x7f-\xff(){%*\"\\+]{1,64})[ \r\n]")


@dataclass(frozen=True, slots=True)
class FramingLimits:
    """How much one command may bring along."""

    line: int
    """Octets of all lines of a command."""
    literal: int
    """Octets of one literal."""
    literals: int
    """Octets of all literals."""
    count: int
    """Literals."""
    swallowed: int
    """Octets of refused LITERAL+ literals that are read over; beyond that the connection ends."""
    unasked: int | None = None
    """Octets of a literal that may come without being asked for: None for any number, below 0 for none at all."""
    identification: int = 0
    """Octets of all lines of an ID command, where that is more than `line`."""


MAX_LITERAL_MINUS = 4096

# RFC 2971 3.3: 30 pairs of at most 30 and 1024 octets
BEFORE_LOGIN = FramingLimits(8 * 1024, 8 * 1024, 8 * 1024, 8, 64 * 1024, identification=32 * 1024)
AFTER_LOGIN = FramingLimits(64 * 1024, 100_000, 1_000_000, 1000, 64 * 1024 * 1024)


@dataclass(frozen=True, slots=True)
class Command:
    """A whole command, without the end of its last line."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Upload:
    """A command whose last literal is to be streamed: its octets are still to come (and to be asked for)."""

    text: bytes
    """Up to and with the announcement of the literal, without the end of the line."""
    size: int
    synchronizing: bool


@dataclass(frozen=True, slots=True)
class Continue:
    """The client waits for ``+``; it has been counted, so send it and go on."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A command that is not taken. The stream is at the beginning of the next one."""

    tag: str
    """Empty when it is not known."""
    response: str
    """BAD or NO."""
    text: str


@dataclass(frozen=True, slots=True)
class Hopeless:
    """The client is about to send more than we read over: BYE."""

    text: str


Event = Command | Upload | Continue | Refused | Hopeless


class CommandReader:
    """Collects one command after the other."""

    __slots__ = ("_counted", "_lines", "_octets", "_parts", "_refusal", "_remaining", "_swallowed", "limits", "streams")

    def __init__(self, limits: FramingLimits, streams: Callable[[bytes], bool] | None = None) -> None:
        """`streams` says of a command's text up to an announced literal whether that literal is streamed."""
        self.limits = limits
        self.streams = streams
        self._parts: list[bytes] = []
        self._counted = 0
        self._lines = 0
        self._octets = 0
        self._remaining = 0
        self._refusal: Refused | None = None
        self._swallowed = 0

    @property
    def between_commands(self) -> bool:
        """Whether nothing of a command is there yet."""
        return not self._parts and not self._remaining and self._refusal is None

    def next(self, buffer: LineBuffer) -> Event | None:
        """The next event, or None when more input is needed."""
        while True:
            if self._remaining:
                data = buffer.take(self._remaining)
                if not data:
                    return None
                self._remaining -= len(data)
                if self._refusal is None:
                    self._parts.append(data)
                continue
            try:
                line = buffer.take_line(self._allowed(buffer))
            except LineTooLong as error:
                event = self._too_long(error)
            else:
                if line is None:
                    return None
                event = self._line(line)
            if event is not None:
                return event

    def _allowed(self, buffer: LineBuffer) -> int:
        """How long the next line may be."""
        limit = self.limits.line
        if limit < self.limits.identification:
            begins = _IDENTIFICATION.match(self._parts[0]) if self._parts else buffer.match(_IDENTIFICATION)
            if begins:
                limit = self.limits.identification
        return max(limit - self._lines, 1)

    def refuse(self, size: int, refusal: Refused) -> Event | None:
        """Read over the octets of a LITERAL+ upload and the rest of its command, then tell the refusal."""
        self._refusal = refusal
        return self._swallow(size)

    def _line(self, line: bytes) -> Event | None:
        self._lines += len(line)
        literal = announced(line)
        if self._refusal is not None:
            return self._over(line)
        if literal is None:
            text = b"".join([*self._parts, line[:-2] if line.endswith(b"\r\n") else line[:-1]])
            self._reset()
            return Command(text)
        if not literal.synchronizing and self.limits.unasked is not None and literal.size > self.limits.unasked:
            # RFC 7888 section 5: with LITERAL- a client does not send more than that without asking
            self._refusal = Refused(tag_of((self._parts or [line])[0]), "BAD", "[TOOBIG] Literal has to be asked for")
            return self._swallow(literal.size)
        if self.streams is not None and self._counted < 2:
            text = b"".join([*self._parts, line.rstrip(b"\r\n")])
            if self.streams(text):
                self._reset()
                return Upload(text, literal.size, literal.synchronizing)
        self._parts.append(line)
        limits = self.limits
        self._counted += 1
        if literal.size > limits.literal or self._counted > limits.count or (
            self._octets + literal.size > limits.literals
        ):
            refusal = Refused(tag_of(self._parts[0]), "BAD", "[TOOBIG] Literal too large")
            if literal.synchronizing:
                # RFC 3501 4.3: the client has sent nothing yet, and sends nothing after this
                self._reset()
                return refusal
            self._refusal = refusal
            return self._swallow(literal.size)
        self._octets += literal.size
        self._remaining = literal.size
        return Continue() if literal.synchronizing else None

    def _over(self, line: bytes) -> Event | None:
        """A line of a command that is refused already."""
        literal = announced(line)
        if literal is None or literal.synchronizing:
            refusal = self._refusal
            self._reset()
            return refusal
        return self._swallow(literal.size)

    def _swallow(self, size: int) -> Event | None:
        # RFC 7888 section 4: read the literal over, or end the connection
        self._parts.clear()
        self._swallowed += size
        self._lines = 0
        if self._swallowed > self.limits.swallowed:
            return Hopeless("Literal too large")
        self._remaining = size
        return None

    def _too_long(self, error: LineTooLong) -> Event | None:
        if self._refusal is None:
            head = self._parts[0] if self._parts else error.head
            self._refusal = Refused(tag_of(head), "BAD", "Command line too long")
        return self._over(error.tail)

    def _reset(self) -> None:
        self._parts = []
        self._counted = self._lines = self._octets = self._remaining = self._swallowed = 0
        self._refusal = None


def tag_of(text: bytes) -> str:
    """The tag that a command begins with, empty if it has none."""
    found = _LEADING_TAG.match(text)
    return found[1].decode("ascii") if found else ""
