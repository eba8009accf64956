"""A POP3 dialogue without passwords, SASL messages and mail: what `quantummail record` keeps."""

from __future__ import annotations

from collections import deque

from quantummail.wire.transcript import Side, Write, octets, readable

# Commands whose positive response has lines behind it; with an argument some of them have none
_LINES = frozenset({b"CAPA", b"LIST", b"UIDL", b"AUTH"})
_MAIL = frozenset({b"RETR", b"TOP"})


class Pop3Redaction:
    """See `quantummail.wire.transcript.Redaction`."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._client = Side(self._client_line, _nothing)
        self._server = Side(self._server_line, _nothing)
        self._unanswered: deque[bytes] = deque()
        self._asks = False
        """Whether an AUTH goes on."""
        self._below = b""
        """What the lines of a response are that comes."""
        self._counted = 0

    def heard(self, data: bytes) -> None:
        """The client has sent this."""
        self._client.feed(data)

    def said(self, data: bytes) -> None:
        """We have sent this."""
        self._server.feed(data)

    def _client_line(self, line: bytes, length: int) -> None:
        if self._asks:
            self._write("C", "*" if line == b"*" else octets(length))
            return
        verb, _, rest = line.partition(b" ")
        verb = verb.upper()
        self._unanswered.append(verb if not rest or verb in _MAIL else b"")
        text = readable(line, length)
        if verb in (b"PASS", b"APOP"):
            text = f"{verb.decode()} {octets(length - len(verb) - 1)}"
        elif verb == b"AUTH" and rest:
            self._asks = True
            mechanism, blank, initial = rest.partition(b" ")
            text = f"AUTH {readable(mechanism, 0)}" + (f" {octets(len(initial))}" if blank else "")
        self._write("C", text)

    def _server_line(self, line: bytes, length: int) -> None:
        if self._below:
            self._line_below(line, length)
            return
        if self._asks and line.startswith(b"+ "):
            self._write("S", f"+ {octets(length - 2)}")
            return
        self._asks = False
        verb = self._unanswered.popleft() if self._unanswered else b""
        self._write("S", readable(line, length))
        if line.startswith(b"+OK") and (verb in _LINES or verb in _MAIL):
            self._below = verb
            self._counted = 0

    def _line_below(self, line: bytes, length: int) -> None:
        if line == b".":
            if self._below in _MAIL:
                self._write("S", octets(self._counted))
            self._write("S", ".")
            self._below = b""
        elif self._below in _MAIL:
            self._counted += length + 2
        else:
            self._write("S", readable(line, length))


def _nothing(_size: int) -> None:
    """POP3 has no counted octets."""
