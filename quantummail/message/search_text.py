"""What of a message can be searched, in the form in which it is compared: lines of its header, text of its parts.

RFC 3501 6.4.4 asks for substrings without regard to case. The same form is made of a message and of what is looked
for: compared as i;unicode-casemap does (RFC 5255 4.3), and beyond it "ss" is "ß", white space of any kind and length is
one space, and hyphens and joints that nobody sees are not there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from quantummail.message.casemap import casemap
from quantummail.message.content_type import parse_content_type, parse_disposition
from quantummail.message.encoded_word import decode_charset, decode_text
from quantummail.message.headers import Headers, header_end
from quantummail.message.part_text import PartText, is_text
from quantummail.message.parts import leaves

if TYPE_CHECKING:
    from quantummail.message.parts import PartRange

Read = Callable[[int, int], bytes]
"""Reads the octets from one offset to another."""

HEADER = 32 * 1024
LONG_HEADER = 256 * 1024
"""As much of a header is searched."""
PIECE = 64 * 1024

# soft hyphen, zero width space, word joiner, zero width no-break space
_UNSEEN = dict.fromkeys((0xAD, 0x200B, 0x2060, 0xFEFF))
_surrogates = re.compile("[\ud800-\udfff]")


def fold(text: str) -> str:
    """The form in which texts are compared. No NUL and no line end is in it, and no surrogate."""
    text = text.lower() if text.isascii() else _fold(text)
    if "\0" in text:
        text = text.replace("\0", " ")
    words = " ".join(text.split())
    if not words:
        return " " if text else ""
    return f"{' ' if text[0].isspace() else ''}{words}{' ' if text[-1].isspace() else ''}"


def _fold(text: str) -> str:
    return casemap(_surrogates.sub("\ufffd", text).translate(_UNSEEN)).casefold()


def read_header(read: Read, size: int) -> Headers:
    """The header of a message, as far as it is searched: the first 256 KB."""
    octets = read(0, min(HEADER, size))
    if len(octets) < size and header_end(octets) == len(octets):
        octets = read(0, min(LONG_HEADER, size))
    return Headers.scan(octets)


def header_lines(headers: Headers) -> Iterator[str]:
    """Each field as ``name: value``, folded; lines that are no fields as they are (RFC 3501 6.4.4, TEXT)."""
    position = 0
    for field in headers.fields:
        if field.start > position:
            yield from _other_lines(headers.octets[position : field.start])
        position = field.end
        value = headers.value(field)
        yield fold(f"{field.name.decode('latin-1')}: {decode_text(value)}")
        if field.name in (b"content-type", b"content-disposition") and b"*" in value:
            yield from map(fold, _extended_parameters(field.name, value))
    if headers.complete:
        yield from _other_lines(headers.octets[position:])


def _other_lines(octets: bytes) -> Iterator[str]:
    """Lines of a header that belong to no field."""
    for line in octets.split(b"\n"):
        if text := fold(decode_text(line)).strip():
            yield text


def _extended_parameters(name: bytes, value: bytes) -> Iterator[str]:
    """The parameters with character sets (RFC 2231 4), decoded: names of attachments."""
    if name == b"content-type":
        parameters = parse_content_type(value).parameters
    else:
        disposition = parse_disposition(value)
        parameters = disposition[1] if disposition is not None else ()
    for key, text in parameters:
        if key.endswith(b"*"):
            charset, quote, rest = text.partition(b"'")
            encoded = rest.partition(b"'")[2] if quote else text
            decoded = decode_charset(unquote_to_bytes(encoded), charset.decode("latin-1") if quote else "")
            yield f"{key[:-1].decode('latin-1')}={decoded}"


def body_text(packed_parts: bytes, read: Read) -> Iterator[str]:
    """The text of the body in pieces: of its text parts, and the headers of parts and of messages inside.

    A line end stands between them, so that nothing is found across. See `quantummail.message.parts` for the table.
    """
    for part in leaves(packed_parts):
        if part.mime_start:
            # the header of the message itself is not its body
            yield "\n"
            headers = Headers.scan(read(part.mime_start, min(part.start, part.mime_start + LONG_HEADER)))
            yield "".join([line + "\n" for line in header_lines(headers)])
        elif is_text(part):
            headers = Headers.scan(read(0, min(part.start, LONG_HEADER)))
        if is_text(part):
            yield "\n"
            yield from _part_text(part, headers, read)


def _part_text(part: PartRange, headers: Headers, read: Read) -> Iterator[str]:
    text = PartText(part, headers)
    after_space = False
    for start in range(part.start, part.end, PIECE):
        end = min(start + PIECE, part.end)
        piece = fold(text.decode(read(start, end), final=end == part.end))
        if after_space and piece[:1] == " ":
            # white space that was cut in two
            piece = piece[1:]
        if piece:
            after_space = piece[-1] == " "
            yield piece


class Finder:
    """Texts, folded, that are looked for in one text that comes in pieces."""

    __slots__ = ("_keep", "_tail", "missing")

    def __init__(self, texts: set[str]) -> None:
        self.missing = texts
        """Those that have not been found."""
        self._keep = max(map(len, texts), default=1) - 1
        self._tail = ""

    def feed(self, text: str) -> None:
        """Look at the next piece."""
        text = self._tail + text
        self.missing = {one for one in self.missing if one not in text}
        self._tail = text[-self._keep :] if self._keep else ""
