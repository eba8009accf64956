"""BODY and BODYSTRUCTURE as IMAP shows them (RFC 3501 7.4.2, RFC 9051 7.5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.message.content_type import parse_disposition, parse_languages, render_parameters
from quantummail.message.headers import unfold
from quantummail.message.imap_envelope import render_envelope
from quantummail.message.imap_string import string
from quantummail.message.parts import LEAF, MULTIPART

if TYPE_CHECKING:
    from quantummail.message.mime import Part

# RFC 3501 9: a multipart has at least one part. If there is none in the text, clients get this one, as from Dovecot.
_NO_PART = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0'
_NO_EXTENSION = b" NIL NIL NIL NIL)"
_EXTENSION_FIELDS = (b"content-md5", b"content-disposition", b"content-language", b"content-location")


def render_structures(parts: list[Part]) -> tuple[bytes, bytes]:
    """BODY and BODYSTRUCTURE of the message whose parts these are, the message itself first."""
    if len(parts) == 1 and parts[0].kind == LEAF:
        return _leaf(parts[0])
    # parts come before what is in them: from the end, all children are there when their parent's turn comes
    rendered: dict[int, tuple[bytes, bytes]] = {}
    for part in reversed(parts):
        if part.kind == LEAF:
            rendered[id(part)] = _leaf(part)
        elif part.kind == MULTIPART:
            rendered[id(part)] = _multipart(part, [rendered.pop(id(child)) for child in part.children])
        else:
            rendered[id(part)] = _message(part, rendered.pop(id(part.children[0])))
    return rendered[id(parts[0])]


def _leaf(part: Part) -> tuple[bytes, bytes]:
    if part.media[:5] == b"text/":
        basic = b"(%b %d %d" % (_basic(part), part.end - part.body_start, part.lines)
    else:
        basic = b"(%b %d" % (_basic(part), part.end - part.body_start)
    return basic + b")", basic + _single_extension(part)


def _multipart(part: Part, children: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    content_type = part.content_type
    bodies = b"".join([body for body, _ in children]) or _NO_PART + b")"
    structures = b"".join([structure for _, structure in children]) or _NO_PART + _NO_EXTENSION
    disposition, language, location = _dispositions(part)
    return (
        b"(%b %b)" % (bodies, content_type.rendered_subtype),
        b"(%b %b %b %b %b %b)" % (
            structures, content_type.rendered_subtype, content_type.rendered_parameters,
            disposition, language, location),
    )


def _message(part: Part, inner: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    basic = b"(%b %d %b " % (_basic(part), part.end - part.body_start, render_envelope(part.children[0].fields))
    return (
        b"%b%b %d)" % (basic, inner[0], part.lines),
        b"%b%b %d%b" % (basic, inner[1], part.lines, _single_extension(part)),
    )


def _basic(part: Part) -> bytes:
    """What all but multiparts begin with: type, subtype, parameters, id, description, encoding."""
    content_type = part.content_type
    fields = part.fields
    identifier = fields.get(b"content-id")
    description = fields.get(b"content-description")
    return b"%b %b %b %b %b %b" % (
        string(content_type.type), content_type.rendered_subtype, content_type.rendered_parameters,
        b"NIL" if identifier is None else string(unfold(identifier)),
        b"NIL" if description is None else string(unfold(description)),
        b'"7bit"' if part.encoding == b"7bit" else string(part.encoding),
    )


def _single_extension(part: Part) -> bytes:
    """The extension data of all but multiparts, with the space before and the parenthesis behind it."""
    if part.fields.keys().isdisjoint(_EXTENSION_FIELDS):
        return _NO_EXTENSION
    disposition, language, location = _dispositions(part)
    md5 = part.fields.get(b"content-md5")
    return b" %b %b %b %b)" % (
        b"NIL" if md5 is None else string(unfold(md5)), disposition, language, location)


def _dispositions(part: Part) -> tuple[bytes, bytes, bytes]:
    fields = part.fields
    disposition = language = location = b"NIL"
    if (value := fields.get(b"content-disposition")) is not None:
        parsed = parse_disposition(value)
        if parsed is not None:
            disposition = b"(%b %b)" % (string(parsed[0]), render_parameters(parsed[1]))
    if (value := fields.get(b"content-language")) is not None:
        tags = parse_languages(value)
        if tags:
            language = b"(" + b" ".join([string(tag) for tag in tags]) + b")"
    if (value := fields.get(b"content-location")) is not None:
        location = string(unfold(value))
    return disposition, language, location
