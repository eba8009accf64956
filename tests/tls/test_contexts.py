"""Which certificate a client gets, and what it may negotiate."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from quantummail.tls import selfsigned
from quantummail.tls.contexts import CertificateError, ServerTLS, doubts
from tests.support.places import temporary_directory


class ContextTests(SynchronousTestCase):
    """A handshake in memory tells what a client sees."""

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.events: list[str] = []

        @implementer(ILogObserver)
        def logged(event: LogEvent) -> None:
            self.events.append(str(event.get("log_format")))

        globalLogPublisher.addObserver(logged)
        self.addCleanup(globalLogPublisher.removeObserver, logged)

    def pair(self, hostname: str) -> tuple[Path, Path]:
        certificate, key = self.directory / f"{hostname}.pem", self.directory / f"{hostname}.key"
        selfsigned.make(hostname.replace("_", "*"), certificate, key)
        return certificate, key

    def handshake(self, tls: ServerTLS, name: str | None = None, client: ssl.SSLContext | None = None) -> ssl.SSLObject:
        server = tls.serverConnectionForTLS(None)  # type: ignore[arg-type]  # the protocol is not looked at
        server.set_accept_state()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        connection = (client or client_context()).wrap_bio(incoming, outgoing, server_hostname=name)
        for _ in range(4):
            with contextlib.suppress(ssl.SSLWantReadError):
                connection.do_handshake()
            if outgoing.pending:
                server.bio_write(outgoing.read())
            with contextlib.suppress(SSL.WantReadError):
                server.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                incoming.write(server.bio_read(65536))
        return connection

    def shown_name(self, tls: ServerTLS, name: str | None = None) -> str:
        certificate = self.handshake(tls, name).getpeercert(True)
        assert certificate is not None
        subject = x509.load_der_x509_certificate(certificate).subject
        return str(subject.rfc4514_string()).removeprefix("CN=")

    def test_interface(self) -> None:
        """It is what startTLS and TLS factories of Twisted take."""
        verifyObject(IOpenSSLServerConnectionCreator, ServerTLS([self.pair("mail.example.org")]))

    def test_the_name_chooses_the_certificate(self) -> None:
        """Each name gets its certificate, in any case and with a trailing dot; others get the first."""
        tls = ServerTLS([self.pair("mail.example.org"), self.pair("mail.example.net"), self.pair("_.example.com")])
        for asked, shown in (("mail.example.net", "mail.example.net"), ("MAIL.Example.NET", "mail.example.net"),
                             ("mail.example.net.", "mail.example.net"), ("mail.example.org", "mail.example.org"),
                             ("imap.example.com", "*.example.com"), ("a.b.example.com", "mail.example.org"),
                             ("nobody.example", "mail.example.org"), ("localhost", "mail.example.org")):
            self.assertEqual(self.shown_name(tls, asked), shown, asked)
        self.assertEqual(self.shown_name(tls, None), "mail.example.org")

    def test_tls_1_2_with_forward_secrecy(self) -> None:
        """A client of 2012 gets an ECDHE key exchange and an AEAD cipher."""
        client = client_context()
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        cipher = self.handshake(ServerTLS([self.pair("mail.example.org")]), client=client).cipher()
        assert cipher is not None
        self.assertRegex(cipher[0], "^ECDHE-ECDSA-(AES(128|256)-GCM|CHACHA20)")

    def refuses(self, tls: ServerTLS, client: ssl.SSLContext) -> None:
        self.assertRaises((ssl.SSLError, SSL.Error), self.handshake, tls, None, client)

    def test_old_versions_are_refused(self) -> None:
        """TLS 1.1 and older are not spoken; nor is 1.2 where the configuration says so."""
        old = client_context()
        old.set_ciphers("DEFAULT@SECLEVEL=0")
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        pairs = [self.pair("mail.example.org")]
        self.refuses(ServerTLS(pairs), old)
        middle = client_context()
        middle.maximum_version = ssl.TLSVersion.TLSv1_2
        self.refuses(ServerTLS(pairs, "1.3"), middle)

    def test_weak_ciphers_are_refused(self) -> None:
        """CBC is not spoken."""
        client = client_context()
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        client.set_ciphers("ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA")
        self.refuses(ServerTLS([self.pair("mail.example.org")]), client)

    def test_reload(self) -> None:
        """After `reload` new connections get the new certificate."""
        certificate, key = self.pair("old.example.org")
        tls = ServerTLS([(certificate, key)])
        new_certificate, new_key = self.pair("new.example.org")
        shutil.copy(new_certificate, certificate)
        shutil.copy(new_key, key)
        self.assertTrue(tls.reload())
        self.assertEqual(self.shown_name(tls), "new.example.org")
        self.assertEqual(tls.names(), ["localhost", "new.example.org"])

    def test_a_broken_pair_is_not_taken(self) -> None:
        """When the new files do not fit each other, the old certificate stays, and the log says why."""
        certificate, key = self.pair("old.example.org")
        tls = ServerTLS([(certificate, key)])
        for spoil in (lambda: shutil.copy(self.pair("new.example.org")[0], certificate),
                      lambda: certificate.write_text("garbage"), certificate.unlink):
            spoil()
            self.assertFalse(tls.reload())
            self.assertEqual(self.shown_name(tls), "old.example.org")
        self.assertEqual(self.events.count("certificates not reloaded, the old ones stay in use: {reason}"), 3)

    def test_errors_name_the_file(self) -> None:
        """What cannot be used is named, with the reason."""
        certificate, key = self.pair("mail.example.org")
        _, other = self.pair("other.example.org")
        garbage = self.directory / "garbage"
        garbage.write_text("x")
        for pair, expected in (
            ((self.directory / "nothing", key), "nothing: No such file or directory"),
            ((garbage, key), "garbage: no certificate in PEM form"),
            ((certificate, garbage), "garbage: no private key in PEM form"),
            ((certificate, other), "other.example.org.key: no private key in PEM form that fits"),
        ):
            self.assertIn(expected, str(self.assertRaises(CertificateError, ServerTLS, [pair])))


class DoubtsTests(SynchronousTestCase):
    """What can be said about a pair before it is used."""

    def setUp(self) -> None:
        self.certificate = temporary_directory(self) / "certificate.pem"
        self.key = self.certificate.with_name("key.pem")

    def doubts(self, begin: int, end: int) -> list[str]:
        """Those about a certificate that is valid from and to these days, counted from today."""
        for path in (self.certificate, self.key):
            path.unlink(missing_ok=True)
        selfsigned.make("mail.example.org", self.certificate, self.key)
        private = serialization.load_pem_private_key(self.key.read_bytes(), None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        now = dt.datetime.now(dt.UTC)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example.org")])
        certificate = x509.CertificateBuilder(
            name, name, private.public_key(), 1, now + dt.timedelta(begin), now + dt.timedelta(end),
        ).sign(private, hashes.SHA256())
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return doubts(self.certificate, self.key)

    def test_times(self) -> None:
        """A certificate is for some days; on others it can be used, and clients do not believe it."""
        self.assertEqual(self.doubts(-1, 1), [])
        self.assertRegex(self.doubts(-2, -1)[0], r"\Aexpired on \d{4}-\d\d-\d\d\Z")
        self.assertRegex(self.doubts(1, 2)[0], r"\Anot valid before \d{4}-\d\d-\d\d\Z")

    def test_passphrase(self) -> None:
        """A key with a passphrase is refused: OpenSSL would ask on the terminal, and wait."""
        selfsigned.make("mail.example.org", self.certificate, self.key)
        private = serialization.load_pem_private_key(self.key.read_bytes(), None)
        self.key.write_bytes(private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")))
        error = self.assertRaises(CertificateError, doubts, self.certificate, self.key)
        self.assertEqual((error.path, "passphrase" in str(error)), (self.key, True))


def client_context() -> ssl.SSLContext:
    """A client that believes everything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
