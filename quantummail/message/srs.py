"""The sender rewriting scheme: a forwarded message gets a reverse-path in our name, and its bounces find their way.

Without it the next server sees us send in the name of a domain whose SPF record does not list us. There is no RFC: the
forms SRS0 (we forward for the first time) and SRS1 (it came from another forwarder) are those of libsrs2 and postsrsd.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from quantummail.message.address import Address

_DAY = 86400
# RFC 5321 4.5.4.1: bounces come for days; old addresses must not work as relays for ever
VALID_DAYS = 21
_MODULUS = 1024
_HASH = 8
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


class BadSrs(ValueError):
    """The address is none that we made, or it is too old. The text says which."""


def is_srs(local_part: str) -> bool:
    """Whether it looks like one."""
    return local_part[:5].lower() in ("srs0=", "srs0+", "srs0-", "srs1=", "srs1+", "srs1-")


class Rewriting:
    """Makes and reads rewritten addresses. The key is ours alone: nobody else can make addresses that we forward to."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def forward(self, sender: Address, domain: str, now: float) -> Address:
        """The reverse-path for a message of `sender` that is forwarded by one of our domains."""
        local_part = sender.local_part
        if is_srs(local_part) and local_part[3] == "0":
            # the first forwarder gets the bounce, whoever stands between
            opaque = f"{sender.domain}={local_part[4:]}"
            return Address(f"SRS1={self._hash(opaque)}={opaque}", domain)
        if is_srs(local_part):
            opaque = local_part[5:].partition("=")[2]
            return Address(f"SRS1={self._hash(opaque)}={opaque}", domain)
        day = int(now // _DAY) % _MODULUS
        opaque = f"{_BASE32[day >> 5]}{_BASE32[day & 31]}={sender.domain}={local_part}"
        return Address(f"SRS0={self._hash(opaque)}={opaque}", domain)

    def reverse(self, local_part: str, now: float) -> Address:
        """Whom a bounce to an address of ours is for. `BadSrs` if it is none of ours."""
        if not is_srs(local_part):
            raise BadSrs("this is not a rewritten address")
        made, _, opaque = local_part[5:].partition("=")
        # the case of local parts does not survive everywhere
        if not opaque or not hmac.compare_digest(made.lower().encode("utf-8"), self._hash(opaque).encode("ascii")):
            raise BadSrs("this rewritten address was not made here")
        if local_part[3] == "1":
            first, separator, rest = opaque.partition("=")
            if not separator:
                raise BadSrs("this rewritten address is damaged")
            return _address(f"SRS0{rest}", first)
        stamp, domain, original = [*opaque.split("=", 2), "", ""][:3]
        if not original or self._age(stamp, now) > VALID_DAYS:
            raise BadSrs("this rewritten address has expired")
        return _address(original, domain)

    def _hash(self, opaque: str) -> str:
        digest = hmac.new(self._key, opaque.lower().encode("utf-8"), hashlib.sha256).digest()
        return base64.b32encode(digest).decode("ascii").lower()[:_HASH]

    def _age(self, stamp: str, now: float) -> int:
        places = [_BASE32.find(letter) for letter in stamp.lower()]
        if len(places) != 2 or min(places) < 0:
            raise BadSrs("this rewritten address is damaged")
        return (int(now // _DAY) - (places[0] << 5 | places[1])) % _MODULUS


def _address(local_part: str, domain: str) -> Address:
    address = Address(local_part, domain)
    try:
        return Address.parse(str(address))
    except ValueError as error:
        raise BadSrs("this rewritten address is damaged") from error
