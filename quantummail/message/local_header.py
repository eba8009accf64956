"""Headers as programs of this machine write them: names without domain, and fields that are missing."""

from __future__ import annotations

import re
from collections.abc import Iterable

from quantummail.message.address import Address
from quantummail.message.address_list import parse_address_list
from quantummail.message.date import rfc5322_date
from quantummail.message.headers import Headers, without_fields

_LINE_END = re.compile(rb"\r\n|\r|\n")
# RFC 5322 3.2, with "@" and "." among the octets of words
_TOKEN = re.compile(
    rb'"(?:[^"\\]|\\.)*"?|<[^<>]*>?|[,;:]|[ \t\r\n]+|\(|[^ \t\r\n"(),;:<>]+|.', re.DOTALL)
_IN_COMMENT = re.compile(rb"[^()\\]+|\\.|[()\\]", re.DOTALL)
_ADDRESSES = (b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc")
_RECIPIENTS = (b"to", b"cc", b"bcc")
_RESENT = (b"resent-to", b"resent-cc", b"resent-bcc")
_QUOTED = re.compile(r'[\\"]')


def canonical(octets: bytes) -> bytes:
    """The octets as mail has them: lines end in CRLF, the last one too, and there are no NULs."""
    octets = _LINE_END.sub(b"\r\n", octets.replace(b"\0", b""))
    return octets if not octets or octets.endswith(b"\r\n") else octets + b"\r\n"


def qualified(value: bytes, domain: str) -> bytes:
    """An address list in which names without domain, as ``root``, have got one. What is no name stays as it is."""
    return _Qualifying(value, domain.encode("utf-8")).read()


class _Qualifying:
    def __init__(self, value: bytes, domain: bytes) -> None:
        self._value = value
        self._domain = b"@" + domain
        self._out: list[bytes] = []
        self._begin()

    def _begin(self) -> None:
        self._words: list[int] = []
        self._angle: int | None = None

    def read(self) -> bytes:
        position = 0
        while match := _TOKEN.match(self._value, position):
            token, position = match[0], match.end()
            if token == b"(":
                position = self._comment_end(position)
                token = self._value[match.start():position]
            elif token in (b",", b";"):
                self._finish()
            elif token == b":":
                # the name of a group, or a route
                self._begin()
            elif token.startswith(b"<"):
                self._angle = len(self._out)
            elif token.strip():
                self._words.append(len(self._out))
            self._out.append(token)
        self._finish()
        return b"".join(self._out)

    def _comment_end(self, position: int) -> int:
        depth = 1
        while depth and (match := _IN_COMMENT.match(self._value, position)):
            depth += {b"(": 1, b")": -1}.get(match[0], 0)
            position = match.end()
        return position

    def _finish(self) -> None:
        if self._angle is not None:
            inner = self._out[self._angle].strip(b"<>").strip()
            if inner and b"@" not in inner:
                self._out[self._angle] = b"<" + inner + self._domain + b">"
        elif len(self._words) == 1 and b"@" not in self._out[self._words[0]]:
            self._out[self._words[0]] += self._domain
        self._begin()


def qualified_header(header: bytes, domain: str) -> bytes:
    """A header block whose fields with addresses are `qualified`."""
    headers = Headers.scan(header)
    pieces, position = [], 0
    for field in headers.fields:
        if field.name in _ADDRESSES or field.name in _RESENT:
            value = header[field.value_start:field.end]
            pieces += [header[position:field.value_start], qualified(value, domain)]
            position = field.end
    return b"".join([*pieces, header[position:]])


def recipients_of(header: bytes) -> list[str]:
    """The addresses of To, Cc and Bcc; of a message that is sent once more, those of the fields that say so."""
    headers = Headers.scan(header)
    names = _RESENT if any(name in headers for name in _RESENT) else _RECIPIENTS
    entries = [entry for name in names for value in headers.get_all(name) for entry in parse_address_list(value)]
    return list(dict.fromkeys(
        str(Address(entry.local_part.decode("utf-8", "replace"), entry.domain.decode("utf-8", "replace").lower()))
        for entry in entries if entry.local_part and entry.domain is not None))


def author(name: str, address: str) -> str:
    """The value of From."""
    if not name:
        return address
    words = name if name.isascii() and re.fullmatch(r"[\w ]+", name) else f'"{_QUOTED.sub(_escaped, name)}"'
    return f"{words} <{address}>"


def _escaped(match: re.Match[str]) -> str:
    return "\\" + match[0]


def completed(header: bytes, added: Iterable[str], message_id: str, seconds: float) -> bytes:
    """The header without Bcc and Return-Path, with Date and Message-ID, and an empty line at its end.

    :param added: whole fields that go in front.
    """
    headers = Headers.scan(header)
    # RFC 5322 3.6.3: Bcc is for the sender's eyes
    kept = without_fields(header, (b"Bcc", b"Resent-Bcc", b"Return-Path"))
    fields = [*added]
    if b"Date" not in headers:
        fields.append(f"Date: {rfc5322_date(seconds)}")
    if b"Message-ID" not in headers:
        fields.append(f"Message-ID: {message_id}")
    if not kept.endswith(b"\r\n\r\n") and kept != b"\r\n":
        kept += b"\r\n" if kept.endswith(b"\r\n") or not kept else b"\r\n\r\n"
    return "".join(f"{field}\r\n" for field in fields).encode("utf-8") + kept
