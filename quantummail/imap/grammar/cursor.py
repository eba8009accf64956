"""A place in the text of one command: the tokens of RFC 3501 section 9 are read from here, none by recursion."""

from __future__ import annotations

import re

# atom-specials   = "(" / ")" / "{" / SP / CTL / list-wildcards / quoted-specials / resp-specials
# list-wildcards  = "%" / "*"
# quoted-specials = DQUOTE / "\"
# resp-specials   = "]"
_ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
# ASTRING-CHAR    = ATOM-CHAR / resp-specials
_ASTRING_CHARS = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\]+")
# list-char       = ATOM-CHAR / list-wildcards / resp-specials
_LIST_CHARS = re.compile(rb"[^\x00-\x20\x7f-\xff(){\"\\]+")
# tag             = 1*<any ASTRING-CHAR except "+">
_TAG = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\+]+")
# quoted          = DQUOTE *QUOTED-CHAR DQUOTE
# QUOTED-CHAR     = <any TEXT-CHAR except quoted-specials> / "\" quoted-specials
# Departure: 8-bit octets pass, since clients send UTF-8 passwords so; who reads the string decides about them.
_QUOTED = re.compile(rb"\"([^\"\\\r\n\x00]*+(?:\\[\"\\][^\"\\\r\n\x00]*+)*+)\"")
_ESCAPED = re.compile(rb"\\([\"\\])")
# literal         = "{" number "}" CRLF *CHAR8, with LITERAL+ "{" number "+}" (RFC 7888)
# literal8        = "~{" number ["+"] "}" CRLF *OCTET (RFC 3516)
_LITERAL = re.compile(rb"~?\{(\d{1,10})\+?\}\r?\n")
_NUMBER = re.compile(rb"\d{1,20}")

MAX_NUMBER = 0xFFFFFFFF
MAX_TAG = 256


class BadSyntax(Exception):
    """The client broke the grammar. The text is for the client, after BAD."""


class LimitExceeded(Exception):
    """The client asked for more than we take at once. The text is for the client, after NO [LIMIT]."""


class Cursor:
    """Reads one command from left to right. Literals stand in `data` as they came: ``{3}CRLFabc``."""

    __slots__ = ("data", "position", "utf8")

    def __init__(self, data: bytes, position: int = 0, *, utf8: bool = False) -> None:
        self.data = data
        self.position = position
        self.utf8 = utf8
        """Whether the client writes names of mailboxes in UTF-8 (RFC 9755, RFC 9051 5.1)."""

    @property
    def at_end(self) -> bool:
        """Whether everything has been read."""
        return self.position >= len(self.data)

    def peek(self) -> bytes:
        """The next octet, empty at the end."""
        return self.data[self.position : self.position + 1]

    def skip(self, octets: bytes) -> bool:
        """Step over these octets if they are next."""
        if self.data.startswith(octets, self.position):
            self.position += len(octets)
            return True
        return False

    def expect(self, octets: bytes) -> None:
        """Step over these octets, which must be next."""
        if not self.skip(octets):
            raise BadSyntax(f"Expected {octets.decode('ascii')!r}")

    def space(self) -> None:
        """Step over the one space between two arguments."""
        if not self.skip(b" "):
            raise BadSyntax("Missing argument" if self.at_end else "Expected a space")

    def end(self) -> None:
        """Nothing more may come."""
        if not self.at_end:
            raise BadSyntax("Too many arguments")

    def tag(self) -> str:
        """The tag of a command."""
        tag = self.matching(_TAG, "Invalid tag")
        if len(tag) > MAX_TAG:
            raise BadSyntax("Invalid tag")
        return tag.decode("ascii")

    def atom(self) -> str:
        """An atom as it is written."""
        return self.matching(_ATOM, "Expected an atom").decode("ascii")

    def word(self) -> str:
        """An atom that means the same in any case; given in upper case."""
        return self.atom().upper()

    def matching(self, pattern: re.Pattern[bytes], complaint: str) -> bytes:
        """What `pattern` finds here; `BadSyntax` with the complaint if it does not."""
        found = pattern.match(self.data, self.position)
        if found is None:
            raise BadSyntax("Missing argument" if self.at_end else complaint)
        self.position = found.end()
        return found[0]

    def number(self, maximum: int = MAX_NUMBER) -> int:
        """A number of digits only, at most `maximum`."""
        number = int(self.matching(_NUMBER, "Expected a number"))
        if number > maximum:
            raise BadSyntax("Number too large")
        return number

    def string(self) -> bytes:
        """A quoted string or a literal."""
        start = self.peek()
        if start == b'"':
            return self._quoted()
        if start == b"{":
            return self._literal()
        raise BadSyntax("Expected a string")

    def astring(self) -> bytes:
        """An atom (with "]" allowed), a quoted string or a literal."""
        start = self.peek()
        if start in (b'"', b"{"):
            return self.string()
        return self.matching(_ASTRING_CHARS, "Expected a string")

    def list_mailbox(self) -> bytes:
        """A mailbox pattern of LIST: wildcards need no quotes."""
        start = self.peek()
        if start in (b'"', b"{"):
            return self.string()
        return self.matching(_LIST_CHARS, "Expected a mailbox pattern")

    def nstring(self) -> bytes | None:
        """A string, or NIL as None."""
        if self.data[self.position : self.position + 3].upper() == b"NIL":
            self.position += 3
            return None
        return self.string()

    def string8(self) -> bytes:
        """A string, or a ``literal8``, in which every octet may stand (RFC 3516)."""
        return self._literal(binary=True) if self.peek() == b"~" else self.string()

    def text(self) -> str:
        """An astring that must be UTF-8: user names, passwords."""
        try:
            return self.astring().decode("utf-8")
        except UnicodeDecodeError:
            raise BadSyntax("Text is not UTF-8") from None

    def _quoted(self) -> bytes:
        found = _QUOTED.match(self.data, self.position)
        if found is None:
            raise BadSyntax("Invalid quoted string")
        self.position = found.end()
        content = found[1]
        return _ESCAPED.sub(rb"\1", content) if b"\\" in content else content

    def _literal(self, *, binary: bool = False) -> bytes:
        found = _LITERAL.match(self.data, self.position)
        if found is None:
            raise BadSyntax("Invalid literal")
        start = found.end()
        end = start + int(found[1])
        if end > len(self.data):
            raise BadSyntax("Invalid literal")
        self.position = end
        content = self.data[start:end]
        if b"\x00" in content and not binary:
            # CHAR8 = %x01-ff: a literal of a command (not of APPEND) has no NUL
            raise BadSyntax("NUL is not allowed")
        return content
