"""What a login may ask about the TLS connection that it comes through: what binds it, and who is at the other end."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from quantummail.tls.contexts import AskingConnection

EXPORTER = "tls-exporter"
END_POINT = "tls-server-end-point"
_EXPORTER_LABEL = b"EXPORTER-Channel-Binding"


class Channel:
    """A TLS connection whose handshake is done."""

    __slots__ = ("_connection",)

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection

    @classmethod
    def of(cls, connection: SSL.Connection | None) -> Channel | None:
        """The channel of a connection, None without one: there is no TLS then."""
        return None if connection is None else cls(connection)

    @property
    def binds(self) -> bool:
        """Whether channel binding can be offered: under TLS 1.3 alone.

        Under 1.2 most clients know ``tls-unique`` only, which is not sound without the extended master secret (RFC
        9266 3), and clients that saw PLUS would fail with it where they get in without.
        """
        return self._connection.get_protocol_version_name() == "TLSv1.3"

    def binding(self, kind: str) -> bytes | None:
        """The data of one type of channel binding; None for a type that this connection does not have."""
        if not self.binds:
            return None
        if kind == EXPORTER:
            # RFC 9266 2: 32 octets, an empty context
            return self._connection.export_keying_material(_EXPORTER_LABEL, 32, b"")
        return self._end_point() if kind == END_POINT else None

    def _end_point(self) -> bytes | None:
        """RFC 5929 4.1: our certificate's hash, by the algorithm of its signature, by SHA-256 for MD5 and SHA-1."""
        own = self._connection.get_certificate()
        if own is None:
            return None
        certificate = own.to_cryptography()
        algorithm = certificate.signature_hash_algorithm
        if algorithm is None:
            # Ed25519 has no hash of its own: the type is undefined
            return None
        name = "sha256" if algorithm.name in ("md5", "sha1") else algorithm.name
        return hashlib.new(name.replace("-", "_"), certificate.public_bytes(Encoding.DER)).digest()

    def client_certificate(self) -> x509.Certificate | None:
        """The client's certificate, if it showed one that the configured authorities vouch for."""
        connection = self._connection
        if not isinstance(connection, AskingConnection) or not connection.verified:
            return None
        found = connection.get_peer_certificate()
        return None if found is None else found.to_cryptography()


def addresses(certificate: x509.Certificate) -> list[str]:
    """The e-mail addresses that a certificate is for (RFC 5280 4.2.1.6), as they are written there."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return list(names.get_values_for_type(x509.RFC822Name))


def fingerprint(certificate: x509.Certificate) -> str:
    """The SHA-256 fingerprint, in lower-case hex digits."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
