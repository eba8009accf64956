"""Encoded words: text of other character sets in header fields (RFC 2047), decoded with known codecs only."""

from __future__ import annotations

import binascii
import re

# RFC 2047 2:  encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="
# Spaces inside of the encoded text are wrong and common.
_word = re.compile(rb"=\?([!-)+->@-~]{1,40})(?:\*[!->@-~]{0,40})?\?([bBqQ])\?([^?\r\n]*+)\?=")
_quoted_octet = re.compile(rb"=([0-9A-Fa-f]{2})")
_not_base64 = re.compile(rb"[^A-Za-z0-9+/]+")
# what would break a line or hide text when it is shown or logged
_controls = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")

_CODECS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "latin-1", "ascii": "latin-1", "iso-8859-1": "cp1252",
    "latin1": "cp1252", "iso-8859-8-i": "iso-8859-8", "iso-8859-9": "cp1254", "iso-8859-11": "cp874",
    "tis-620": "cp874", "gb2312": "gb18030", "gbk": "gb18030", "gb18030": "gb18030", "big5": "big5hkscs",
    "big5-hkscs": "big5hkscs", "euc-jp": "euc_jp", "iso-2022-jp": "iso2022_jp_ext", "shift_jis": "cp932",
    "shift-jis": "cp932", "sjis": "cp932", "windows-31j": "cp932", "euc-kr": "cp949", "ks_c_5601-1987": "cp949",
    "ksc5601": "cp949", "koi8-r": "koi8_r", "koi8-u": "koi8_u", "macintosh": "mac_roman", "ibm437": "cp437",
    "ibm850": "cp850", "ibm866": "cp866", "x-mac-roman": "mac_roman", "x-mac-cyrillic": "mac_cyrillic",
    "x-sjis": "cp932", "x-gbk": "gb18030", "gb_2312-80": "gb18030", "hz-gb-2312": "hz", "iso-2022-kr": "iso2022_kr",
    "iso-2022-jp-1": "iso2022_jp_ext", "iso-2022-jp-2": "iso2022_jp_2", "windows-874": "cp874",
    "unicode-1-1-utf-8": "utf-8",
}
_CODECS.update({f"iso-8859-{n}": f"iso8859_{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)})
_CODECS.update({f"{prefix}{n}": f"cp{n}" for n in range(1250, 1259) for prefix in ("windows-", "cp")})


def decode_text(value: bytes) -> str:
    """An unstructured value (or a display name) as text: words decoded, raw octets as UTF-8, else Latin-1.

    Never raises; control characters and bidirectional overrides become a space.
    """
    text = _decode_words(value) if b"=?" in value else decode_raw(value)
    if not text.isprintable():
        text = _controls.sub(" ", text)
    return text


def decode_raw(octets: bytes) -> str:
    """Octets that say no character set."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def codec(charset: str) -> str | None:
    """Python's name of a character set; None for those that we do not decode."""
    return _CODECS.get(charset.lower())


def decode_charset(octets: bytes, charset: str) -> str:
    """Octets of a named character set; unknown ones (and utf-7, which is one nobody should decode) as raw octets."""
    codec = _CODECS.get(charset.lower())
    if codec is None:
        return decode_raw(octets)
    return octets.decode(codec, "replace")


def _decode_words(value: bytes) -> str:
    pieces: list[str] = []
    position = 0
    charset = ""
    octets: list[bytes] = []
    for match in _word.finditer(value):
        between = value[position:match.start()]
        name = match[1].decode("ascii")
        # RFC 2047 6.2: white space between encoded words is not shown. Many programs split a character between
        # two words, so the octets of neighbours with the same charset are put together first.
        if between.strip(b" \t\r\n") or not octets:
            pieces.append(decode_charset(b"".join(octets), charset))
            pieces.append(decode_raw(between))
            octets = []
        elif name != charset:
            pieces.append(decode_charset(b"".join(octets), charset))
            octets = []
        charset = name
        octets.append(_decode_base64(match[3]) if match[2] in b"bB" else _decode_q(match[3]))
        position = match.end()
    pieces.append(decode_charset(b"".join(octets), charset))
    pieces.append(decode_raw(value[position:]))
    return "".join(pieces)


def _decode_q(text: bytes) -> bytes:
    # RFC 2047 4.2
    return _quoted_octet.sub(lambda match: bytes((int(match[1], 16),)), text.replace(b"_", b" "))


def _decode_base64(text: bytes) -> bytes:
    text = _not_base64.sub(b"", text)
    if len(text) % 4 == 1:
        text = text[:-1]
    return binascii.a2b_base64(text + b"=" * (-len(text) % 4))
