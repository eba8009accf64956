"""What the server says, as octets (RFC 3501 section 7). Knows no transport."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from quantummail.imap.grammar import mailbox
from quantummail.imap.grammar.sequence import render_ranges
from quantummail.message.imap_string import astring
from quantummail.message.mailbox_name import DELIMITER
from quantummail.store import flags as store_flags
from quantummail.store.rights import may_set_keywords

# a range has at most 21 digits and marks: lines stay below 8 KB
_RANGES_IN_LINE = 350
PERMANENT_SYSTEM_FLAGS = tuple(store_flags.SYSTEM_FLAGS)


class Refusal(Exception):
    """Raised where a command is refused: it knows its reply, ``NO [code] text`` or ``BAD text``."""

    def __init__(self, text: str, code: str = "", *, response: str = "NO") -> None:
        super().__init__(text)
        self.response = response
        self.text = f"[{code}] {text}" if code else text


class Farewell(Exception):
    """Raised where nothing is left but to end the connection, with BYE and this text."""


def mailbox_name(name: str, *, utf8: bool = False) -> bytes:
    """A mailbox in modified UTF-7; in UTF-8 for a client that has enabled that."""
    if utf8 and not name.isascii():
        # RFC 9755 section 3, RFC 9051 section 9: a quoted string, which a literal would not have to be
        return b'"%b"' % name.replace("\\", "\\\\").replace('"', '\\"').encode("utf-8")
    return astring(mailbox.encode(name, utf8=utf8))


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


def permanent_flags(keywords: Sequence[str], mask: int) -> bytes:
    r"""``* OK [PERMANENTFLAGS ...]``: what a client may set for good; ``\*`` says that it may invent keywords.

    The mask is that of `quantummail.store.rights.flag_mask`, 0 in a mailbox that was opened by EXAMINE.
    """
    if not mask:
        return b"* OK [PERMANENTFLAGS ()] Read-only mailbox\r\n"
    names = [name for name, bit in store_flags.SYSTEM_FLAGS.items() if mask & bit]
    if may_set_keywords(mask):
        # where all places are taken some may be free all the same: see store/keywords.py
        names += [*keywords, "\\*"]
    return f"* OK [PERMANENTFLAGS ({' '.join(names)})] Flags permitted\r\n".encode("ascii", "replace")


def vanished(ranges: Sequence[tuple[int, int]], *, earlier: bool = False) -> bytes:
    """``* VANISHED``: UIDs that are gone, in as many lines as it takes to keep each short (RFC 7162 3.2.10)."""
    start = b"* VANISHED (EARLIER) " if earlier else b"* VANISHED "
    return b"".join([
        b"%s%s\r\n" % (start, render_ranges(ranges[at : at + _RANGES_IN_LINE]))
        for at in range(0, len(ranges), _RANGES_IN_LINE)
    ])


def list_line(response: bytes, attributes: Iterable[str], name: bytes, *, old: bytes = b"") -> bytes:
    """``* LIST (attributes) "/" name``; LSUB the same. `old`: what the client knows it by (RFC 9051 6.3.9.7)."""
    return b'* %s (%s) "%s" %s%s\r\n' % (
        response, " ".join(attributes).encode("ascii"), DELIMITER.encode("ascii"), name,
        b' ("OLDNAME" (%s))' % old if old else b"",
    )


def printable(text: str) -> str:
    """Text that can stand in a response line: printable ASCII."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character if character.isascii() and character.isprintable() else "?" for character in text)
