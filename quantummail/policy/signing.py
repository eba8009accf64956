"""DKIM signatures on mail that leaves us (RFC 6376, RFC 8463)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from quantummail.message.canonical import BodyHash, header_field
from quantummail.message.headers import Headers, header_end

# Signed as often as they are there and once more, so that nobody can add another in front (RFC 6376 5.4.2, 8.15)
OVERSIGNED = (b"from", b"subject", b"to", b"date", b"reply-to", b"cc", b"sender", b"message-id", b"content-type",
              b"mime-version")
# Signed where they are there (RFC 6376 5.4.1; RFC 8058 4 for the last ones)
SIGNED = (
    b"in-reply-to", b"references", b"content-transfer-encoding", b"content-disposition", b"content-id",
    b"resent-date", b"resent-from", b"resent-to", b"resent-cc", b"resent-message-id", b"list-id", b"list-help",
    b"list-unsubscribe", b"list-subscribe", b"list-post", b"list-owner", b"list-archive", b"list-unsubscribe-post",
    b"auto-submitted", b"feedback-id",
)
_WIDTH = 70


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key of a domain."""

    domain: str
    """A-labels."""
    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @property
    def algorithm(self) -> str:
        """As ``a=`` names it."""
        return "rsa-sha256" if isinstance(self.key, RSAPrivateKey) else "ed25519-sha256"

    def record(self) -> str:
        """The TXT record of ``<selector>._domainkey.<domain>`` (RFC 6376 3.6.1, RFC 8463 4)."""
        public = self.key.public_key()
        if isinstance(self.key, RSAPrivateKey):
            octets = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return f"v=DKIM1; k=rsa; p={base64.b64encode(octets).decode('ascii')}"
        octets = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k=ed25519; p={base64.b64encode(octets).decode('ascii')}"

    def sign(self, octets: bytes) -> bytes:
        """The signature of canonical header fields."""
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(octets, padding.PKCS1v15(), hashes.SHA256())
        # RFC 8463 3: Ed25519 signs the hash
        digest = hashes.Hash(hashes.SHA256())
        digest.update(octets)
        return self.key.sign(digest.finalize())


def signatures(head: bytes, body_hash: BodyHash, keys: Sequence[SigningKey], now: int) -> bytes:
    """The DKIM-Signature fields to put in front of a message.

    :param head: the message's header, at least.
    :param body_hash: has had the body, for the relaxed form.
    """
    headers = Headers.scan(head[: header_end(head)])
    digest = base64.b64encode(body_hash.digest()).decode("ascii")
    names, chosen = _chosen(headers)
    return b"".join(_signature(key, names, chosen, digest, now) for key in keys)


def _chosen(headers: Headers) -> tuple[list[bytes], bytes]:
    """The names for ``h=``, and the canonical fields in that order: of several the last one first (RFC 6376 5.4.2)."""
    fields: dict[bytes, list[bytes]] = {}
    for found in headers.fields:
        fields.setdefault(found.name, []).append(headers.octets[found.start : found.end])
    names: list[bytes] = []
    canonical: list[bytes] = []
    for name in (*OVERSIGNED, *SIGNED):
        for octets in reversed(fields.get(name, ())):
            names.append(name)
            canonical.append(header_field(octets, "relaxed"))
        if name in OVERSIGNED:
            names.append(name)
    return names, b"".join(canonical)


def _signature(key: SigningKey, names: Iterable[bytes], chosen: bytes, body_hash: str, now: int) -> bytes:
    listed = ":".join(name.decode("ascii") for name in names)
    tags = (
        f"v=1; a={key.algorithm}; c=relaxed/relaxed; d={key.domain}; s={key.selector}; t={now}; "
        f"h={listed}; bh={body_hash}; b="
    )
    unsigned = _folded("DKIM-Signature:", tags)
    octets = chosen + header_field(unsigned, "relaxed").removesuffix(b"\r\n")
    signature = base64.b64encode(key.sign(octets)).decode("ascii")
    return unsigned + b"\r\n\t" + _folded_base64(signature) + b"\r\n"


def _folded(name: str, tags: str) -> bytes:
    """Tags on lines of a bearable length, folded where blanks mean nothing (RFC 6376 3.5)."""
    lines = [name]
    for tag in re.split(r"(?<=;) ", tags):
        pieces = re.split(r"(?<=:)", tag) if tag.startswith("h=") else [tag]
        for number, piece in enumerate(pieces):
            glue = " " if number == 0 and lines[-1] else ""
            if lines[-1] and len(lines[-1]) + len(glue) + len(piece) > _WIDTH:
                lines.append(piece)
            else:
                lines[-1] += glue + piece
    return "\r\n\t".join(lines).encode("ascii")


def _folded_base64(text: str) -> bytes:
    return "\r\n\t".join(text[start : start + _WIDTH] for start in range(0, len(text), _WIDTH)).encode("ascii")
