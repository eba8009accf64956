"""What another server says: its replies, and what it offers. Knows no transport."""

from __future__ import annotations

import re
from dataclasses import dataclass

from quantummail.wire.lines import LineBuffer, LineTooLong

# RFC 5321 4.5.3.1.5 says 512 octets; longer lines are read, endless ones are not
MAX_REPLY_LINE = 4096
MAX_REPLY = 64 * 1024

# RFC 5321 4.2:
#   Reply-line     = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
#   Reply-code     = %x32-35 %x30-35 %x30-39
# Departure: any second digit, and nothing or a tab behind the last code, as some servers answer
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([- \t])(.*))?", re.DOTALL)
# RFC 2034 4, RFC 3463 2:  status-code = class "." subject "." detail
_STATUS = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:[ \t]+|\Z)")


@dataclass(frozen=True, slots=True)
class RemoteReply:
    """One reply of another server; `text` has its lines separated by LF, without the codes."""

    code: int
    status: str
    """The enhanced status code (RFC 3463), empty where none was given."""
    text: str

    @property
    def positive(self) -> bool:
        """Whether the command was accepted (2yz, 3yz)."""
        return self.code < 400

    @property
    def permanent(self) -> bool:
        """Whether it is no use to try again (5yz)."""
        return self.code >= 500

    def __str__(self) -> str:
        words = " ".join(self.text.split("\n"))
        return f"{self.code} {self.status} {words}" if self.status else f"{self.code} {words}"


class BadReply(Exception):
    """The other side does not speak SMTP. The text says what came."""


class ReplyReader:
    """Replies out of the octets that come in."""

    __slots__ = ("_buffer", "_code", "_lines", "_size")

    def __init__(self) -> None:
        self._buffer = LineBuffer()
        self._code = 0
        self._lines: list[str] = []
        self._size = 0

    @property
    def pending(self) -> bool:
        """Whether something has come that is no whole reply yet."""
        return bool(len(self._buffer) or self._lines)

    def feed(self, data: bytes) -> None:
        """Append what the transport brought."""
        self._buffer.feed(data)

    def next(self) -> RemoteReply | None:
        """The next reply, or None while it is incomplete. `BadReply` for what is none."""
        while True:
            waiting = len(self._buffer)
            try:
                line = self._buffer.take_line(MAX_REPLY_LINE)
            except LineTooLong:
                raise BadReply("a reply with an endless line") from None
            if line is None:
                if waiting > MAX_REPLY_LINE:
                    raise BadReply("a reply with an endless line")
                return None
            reply = self._line(line.rstrip(b"\r\n"))
            if reply is not None:
                return reply

    def _line(self, line: bytes) -> RemoteReply | None:
        found = _LINE.fullmatch(line)
        if found is None:
            raise BadReply(f"no SMTP reply: {printable(line[:80].decode('utf-8', 'replace'))!r}")
        code, text = int(found[1]), printable((found[3] or b"").decode("utf-8", "replace"))
        if self._lines and code != self._code:
            # RFC 5321 4.2.1: all lines of a reply have the same code
            raise BadReply(f"a reply that is {self._code} and {code} at once")
        self._code = code
        self._lines.append(text)
        self._size += len(line)
        if self._size > MAX_REPLY:
            raise BadReply("an endless reply")
        if found[2] == b"-":
            return None
        lines, self._lines, self._size = self._lines, [], 0
        return _reply(code, lines)


def _reply(code: int, lines: list[str]) -> RemoteReply:
    status = _STATUS.match(lines[-1])
    # RFC 2034 4: the class of the status is that of the reply
    if status is None or status[1][0] != str(code)[0]:
        return RemoteReply(code, "", "\n".join(lines))
    stripped = [line[found.end():] if (found := _STATUS.match(line)) else line for line in lines]
    return RemoteReply(code, status[1], "\n".join(stripped))


def printable(text: str) -> str:
    """Another server's words, fit for logs, reports and terminals."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "?" for character in text)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server said it can do (EHLO, RFC 5321 4.1.1.1)."""

    name: str = ""
    """What it calls itself."""
    extended: bool = False
    """It knows EHLO."""
    keywords: frozenset[str] = frozenset()
    size: int = 0
    """The largest message it takes (RFC 1870), 0 when it does not say."""
    mechanisms: frozenset[str] = frozenset()
    """SASL mechanisms (RFC 4954)."""
    most_recipients: int = 0
    """RCPTMAX of RFC 9422, 0 when it does not say."""
    most_mails: int = 0
    """MAILMAX of RFC 9422, 0 when it does not say."""

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords


def offer_of(reply: RemoteReply, *, extended: bool) -> Offer:
    """Read the answer to EHLO, LHLO or HELO. What cannot be read is passed over."""
    first, *rest = reply.text.split("\n")
    keywords: dict[str, list[str]] = {}
    if extended:
        for line in rest:
            # AUTH=LOGIN: what servers said before RFC 4954
            words = line.replace("AUTH=", "AUTH ", 1).split() if line.upper().startswith("AUTH=") else line.split()
            if words:
                keywords.setdefault(words[0].upper(), []).extend(word.upper() for word in words[1:])
    limits = dict(pair for word in keywords.get("LIMITS", ()) if len(pair := word.split("=", 1)) == 2)
    return Offer(
        first.split(" ")[0], extended, frozenset(keywords), _number(next(iter(keywords.get("SIZE", ())), "")),
        frozenset(keywords.get("AUTH", ())), _number(limits.get("RCPTMAX", "")), _number(limits.get("MAILMAX", "")),
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
