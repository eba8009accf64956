"""An IMAP dialogue without passwords, SASL messages, literals and previews: what `quantummail record` keeps."""

from __future__ import annotations

import re

from quantummail.imap.grammar.literals import announced
from quantummail.wire.transcript import Side, Write, octets, readable

_COMMAND = re.compile(rb"([^ \r\n]+) (LOGIN|AUTHENTICATE)(?: +([^ \r\n]+))?", re.IGNORECASE)
_QUOTED = rb'"((?:\\.|[^"\\])*)"?'
_STATUS = re.compile(rb"\* (?:OK|NO|BAD|BYE|PREAUTH)\b|[^*]")
# Content as a string; as a literal it is left out anyway
_CONTENT = re.compile(rb"((?:BODY|BINARY)\[[^\]]*\](?:<\d+>)?|PREVIEW|RFC822(?:\.TEXT|\.HEADER)?) " + _QUOTED)


class ImapRedaction:
    """See `quantummail.wire.transcript.Redaction`."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._client = Side(self._client_line, self._client_literal)
        self._server = Side(self._server_line, self._server_literal)
        self._tag = b""
        """Of the command that the client is sending, or has sent last."""
        self._continues = False
        """Whether the next line of the client goes on with a command, behind a literal."""
        self._secret = False
        """Whether the command is LOGIN."""
        self._asks = ""
        """The mechanism of an AUTHENTICATE that goes on."""
        self._waiting: int | None = None
        """The size of a literal that the client wants to be asked for."""
        self._server_continues = False

    def heard(self, data: bytes) -> None:
        """The client has sent this."""
        if self._waiting is not None:
            # not asked for yet: whatever it is, a literal is what it should be
            self._begin_literal()
        self._client.feed(data)

    def said(self, data: bytes) -> None:
        """We have sent this."""
        self._server.feed(data)

    def _client_line(self, line: bytes, length: int) -> None:
        if self._asks:
            self._write("C", "*" if line == b"*" else octets(length))
            return
        literal = announced(line + b"\r\n")
        if self._continues:
            text = octets(length) if self._secret else readable(line, length)
        else:
            text = self._begin(line, length)
        self._write("C", text)
        self._continues = literal is not None
        if literal is None:
            self._secret = False
        elif literal.synchronizing:
            self._waiting = literal.size
        else:
            self._client.skip(literal.size)

    def _begin(self, line: bytes, length: int) -> str:
        self._tag = line.partition(b" ")[0]
        found = _COMMAND.match(line)
        if found is None:
            return readable(line, length)
        head = f"{readable(found[1], 0)} {found[2].decode().upper()}"
        if found[2].upper() == b"LOGIN":
            self._secret = True
            return f"{head} {octets(length - len(found[1]) - 7)}"
        if found[3] is None:
            return head
        self._asks = readable(found[3], 0)
        rest = len(line) - found.end()
        return f"{head} {self._asks} {octets(rest - 1)}" if rest > 1 else f"{head} {self._asks}"

    def _begin_literal(self) -> None:
        size, self._waiting = self._waiting, None
        self._client.skip(size or 0)

    def _client_literal(self, size: int) -> None:
        self._write("C", octets(size))

    def _server_line(self, line: bytes, length: int) -> None:
        if line.startswith(b"+"):
            if self._asks:
                self._write("S", f"+ {octets(length - 2)}")
                return
            if self._waiting is not None:
                self._begin_literal()
        elif self._tag and line.startswith(self._tag + b" "):
            # the command is over, whether its literal was wanted or not
            self._asks = ""
            if self._waiting is not None:
                self._waiting = None
                self._continues = self._secret = False
        shown = _CONTENT.sub(lambda found: found[1] + b" " + octets(len(found[2])).encode(), line)
        self._write("S", readable(shown, length))
        # RFC 3501 7.1: the texts of these may end like an announcement
        literal = announced(line + b"\r\n") if self._server_continues or not _STATUS.match(line) else None
        self._server_continues = literal is not None
        if literal is not None:
            self._server.skip(literal.size)

    def _server_literal(self, size: int) -> None:
        self._write("S", octets(size))
