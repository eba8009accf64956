"""The end of a line that announces a literal (RFC 3501 section 9, RFC 7888)."""

from __future__ import annotations

import re
from dataclasses import dataclass

# literal  = "{" number "}" CRLF *CHAR8 ; with LITERAL+ and LITERAL-: "{" number ["+"] "}"
# literal8 = "~{" number ["+"] "}" CRLF *OCTET (RFC 3516)
_ANNOUNCED = re.compile(rb"(~?)\{(\d{1,20})(\+?)\}\r?\n\Z")


@dataclass(frozen=True, slots=True)
class Announced:
    """A literal of `size` octets follows."""

    size: int
    synchronizing: bool
    """Whether the client waits for ``+`` before it sends them."""
    binary: bool = False
    """Whether every octet may be among them (RFC 3516)."""


def announced(line: bytes) -> Announced | None:
    """The literal that a line (with its end) announces, if it does."""
    if b"}" not in line[-3:]:
        return None
    found = _ANNOUNCED.search(line, max(0, len(line) - 32))
    return None if found is None else Announced(int(found[2]), not found[3], bool(found[1]))
