"""Texts as the comparator i;unicode-casemap sees them (RFC 5051): the same for all cases of a letter.

RFC 5255 4.3 (I18NLEVEL=1): SEARCH, SORT and THREAD compare so.
"""

from __future__ import annotations

import unicodedata


class _Titles(dict[int, str]):
    """The title case of each character that has been seen; `str.translate` asks here."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        title = character.title()
        # RFC 5051 2 (a): UnicodeData.txt has mappings to one character only; "ß" has none
        self[code] = found = title if len(title) == 1 else character
        return found


_TITLES = _Titles()


def casemap(text: str) -> str:
    """The key by which a text is compared, sorted (in the order of code points) and looked for in others.

    Capital letters, and all characters taken apart: "é" becomes "E" with an accent behind it.
    """
    if text.isascii():
        return text.upper()
    # RFC 5051 2 (b)
    return unicodedata.normalize("NFKD", text.translate(_TITLES))
