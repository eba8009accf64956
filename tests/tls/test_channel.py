"""What a login sees of TLS: the same as the client sees."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from quantummail.tls import selfsigned
from quantummail.tls.channel import END_POINT, EXPORTER, Channel, addresses
from quantummail.tls.contexts import CertificateError, ServerTLS, check_authorities
from tests.auth.certificates import Authority
from tests.support.places import temporary_directory


class ChannelTests(SynchronousTestCase):
    """A handshake in memory."""

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.pair = self.directory / "own.pem", self.directory / "own.key"
        selfsigned.make("mail.example.test", *self.pair)
        self.authority = Authority()
        self.ca = self.authority.write(self.directory / "ca.pem")

    def handshake(
        self, *, client_ca: Path | None = None, identity: Path | None = None, version: int = SSL.TLS1_3_VERSION,
    ) -> tuple[Channel, SSL.Connection]:
        """The server's side, and the client's connection."""
        tls: Any = ServerTLS([self.pair], client_ca=client_ca)
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_max_proto_version(version)
        if identity is not None:
            context.use_certificate_file(bytes(identity))
            context.use_privatekey_file(bytes(identity))
        server, client = tls.serverConnectionForTLS(None), SSL.Connection(context, None)
        server.set_accept_state()
        client.set_connect_state()
        for _ in range(4):
            for one, other in ((client, server), (server, client)):
                with contextlib.suppress(SSL.WantReadError):
                    one.do_handshake()
                with contextlib.suppress(SSL.WantReadError):
                    other.bio_write(one.bio_read(65536))
        return Channel(server), client

    def test_exporter(self) -> None:
        """Both sides compute the same 32 octets, different ones on each connection (RFC 9266)."""
        found = set()
        for _ in range(2):
            channel, client = self.handshake()
            data = channel.binding(EXPORTER)
            self.assertEqual(data, client.export_keying_material(b"EXPORTER-Channel-Binding", 32, b""))
            found.add(data)
        self.assertEqual({len(data or b"") for data in found}, {32})
        self.assertEqual(len(found), 2)

    def test_end_point(self) -> None:
        """The hash of our certificate as the client gets it (RFC 5929 4.1)."""
        from cryptography.hazmat.primitives.serialization import Encoding

        channel, client = self.handshake()
        certificate = client.get_peer_certificate()
        assert certificate is not None
        self.assertEqual(channel.binding(END_POINT),
                         hashlib.sha256(certificate.to_cryptography().public_bytes(Encoding.DER)).digest())

    def test_other_types(self) -> None:
        """There are no others, and none under TLS 1.2."""
        self.assertIsNone(self.handshake()[0].binding("tls-unique"))
        channel, _ = self.handshake(version=SSL.TLS1_2_VERSION)
        self.assertEqual((channel.binds, channel.binding(EXPORTER), channel.binding(END_POINT)), (False, None, None))

    def test_certificate(self) -> None:
        """A client's certificate is known when the configured authority has signed it, under both versions."""
        identity = self.authority.issue(self.directory / "alice.pem", "alice@example.test")
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            channel, _ = self.handshake(client_ca=self.ca, identity=identity, version=version)
            certificate = channel.client_certificate()
            assert certificate is not None
            self.assertEqual(addresses(certificate), ["alice@example.test"])

    def test_unknown_authority(self) -> None:
        """Whoever shows another one gets TLS all the same, but is nobody."""
        stranger = Authority("Test Authority").issue(self.directory / "other.pem", "alice@example.test")
        channel, client = self.handshake(client_ca=self.ca, identity=stranger)
        self.assertIsNone(channel.client_certificate())
        client.send(b"hello")

    def test_none(self) -> None:
        """A client need not show any; and where nobody is asked for one, none counts."""
        identity = self.authority.issue(self.directory / "alice.pem", "alice@example.test")
        self.assertIsNone(self.handshake(client_ca=self.ca)[0].client_certificate())
        self.assertIsNone(self.handshake(identity=identity)[0].client_certificate())

    def test_no_tls(self) -> None:
        """Without TLS there is no channel."""
        self.assertIsNone(Channel.of(None))

    def test_authorities(self) -> None:
        """A file that is none of certificates is told at start."""
        check_authorities(self.ca)
        for path in (self.directory / "missing.pem", self.pair[1]):
            self.assertRaises(CertificateError, check_authorities, path)
