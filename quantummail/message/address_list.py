"""Address lists of header fields, for showing them: the liberal parser (RFC 5322 3.4, 4.4).

Whoever decides by an address uses `strict_addresses`, which refuses everything that two programs may read differently.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from quantummail.message.address import Address

MAX_ADDRESSES = 1000

# RFC 5322 3.2.3 specials are tokens of their own; "." is none here, since display names have it (obs-phrase).
# A comment is found by its bracket: it nests, which no regex can count.
_token = re.compile(
    rb'(?P<space>[ \t\r\n]++)|(?P<word>[^\x00-\x20()<>@,;:\\"\[\]\x7f]++)|(?P<special>[<>@,;:])|'
    rb'(?P<literal>\[[^\[\]\\\r\n]*+\])|(?P<quote>")|(?P<comment>\()|(?P<junk>.)', re.DOTALL)
_quoted = re.compile(rb'((?:[^"\\]|\\.)*+)"', re.DOTALL)
_quoted_pair = re.compile(rb"\\(.)", re.DOTALL)
_in_comment = re.compile(rb"[^()\\]++|\\.|[()\\]", re.DOTALL)
_line_end = re.compile(rb"\r?\n")

# a piece of an entry: its text, whether white space stood before it, whether it was quoted
_Word = tuple[bytes, bool, bool]


class ListedAddress(NamedTuple):
    """One entry of a list as ENVELOPE shows it (RFC 3501 7.4.2). Strings have no quotes and no line ends.

    A group begins with (None, None, name, None) and ends with (None, None, None, None). A missing local part or
    domain of an address is empty, never None.
    """

    name: bytes | None
    """Display name, or the comment behind an address without one; encoded words are left as they are."""
    route: bytes | None
    local_part: bytes | None
    domain: bytes | None


def parse_address_list(value: bytes, limit: int = MAX_ADDRESSES) -> list[ListedAddress]:
    """The entries of a list, at most `limit` addresses. Never raises; what is broken ends at the next comma."""
    return _Reader(value, limit).read()


def strict_addresses(value: bytes) -> list[Address]:
    """The addresses of a list, if it has nothing but addresses (and groups) that everybody reads alike.

    ValueError otherwise: stray brackets or quotes, several ``@``, missing parts, more than 1000 entries.
    """
    reader = _Reader(value, MAX_ADDRESSES + 1)
    entries = reader.read()
    if reader.broken or len(entries) > MAX_ADDRESSES:
        raise ValueError("the address list is not written as RFC 5322 says")
    addresses = []
    for entry in entries:
        if entry.local_part is None or entry.domain is None:
            continue
        local_part, domain = entry.local_part.decode("utf-8", "strict"), entry.domain.decode("utf-8", "strict")
        # written out with its quotes and read by the parser that decides
        addresses.append(Address.parse(str(Address(local_part, domain.lower() or " "))))
    return addresses


class _Reader:
    """One pass over the tokens. An entry is what stands between two commas: words, and an address in brackets."""

    def __init__(self, value: bytes, limit: int) -> None:
        self.value = value
        self.limit = limit
        self.broken = False
        self.entries: list[ListedAddress] = []
        self.in_group = False
        self.quotes_close = True
        self._begin_entry()

    def _begin_entry(self) -> None:
        self.outside: list[_Word] = []
        self.inside: list[_Word] = []
        self.words = self.outside
        """The list that grows now."""
        self.at: int | None = None
        """The index of the last "@" in `words`."""
        self.angle = False
        self.ended = False
        """Whether the address is complete: what follows until the next comma is not read."""
        self.in_route = False
        self.route: bytes | None = None
        self.comment: bytes | None = None

    def read(self) -> list[ListedAddress]:
        """The entries; `broken` tells afterwards whether all was written as RFC 5322 says."""
        position = 0
        space = False
        value = self.value
        while position < len(value) and len(self.entries) < self.limit:
            match = _token.match(value, position)
            assert match is not None
            position = match.end()
            kind = match.lastgroup
            if kind == "space":
                space = True
                continue
            if kind in ("word", "literal"):
                self._add(match[0], space)
            elif kind == "special":
                self._special(match[0], space)
            elif kind == "quote":
                position = self._quoted_string(position, space)
            elif kind == "comment":
                position = self._comment(position)
            else:
                # alice@example.org)bob@example.net is an address at example.org or none, never at example.net
                self.broken = True
                self.ended = self.at is not None
            space = kind == "comment"
        self._finish_entry()
        self._finish_group()
        return self.entries

    def _add(self, word: bytes, space: bool, quoted: bool = False) -> None:
        if self.ended:
            self.broken = True
            return
        self.words.append((word, space, quoted))

    def _special(self, character: bytes, space: bool) -> None:
        if character == b"@":
            self._at(space)
        elif character == b"<":
            self._open_angle()
        elif character == b">":
            self.broken = self.broken or not self.angle or self.ended
            self.ended = self.ended or self.angle or self.at is not None
        elif character == b":":
            self._colon()
        elif character == b"," and self.in_route:
            # RFC 5322 4.4: in <@a,@b:c@d> a comma separates the hosts of the route
            self.words.append((b",", False, False))
        else:
            # a semicolon outside of a group is what some programs write for a comma
            self.broken = self.broken or (character == b";" and not self.in_group)
            self._finish_entry()
            if character == b";":
                self._finish_group()

    def _at(self, space: bool) -> None:
        if self.ended:
            self.broken = True
            return
        if self.angle and not self.words:
            self.in_route = True
        elif self.at is not None and not self.in_route:
            self.broken = True
        self.at = len(self.words)
        self.words.append((b"@", space, False))

    def _open_angle(self) -> None:
        if self.angle or self.ended:
            self.broken = True
            return
        # RFC 5322 3.4: what stands before an address in brackets is a phrase, which cannot have an "@" unquoted
        self.broken = self.broken or self.at is not None
        self.angle = True
        self.words = self.inside
        self.at = None

    def _colon(self) -> None:
        if self.in_route:
            self.route = _joined(self.inside)
            self.inside.clear()
            self.in_route = False
            self.at = None
        elif self.angle or self.ended or self.at is not None or self.in_group or not self.outside:
            self.broken = True
        else:
            self.entries.append(ListedAddress(None, None, _phrase(self.outside), None))
            self.in_group = True
            self._begin_entry()

    def _quoted_string(self, position: int, space: bool) -> int:
        """After a quote: where to go on. A quote that is never closed is left out."""
        if self.quotes_close:
            match = _quoted.match(self.value, position)
            if match is not None:
                text = _line_end.sub(b"", match[1])
                if b"\\" in text:
                    text = _quoted_pair.sub(rb"\1", text)
                self._add(text, space, quoted=True)
                return match.end()
            # there is no other end for any quote further on either
            self.quotes_close = False
        self.broken = True
        return position

    def _comment(self, position: int) -> int:
        """After an opening bracket: where to go on. A comment that is never closed goes to the end."""
        start = position
        depth = 1
        for match in _in_comment.finditer(self.value, position):
            position = match.end()
            if match[0] == b"(":
                depth += 1
            elif match[0] == b")":
                depth -= 1
                if depth == 0:
                    text = _line_end.sub(b"", self.value[start:position - 1])
                    self.comment = _quoted_pair.sub(rb"\1", text).strip(b" \t")
                    return position
        self.broken = True
        return len(self.value)

    def _finish_entry(self) -> None:
        # the bracket was never closed
        self.broken = self.broken or (self.angle and not self.ended)
        words = self.inside if self.angle else self.outside
        if words or self.angle:
            self.entries.append(self._entry(words))
        # RFC 5322 4.4: empty elements are obsolete and mean nothing
        self._begin_entry()

    def _entry(self, words: list[_Word]) -> ListedAddress:
        name = _phrase(self.outside) if self.angle and self.outside else self.comment or None
        if self.in_route:
            # a route without an address
            self.broken = True
            return ListedAddress(name, None, _joined(words), b"")
        if self.at is None:
            self.broken = True
            if self.angle or len(words) < 2:
                return ListedAddress(name, self.route, _joined(words), b"")
            return ListedAddress(_phrase(words), self.route, b"", b"")
        local_part, domain = words[:self.at], words[self.at + 1:]
        self.broken = self.broken or not _is_plain(words)
        return ListedAddress(name, self.route, _joined(local_part), _joined(domain))

    def _finish_group(self) -> None:
        if self.in_group:
            self.entries.append(ListedAddress(None, None, None, None))
            self.in_group = False


def _is_plain(words: list[_Word]) -> bool:
    """Whether the words of an address are local part, "@" and domain, with nothing obsolete about them."""
    if len(words) != 3 or words[1][1] or words[2][1]:
        return False
    (local_part, _, quoted), _, (_, _, domain_quoted) = words
    # the domain's dots are looked at when it is parsed; those of a local part are gone with its quotes
    return not domain_quoted and (quoted or all(local_part.split(b".")))


def _phrase(words: list[_Word]) -> bytes:
    """Words with one space where white space was."""
    return b"".join(b" " + word if space else word for word, space, _ in words).lstrip(b" ")


def _joined(words: list[_Word]) -> bytes:
    """The same, but not around dots: ``a . b`` is the obsolete form of ``a.b`` (RFC 5322 4.4)."""
    last = b"."
    pieces: list[bytes] = []
    for word, space, _ in words:
        if space and word[:1] != b"." and last[-1:] != b".":
            pieces.append(b" ")
        pieces.append(word)
        last = word
    return b"".join(pieces)
