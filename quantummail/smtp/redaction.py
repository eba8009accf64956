"""An SMTP dialogue without passwords, SASL messages and mail: what `quantummail record` keeps."""

from __future__ import annotations

import re
from collections import deque

from quantummail.wire.transcript import MAX_HELD, Side, Write, octets, readable

_BDAT = re.compile(rb"BDAT +(\d{1,18})(?: |$)", re.IGNORECASE)
_AUTH = re.compile(rb"AUTH +([^ ]+)(?: +(.*))?", re.IGNORECASE | re.DOTALL)


class SmtpRedaction:
    """See `quantummail.wire.transcript.Redaction`."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._client = Side(self._client_line, self._chunk)
        self._server = Side(self._server_line, self._chunk)
        self._asks = False
        """Whether an AUTH goes on."""
        self._unanswered: deque[bytes] = deque()
        """Commands, in capitals."""
        self._asked_data = False
        """Whether DATA waits for its answer: what comes then is mail, or are commands."""
        self._held = b""
        self._content = False
        self._counted = 0
        self._tail = b""

    def heard(self, data: bytes) -> None:
        """The client has sent this."""
        if self._content:
            data = self._rest_of(data)
        if self._asked_data:
            self._held += data[: MAX_HELD - len(self._held)]
            return
        done = self._client.feed(data, stop=lambda: self._asked_data)
        if self._asked_data:
            self._held = data[done:]

    def said(self, data: bytes) -> None:
        """We have sent this."""
        self._server.feed(data)

    def _client_line(self, line: bytes, length: int) -> None:
        if self._asks:
            self._write("C", "*" if line == b"*" else octets(length))
            return
        chunk, auth = _BDAT.match(line), _AUTH.fullmatch(line)
        text = readable(line, length)
        if auth is not None:
            self._asks = True
            text = f"AUTH {readable(auth[1], 0)}" + (f" {octets(len(auth[2]))}" if auth[2] else "")
        self._write("C", text)
        self._unanswered.append(line.strip().upper())
        if chunk is not None:
            self._client.skip(int(chunk[1]))
        elif line.strip().upper() == b"DATA":
            self._asked_data = True

    def _chunk(self, size: int) -> None:
        self._write("C", octets(size))

    def _server_line(self, line: bytes, length: int) -> None:
        if self._asks:
            if line.startswith(b"334"):
                self._write("S", f"334 {octets(max(length - 4, 0))}")
                return
            self._asks = False
        self._write("S", readable(line, length))
        if line[3:4] == b"-":
            return
        answered = self._unanswered.popleft() if self._unanswered else b""
        if self._asked_data and (answered == b"DATA" or line.startswith(b"354")):
            self._data_answered(positive=line.startswith(b"354"))

    def _data_answered(self, *, positive: bool) -> None:
        self._asked_data = False
        held, self._held = self._held, b""
        if positive:
            self._content = True
            self._counted = 0
            # the line that ended the command before is the one before the first of the message
            self._tail = b"\r\n"
        if held:
            self.heard(held)

    def _rest_of(self, data: bytes) -> bytes:
        """Count the octets of a message; what follows it (RFC 5321 4.1.1.4)."""
        seen = self._tail + data
        end = seen.find(b"\r\n.\r\n")
        if end < 0:
            self._counted += len(data)
            self._tail = seen[-4:]
            return b""
        used = end + 5 - len(self._tail)
        self._content = False
        self._unanswered.append(b".")
        self._write("C", octets(self._counted + used))
        return data[used:]
