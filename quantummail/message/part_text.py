"""The text of a part, piece by piece: transfer encoding undone, character set decoded, HTML reduced to what it shows.

The pieces cost memory, the size of the part does not.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from quantummail.message.content_type import parse_content_type
from quantummail.message.encoded_word import codec
from quantummail.message.html_text import HtmlText
from quantummail.message.transfer_encoding import TransferDecoder

if TYPE_CHECKING:
    from quantummail.message.headers import Headers
    from quantummail.message.parts import PartRange

_meta_charset = re.compile(rb"""<meta\s[^>]{0,200}?charset\s*+=\s*+["']?([A-Za-z0-9_:.-]{1,40})""", re.IGNORECASE)
# RFC 2781; never in headers, where ASCII must stay ASCII
_WIDE = {"utf-16": "utf-16", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be"}
_HTML = frozenset(("text/html", "application/xhtml+xml"))


def _as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    """Octets that do not fit the character set: in Western mail that is what they are, more often than not."""
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


_MISLABELLED = "quantummail.windows-1252"
codecs.register_error(_MISLABELLED, _as_windows_1252)


class PartText:
    """Turns the octets of a part into text."""

    __slots__ = ("_charset", "_decoder", "_html", "_transfer")

    def __init__(self, part: PartRange, headers: Headers) -> None:
        self._transfer = TransferDecoder(part.encoding)
        self._html = HtmlText() if part.type in _HTML else None
        self._charset = _codec(headers)
        self._decoder: codecs.IncrementalDecoder | None = None

    def decode(self, octets: bytes, *, final: bool) -> str:
        """The text of the next octets."""
        octets = self._transfer.decode(octets, final=final)
        text = self._decoding(octets).decode(octets, final)
        return text if self._html is None else self._html.feed(text, final=final)

    def _decoding(self, octets: bytes) -> codecs.IncrementalDecoder:
        if self._decoder is None:
            charset = self._charset
            if charset is None and self._html is not None and (meta := _meta_charset.search(octets[:4096])):
                charset = codec(meta[1].decode("ascii"))
            if charset == "utf-16":
                # RFC 2781 4.3: big-endian, unless the first octets say otherwise
                charset = "utf-16-le" if octets[:2] == codecs.BOM_UTF16_LE else "utf-16-be"
            # RFC 2045 5.2: US-ASCII where nothing is said; what has 8-bit octets then is UTF-8 more often than
            # anything else
            self._decoder = codecs.getincrementaldecoder(charset or "utf-8")(
                _MISLABELLED if charset in (None, "utf-8") else "replace")
        return self._decoder


def is_text(part: PartRange) -> bool:
    """Whether the part is something to read: what else is in attachments cannot be found."""
    return part.type.startswith(("text/", "message/")) or part.type in _HTML


def _codec(headers: Headers) -> str | None:
    """The codec of the character set that the header names; None if it names none, or none that we decode."""
    value = headers.get(b"content-type")
    if value is not None:
        for name, charset in parse_content_type(value).parameters:
            if name.lower() == b"charset" and charset.lower() != b"us-ascii":
                label = charset.decode("latin-1").strip().lower()
                return _WIDE.get(label) or codec(label)
    return None
