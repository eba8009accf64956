"""The arguments of GETMETADATA and SETMETADATA (RFC 5464 section 5)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.mailbox import mailbox
from quantummail.message.imap_string import astring, string

MAX_ENTRIES = 500
MAX_ENTRY = 255
# RFC 5464 3.2: begins with /private or /shared, no "//", no "/" at the end, no "*" and "%", no control characters
_ENTRY = re.compile(rb"/(?:private|shared)(?:/[^\x00-\x1f\x7f-\xff/*%]+)*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GetMetadata:
    """What GETMETADATA asks for."""

    mailbox: str
    """Empty for the server."""
    entries: tuple[str, ...]
    """As the client writes them."""
    depth: int | None
    """How many levels below the entries; None: all."""
    max_size: int | None


def get_metadata(cursor: Cursor) -> GetMetadata:
    """Read ``[SP getmetadata-options] SP mailbox SP entries``.

    Departure: the options may stand behind the mailbox, too, as in the examples of the RFC.
    """
    cursor.space()
    depth: int | None = 0
    max_size: int | None = None
    if cursor.peek() == b"(":
        depth, max_size = _options(cursor)
        cursor.space()
    name = mailbox_or_server(cursor)
    cursor.space()
    if cursor.data[cursor.position : cursor.position + 2].upper() in (b"(M", b"(D"):
        depth, max_size = _options(cursor)
        cursor.space()
    found = entries(cursor)
    cursor.end()
    return GetMetadata(name, found, depth, max_size)


def set_metadata(cursor: Cursor) -> tuple[str, dict[str, bytes | None]]:
    """Read ``SP mailbox SP "(" entry SP value *(SP entry SP value) ")"``: the mailbox, and values by entries.

    Entries are given in lower case; NIL, which removes one, as None. What is set twice has the last value.
    """
    cursor.space()
    name = mailbox_or_server(cursor)
    cursor.space()
    cursor.expect(b"(")
    values: dict[str, bytes | None] = {}
    while not cursor.skip(b")"):
        if values:
            cursor.space()
        written = entry(cursor).lower()
        if written.count("/") < 2:
            raise BadSyntax("Invalid name of an entry")
        cursor.space()
        values[written] = _value(cursor)
        if len(values) > MAX_ENTRIES:
            raise LimitExceeded(f"At most {MAX_ENTRIES} entries")
    cursor.end()
    if not values:
        raise BadSyntax("Expected an entry")
    return name, values


def mailbox_or_server(cursor: Cursor) -> str:
    """A mailbox; the empty name means the server."""
    start = cursor.position
    if not cursor.astring():
        return ""
    cursor.position = start
    return mailbox(cursor)


def entries(cursor: Cursor) -> tuple[str, ...]:
    """Read ``entry / "(" entry *(SP entry) ")"``."""
    if not cursor.skip(b"("):
        return (entry(cursor),)
    found = [entry(cursor)]
    while cursor.skip(b" "):
        found.append(entry(cursor))
        if len(found) > MAX_ENTRIES:
            raise LimitExceeded(f"At most {MAX_ENTRIES} entries")
    cursor.expect(b")")
    return tuple(dict.fromkeys(found))


def entry(cursor: Cursor) -> str:
    """The name of an entry. RFC 5464 3.2: an invalid one is BAD."""
    name = cursor.astring()
    if len(name) > MAX_ENTRY or not _ENTRY.fullmatch(name):
        raise BadSyntax("Invalid name of an entry")
    return name.decode("ascii")


def _value(cursor: Cursor) -> bytes | None:
    # RFC 5464 section 5: an nstring, or a literal8 with any octets
    if cursor.peek() == b"~":
        return cursor.string8()
    return cursor.nstring()


def _options(cursor: Cursor) -> tuple[int | None, int | None]:
    """Read ``"(" option *(SP option) ")"``: depth and size."""
    depth: int | None = 0
    max_size: int | None = None
    cursor.expect(b"(")
    while True:
        name = cursor.word()
        cursor.space()
        if name == "MAXSIZE":
            max_size = cursor.number()
        elif name == "DEPTH":
            # scope-opt = "DEPTH" SP ("0" / "1" / "infinity")
            word = cursor.word()
            if word not in ("0", "1", "INFINITY"):
                raise BadSyntax("Invalid depth")
            depth = None if word == "INFINITY" else int(word)
        else:
            raise BadSyntax("Unknown option")
        if cursor.skip(b")"):
            return depth, max_size
        cursor.space()


def rendered(name: str, value: bytes | None) -> bytes:
    """An entry and its value, as responses have them; octets that no string may contain as ``literal8``."""
    if value is None:
        return astring(name.encode("ascii")) + b" NIL"
    if b"\x00" in value:
        return astring(name.encode("ascii")) + b" ~{%d}\r\n%b" % (len(value), value)
    return astring(name.encode("ascii")) + b" " + string(value)
