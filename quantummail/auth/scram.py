"""The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without users, transport and clock.

Two messages of the client and two of ours: who and nonce, salt and nonce, proof, signature. Whatever a peer sends ends
in a message of ours or a `SaslError`.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from quantummail.auth.sasl import MAX_FIELD, SaslError, SaslNotAuthorized
from quantummail.auth.saslprep import saslprep
from quantummail.store.records import ScramKeys

# RFC 7677 4 wants 4096 at least. OpenSSL computes 65 536 in 16 ms, as long as our argon2id takes, and it is the most
# that clients with Cyrus SASL take (their MAX_ITERATION_COUNTER).
ITERATIONS = 65_536
SALT_OCTETS = 16
_NONCE_OCTETS = 18
_MAX_MESSAGE = 4 * MAX_FIELD

# RFC 5802 7: gs2-cbind-flag "," [authzid] ","
_GS2 = re.compile(r"(?:p=(?P<binding>[A-Za-z0-9.-]{1,64})|(?P<flag>[ny])),(?:a=(?P<authzid>[^,\x00]*))?,")
# RFC 5802 7: [reserved-mext ","] username "," nonce ["," extensions]; a mext that we do not know must be refused
_FIRST = re.compile(r"n=(?P<name>[^,\x00]+),r=(?P<nonce>[\x21-\x2b\x2d-\x7e]+)(?:,.*)?", re.DOTALL)
# RFC 5802 7: channel-binding "," nonce ["," extensions] "," proof
_FINAL = re.compile(r"(?P<bare>c=(?P<binding>[A-Za-z0-9+/=]+),r=(?P<nonce>[\x21-\x2b\x2d-\x7e]+)"
                    r"(?:,[A-Za-z]=[^,\x00]+)*),p=(?P<proof>[A-Za-z0-9+/=]+)")
_ESCAPES = {"=2C": ",", "=3D": "="}


def derive(password: str, iterations: int = ITERATIONS, salt: bytes | None = None) -> ScramKeys:
    """The keys of a password (RFC 5802 3). Slow on purpose: call it in `quantummail.auth.hashing.Hashing`."""
    salt = secrets.token_bytes(SALT_OCTETS) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", saslprep(password).encode("utf-8", "surrogatepass"), salt, iterations)
    stored_key = hashlib.sha256(_mac(salted, b"Client Key")).digest()
    return ScramKeys(salt, iterations, stored_key, _mac(salted, b"Server Key"))


def made_up(secret: bytes, address: str, iterations: int) -> ScramKeys:
    """Keys for an account that is not there: no password fits, and the salt is the same whenever it is asked for."""
    def part(name: str) -> bytes:
        return _mac(secret, f"{name}\0{address}".encode("utf-8", "surrogatepass"))

    return ScramKeys(part("salt")[:SALT_OCTETS], iterations, part("stored key"), part("server key"))


@dataclass(frozen=True, slots=True)
class First:
    """What the client says first."""

    authzid: str
    username: str


class Scram:
    """One run: `first`, `challenge`, `proves`, `signature`, in this order.

    :param plus: whether this is SCRAM-SHA-256-PLUS.
    :param binding: the data of a type of channel binding, None for one that this connection does not have.
    :param plus_offered: whether the client could have seen that PLUS is there.
    """

    def __init__(self, *, plus: bool, binding: Callable[[str], bytes | None], plus_offered: bool,
                 nonce: str | None = None) -> None:
        self._plus = plus
        self._binding = binding
        self._plus_offered = plus_offered
        self._own_nonce = nonce or secrets.token_urlsafe(_NONCE_OCTETS)
        self._header = b""
        self._data = b""
        self._first_bare = ""
        self._nonce = ""
        self._challenge = ""
        self._keys: ScramKeys | None = None
        self._signed = b""

    def first(self, message: bytes) -> First:
        """Take the client's first message: for whom."""
        text = _text(message)
        header = _GS2.match(text)
        if header is None:
            raise SaslError("not a message of SCRAM")
        self._header = header[0].encode()
        self._data = self._bound(header["binding"] or "", header["flag"] or "")
        bare = text[header.end():]
        fields = _FIRST.fullmatch(bare)
        if fields is None:
            raise SaslError("user name and nonce expected")
        authzid, username = _name(header["authzid"] or ""), _name(fields["name"])
        # as for PLAIN: nobody acts for somebody else
        if authzid and authzid.lower() != username.lower():
            raise SaslNotAuthorized("acting as another user is not allowed")
        self._first_bare = bare
        self._nonce = fields["nonce"] + self._own_nonce
        return First(authzid, username)

    def challenge(self, keys: ScramKeys) -> bytes:
        """Our first message, with these keys' salt."""
        self._keys = keys
        salt = binascii.b2a_base64(keys.salt, newline=False).decode("ascii")
        self._challenge = f"r={self._nonce},s={salt},i={keys.iterations}"
        return self._challenge.encode("ascii")

    def proves(self, message: bytes) -> bool:
        """Take the client's final message: whether it knows the password."""
        keys = self._keys
        fields = _FINAL.fullmatch(_text(message))
        if fields is None or keys is None:
            raise SaslError("channel binding, nonce and proof expected")
        # RFC 5802 5.1, "c": what the client saw of TLS is what we see
        bound = _octets(fields["binding"]) == self._header + self._data
        if not bound or not hmac.compare_digest(fields["nonce"], self._nonce):
            raise SaslError("channel binding or nonce differ")
        self._signed = ",".join((self._first_bare, self._challenge, fields["bare"])).encode()
        proof = _octets(fields["proof"])
        signature = _mac(keys.stored_key, self._signed)
        if len(proof) != len(signature):
            return False
        client_key = bytes(one ^ other for one, other in zip(proof, signature, strict=True))
        return hmac.compare_digest(hashlib.sha256(client_key).digest(), keys.stored_key)

    def signature(self) -> bytes:
        """Our final message: that we know the account's keys, too."""
        assert self._keys is not None
        return b"v=" + binascii.b2a_base64(_mac(self._keys.server_key, self._signed), newline=False)

    def _bound(self, binding: str, flag: str) -> bytes:
        """The data that the client's final message must repeat (RFC 5802 6)."""
        if self._plus != bool(binding):
            raise SaslError("PLUS and channel binding go together")
        if flag == "y" and self._plus_offered:
            # somebody took PLUS out of the list that we sent
            raise SaslError("the client believes that channel binding is not offered, but it is")
        if not binding:
            return b""
        data = self._binding(binding)
        if data is None:
            raise SaslError("this type of channel binding is not supported")
        return data


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)


def _text(message: bytes) -> str:
    if len(message) > _MAX_MESSAGE:
        raise SaslError("message too long")
    try:
        return message.decode("utf-8")
    except UnicodeDecodeError:
        raise SaslError("messages must be UTF-8") from None


def _name(escaped: str) -> str:
    """A saslname (RFC 5802 5.1): ``=2C`` and ``=3D``, and no other ``=``."""
    parts = re.split(r"(=..?|=)", escaped)
    if any(part.startswith("=") and part not in _ESCAPES for part in parts):
        raise SaslError("a user name with a wrong escape")
    name = "".join(_ESCAPES.get(part, part) for part in parts)
    if len(name.encode()) > MAX_FIELD:
        raise SaslError("user name too long")
    return name


def _octets(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        raise SaslError("not base64") from None
