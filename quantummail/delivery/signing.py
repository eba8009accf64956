"""Signs what our domains send, with their active keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from twisted.logger import Logger

from quantummail.message.address_list import strict_addresses
from quantummail.message.canonical import BodyHash
from quantummail.message.headers import Headers
from quantummail.policy.signing import SigningKey, signatures
from quantummail.store.errors import StoreError

if TYPE_CHECKING:
    import mmap

    from twisted.internet.interfaces import IReactorTime

    from quantummail.store.dkim_keys import DkimKeys
    from quantummail.store.sealed import Seal
    from quantummail.store.spooled import SpooledBody

# Keys that commands have made, activated or retired are followed after this time
_REMEMBERED_FOR = 5.0


class Signing:
    """Knows the keys to sign with."""

    log = Logger(namespace="quantummail.delivery")

    def __init__(self, keys: DkimKeys, seal: Seal, clock: IReactorTime) -> None:
        self._keys = keys
        self._seal = seal
        self._clock = clock
        self._until = -1.0
        self._known: dict[tuple[str, str, int], SigningKey] = {}
        self._by_domain: dict[str, tuple[SigningKey, ...]] = {}

    async def signatures(self, header: bytes, heading: int, body: SpooledBody, body_start: int) -> bytes:
        """The signature fields for a message; empty if the domain of its author has no active key.

        :param header: the whole header, of which the first `heading` octets are not from the body.
        """
        keys = await self._keys_for(header)
        if not keys:
            return b""
        begin = body_start + len(header) - heading
        body_hash = await body.examine(lambda octets: _hashed(octets, begin))
        return signatures(header, body_hash, keys, int(time.time()))

    async def _keys_for(self, header: bytes) -> tuple[SigningKey, ...]:
        """The keys of the domain in From: that is the one that DMARC compares with (RFC 9989)."""
        await self._refresh()
        if not self._by_domain:
            return ()
        value = Headers.scan(header).get(b"from")
        try:
            authors = strict_addresses(value) if value is not None else ()
        except ValueError:
            return ()
        return self._by_domain.get(authors[0].domain.lower(), ()) if authors else ()

    async def _refresh(self) -> None:
        now = self._clock.seconds()
        if now < self._until:
            return
        self._until = now + _REMEMBERED_FOR
        try:
            active = await self._keys.active(self._seal)
        except StoreError as error:
            # rather unsigned than not at all, or with what was known
            self.log.error("the keys for DKIM cannot be read: {reason}", reason=str(error))
            return
        known = {}
        for key, secret in active:
            place = (key.domain, key.selector, key.created)
            known[place] = self._known.get(place) or _loaded(key.domain, key.selector, secret)
        self._known = known
        by_domain: dict[str, list[SigningKey]] = {}
        for one in known.values():
            by_domain.setdefault(one.domain, []).append(one)
        self._by_domain = {domain: tuple(keys) for domain, keys in by_domain.items()}


def _loaded(domain: str, selector: str, secret: bytes) -> SigningKey:
    key = load_der_private_key(secret, None)
    assert isinstance(key, RSAPrivateKey | Ed25519PrivateKey)
    return SigningKey(domain, selector, key)


def _hashed(octets: bytes | mmap.mmap, begin: int) -> BodyHash:
    body_hash = BodyHash("relaxed")
    if isinstance(octets, bytes):
        body_hash.update(octets[begin:])
        return body_hash
    for start in range(begin, len(octets), 1 << 20):
        body_hash.update(octets[start : start + (1 << 20)])
    return body_hash
