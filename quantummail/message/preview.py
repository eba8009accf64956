"""How a message begins, for lists of messages: some words of its text (RFC 8970)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quantummail.message.headers import Headers
from quantummail.message.part_text import PartText
from quantummail.message.parts import leaves

if TYPE_CHECKING:
    from collections.abc import Callable

    from quantummail.message.parts import PartRange

# RFC 8970 3.2: at most 256 characters, 200 should be enough
LENGTH = 200
_HEADER = 64 * 1024
_PIECE = 16 * 1024
# What is read of a part until there are words: programs begin HTML with many lines of style
_MOST = 256 * 1024
_SHOWN = frozenset(("text/plain", "text/html", "application/xhtml+xml"))
# Controls, and what senders fill the beginning of their mail with because nobody sees it
_unseen = re.compile("[\0-\x08\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
                     "\ud800-\udfff]|(?<=\\s)\u200c(?=\\s)")
_MARK = frozenset("\u200c\u200d")


def preview(packed_parts: bytes, read: Callable[[int, int], bytes]) -> str:
    """The first words of the first part that has any; empty where there is none.

    See `quantummail.message.parts` for the table; `read` reads the octets from one offset to another.
    """
    for part in leaves(packed_parts):
        if part.type in _SHOWN and part.start < part.end:
            found = _beginning(part, read)
            if found:
                return found
    return ""


def _beginning(part: PartRange, read: Callable[[int, int], bytes]) -> str:
    headers = Headers.scan(read(part.mime_start, min(part.start, part.mime_start + _HEADER)))
    text = PartText(part, headers)
    plain = part.type == "text/plain"
    said = quoted = ""
    line = ""
    last = min(part.end, part.start + _MOST)
    for start in range(part.start, last, _PIECE):
        end = min(start + _PIECE, last)
        line += text.decode(read(start, end), final=end == part.end)
        if plain:
            # what others have said comes after what the sender says
            *lines, line = line.split("\n") if end < last else [*line.split("\n"), ""]
            said = _joined(said, [one for one in lines if not one.startswith(">")])
            quoted = _joined(quoted, [one for one in lines if one.startswith(">")])
            if len(line) > _PIECE:
                said, line = _joined(said, [line]), ""
        else:
            said, line = _joined(said, [line]), ""
        if len(said) > LENGTH:
            break
    return _cut(said or quoted)


def _joined(words: str, lines: list[str]) -> str:
    if len(words) > LENGTH:
        return words
    more = " ".join(_unseen.sub("", " ".join(lines)).split())
    return f"{words} {more}".strip()[: 2 * LENGTH]


def _cut(text: str) -> str:
    """The first characters; no letter is torn from its accents."""
    if len(text) <= LENGTH:
        return text
    end = LENGTH
    while end > LENGTH - 20 and (_joins(text[end]) or text[end - 1] in _MARK):
        end -= 1
    return text[:end].rstrip()


def _joins(character: str) -> bool:
    return character in _MARK or "\u0300" <= character <= "\u036f" or "\ufe00" <= character <= "\ufe0f" or (
        "\U0001f3fb" <= character <= "\U0001f3ff")
