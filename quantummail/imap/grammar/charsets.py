"""Character sets that SEARCH takes, and texts in them (RFC 3501 6.4.4)."""

from __future__ import annotations

# Never utf-7 or anything that is not a plain table or UTF-8: decoders of strange sets are an attack surface
_CODECS = {
    "US-ASCII": "ascii", "ASCII": "ascii", "ANSI_X3.4-1968": "ascii", "UTF-8": "utf-8", "UTF8": "utf-8",
    **{f"ISO-8859-{number}": f"iso8859-{number}" for number in (*range(1, 12), 13, 14, 15, 16)},
    **{f"WINDOWS-{number}": f"cp{number}" for number in range(1250, 1259)},
    "KOI8-R": "koi8-r", "KOI8-U": "koi8-u", "BIG5": "big5", "GB2312": "gb2312", "GBK": "gbk", "GB18030": "gb18030",
    "EUC-JP": "euc-jp", "ISO-2022-JP": "iso2022_jp", "EUC-KR": "euc-kr", "SHIFT_JIS": "shift_jis",
}
# What BADCHARSET tells a client: enough to choose from
OFFERED = ("US-ASCII", "UTF-8", "ISO-8859-1", "ISO-8859-15", "WINDOWS-1252")


class BadCharset(Exception):
    """The character set is none that we know: NO [BADCHARSET ...]."""


def search_codec(name: str) -> str:
    """Python's name of a character set given to SEARCH; `BadCharset` when we do not know it."""
    found = _CODECS.get(name.upper())
    if found is None:
        raise BadCharset(name)
    return found
