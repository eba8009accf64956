"""The TLS side of our listeners: which certificate a client gets, and what it may negotiate."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import Logger
from zope.interface import implementer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from twisted.protocols.tls import TLSMemoryBIOProtocol

# Forward secrecy and authenticated encryption only; TLS 1.3 has nothing else
CIPHERS = b"ECDHE+CHACHA20:ECDHE+AESGCM"
_OP_NO_RENEGOTIATION = 0x40000000
_MODE_RELEASE_BUFFERS = 0x10
_MINIMUM = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}


class CertificateError(Exception):
    """A certificate or key cannot be used. The text says which file, and why; `path` is the file."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path
        self.text = text


class AskingConnection(SSL.Connection):
    """A connection whose client was asked for a certificate, and what became of it."""

    # not app data: that is Twisted's, which sets it to its protocol
    _seen = False
    _refused = False

    def checked(self, *, trusted: bool) -> None:
        """OpenSSL has looked at one certificate of the chain."""
        self._seen = True
        self._refused = self._refused or not trusted

    @property
    def verified(self) -> bool:
        """Whether there was one, and all of its chain is trusted."""
        return self._seen and not self._refused


class _Identity:
    """One certificate with its key, ready for use, and the names that are in it."""

    def __init__(self, certificate: Path, private_key: Path, minimum_version: str, tickets: bool,
                 client_ca: Path | None = None) -> None:
        # A resumed session would not show the certificate again
        self.context = _context(certificate, private_key, minimum_version, tickets and client_ca is None)
        if client_ca is not None:
            _ask_clients(self.context, client_ca)
        self.names = _names(certificate)

    def serves(self, name: str) -> bool:
        """Whether the certificate is for this name (RFC 6125 6.4.3: a wildcard is the whole first label)."""
        return name in self.names or f"*.{name.partition('.')[2]}" in self.names


def doubts(certificate: Path, private_key: Path) -> list[str]:
    """What clients may not like about a pair that a server can use. Raises CertificateError if it cannot."""
    _Identity(certificate, private_key, "1.2", tickets=False)
    parsed, now = _parsed(certificate), dt.datetime.now(dt.UTC)
    if parsed.not_valid_after_utc < now:
        return [f"expired on {parsed.not_valid_after_utc:%Y-%m-%d}"]
    if parsed.not_valid_before_utc > now:
        return [f"not valid before {parsed.not_valid_before_utc:%Y-%m-%d}"]
    return []


@implementer(IOpenSSLServerConnectionCreator)
class ServerTLS:
    """Gives each client the certificate for the name it asks for, with ``startTLS`` and from the start.

    `reload` reads the files again. Connections that are there keep what they have.
    """

    log = Logger(namespace="quantummail.tls")

    def __init__(
        self, pairs: Sequence[tuple[Path, Path]], minimum_version: str = "1.2", session_tickets: bool = True,
        client_ca: Path | None = None,
    ) -> None:
        """`pairs`: certificate and private key, the default first. Raises CertificateError.

        :param client_ca: certificates of authorities that vouch for clients; with it clients are asked for
            certificates, but need not have any.
        """
        self._pairs = tuple(pairs)
        self._minimum_version = minimum_version
        self._tickets = session_tickets
        self._client_ca = client_ca
        self._identities = self._read()

    def _read(self) -> tuple[_Identity, ...]:
        identities = tuple(_Identity(certificate, key, self._minimum_version, self._tickets, self._client_ca)
                           for certificate, key in self._pairs)
        identities[0].context.set_tlsext_servername_callback(self._choose)
        return identities

    def reload(self) -> bool:
        """Read the files again; whether all of them could be used. If not, everything stays as it was."""
        try:
            self._identities = self._read()
        except CertificateError as error:
            self.log.error("certificates not reloaded, the old ones stay in use: {reason}", reason=str(error))
            return False
        self.log.info("certificates reloaded: {names}", names=", ".join(self.names()))
        return True

    def names(self) -> list[str]:
        """The names that the certificates are for."""
        return sorted(set().union(*(identity.names for identity in self._identities)))

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:  # noqa: ARG002, N802
        """A connection that begins with the default certificate (IOpenSSLServerConnectionCreator)."""
        kind = SSL.Connection if self._client_ca is None else AskingConnection
        return kind(self._identities[0].context, None)

    def _choose(self, connection: SSL.Connection) -> None:
        # Outlook asks for the name with a trailing dot
        name = (connection.get_servername() or b"").decode("ascii", "replace").rstrip(".").lower()
        if not name or self._identities[0].serves(name):
            return
        for identity in self._identities[1:]:
            if identity.serves(name):
                connection.set_context(identity.context)
                return


def _context(certificate: Path, private_key: Path, minimum_version: str, tickets: bool) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(_MINIMUM[minimum_version])
    options = SSL.OP_NO_COMPRESSION | _OP_NO_RENEGOTIATION
    if not tickets:
        options |= SSL.OP_NO_TICKET
    context.set_options(options)
    # An idle connection gives its 34 KB of buffers back
    context.set_mode(_MODE_RELEASE_BUFFERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_cipher_list(CIPHERS)
    _use(context.use_certificate_chain_file, certificate, "no certificate in PEM form")
    _use(context.use_privatekey_file, private_key, f"no private key in PEM form that fits {certificate}")
    try:
        context.check_privatekey()
    except SSL.Error:
        raise CertificateError(private_key, f"not the key of {certificate}") from None
    return context


def check_authorities(client_ca: Path) -> None:
    """Raise CertificateError unless clients' certificates can be checked with these."""
    _ask_clients(SSL.Context(SSL.TLS_SERVER_METHOD), client_ca)


def _ask_clients(context: SSL.Context, client_ca: Path) -> None:
    def look(connection: SSL.Connection, _certificate: object, _error: int, _depth: int, trusted: int) -> bool:
        if isinstance(connection, AskingConnection):
            connection.checked(trusted=bool(trusted))
        # Whoever shows one that nobody here knows (some programs show any) gets in with a password, as before
        return True

    try:
        authorities = x509.load_pem_x509_certificates(client_ca.read_bytes())
        context.load_verify_locations(bytes(client_ca))
        # RFC 8446 4.2.4: so that programs do not offer others
        for authority in authorities:
            context.add_client_ca(authority)
    except OSError as error:
        raise CertificateError(client_ca, error.strerror or str(error)) from error
    except (ValueError, SSL.Error):
        raise CertificateError(client_ca, "no certificates in PEM form") from None
    context.set_verify(SSL.VERIFY_PEER, look)


def _use(load: Callable[[bytes], None], path: Path, otherwise: str) -> None:
    try:
        with path.open("rb") as file:
            encrypted = b"ENCRYPTED" in file.read()
        if encrypted:
            # OpenSSL would ask on the terminal
            raise CertificateError(path, "it needs a passphrase, and a server has nobody to ask")
        load(bytes(path))
    except OSError as error:
        raise CertificateError(path, error.strerror or str(error)) from error
    except SSL.Error:
        raise CertificateError(path, otherwise) from None


def _names(certificate: Path) -> frozenset[str]:
    try:
        names = _parsed(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return frozenset(_lower(names.get_values_for_type(x509.DNSName)))
    except x509.ExtensionNotFound:
        return frozenset()
    except ValueError as error:
        raise CertificateError(certificate, str(error)) from error


def _parsed(certificate: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate.read_bytes())


def _lower(names: Iterable[str]) -> Iterable[str]:
    return (name.rstrip(".").lower() for name in names)
