"""SASLprep: one spelling for each password, the one that SCRAM's clients compute with (RFC 4013)."""

from __future__ import annotations

import stringprep
import unicodedata
from collections.abc import Callable

# RFC 4013 2.3
_PROHIBITED: tuple[Callable[[str], bool], ...] = (
    stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4,
    stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str) -> str:
    """The text as SASLprep makes it; in normal form C where SASLprep forbids it.

    Letters younger than Unicode 3.2 are forbidden by the letter of RFC 4013, and typed all the same: clients that
    know PRECIS (RFC 8265 4.2) take them in normal form C, and others as they are.
    """
    if text.isascii():
        return text
    # RFC 4013 2.1
    mapped = "".join(" " if stringprep.in_table_c12(character) else character
                     for character in text if not stringprep.in_table_b1(character))
    # RFC 4013 2.2
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    if not prepared or _forbidden(prepared):
        return unicodedata.normalize("NFC", text)
    return prepared


def _forbidden(text: str) -> bool:
    if any(prohibits(character) for character in text for prohibits in _PROHIBITED):
        return True
    # RFC 4013 2.5: unassigned in Unicode 3.2
    if any(stringprep.in_table_a1(character) for character in text):
        return True
    # RFC 3454 6: text that is written from the right is so as a whole
    if not any(stringprep.in_table_d1(character) for character in text):
        return False
    ends_right = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return not ends_right or any(stringprep.in_table_d2(character) for character in text)
