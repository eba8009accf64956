"""The TLS side of our connections to others: what protection is wanted, and what the handshake has given."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import SSL
from OpenSSL.crypto import X509, X509Store, X509StoreContext, X509StoreContextError, X509StoreFlags
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from zope.interface import implementer

if TYPE_CHECKING:
    from pathlib import Path

    from twisted.protocols.tls import TLSMemoryBIOProtocol

_OP_LEGACY_SERVER_CONNECT = 0x4
_HASHES = {1: hashlib.sha256, 2: hashlib.sha512}
# octets of the data by matching type; 0: as long as it is
_LENGTHS = {0: 0, 1: 32, 2: 64}
_EXPIRED = 10  # X509_V_ERR_CERT_HAS_EXPIRED


class Mode(Enum):
    """How much protection a delivery needs."""

    NONE = "none"
    """No TLS, even if it is offered."""
    OPPORTUNISTIC = "opportunistic"
    """TLS if it can be had, with any certificate; without it otherwise (RFC 7435)."""
    ENCRYPT = "encrypt"
    """TLS with any certificate, or no delivery."""
    VERIFY = "verify"
    """TLS with a certificate that the system's authorities vouch for, for one of the names."""
    DANE = "dane"
    """TLS with what the TLSA records say (RFC 7672)."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A TLSA record: certificate usage, selector, matching type and data (RFC 6698 2.1)."""

    usage: int
    selector: int
    matching: int
    data: bytes

    @property
    def usable(self) -> bool:
        """Whether it is one that SMTP uses (RFC 7672 3.1): DANE-TA(2) or DANE-EE(3), of a known kind, and whole."""
        return (self.usage in (2, 3) and self.selector in (0, 1) and self.matching in _LENGTHS
                and len(self.data) == (_LENGTHS[self.matching] or len(self.data) or 1))

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.data.hex()}"

    def matches(self, certificate: x509.Certificate) -> bool:
        """Whether it stands for this certificate, or its key (RFC 6698 2.1.2, 2.1.3)."""
        if self.selector == 0:
            octets = certificate.public_bytes(Encoding.DER)
        else:
            octets = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return self.data == (_HASHES[self.matching](octets).digest() if self.matching else octets)


@dataclass(frozen=True, slots=True)
class Protection:
    """What a connection must give."""

    mode: Mode = Mode.OPPORTUNISTIC
    names: tuple[str, ...] = ()
    """Names of which the certificate has to have one; a leading dot stands for any one label. For VERIFY, DANE-TA."""
    anchors: tuple[Anchor, ...] = ()
    """TLSA records, for DANE."""
    source: str = ""
    """Who wants it: ``MTA-STS``, ``DANE``, ``REQUIRETLS``, ``configuration``."""
    policy: tuple[str, ...] = ()
    """The policy behind it as it was published, in lines; for reports (RFC 8460)."""

    @property
    def required(self) -> bool:
        """Whether nothing may be sent without it."""
        return self.mode in (Mode.ENCRYPT, Mode.VERIFY, Mode.DANE)


@dataclass(frozen=True, slots=True)
class TlsState:
    """What a handshake has given."""

    version: str
    cipher: str
    verified: str
    """How the other side proved who it is: ``dane``, ``certificate``, or empty."""
    problem: str = ""
    """Why the certificate proves nothing, as a result type of RFC 8460 4.3, where that was not asked for."""

    def __str__(self) -> str:
        return f"{self.version} {self.cipher}" + (f" ({self.verified})" if self.verified else "")


class ProtectionFailed(Exception):
    """The handshake went through, but not with whom it should have. `result` is the result type of RFC 8460 4.3."""

    def __init__(self, text: str, result: str) -> None:
        super().__init__(text)
        self.result = result


@implementer(IOpenSSLClientConnectionCreator)
class ClientTLS:
    """Makes the connections to one host. Certificates are judged after the handshake, by `state`."""

    def __init__(self, hostname: str, protection: Protection, authorities: Path | None = None) -> None:
        """
        :param hostname: what to ask for (SNI).
        :param authorities: a PEM file to trust instead of the system's authorities.
        """
        self._hostname = hostname
        self._protection = protection
        self._trusted = True
        self._expired = False
        self._seen = False
        self._context = self._make_context(authorities)

    def _make_context(self, authorities: Path | None) -> SSL.Context:
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        # Old TLS is better than none where none would do as well; never where a policy asks for protection
        required = self._protection.required
        context.set_min_proto_version(SSL.TLS1_2_VERSION if required else SSL.TLS1_VERSION)
        options = SSL.OP_NO_COMPRESSION
        if not required:
            options |= _OP_LEGACY_SERVER_CONNECT
            context.set_cipher_list(b"DEFAULT:@SECLEVEL=0")
        context.set_options(options)
        if authorities is not None:
            context.load_verify_locations(bytes(authorities))
        else:
            context.set_default_verify_paths()
        context.set_verify(SSL.VERIFY_PEER, self._look)
        return context

    def _look(self, _connection: SSL.Connection, _certificate: X509, error: int, _depth: int, trusted: int) -> bool:
        self._seen = True
        self._expired = self._expired or error == _EXPIRED
        self._trusted = self._trusted and bool(trusted)
        # Whatever it is, it is judged in `state`: opportunistic TLS takes any certificate
        return True

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002, N802
        """A connection that asks for the host by its name (IOpenSSLClientConnectionCreator)."""
        connection = SSL.Connection(self._context, None)
        if self._hostname.isascii() and not self._hostname.replace(".", "").isdigit() and ":" not in self._hostname:
            connection.set_tlsext_host_name(self._hostname.encode("ascii"))
        return connection

    def state(self, connection: SSL.Connection) -> TlsState:
        """What the handshake has given. `ProtectionFailed` if it is not what was asked for."""
        shown = connection.get_peer_certificate()
        chain = [one.to_cryptography() for one in connection.get_peer_cert_chain() or ()]
        if shown is None or not chain:
            raise ProtectionFailed("the server has no certificate", "validation-failure")
        protection = self._protection
        certified = self._seen and self._trusted and _names_one(chain[0], protection.names or (self._hostname,))
        verified, problem = ("certificate", "") if certified else ("", self._not_certified(chain[0]).result)
        if protection.mode is Mode.DANE:
            _judge_by_anchors(chain, protection)
            verified, problem = "dane", ""
        elif protection.mode is Mode.VERIFY and not certified:
            raise self._not_certified(chain[0])
        return TlsState(connection.get_protocol_version_name(), connection.get_cipher_name() or "", verified, problem)

    def _not_certified(self, certificate: x509.Certificate) -> ProtectionFailed:
        if self._expired:
            return ProtectionFailed("the certificate, or one that vouches for it, has expired", "certificate-expired")
        if not self._trusted:
            return ProtectionFailed("no authority that is trusted vouches for the certificate",
                                    "certificate-not-trusted")
        names = ", ".join(_names(certificate)[:10]) or "nobody"
        wanted = " or ".join(self._protection.names or (self._hostname,))
        return ProtectionFailed(f"the certificate is for {names}, not for {wanted}", "certificate-host-mismatch")


def _judge_by_anchors(chain: Sequence[x509.Certificate], protection: Protection) -> None:
    """RFC 7672 3.1: one record that matches is enough."""
    for anchor in protection.anchors:
        # RFC 7672 3.1.1: a matching DANE-EE says everything, names and dates do not matter
        if anchor.usable and anchor.usage == 3 and anchor.matches(chain[0]):
            return
    for anchor in protection.anchors:
        if anchor.usable and anchor.usage == 2 and _anchored(chain, anchor, protection.names):
            return
    raise ProtectionFailed("the certificate is not the one that the TLSA records name", "tlsa-invalid")


def _anchored(chain: Sequence[x509.Certificate], anchor: Anchor, names: Sequence[str]) -> bool:
    """RFC 7672 3.1.2: a certificate of the chain is the anchor, and vouches for the first, which has our name."""
    if not _names_one(chain[0], names):
        return False
    for trusted in chain:
        if not anchor.matches(trusted):
            continue
        store = X509Store()
        store.set_flags(X509StoreFlags.PARTIAL_CHAIN)
        store.add_cert(X509.from_cryptography(trusted))
        others = [X509.from_cryptography(one) for one in chain[1:]]
        try:
            X509StoreContext(store, X509.from_cryptography(chain[0]), others).verify_certificate()
        except X509StoreContextError:
            continue
        return True
    return False


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(name.rstrip(".").lower() for name in names.get_values_for_type(x509.DNSName))


def _names_one(certificate: x509.Certificate, wanted: Sequence[str]) -> bool:
    """Whether the certificate is for one of the names (RFC 6125 6.4.3: a wildcard is the whole first label)."""
    names = set(_names(certificate))
    for name in wanted:
        name = name.rstrip(".").lower()
        if name.startswith("."):
            # MTA-STS writes *.example.com for any one label (RFC 8461 4.1)
            if any(one.partition(".")[2] == name[1:] for one in names):
                return True
        elif name in names or f"*.{name.partition('.')[2]}" in names:
            return True
    return False
