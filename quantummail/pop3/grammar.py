"""Commands of POP3, from octets to values (RFC 1939 3, RFC 2449 4 and 9). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

# RFC 2449 4: "a maximum command line of 255 octets", CRLF included; AUTH takes longer ones (RFC 5034 4)
MAX_LINE = 255


class CommandError(ValueError):
    """The line is no command. The text is fit for the client."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command with its argument; fields that its verb does not have are empty."""

    verb: str
    text: str = ""
    """USER: the name. PASS: the password. AUTH: the mechanism. LANG: the language."""
    number: int = 0
    """LIST, UIDL, RETR, DELE, TOP: the message number, 0 for none."""
    lines: int = 0
    """TOP: how many lines of the body."""
    initial: bytes | None = None
    """AUTH: the initial response, still in base64."""


def parse(line: bytes) -> Command:
    """Read one line, with its end. Raises `CommandError`."""
    stripped = line.rstrip(b"\r\n")
    keyword, _, rest = stripped.partition(b" ")
    verb = keyword.upper().decode("latin-1")
    argument = _ARGUMENTS.get(verb)
    if argument is None:
        raise CommandError("unknown command")
    if len(line) > MAX_LINE and verb != "AUTH":
        raise CommandError("line too long")
    return argument(verb, rest)


_CONTROL = re.compile("[\x00-\x1f\x7f]")


def _nothing(verb: str, rest: bytes) -> Command:
    if rest.strip(b" "):
        raise CommandError(f"{verb} takes no argument")
    return Command(verb)


def _text(rest: bytes) -> str:
    try:
        text = rest.decode("utf-8")  # RFC 6856 2.1: user names and passwords in UTF-8
    except UnicodeDecodeError:
        raise CommandError("the argument must be UTF-8") from None
    if not text or _CONTROL.search(text):
        raise CommandError("the argument must be printable and not empty")
    return text


def _user(verb: str, rest: bytes) -> Command:
    return Command(verb, text=_text(rest.strip(b" ")))


def _password(verb: str, rest: bytes) -> Command:
    # RFC 1939 7, PASS: blanks are part of the argument
    return Command(verb, text=_text(rest))


def _language(verb: str, rest: bytes) -> Command:
    # RFC 6856 3.1: lang-cmd = "LANG" [SP lang-range], alone it asks for a list
    return _user(verb, rest) if rest.strip(b" ") else Command(verb)


# RFC 1939 3: message numbers are decimal; ten digits are more than any maildrop has
_NUMBER = re.compile(rb" *([0-9]{1,10}) *")
# "all lines" is said with any number, however long
_TWO_NUMBERS = re.compile(rb" *([0-9]{1,10}) +([0-9]+) *")


def _number(verb: str, rest: bytes) -> Command:
    found = _NUMBER.fullmatch(rest)
    if found is None or (number := int(found[1])) == 0:
        raise CommandError(f"{verb} takes a message number")
    return Command(verb, number=number)


def _number_or_nothing(verb: str, rest: bytes) -> Command:
    return _number(verb, rest) if rest.strip(b" ") else Command(verb)


def _top(verb: str, rest: bytes) -> Command:
    # RFC 1939 7: TOP msg n, n not negative
    found = _TWO_NUMBERS.fullmatch(rest)
    if found is None or (number := int(found[1])) == 0:
        raise CommandError("TOP takes a message number and a number of lines")
    return Command(verb, number=number, lines=int(found[2]))


# RFC 4422 3.1: sasl-mech = 1*20mech-char
_MECHANISM = re.compile(rb"([A-Za-z0-9_-]{1,20})(?: +([^ ]+))? *")


def _auth(verb: str, rest: bytes) -> Command:
    # RFC 5034 4: "AUTH" SP sasl-mech [SP initial-response]; alone it asks for a list, as old clients do
    if not rest.strip(b" "):
        return Command(verb)
    found = _MECHANISM.fullmatch(rest)
    if found is None:
        raise CommandError("AUTH takes a mechanism and an initial response")
    return Command(verb, text=found[1].decode("ascii").upper(), initial=found[2])


_ARGUMENTS: dict[str, Callable[[str, bytes], Command]] = {
    "USER": _user, "PASS": _password, "AUTH": _auth,
    "STAT": _nothing, "NOOP": _nothing, "RSET": _nothing, "QUIT": _nothing,
    "CAPA": _nothing, "STLS": _nothing, "UTF8": _nothing, "LANG": _language,
    "RETR": _number, "DELE": _number, "LIST": _number_or_nothing, "UIDL": _number_or_nothing, "TOP": _top,
}
