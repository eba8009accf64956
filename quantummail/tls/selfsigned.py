"""A certificate of our own, so that TLS works from the first start, until a real one takes its place."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# What browsers and Apple's clients still take for certificates that a user has accepted by hand
_DAYS = 825


def make(hostname: str, certificate: Path, private_key: Path) -> None:
    """Write a self-signed ECDSA certificate for this name and localhost, and its key (mode 0600).

    Files that are there are kept: nothing happens if both exist, FileExistsError is raised if one does.
    """
    if certificate.exists() and private_key.exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    for path in (certificate, private_key):
        if path.exists():
            raise FileExistsError(f"{path} exists, but its counterpart does not")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(private_key, pem, 0o600)
    _write(certificate, _certificate(hostname, key).public_bytes(serialization.Encoding.PEM), 0o644)


def _certificate(hostname: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    names = [x509.DNSName(each) for each in dict.fromkeys((hostname, "localhost"))]
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # clocks of clients are not always right
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256())


def _write(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
