"""The octets of a message as DATA carries them to another server: dots stuffed, the final dot at the end."""

from __future__ import annotations

_NOT_LINE_ENDS = bytes(octet for octet in range(256) if octet not in b"\r\n")


class BareLineEnd(Exception):
    """A CR or LF stands alone: it could be the end of the message for somebody on the way, so it is never sent."""


class Stuffing:
    """Transforms chunk by chunk, wherever the chunks end."""

    __slots__ = ("_dotted", "_held", "_line_start")

    def __init__(self, *, dotted: bool) -> None:
        """`dotted`: for DATA; otherwise (BDAT) the octets are only looked at."""
        self._dotted = dotted
        self._line_start = True
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What to send for a chunk. `BareLineEnd` before anything of it is sent."""
        chunk = self._held + chunk
        self._held = b""
        if chunk.endswith(b"\r"):
            # whether it stands alone is seen with the next chunk
            chunk, self._held = chunk[:-1], b"\r"
        if len(chunk.translate(None, _NOT_LINE_ENDS)) != 2 * chunk.count(b"\r\n"):
            raise BareLineEnd
        if not chunk or not self._dotted:
            return chunk
        # RFC 5321 4.5.2: a dot at the beginning of a line is doubled
        at_start = self._line_start and chunk.startswith(b".")
        self._line_start = chunk.endswith(b"\n")
        chunk = chunk.replace(b"\r\n.", b"\r\n..")
        return b"." + chunk if at_start else chunk

    def end(self) -> bytes:
        """What to send behind the last chunk."""
        if self._held:
            raise BareLineEnd
        if not self._dotted:
            return b""
        return b".\r\n" if self._line_start else b"\r\n.\r\n"
