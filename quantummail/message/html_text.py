"""What a reader sees of HTML: text without tags, comments, scripts and styles; taken in pieces, in linear time."""

from __future__ import annotations

import html
import re

# Tags within a word: nothing stands in their place. All others part words from each other.
_WITHIN_WORDS = frozenset((
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd",
    "mark", "nobr", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr",
))
_RAW = {name: re.compile(f"</{name}(?![a-z0-9])", re.IGNORECASE) for name in ("script", "style")}
_COMMENT_END = re.compile("-->")
_TAG_END = re.compile(">")
# A "<" with anything else behind it is text; the last one of a piece may be either
_markup_start = re.compile(r"<(?:[/!?A-Za-z]|\Z)")
_tag = re.compile(r"<[/!?]?([A-Za-z][A-Za-z0-9]*+)?")
# A tag or an entity that is cut off at the end of a piece waits for the next one, up to this length
_LONGEST_TAG = 64 * 1024
_LONGEST_ENTITY = 40


class HtmlText:
    """Takes a document piece by piece."""

    __slots__ = ("_rest", "_until")

    def __init__(self) -> None:
        self._rest = ""
        self._until: re.Pattern[str] | None = None
        """The end of what is being read over."""

    def feed(self, text: str, *, final: bool) -> str:
        """The text of the next piece, entities decoded."""
        text = self._rest + text
        self._rest = ""
        kept: list[str] = []
        position = 0
        while position < len(text):
            if self._until is not None:
                position = self._read_over(text, position)
                continue
            found = _markup_start.search(text, position)
            if found is None:
                start = len(text) if final else _before_entity(text, position)
                kept.append(text[position:start])
                self._rest = text[start:]
                break
            start = found.start()
            kept.append(text[position:start])
            position = self._markup(text, start, kept, final=final)
        shown = "".join(kept)
        return html.unescape(shown) if "&" in shown else shown

    def _read_over(self, text: str, position: int) -> int:
        assert self._until is not None
        found = self._until.search(text, position)
        if found is None:
            # the end may be cut in two
            self._rest = text[max(position, len(text) - 10) :]
            return len(text)
        closes_element = self._until not in (_COMMENT_END, _TAG_END)
        self._until = _TAG_END if closes_element else None
        return found.end()

    def _markup(self, text: str, start: int, kept: list[str], *, final: bool) -> int:
        """At a "<": where to go on."""
        if not final and len(text) - start < len("<!--"):
            self._rest = text[start:]
            return len(text)
        if text.startswith("<!--", start):
            self._until = _COMMENT_END
            return start + 4
        match = _tag.match(text, start)
        assert match is not None
        if match.end() == start + 1:
            # a lone "<" in a text
            kept.append("<")
            return start + 1
        end = text.find(">", match.end())
        if end < 0:
            if final or len(text) - start > _LONGEST_TAG:
                self._until = _TAG_END
            else:
                self._rest = text[start:]
            return len(text)
        name = (match[1] or "").lower()
        if name not in _WITHIN_WORDS:
            kept.append(" ")
        if text[start + 1] != "/" and text[end - 1] != "/":
            self._until = _RAW.get(name)
        return end + 1


def _before_entity(text: str, position: int) -> int:
    """Where an entity begins that goes on in the next piece; the length of the text if there is none."""
    start = text.rfind("&", max(position, len(text) - _LONGEST_ENTITY))
    return len(text) if start < 0 or ";" in text[start:] else start
