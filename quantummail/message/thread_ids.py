"""What threads a message (RFC 5256 section 3): its identifier and those it refers to, as numbers, packed.

Identifiers are compared only, never shown: eight octets of a hash stand for each. One octet for the subject ("Re:"
or the like: 1), then the message's own identifier (0 for none), then those of its ancestors, the nearest last.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING

from quantummail.message.message_id import message_ids
from quantummail.message.subject import split_subject

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_ID = 0
_quoting = re.compile(r'\\(.)|"')
_BIG = sys.byteorder == "big"


def thread_ids(fields: Mapping[bytes, bytes], subject: str) -> bytes:
    """Packed, from the raw values of the fields (names in lower case) and the decoded subject."""
    own = message_ids(fields.get(b"message-id", b""))[:1]
    # RFC 5256 section 3: the first one of In-Reply-To only where References has none
    references = message_ids(fields.get(b"references", b"")) or message_ids(fields.get(b"in-reply-to", b""))[:1]
    numbers = array("q", [number_of(own[0]) if own else NO_ID, *map(number_of, references)])
    if _BIG:
        numbers.byteswap()
    return (b"\x01" if split_subject(subject)[1] else b"\x00") + numbers.tobytes()


def unpacked(packed: bytes) -> tuple[bool, Sequence[int]]:
    """Whether the subject says that this is a reply or forward, and the numbers: the own one first."""
    numbers = array("q")
    numbers.frombytes(packed[1:])
    if _BIG:
        numbers.byteswap()
    return packed[:1] == b"\x01", numbers


@lru_cache(maxsize=1024)
def number_of(identifier: str) -> int:
    """The number of an identifier, never 0. Quotes make no difference (RFC 5256 section 3)."""
    if '"' in identifier or "\\" in identifier:
        identifier = _quoting.sub(lambda match: match[1] or "", identifier)
    digest = blake2b(identifier.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True) or 1
