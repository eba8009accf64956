"""Modified UTF-7, the form of mailbox names in IMAP4rev1 and in Maildir++ trees (RFC 3501 5.1.3)."""

from __future__ import annotations

import base64


def encode(text: str, also: str = "") -> str:
    """The encoded name. Characters of `also` are encoded although they could stand for themselves."""
    encoded: list[str] = []
    shifted: list[str] = []
    for character in text:
        if " " <= character <= "~" and character not in also:
            _unshift(shifted, encoded)
            encoded.append("&-" if character == "&" else character)
        else:
            shifted.append(character)
    _unshift(shifted, encoded)
    return "".join(encoded)


def _unshift(shifted: list[str], encoded: list[str]) -> None:
    if shifted:
        octets = "".join(shifted).encode("utf-16-be", "surrogatepass")
        encoded.append("&" + base64.b64encode(octets, b"+,").rstrip(b"=").decode("ascii") + "-")
        shifted.clear()


def decode(encoded: str) -> str:
    """The name. ValueError if this is not modified UTF-7: 8-bit octets, bad base64, half a surrogate pair."""
    if not encoded.isascii():
        raise ValueError("8-bit octets in a mailbox name")
    parts = encoded.split("&")
    decoded = [parts[0]]
    for part in parts[1:]:
        shifted, dash, rest = part.partition("-")
        if not dash:
            raise ValueError("unfinished shift sequence in a mailbox name")
        if shifted:
            padding = "=" * (-len(shifted) % 4)
            try:
                octets = base64.b64decode(shifted + padding, b"+,", validate=True)
                decoded.append(octets.decode("utf-16-be"))
            except ValueError as error:
                raise ValueError("bad shift sequence in a mailbox name") from error
        else:
            decoded.append("&")
        decoded.append(rest)
    return "".join(decoded)
