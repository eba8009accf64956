"""The octets of a message as DATA and BDAT bring them: chunks in, clean blocks out, nothing kept.

Both readers swallow everything up to the real end, whatever they find on the way: `refusal` says why the message
cannot be taken, and from then on the blocks are empty. Only CRLF.CRLF ends DATA (RFC 5321 4.1.1.4). A CR or LF that
stands alone is refused, or made a CRLF with `normalize`: elsewhere it may count as the end of a line, and of the
message ("SMTP smuggling", CVE-2023-51764). NUL is refused: neither 7bit nor 8bit content has it (RFC 2045 2.7, 2.8),
and no literal of IMAP can carry it (RFC 3501 4.3.1).
"""

from __future__ import annotations

import re

from quantummail.smtp.reply import Reply

_END = b"\r\n.\r\n"
_BEGINNINGS_OF_END = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")
_LAST_OF_BEGINNINGS = (b"\r", b"\n", b".")
_NOT_LINE_ENDS = bytes(octet for octet in range(256) if octet not in b"\r\n")
_line_end = re.compile(rb"\r\n|\r|\n")

BARE_LINE_END = Reply(550, "5.6.11", "The message contains a CR or LF that stands alone; lines end in CRLF")
NUL_OCTET = Reply(550, "5.6.0", "The message contains a NUL octet, which neither 7bit nor 8bit content has")
TOO_BIG = Reply(552, "5.3.4", "The message exceeds the size limit")


class _Reader:
    """What both readers share: one piece of lines in, checked; `size` counts what was handed out."""

    __slots__ = ("done", "limit", "normalize", "refusal", "size")

    def __init__(self, limit: int, *, normalize: bool = False) -> None:
        self.limit = limit
        self.normalize = normalize
        self.size = 0
        self.done = False
        self.refusal: Reply | None = None

    def _checked(self, piece: bytes) -> bytes:
        """`piece` with lines that end in CRLF; it never ends between a CR and its LF."""
        if b"\0" in piece:
            self.refusal = NUL_OCTET
            return b""
        # All CR and LF stand in pairs: as many as two for each CRLF
        if len(piece.translate(None, _NOT_LINE_ENDS)) == 2 * piece.count(b"\r\n"):
            return piece
        if self.normalize:
            return _line_end.sub(b"\r\n", piece)
        self.refusal = BARE_LINE_END
        return b""

    def _counted(self, block: bytes) -> bytes:
        self.size += len(block)
        if self.limit and self.size > self.limit:
            self.refusal = TOO_BIG
            return b""
        return block


class DataReader(_Reader):
    """Reads what follows 354. When `done`, `rest` is what came behind the end: the next commands.

    :param limit: octets a message may have, without the dots of dot-stuffing; 0 for any number.
    """

    __slots__ = ("_at_line_start", "_held", "_started", "rest")

    def __init__(self, limit: int, *, normalize: bool = False) -> None:
        super().__init__(limit, normalize=normalize)
        self.rest = b""
        # A dot right at the beginning stands at the beginning of a line: as if a CRLF had come before
        self._held = b"\r\n"
        self._started = False
        self._at_line_start = False

    def feed(self, data: bytes) -> bytes:
        """Take what has come and give back what of it belongs to the message, without dot-stuffing."""
        if self._held:
            data = self._held + data
        end = data.find(_END)
        if end >= 0:
            self.done = True
            self.rest = data[end + 5:]
            data = data[: end + 2]
            self._held = b""
        else:
            kept = _beginning_of_end(data)
            self._held = data[len(data) - kept:]
            if kept:
                data = data[:-kept]
        if not data or self.refusal is not None:
            return b""
        return self._clean(data)

    def _clean(self, piece: bytes) -> bytes:
        piece = self._checked(piece)
        if self.normalize:
            # A stray line end may have been the last octet of the piece before
            ends_line = piece.endswith(b"\n")
            if self._at_line_start and piece[:1] == b".":
                piece = piece[1:]
            self._at_line_start = ends_line
        # RFC 5321 4.5.2: the first dot of a line goes
        piece = piece.replace(b"\r\n.", b"\r\n")
        if not self._started:
            self._started = True
            piece = piece[2:]
        return self._counted(piece)


class ChunkReader(_Reader):
    """Reads the chunks of one message (RFC 3030): `begin` for each BDAT, then `feed` until `done`.

    :param binary: BODY=BINARYMIME: no line is looked for, every octet is taken as it is.
    """

    __slots__ = ("_begun", "_ends_line", "_held", "binary", "last", "remaining")

    def __init__(self, limit: int, *, binary: bool = False, normalize: bool = False) -> None:
        super().__init__(limit, normalize=normalize)
        self.binary = binary
        self.remaining = 0
        self.last = False
        self._begun = 0
        self._held = b""
        self._ends_line = True

    def begin(self, octets: int, *, last: bool) -> None:
        """A BDAT command was read."""
        self.remaining = octets
        self.last = last
        self.done = False
        self._begun += octets
        if self.limit and self._begun > self.limit and self.refusal is None:
            self.refusal = TOO_BIG

    def feed(self, data: bytes) -> bytes:
        """Take at most `remaining` octets and give back what of them belongs to the message.

        Call it with nothing for a chunk of no octets.
        """
        self.remaining -= len(data)
        self.done = self.remaining == 0
        if self.refusal is not None:
            return b""
        if self.binary:
            return self._counted(data)
        data = self._held + data
        self._held = b""
        at_end = self.done and self.last
        if not at_end and data.endswith(b"\r"):
            self._held = b"\r"
            data = data[:-1]
        data = self._checked(data)
        if data:
            self._ends_line = data.endswith(b"\n")
        if at_end and not self._ends_line and self.refusal is None:
            # RFC 3030 3: without BINARYMIME the content is lines; the last one may lack its end
            data += b"\r\n"
        return self._counted(data)


def _beginning_of_end(data: bytes) -> int:
    """How many octets at the end of `data` may be the beginning of CRLF.CRLF."""
    if data.endswith(_LAST_OF_BEGINNINGS):
        for beginning in _BEGINNINGS_OF_END:
            if data.endswith(beginning):
                return len(beginning)
    return 0
