"""The id that every accepted message and every connection carries in replies, headers and logs."""

from __future__ import annotations

import itertools
import os
import time

# Crockford's base 32: no letter that is taken for a digit when a postmaster reads an id over the telephone
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS = range(70, -1, -10)
_counter = itertools.count(int.from_bytes(os.urandom(2), "big"))
_process = int.from_bytes(os.urandom(3), "big")


def new_id() -> str:
    """Sixteen characters [0-9a-z]: time in ms, a number of the process, a counter. Unique, sorted by time."""
    number = (time.time_ns() // 1_000_000 & 0xFFFFFFFFFFF) << 36 | _process << 12 | next(_counter) & 0xFFF
    return "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])
