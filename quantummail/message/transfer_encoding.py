"""Content-Transfer-Encodings undone and done, piece by piece (RFC 2045 section 6)."""

from __future__ import annotations

import binascii
import re

IDENTITY = frozenset(("7bit", "8bit", "binary"))
"""Encodings that change nothing."""

_NOT_BASE64 = bytes(sorted(
    set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
))
_padding = re.compile(rb"=+")
# A quoted-printable line that does not end is decoded in pieces of this size
_LONGEST_LINE = 64 * 1024
# RFC 2045 6.8: 76 characters a line
_ENCODED_LINE = 76
_ENCODED_OCTETS = _ENCODED_LINE // 4 * 3
_WHITE_SPACE = b" \t"


class TransferDecoder:
    """Undoes one encoding. What is broken is decoded as far as it goes, as mail programs do; nothing raises."""

    __slots__ = ("_encoding", "_rest")

    def __init__(self, encoding: str) -> None:
        """`encoding`: one of `IDENTITY`, base64 or quoted-printable, in lower case; `knows` tells."""
        self._encoding = encoding
        self._rest = b""

    @staticmethod
    def knows(encoding: str) -> bool:
        """Whether it can be undone."""
        return encoding in IDENTITY or encoding in ("base64", "quoted-printable")

    def decode(self, octets: bytes, *, final: bool) -> bytes:
        """The decoded octets of the next piece; `final` for the last one."""
        if self._encoding == "base64":
            return self._base64(octets, final=final)
        if self._encoding == "quoted-printable":
            return self._quoted_printable(octets, final=final)
        return octets

    def _base64(self, octets: bytes, *, final: bool) -> bytes:
        # RFC 2045 6.8: what is not in the alphabet is no part of the data
        octets = self._rest + octets.translate(None, _NOT_BASE64)
        if b"=" not in octets:
            decoded = b""
        else:
            # padding ends one run of base64; some programs put several behind each other
            *ended, octets = _padding.split(octets)
            decoded = b"".join(map(_run, ended))
        if final:
            self._rest = b""
            return decoded + _run(octets)
        whole = len(octets) - len(octets) % 4
        self._rest = octets[whole:]
        return decoded + binascii.a2b_base64(octets[:whole])

    def _quoted_printable(self, octets: bytes, *, final: bool) -> bytes:
        octets = self._rest + octets
        whole = len(octets) if final else octets.rfind(b"\n") + 1
        if not whole and len(octets) > _LONGEST_LINE:
            # neither through an escape nor through white space that may be the end of the line
            whole = len(octets.rstrip(_WHITE_SPACE))
            escape = octets.rfind(b"=", max(whole - 2, 0), whole)
            whole = (whole if escape < 0 else escape) or len(octets)
        self._rest = octets[whole:]
        octets = octets[:whole]
        if b" \r\n" in octets or b"\t\r\n" in octets or (final and octets[-1:] in (b" ", b"\t")):
            # RFC 2045 6.7 (3): white space at the end of a line was added on the way
            lines = octets.split(b"\r\n")
            last = lines.pop()
            lines = [line.rstrip(_WHITE_SPACE) for line in lines]
            octets = b"\r\n".join([*lines, last.rstrip(_WHITE_SPACE) if final else last])
        return binascii.a2b_qp(octets)


def _run(octets: bytes) -> bytes:
    """Base64 that ends here. One character alone says nothing."""
    missing = -len(octets) % 4
    if missing == 3:
        octets, missing = octets[:-1], 0
    return binascii.a2b_base64(octets + b"=" * missing)


class Base64Encoder:
    """Writes base64 in lines with CRLF between them."""

    __slots__ = ("_begun", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False

    def encode(self, octets: bytes, *, final: bool) -> bytes:
        """The lines of the next piece; `final` for the last one. No line end stands at the very end."""
        octets = self._rest + octets
        whole = len(octets) if final else len(octets) - len(octets) % _ENCODED_OCTETS
        self._rest = octets[whole:]
        text = binascii.b2a_base64(octets[:whole], newline=False)
        if not text:
            return b""
        lines = [text[start : start + _ENCODED_LINE] for start in range(0, len(text), _ENCODED_LINE)]
        before = b"\r\n" if self._begun else b""
        self._begun = True
        return before + b"\r\n".join(lines)
