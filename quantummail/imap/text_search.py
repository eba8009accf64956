"""Looking for texts in a message as people read it: transfer encodings undone, words decoded, any case of letters.

Works on pieces of the message, so that its size costs no memory. RFC 3501 6.4.4: a text is found anywhere, as a
substring.
"""

from __future__ import annotations

import binascii
import codecs
import re
from typing import TYPE_CHECKING

from quantummail.message.content_type import parse_content_type
from quantummail.message.encoded_word import codec, decode_text
from quantummail.message.headers import Headers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quantummail.message.parts import PartRange

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
# A quoted-printable text without line ends is cut here
_LONGEST_LINE = 64 * 1024


class Finder:
    """Texts that are looked for, and which of them have been found."""

    __slots__ = ("_keep", "_tail", "missing")

    def __init__(self, texts: Iterable[str]) -> None:
        self.missing = {text.casefold() for text in texts}
        self._keep = max((len(text) for text in self.missing), default=1) - 1
        self._tail = ""

    def feed(self, text: str) -> None:
        """Look at the next piece of one text."""
        if not self.missing:
            return
        text = self._tail + text.casefold()
        self.missing = {one for one in self.missing if one not in text}
        self._tail = text[-self._keep :] if self._keep else ""

    def end(self) -> None:
        """The text is at its end: nothing is found across this place."""
        self._tail = ""

    def header(self, octets: bytes) -> None:
        """Look through a header block, field by field."""
        headers = Headers.scan(octets)
        for field in headers.fields:
            name = octets[field.start : field.value_start].decode("latin-1")
            self.feed(name.rstrip() + " " + decode_text(headers.value(field)))
            self.end()


class PartText:
    """Turns the octets of a part, piece by piece, into text."""

    __slots__ = ("_decoder", "_encoding", "_rest")

    def __init__(self, part: PartRange, mime_header: bytes) -> None:
        self._encoding = part.encoding
        self._decoder = codecs.getincrementaldecoder(_codec(mime_header))("replace")
        self._rest = b""

    def decode(self, octets: bytes, *, final: bool) -> str:
        """The text of the next octets."""
        if self._encoding == "base64":
            octets = self._base64(octets, final=final)
        elif self._encoding == "quoted-printable":
            octets = self._quoted_printable(octets, final=final)
        return self._decoder.decode(octets, final)

    def _base64(self, octets: bytes, *, final: bool) -> bytes:
        octets = self._rest + _NOT_BASE64.sub(b"", octets)
        whole = len(octets) - len(octets) % 4
        self._rest = octets[whole:]
        decoded = binascii.a2b_base64(octets[:whole])
        if final and len(self._rest) > 1:
            decoded += binascii.a2b_base64(self._rest + b"=" * (4 - len(self._rest)))
        return decoded

    def _quoted_printable(self, octets: bytes, *, final: bool) -> bytes:
        octets = self._rest + octets
        whole = len(octets)
        if not final:
            line_end = octets.rfind(b"\n") + 1
            whole = line_end or (len(octets) - 2 if len(octets) > _LONGEST_LINE else 0)
        self._rest = octets[whole:]
        return binascii.a2b_qp(octets[:whole])


def is_text(part: PartRange) -> bool:
    """Whether the part is something to read: what else is in attachments cannot be found."""
    return part.type.startswith(("text/", "message/"))


def _codec(mime_header: bytes) -> str:
    value = Headers.scan(mime_header).get(b"content-type")
    if value is not None:
        for name, charset in parse_content_type(value).parameters:
            if name.lower() == b"charset" and charset.lower() != b"us-ascii":
                return codec(charset.decode("latin-1").strip()) or "utf-8"
    # RFC 2045 5.2: US-ASCII where nothing is said; what has 8-bit octets then is UTF-8 more often than anything else
    return "utf-8"
