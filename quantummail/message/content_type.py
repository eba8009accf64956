"""The fields that say what a part is: Content-Type, Content-Disposition, and their parameters (RFC 2045, RFC 2183)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from quantummail.message.headers import unfold
from quantummail.message.imap_string import string

MAX_PARAMETERS = 128

Parameters = tuple[tuple[bytes, bytes], ...]

# RFC 2045 5.1:
#   content = "Content-Type" ":" type "/" subtype *(";" parameter)
#   token   = 1*<any (US-ASCII) CHAR except SPACE, CTLs, or tspecials>
_TOKEN = rb'[^\x00-\x20()<>@,;:\\"/\[\]?=\x7f]++'
_media = re.compile(rb"\s*+(" + _TOKEN + rb")\s*+(?:/\s*+(" + _TOKEN + rb")\s*+)?(?=;|$|\s)")
_token = re.compile(rb"\s*+(" + _TOKEN + rb")")
#   parameter = attribute "=" value
#   value     = <token> / <quoted-string>
# Names are taken raw (RFC 2231: filename*0*=), values without quotes up to the semicolon, as mail programs do.
_parameter = re.compile(rb'[\s;]*+([^\s;="]++)\s*+(?:=\s*+(?:"((?:[^"\\]|\\.)*+)"|([^;"]*+)))?', re.DOTALL)
_unquoted_parameter = re.compile(rb'[\s;]*+([^\s;="]++)\s*+(?:=\s*+(?:(?!)()|"?([^;]*+)))?')
# RFC 2231 7:  regular-parameter-name [section] ["*"], with section = "*" 0..
_continuation = re.compile(rb"([^*]+)\*(\d{1,3})(\*?)")
_not_attribute_char = re.compile(rb"[^A-Za-z0-9!#$&+.^_`{|}~-]")
_quoted_pair = re.compile(rb"\\(.)", re.DOTALL)
_to_semicolon = re.compile(rb"[^;]*+")
_piece = re.compile(rb'[^"\\()]++|\\.|["\\()]', re.DOTALL)
_language = re.compile(rb"[A-Za-z0-9*-]++")
# ";q=0.5", which only Accept-Language has
_weight = re.compile(rb";[^,]*+")
# A value without quotes in which the next parameter begins, since a semicolon is missing
_next_parameter = re.compile(rb"\s(?=[^\s;=\"]++\s*+=)")
# Their values are more often written without quotes than without a semicolon
_FILE_NAMES = (b"name", b"filename")


@dataclass(frozen=True, slots=True)
class ContentType:
    """Type and subtype as they are written (compare `media`), and the parameters, raw and in order."""

    type: bytes
    subtype: bytes
    parameters: Parameters
    media: bytes
    """``type/subtype`` in lower case."""
    boundary: bytes
    """Of a multipart, without trailing white space; empty when there is none."""
    rendered_subtype: bytes
    rendered_parameters: bytes
    """As IMAP shows them. They are kept here because the same few values come again and again."""


def _content_type(kind: bytes, subtype: bytes, parameters: Parameters) -> ContentType:
    boundary = b""
    lower = kind.lower()
    if lower == b"multipart":
        boundary = next((text for name, text in parameters if name.lower() == b"boundary"), b"")
        # RFC 2046 5.1.1: a boundary cannot end in white space, gateways may have added it
        boundary = boundary.rstrip()
    return ContentType(
        kind, subtype, parameters, lower + b"/" + subtype.lower(), boundary, string(subtype),
        render_parameters(parameters))


def render_parameters(parameters: Parameters) -> bytes:
    """The list of names and values as IMAP shows it, NIL when there are none (RFC 3501 9, body-fld-param)."""
    if not parameters:
        return b"NIL"
    return b"(" + b" ".join([string(name) + b" " + string(value) for name, value in parameters]) + b")"


TEXT_PLAIN = _content_type(b"text", b"plain", ((b"charset", b"us-ascii"),))
MESSAGE_RFC822 = _content_type(b"message", b"rfc822", ())
OCTET_STREAM = _content_type(b"application", b"octet-stream", ())
_TYPES = frozenset((b"application", b"audio", b"font", b"image", b"message", b"model", b"multipart", b"video"))


def parse_content_type(value: bytes) -> ContentType:
    """Read a Content-Type. Never raises: what is no type at all is text/plain, as RFC 2045 5.2 recommends.

    A known type without its subtype is application/octet-stream, so that an attachment stays one.
    """
    # most mail has one of a few values; long ones are not worth their memory
    return _cached(value) if len(value) <= 128 else _parse(value)


def _parse(value: bytes) -> ContentType:
    value = without_comments(unfold(value))
    match = _media.match(value)
    if match is None:
        return TEXT_PLAIN
    kind, subtype = match.groups()
    lower = kind.lower()
    if subtype is None:
        if lower == b"text":
            subtype = b"plain"
        elif lower in _TYPES:
            kind, lower, subtype = OCTET_STREAM.type, OCTET_STREAM.type, OCTET_STREAM.subtype
        else:
            return TEXT_PLAIN
    parameters = parse_parameters(value, match.end())
    if lower == b"text" and not any(name.lower() == b"charset" for name, _ in parameters):
        # RFC 2046 4.1.2: the default, which other servers show too
        parameters += ((b"charset", b"us-ascii"),)
    return _content_type(kind, subtype, parameters)


_cached = lru_cache(maxsize=1024)(_parse)


def parse_disposition(value: bytes) -> tuple[bytes, Parameters] | None:
    """The type as it is written and the parameters of a Content-Disposition (RFC 2183 2); None when there is none."""
    value = without_comments(unfold(value))
    match = _token.match(value)
    if match is not None:
        return match[1], parse_parameters(value, match.end())
    # RFC 2183 2.8: what is not known is an attachment; its file name is worth keeping
    parameters = parse_parameters(value, 0)
    return (b"attachment", parameters) if parameters else None


def parse_parameters(value: bytes, position: int) -> Parameters:
    """At most 128 parameters from `position` on. Quotes are taken off, nothing else is decoded (RFC 2231)."""
    found: list[tuple[bytes, bytes]] = []
    pattern = _parameter
    # what stands before the first semicolon belongs to nobody
    match = _to_semicolon.match(value, position)
    position = match.end() if match else len(value)
    while len(found) < MAX_PARAMETERS and (match := pattern.match(value, position)):
        name, quoted, plain = match.groups()
        end = match.end()
        if quoted is not None:
            found.append((name, _quoted_pair.sub(rb"\1", quoted) if b"\\" in quoted else quoted))
        elif plain is not None:
            if pattern is _parameter and not plain and value[end:end + 1] == b'"':
                # a quote that is never closed: no other one will be either, so do not look for its end again
                pattern = _unquoted_parameter
                continue
            if name.lower() not in _FILE_NAMES and (missing := _next_parameter.search(plain)):
                end = match.start(3) + missing.start()
                found.append((name, plain[: missing.start()].rstrip()))
                position = end
                continue
            found.append((name, plain.rstrip()))
        if value[end:end + 1] not in (b";", b""):
            match = _to_semicolon.match(value, end)
            end = match.end() if match else len(value)
        position = end
    return _without_continuations(found) if b"*" in value else tuple(found)


def _without_continuations(parameters: list[tuple[bytes, bytes]]) -> Parameters:
    """RFC 2231 7: servers put the pieces name*0, name*1* ... together. Charset and %xx of name* stay as they are."""
    pieces: dict[bytes, dict[int, tuple[bytes, bool]]] = {}
    for name, value in parameters:
        match = _continuation.fullmatch(name)
        if match:
            # of two pieces with one number the first counts
            pieces.setdefault(match[1].lower(), {}).setdefault(int(match[2]), (value, bool(match[3])))
    joined: list[tuple[bytes, bytes]] = []
    done: set[bytes] = set()
    for name, value in parameters:
        match = _continuation.fullmatch(name)
        lower = match[1].lower() if match else b""
        if match is None or 0 not in pieces[lower]:
            joined.append((name, value))
        elif lower not in done:
            done.add(lower)
            joined.append(_joined(match[1], pieces[lower]))
    return tuple(joined)


def _joined(name: bytes, pieces: dict[int, tuple[bytes, bool]]) -> tuple[bytes, bytes]:
    """The pieces from 0 on up to the first gap: what comes behind one is of no use."""
    run = [pieces[number] for number in range(next(count for count in range(1001) if count not in pieces))]
    if not any(extended for _, extended in run):
        return name, b"".join([value for value, _ in run])
    # RFC 2231 4.1: pieces of both kinds may follow each other; a plain one is encoded to stand among the others
    return name + b"*", b"".join([
        value if extended else _not_attribute_char.sub(lambda match: b"%%%02X" % match[0][0], value)
        for value, extended in run
    ])


def parse_token(value: bytes) -> bytes:
    """The first token of a value like Content-Transfer-Encoding, as it is written; empty when there is none."""
    match = _token.match(without_comments(value) if b"(" in value else value)
    return match[1] if match else b""


def parse_languages(value: bytes) -> list[bytes]:
    """The tags of a Content-Language (RFC 3282 2), at most 128."""
    return _language.findall(_weight.sub(b"", without_comments(unfold(value))))[:MAX_PARAMETERS]


def without_comments(value: bytes) -> bytes:
    """Take out comments (RFC 822 3.4.3) that are not inside of quoted strings; an unclosed one goes to the end."""
    if b"(" not in value:
        return value
    kept: list[bytes] = []
    quoted = False
    depth = 0
    for piece in _piece.findall(value):
        if depth == 0:
            if piece == b'"':
                quoted = not quoted
            if piece == b"(" and not quoted:
                depth = 1
                kept.append(b" ")
            else:
                kept.append(piece)
        elif piece == b"(":
            depth += 1
        elif piece == b")":
            depth -= 1
    return b"".join(kept)
