"""The certificate that `init` makes."""

from __future__ import annotations

import datetime as dt

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from quantummail.tls import selfsigned
from tests.support.places import temporary_directory


class SelfSignedTests(SynchronousTestCase):
    """What is in it, and that it is never overwritten."""

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.certificate, self.key = self.directory / "tls" / "c.pem", self.directory / "tls" / "k.pem"

    def made(self) -> x509.Certificate:
        selfsigned.make("mail.example.org", self.certificate, self.key)
        return x509.load_pem_x509_certificate(self.certificate.read_bytes())

    def test_names(self) -> None:
        """It is for the host name and for localhost."""
        names = self.made().extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["mail.example.org", "localhost"])

    def test_key(self) -> None:
        """P-256, readable by its owner alone."""
        key = self.made().public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        self.assertEqual((key.curve.name, self.key.stat().st_mode & 0o777), ("secp256r1", 0o600))

    def test_validity(self) -> None:
        """Valid from now on, for a little over two years."""
        certificate, now = self.made(), dt.datetime.now(dt.UTC)
        self.assertTrue(certificate.not_valid_before_utc < now < certificate.not_valid_after_utc)
        self.assertTrue(700 < (certificate.not_valid_after_utc - now).days <= 825)

    def test_what_is_there_is_kept(self) -> None:
        """A second time nothing happens."""
        first = self.made()
        self.assertEqual(self.made(), first)

    def test_half_a_pair_is_not_completed(self) -> None:
        """A certificate without its key is somebody's mistake, which is not made worse."""
        self.made()
        self.key.unlink()
        self.assertRaises(FileExistsError, self.made)
        self.assertFalse(self.key.exists())
