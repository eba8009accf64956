"""IMAP's strings (RFC 3501 4.3): quoted where that can be, a literal otherwise."""

from __future__ import annotations

import re

# RFC 3501 9:  QUOTED-CHAR = <any TEXT-CHAR except quoted-specials> / "\" quoted-specials
_quoted = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-!#-\[\]-\x7f]*+").fullmatch
_quotable = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]*+").fullmatch
_REPLACEMENT = "\ufffd".encode()
# RFC 3501 9:  ATOM-CHAR = <any CHAR except atom-specials>
_atom = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+").fullmatch
_specials = re.compile(rb'["\\]')


def string(value: bytes) -> bytes:
    """The value as quoted string or literal. NUL, which neither may contain, is shown as U+FFFD."""
    if _quoted(value):
        return b'"' + value + b'"'
    if _quotable(value):
        return b'"' + _specials.sub(rb"\\\g<0>", value) + b'"'
    value = value.replace(b"\0", _REPLACEMENT)
    return b"{%d}\r\n%b" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    """NIL for None."""
    return b"NIL" if value is None else string(value)


def astring(value: bytes) -> bytes:
    """An atom if it can be, otherwise a string. NIL is quoted, since some clients read it as nothing."""
    return value if _atom(value) and value.upper() != b"NIL" else string(value)
