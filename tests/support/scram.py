"""A client of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), written apart from the server's side."""

from __future__ import annotations

import base64
import hashlib
import hmac


class ScramClient:
    """One run: `first`, `final`, `verify`.

    :param header: how channel binding is used, with the user to act for: ``n,,``, ``y,,`` or ``p=tls-exporter,,``.
    :param binding: what the client sees of TLS.
    """

    def __init__(self, username: str, password: str, *, header: str = "n,,", binding: bytes = b"",
                 nonce: str = "rOprNGfwEbeRWgbNEkqO") -> None:
        self.password = password
        self.header = header
        self.binding = binding
        self.bare = f"n={username},r={nonce}"
        self.nonce = nonce
        self.iterations = 0
        self.salt = b""
        self._server_signature = b""

    def first(self) -> bytes:
        """The first message."""
        return (self.header + self.bare).encode()

    def final(self, challenge: bytes) -> bytes:
        """The answer to the server's first message."""
        fields = dict(part.split("=", 1) for part in challenge.decode().split(","))
        if not fields["r"].startswith(self.nonce) or fields["r"] == self.nonce:
            raise AssertionError(f"the server has not added to the nonce: {challenge!r}")
        self.iterations, self.salt = int(fields["i"]), base64.b64decode(fields["s"])
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), self.salt, self.iterations)
        bound = base64.b64encode(self.header.encode() + self.binding).decode()
        without_proof = f"c={bound},r={fields['r']}"
        signed = f"{self.bare},{challenge.decode()},{without_proof}".encode()
        client_key = _mac(salted, b"Client Key")
        signature = _mac(hashlib.sha256(client_key).digest(), signed)
        proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
        self._server_signature = _mac(_mac(salted, b"Server Key"), signed)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, message: bytes) -> None:
        """The server's final message must show that it knows the account's keys."""
        if base64.b64decode(message.removeprefix(b"v=")) != self._server_signature:
            raise AssertionError(f"not the server's signature: {message!r}")


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()
