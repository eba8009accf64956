"""Secrets that have to be read again (private keys, passwords for other servers): encrypted in the database.

Whoever has the database, or a copy of it, has not the key: that is in a file of its own, readable by us alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quantummail.store.errors import Unavailable

_VERSION = b"\x01"
_NONCE = 12


class Unsealable(Unavailable):
    """A secret was sealed with another key, or for another place. The text says what it is about."""


def secret_key(path: Path) -> bytes:
    """A key of 32 octets in a file of its own; made when it is not there. OSError when it cannot be read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    if not path.exists():
        # whole and durable before it has its name: half a key would be lost with everything that it sealed
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return path.read_bytes()


class Seal:
    """AES-256-GCM. Each secret is bound to the place that it belongs to: moved elsewhere it does not open."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, secret: bytes, place: str) -> bytes:
        """Encrypt."""
        nonce = os.urandom(_NONCE)
        return _VERSION + nonce + self._cipher.encrypt(nonce, secret, place.encode("utf-8"))

    def open(self, sealed: bytes, place: str) -> bytes:
        """Decrypt. `Unsealable` if the key or the place is another one."""
        version, nonce, rest = sealed[:1], sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
        if version == _VERSION and len(nonce) == _NONCE:
            with contextlib.suppress(InvalidTag):
                return self._cipher.decrypt(nonce, rest, place.encode("utf-8"))
        raise Unsealable(f"the secret of {place} cannot be read with the key of this server")
