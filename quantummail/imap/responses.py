"""What the server says, as octets (RFC 3501 section 7). Knows no transport."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from quantummail.imap.grammar import mailbox
from quantummail.store import flags as store_flags

_ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
# A quoted string holds 7-bit text without CR, LF and NUL (RFC 3501 section 9, QUOTED-CHAR)
_QUOTABLE = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]{0,1000}")

PERMANENT_SYSTEM_FLAGS = tuple(store_flags.SYSTEM_FLAGS)


class Refusal(Exception):
    """Raised where a command is refused: it knows its reply, ``NO [code] text`` or ``BAD text``."""

    def __init__(self, text: str, code: str = "", *, response: str = "NO") -> None:
        super().__init__(text)
        self.response = response
        self.text = f"[{code}] {text}" if code else text


class Farewell(Exception):
    """Raised where nothing is left but to end the connection, with BYE and this text."""


def string(octets: bytes) -> bytes:
    """A string: quoted if it can be, otherwise a literal."""
    if _QUOTABLE.fullmatch(octets):
        return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return b"{%d}\r\n" % len(octets) + octets


def astring(octets: bytes) -> bytes:
    """An atom if it can be, otherwise a string. NIL is quoted, since some clients read it as nothing."""
    if _ATOM.fullmatch(octets) and octets.upper() != b"NIL":
        return octets
    return string(octets)


def mailbox_name(name: str) -> bytes:
    """A mailbox in modified UTF-7."""
    return astring(mailbox.encode(name))


def flag_list(flags: int, keywords: Sequence[str], *, recent: bool) -> bytes:
    """The flags of a message with their parentheses."""
    names = store_flags.names(flags, keywords)
    if recent:
        names.append("\\Recent")
    return f"({' '.join(names)})".encode("ascii", "replace")


def flags(keywords: Sequence[str]) -> bytes:
    """``* FLAGS``: all flags that are used in the mailbox."""
    names = " ".join([*PERMANENT_SYSTEM_FLAGS, *keywords])
    return f"* FLAGS ({names})\r\n".encode("ascii", "replace")


def permanent_flags(keywords: Sequence[str], *, read_only: bool) -> bytes:
    r"""``* OK [PERMANENTFLAGS ...]``: what a client may set for good; ``\*`` says that it may invent keywords."""
    if read_only:
        return b"* OK [PERMANENTFLAGS ()] Read-only mailbox\r\n"
    more = ("\\*",) if len(keywords) < store_flags.MAX_KEYWORDS else ()
    names = " ".join([*PERMANENT_SYSTEM_FLAGS, *keywords, *more])
    return f"* OK [PERMANENTFLAGS ({names})] Flags permitted\r\n".encode("ascii", "replace")


def list_line(response: bytes, attributes: Iterable[str], name: bytes) -> bytes:
    """``* LIST (attributes) "/" name``; LSUB the same."""
    return b'* %s (%s) "%s" %s\r\n' % (
        response, " ".join(attributes).encode("ascii"), mailbox.DELIMITER.encode("ascii"), name
    )


def printable(text: str) -> str:
    """Text that can stand in a response line: printable ASCII."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if character.isascii() and character.isprintable() else "?" for character in text)
