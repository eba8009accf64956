"""What a handshake with another server gives, and whether that is enough."""

from __future__ import annotations

import contextlib
import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from quantummail.tls.outbound import Anchor, ClientTLS, Mode, Protection, ProtectionFailed, TlsState
from tests.auth.certificates import Authority
from tests.support.places import temporary_directory


class StateTests(SynchronousTestCase):
    """Handshakes in memory, with a server whose authority is trusted."""

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.authority = Authority()
        self.trusted = self.authority.write(self.directory / "authority.pem")

    def state(self, pair: tuple[Path, Path], protection: Protection) -> TlsState:
        """What a handshake with mx.a.test gives. `ProtectionFailed`."""
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate_chain_file(str(pair[0]))
        context.use_privatekey_file(str(pair[1]))
        client_tls = ClientTLS("mx.a.test", protection, self.trusted)
        server = SSL.Connection(context, None)
        client = client_tls.clientConnectionForTLS(None)  # type: ignore[arg-type]  # not used
        server.set_accept_state()
        client.set_connect_state()
        for _ in range(10):
            for one, other in ((client, server), (server, client)):
                with contextlib.suppress(SSL.WantReadError):
                    one.do_handshake()
                with contextlib.suppress(SSL.WantReadError):
                    other.bio_write(one.bio_read(100_000))
        return client_tls.state(client)

    def problem(self, pair: tuple[Path, Path], protection: Protection) -> str:
        """The result type of a failure."""
        with self.assertRaises(ProtectionFailed) as caught:
            self.state(pair, protection)
        return str(caught.exception.result)

    def expired(self) -> tuple[Path, Path]:
        """A certificate from yesterday."""
        certificate, key = self.authority.issue_for_server(self.directory, "mx.a.test")
        old = x509.load_pem_x509_certificate(certificate.read_bytes())
        now = dt.datetime.now(dt.UTC)
        made = x509.CertificateBuilder(
            old.issuer, old.subject, old.public_key(), 1, now - dt.timedelta(days=9), now - dt.timedelta(days=1),
            list(old.extensions)).sign(self.authority.key, hashes.SHA256())
        certificate.write_bytes(made.public_bytes(Encoding.PEM))
        return certificate, key

    def test_verified(self) -> None:
        """A certificate of an authority that is trusted, for the name."""
        pair = self.authority.issue_for_server(self.directory, "mx.a.test")
        for mode in (Mode.OPPORTUNISTIC, Mode.ENCRYPT, Mode.VERIFY):
            state = self.state(pair, Protection(mode, ("mx.a.test",)))
            self.assertEqual((state.verified, state.problem), ("certificate", ""), mode)

    def test_what_is_wrong(self) -> None:
        """What is wrong is told where it was not asked for, too: for reports about policies in testing."""
        cases = {
            "certificate-host-mismatch": self.authority.issue_for_server(self.directory, "mx.b.test"),
            "certificate-not-trusted": Authority("x").issue_for_server(self.directory, "mx.a.test"),
        }
        for result, pair in cases.items():
            self.assertEqual(self.problem(pair, Protection(Mode.VERIFY, ("mx.a.test",))), result)
            state = self.state(pair, Protection())
            self.assertEqual((state.verified, state.problem), ("", result))
        expired = self.expired()
        self.assertEqual(self.problem(expired, Protection(Mode.VERIFY, ("mx.a.test",))), "certificate-expired")
        self.assertEqual(self.state(expired, Protection()).problem, "certificate-expired")

    def test_dane(self) -> None:
        """DANE-EE: the key alone counts, neither name nor date nor authority; another key does not do."""
        pair = Authority("x").issue_for_server(self.directory, "elsewhere.test")
        certificate = x509.load_pem_x509_certificate(pair[0].read_bytes())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        good, bad = Anchor(3, 1, 0, key), Anchor(3, 1, 0, key[:-1] + b"x")
        for anchors in ((good,), (bad, good)):
            state = self.state(pair, Protection(Mode.DANE, ("mx.a.test",), anchors))
            self.assertEqual((state.verified, state.problem), ("dane", ""))
        self.assertEqual(self.problem(pair, Protection(Mode.DANE, ("mx.a.test",), (bad,))), "tlsa-invalid")

    def test_dane_authority(self) -> None:
        """DANE-TA: an authority in the chain, and the name counts."""
        certificate, key = Authority.issue_for_server(self.authority, self.directory, "mx.a.test")
        root = self.authority.certificate.public_bytes(Encoding.PEM)
        certificate.write_bytes(certificate.read_bytes() + root)
        anchor = Anchor(2, 0, 0, self.authority.certificate.public_bytes(Encoding.DER))
        self.assertEqual(
            self.state((certificate, key), Protection(Mode.DANE, ("mx.a.test",), (anchor,))).verified, "dane")
        self.assertEqual(
            self.problem((certificate, key), Protection(Mode.DANE, ("mx.b.test",), (anchor,))), "tlsa-invalid")
