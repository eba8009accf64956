"""What FETCH asks for: attributes and sections of messages (RFC 3501 6.4.5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from quantummail.imap.grammar.cursor import MAX_NUMBER, BadSyntax, Cursor, LimitExceeded
from quantummail.message.imap_string import astring

MAX_ITEMS = 100
MAX_PATH = 100
MAX_FIELDS = 1000

_ITEM_NAME = re.compile(rb"[A-Za-z0-9.\-]+")
# section-part = nz-number *("." nz-number)
_PATH = re.compile(rb"[1-9][0-9]{0,9}(?:\.[1-9][0-9]{0,9})*")
# section-msgtext = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT"
_SECTION_TEXT = re.compile(rb"HEADER\.FIELDS\.NOT|HEADER\.FIELDS|HEADER|TEXT|MIME", re.IGNORECASE)
# header-fld-name of RFC 5322 2.2, carried by an astring
_FIELD_NAME = re.compile(rb"[\x21-\x39\x3b-\x7e]+")
# partial = "<" number "." nz-number ">"
_PARTIAL = re.compile(rb"<([0-9]{1,10})\.([1-9][0-9]{0,9})>")


@dataclass(frozen=True, slots=True)
class Attribute:
    """A data item that is one value of the message: ENVELOPE, FLAGS, UID ..."""

    name: str


@dataclass(frozen=True, slots=True)
class Section:
    """Octets of the message, or of a part."""

    path: tuple[int, ...]
    """Part numbers; empty for the message itself."""
    text: str
    """HEADER, TEXT, MIME, HEADER.FIELDS, HEADER.FIELDS.NOT, or empty for all of it."""
    fields: tuple[bytes, ...]
    peek: bool
    """Whether \\Seen stays as it is."""
    partial: tuple[int, int] | None
    """First octet and count."""
    label: bytes
    """What names it in the response: ``BODY[1.TEXT]<0>``, ``RFC822.HEADER``."""


@dataclass(frozen=True, slots=True)
class Binary(Section):
    """A part without its transfer encoding (RFC 3516)."""

    size_only: bool = False
    """Whether only its size is wanted."""


Item = Attribute | Section
Reader = Callable[[Cursor], Item]

ATTRIBUTES = ("ENVELOPE", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "BODYSTRUCTURE", "UID")
MACROS: dict[str, tuple[Item, ...]] = {
    "FAST": (Attribute("FLAGS"), Attribute("INTERNALDATE"), Attribute("RFC822.SIZE")),
    "ALL": (Attribute("FLAGS"), Attribute("INTERNALDATE"), Attribute("RFC822.SIZE"), Attribute("ENVELOPE")),
    "FULL": (
        Attribute("FLAGS"), Attribute("INTERNALDATE"), Attribute("RFC822.SIZE"), Attribute("ENVELOPE"),
        Attribute("BODY"),
    ),
}


def fetch_items(cursor: Cursor) -> tuple[Item, ...]:
    """Read a macro, one item, or a list of them. What is asked for twice is answered once.

    ``"ALL" / "FULL" / "FAST" / fetch-att / "(" fetch-att *(SP fetch-att) ")"``
    """
    if not cursor.skip(b"("):
        start = cursor.position
        macro = MACROS.get(cursor.matching(_ITEM_NAME, "Expected a data item").decode("ascii").upper())
        if macro is not None:
            return macro
        cursor.position = start
        return (fetch_item(cursor),)
    items = {fetch_item(cursor): None}
    while cursor.skip(b" "):
        items[fetch_item(cursor)] = None
        if len(items) > MAX_ITEMS:
            raise LimitExceeded("Too many data items")
    cursor.expect(b")")
    return tuple(items)


def fetch_item(cursor: Cursor) -> Item:
    """Read one item."""
    name = cursor.matching(_ITEM_NAME, "Expected a data item").decode("ascii").upper()
    reader = READERS.get(name)
    if reader is None:
        raise BadSyntax("Unknown data item")
    return reader(cursor)


def _body(cursor: Cursor) -> Item:
    # "BODY" is the structure, "BODY[...]" octets
    return _section(cursor, peek=False) if cursor.peek() == b"[" else Attribute("BODY")


def _body_peek(cursor: Cursor) -> Item:
    return _section(cursor, peek=True)


def _section(cursor: Cursor, *, peek: bool) -> Section:
    cursor.expect(b"[")
    path, text, fields = section_specification(cursor)
    cursor.expect(b"]")
    partial = section_partial(cursor)
    label = b"BODY[" + _specification(path, text, fields) + b"]"
    if partial is not None:
        # RFC 3501 7.4.2: the response names the first octet only
        label += b"<%d>" % partial[0]
    return Section(path, text, fields, peek, partial, label)


def _binary(cursor: Cursor, *, peek: bool, size_only: bool = False) -> Binary:
    # "BINARY" [".PEEK"] section-binary [partial] / "BINARY.SIZE" section-binary
    # section-binary = "[" [section-part] "]"
    cursor.expect(b"[")
    path: tuple[int, ...] = ()
    if cursor.peek() != b"]":
        path = _path(cursor)
    cursor.expect(b"]")
    partial = None if size_only else section_partial(cursor)
    label = (b"BINARY.SIZE[" if size_only else b"BINARY[") + _specification(path, "", ()) + b"]"
    if partial is not None:
        label += b"<%d>" % partial[0]
    return Binary(path, "", (), peek, partial, label, size_only)


def _path(cursor: Cursor) -> tuple[int, ...]:
    path = tuple(int(number) for number in cursor.matching(_PATH, "Invalid section").split(b"."))
    if len(path) > MAX_PATH:
        raise LimitExceeded("Section too deep")
    return path


def section_specification(cursor: Cursor) -> tuple[tuple[int, ...], str, tuple[bytes, ...]]:
    """What stands between the brackets: part numbers, the kind of text, names of fields."""
    path: tuple[int, ...] = ()
    if cursor.peek().isdigit():
        path = _path(cursor)
        if cursor.peek() == b"]":
            return path, "", ()
        cursor.expect(b".")
    elif cursor.peek() == b"]":
        return (), "", ()
    text = cursor.matching(_SECTION_TEXT, "Invalid section").decode("ascii").upper()
    if text == "MIME" and not path:
        # section-text = section-msgtext / "MIME", after part numbers only
        raise BadSyntax("MIME needs a part number")
    fields: tuple[bytes, ...] = ()
    if text.startswith("HEADER.FIELDS"):
        cursor.space()
        fields = _field_names(cursor)
    return path, text, fields


def _field_names(cursor: Cursor) -> tuple[bytes, ...]:
    cursor.expect(b"(")
    names = [_field_name(cursor)]
    while cursor.skip(b" "):
        names.append(_field_name(cursor))
        if len(names) > MAX_FIELDS:
            raise LimitExceeded("Too many header fields")
    cursor.expect(b")")
    return tuple(names)


def _field_name(cursor: Cursor) -> bytes:
    name = cursor.astring()
    if not _FIELD_NAME.fullmatch(name):
        raise BadSyntax("Invalid name of a header field")
    return name


def section_partial(cursor: Cursor) -> tuple[int, int] | None:
    """First octet and count, if they are given."""
    if cursor.peek() != b"<":
        return None
    found = _PARTIAL.match(cursor.matching(_PARTIAL, "Invalid range of octets"))
    assert found is not None
    start, count = int(found[1]), int(found[2])
    if start > MAX_NUMBER or count > MAX_NUMBER:
        raise BadSyntax("Invalid range of octets")
    return start, count


def _specification(path: tuple[int, ...], text: str, fields: tuple[bytes, ...]) -> bytes:
    parts = [str(number).encode("ascii") for number in path]
    if text:
        parts.append(text.encode("ascii"))
    written = b".".join(parts)
    if fields:
        written += b" (" + b" ".join(map(astring, fields)) + b")"
    return written


READERS: dict[str, Reader] = {
    "BODY": _body,
    "BODY.PEEK": _body_peek,
    "BINARY": lambda cursor: _binary(cursor, peek=False),
    "BINARY.PEEK": lambda cursor: _binary(cursor, peek=True),
    "BINARY.SIZE": lambda cursor: _binary(cursor, peek=True, size_only=True),
    "RFC822": lambda _: Section((), "", (), False, None, b"RFC822"),
    "RFC822.HEADER": lambda _: Section((), "HEADER", (), True, None, b"RFC822.HEADER"),
    "RFC822.TEXT": lambda _: Section((), "TEXT", (), False, None, b"RFC822.TEXT"),
}
"""Data items by name. An extension adds its own."""


def _plain_attribute(name: str) -> Reader:
    return lambda _: Attribute(name)


READERS.update({name: _plain_attribute(name) for name in ATTRIBUTES})
