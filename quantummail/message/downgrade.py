"""A header in UTF-8 made ASCII, for programs that have not said that they understand the former (RFC 6857).

What can be said in ASCII stays where it is, in encoded words and extended parameters. Addresses that cannot be written
to without UTF-8 are shown as empty groups, and the values of other fields are kept under the name ``Downgraded-...``.
Octets that are not UTF-8 were wrong before and after RFC 6532: their fields are left as they are.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator

from quantummail.message.address_list import MAX_ADDRESSES, ListedAddress, parse_address_list
from quantummail.message.content_type import parse_parameters, without_comments
from quantummail.message.headers import Headers, compact

_ADDRESSES = frozenset((
    b"from", b"sender", b"to", b"cc", b"bcc", b"reply-to", b"resent-from", b"resent-sender", b"resent-to",
    b"resent-cc", b"resent-bcc", b"resent-reply-to",
))
_PARAMETERS = frozenset((b"content-type", b"content-disposition"))
_TEXTS = frozenset((b"subject", b"comments", b"content-description", b"keywords"))

# RFC 2047 2: an encoded word has 75 characters at most, and a line with one 76; this leaves room for a name
_WORD_OCTETS = 39
_LINE = 76
# RFC 2231 3: longer values are given in pieces; no octet is divided
_piece = re.compile(r"(?:%[0-9A-F]{2}|[^%]){1,18}")
# RFC 5322 3.2.3: what a phrase may have without quotes
_atoms = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_token = re.compile(r"[^\x00-\x20()<>@,;:\\\"/\[\]?=\x7f]+")
_to_be_quoted = re.compile(r'[\\"]')
# RFC 2231 7: attribute-char
_not_attribute_char = re.compile(rb"[^A-Za-z0-9!#$&+.^_`{|}~-]")
_dot_atom = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")


def downgraded(header: bytes) -> bytes:
    """A header block (of a message or a part), with or without the empty line behind it, without UTF-8."""
    if header.isascii():
        return header
    pieces: list[bytes] = []
    position = 0
    for field in Headers.scan(header).fields:
        octets = header[field.start : field.end]
        if not octets.isascii():
            pieces += [header[position : field.start], _downgraded(field.name, octets)]
            position = field.end
    return b"".join([*pieces, header[position:]])


def _downgraded(name: bytes, field: bytes) -> bytes:
    written, _, value = field.partition(b":")
    try:
        written_name = written.decode("ascii").rstrip(" \t")
        text = compact(value).decode("utf-8")
    except UnicodeDecodeError:
        return field
    tokens: Iterable[str] | None = None
    if name in _TEXTS:
        tokens = _text(text)
    elif name in _ADDRESSES:
        tokens = _addresses(compact(value))
    elif name in _PARAMETERS:
        tokens = _with_parameters(compact(value))
    if tokens is None:
        # RFC 6857 3.1.10, 3.3
        written_name = f"Downgraded-{written_name}"
        tokens = _words(text)
    return _folded(written_name, tokens) + (b"\r\n" if field.endswith(b"\r\n") else b"\n")


def _folded(name: str, tokens: Iterable[str]) -> bytes:
    """A field; lines end before a token that would make them too long."""
    lines = [f"{name}:"]
    for token in tokens:
        if len(lines[-1]) + 1 + len(token) > _LINE:
            lines.append("")
        lines[-1] += f" {token}"
    return "\r\n".join(lines).encode("ascii")


def _words(text: str) -> Iterator[str]:
    """A text as encoded words; no character is divided (RFC 2047 5)."""
    piece = b""
    for character in text:
        octets = character.encode()
        if len(piece) + len(octets) > _WORD_OCTETS:
            yield _word(piece)
            piece = b""
        piece += octets
    if piece:
        yield _word(piece)


def _word(octets: bytes) -> str:
    return f"=?UTF-8?B?{binascii.b2a_base64(octets, newline=False).decode('ascii')}?="


def _text(text: str) -> Iterator[str]:
    """An unstructured value: words in ASCII stay, neighbours that are not are encoded together (RFC 6857 3.1.1)."""
    run: list[str] = []
    for word in text.split(" "):
        if not word.isascii():
            run.append(word)
            continue
        yield from _words(" ".join(run))
        run.clear()
        yield word
    yield from _words(" ".join(run))


def _addresses(value: bytes) -> list[str] | None:
    """A list of addresses; None if it has more than we read."""
    entries = parse_address_list(value)
    if len(entries) >= MAX_ADDRESSES:
        return None
    tokens: list[str] = []
    members: list[ListedAddress] | None = None
    group: bytes | None = None
    for entry in entries:
        if entry.local_part is not None and entry.domain is None:
            group, members = entry.local_part, []
        elif entry.local_part is None:
            tokens += _last_with(_group(group or b"", members or []), ",")
            members = None
        elif members is not None:
            members.append(entry)
        else:
            tokens += _last_with(_mailbox(entry), ",")
    return _last_with(tokens, "", cut=1)


def _last_with(tokens: list[str], end: str, cut: int = 0) -> list[str]:
    if tokens:
        tokens[-1] = tokens[-1][: len(tokens[-1]) - cut] + end
    return tokens


def _group(name: bytes, members: list[ListedAddress]) -> list[str]:
    if not all(_is_ascii(entry) for entry in members):
        # RFC 6857 3.1.6: a group cannot hold the group that would stand for an address
        listed = ", ".join(_shown(entry) for entry in members)
        return _last_with(list(_words(f"{name.decode('utf-8', 'replace')} {listed}")), " :;")
    tokens = _last_with(_phrase(name), ":")
    for entry in members:
        tokens += _last_with(_mailbox(entry), ",")
    return _last_with(tokens, ";", cut=1 if members else 0)


def _mailbox(entry: ListedAddress) -> list[str]:
    name = _phrase(entry.name) if entry.name else []
    if not _is_ascii(entry):
        # RFC 6857 3.1.8: nobody can write to it from here; From and Sender may be groups too (RFC 6854)
        return [*name, "Internationalized", "Address", *_words(_address(entry)), "Removed:;"]
    address = _address(entry)
    return [*name, f"<{address}>"] if name else [address]


def _is_ascii(entry: ListedAddress) -> bool:
    return (entry.local_part or b"").isascii() and (entry.domain or b"").isascii()


def _address(entry: ListedAddress) -> str:
    local_part = (entry.local_part or b"").decode("utf-8", "replace")
    if local_part.isascii() and not _dot_atom.fullmatch(local_part):
        local_part = _quoted(local_part)
    domain = (entry.domain or b"").decode("utf-8", "replace")
    return f"{local_part}@{domain}" if domain else local_part


def _shown(entry: ListedAddress) -> str:
    name = (entry.name or b"").decode("utf-8", "replace")
    return f"{name} <{_address(entry)}>" if name else _address(entry)


def _phrase(name: bytes) -> list[str]:
    text = name.decode("utf-8", "replace")
    if not text.isascii():
        # RFC 6857 3.1.5; the alphabet of base64 is what RFC 2047 5 (3) allows in a phrase
        ascii_words = " ".join(word for word in text.split(" ") if word.isascii())
        return list(_text(text) if not ascii_words or _atoms.fullmatch(ascii_words) else _words(text))
    return text.split(" ") if _atoms.fullmatch(text) else [_quoted(text)]


def _quoted(text: str) -> str:
    return '"' + _to_be_quoted.sub(r"\\\g<0>", text) + '"'


def _with_parameters(value: bytes) -> list[str] | None:
    """A value with parameters: those that are not ASCII become extended ones (RFC 6857 3.1.4, RFC 2231 4)."""
    value = without_comments(value)
    head = value.partition(b";")[0].strip()
    if not head.isascii():
        return None
    tokens = [head.decode("ascii")]
    for name, parameter in parse_parameters(value, 0):
        if name.isascii():
            for token in _parameter(name.decode("ascii"), parameter):
                tokens[-1] += ";"
                tokens.append(token)
    return tokens


def _parameter(name: str, value: bytes) -> list[str]:
    if value.isascii():
        text = value.decode("ascii")
        plain = name.endswith("*") or _token.fullmatch(text)
        return [f"{name}={text}" if plain else f"{name}={_quoted(text)}"]
    name = name.removesuffix("*")
    encoded = _not_attribute_char.sub(lambda match: b"%%%02X" % match[0][0], value).decode("ascii")
    pieces = _piece.findall("utf-8''" + encoded)
    if len(pieces) == 1:
        return [f"{name}*={pieces[0]}"]
    return [f"{name}*{number}*={piece}" for number, piece in enumerate(pieces)]
