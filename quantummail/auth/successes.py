"""Passwords that were right a moment ago: clients log in every minute, and a hash costs 16 ms."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict

LIFETIME = 300.0
_REMEMBERED = 10_000


class Successes:
    """Remembers a keyed digest of each account's last right password, bound to the hash it was checked with.

    A changed password changes the hash, so it ends what is remembered. The key lives as long as the process.
    Times are seconds of the clock that the caller passes in.
    """

    def __init__(self, lifetime: float = LIFETIME) -> None:
        self._lifetime = lifetime
        self._key = secrets.token_bytes(32)
        self._digests: OrderedDict[int, tuple[bytes, float]] = OrderedDict()

    def add(self, user_id: int, stored_hash: str, password: str, now: float) -> None:
        """The password was found right."""
        self._digests[user_id] = (self._digest(user_id, stored_hash, password), now)
        self._digests.move_to_end(user_id)
        if len(self._digests) > _REMEMBERED:
            self._digests.popitem(last=False)

    def knows(self, user_id: int, stored_hash: str, password: str, now: float) -> bool:
        """Whether exactly this was found right less than `LIFETIME` ago."""
        digest, since = self._digests.get(user_id, (b"", 0.0))
        if not digest or not 0 <= now - since < self._lifetime:
            self._digests.pop(user_id, None)
            return False
        return hmac.compare_digest(digest, self._digest(user_id, stored_hash, password))

    def _digest(self, user_id: int, stored_hash: str, password: str) -> bytes:
        # No field can hold NUL but the last one, so no two claims give the same text
        claim = f"{user_id}\0{stored_hash}\0{password}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, claim, hashlib.sha256)
