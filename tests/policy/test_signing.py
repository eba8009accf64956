"""DKIM signatures, verified by dkimpy."""

from __future__ import annotations

import time

import dkim
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.canonical import BodyHash
from quantummail.message.headers import header_end
from quantummail.policy.signing import SigningKey, signatures

KEYS = (
    SigningKey("example.test", "r1", generate_private_key(65537, 2048)),
    SigningKey("example.test", "e1", Ed25519PrivateKey.generate()),
)
MESSAGE = (
    b"Received: somewhere\r\nFrom: Alice <alice@example.test>\r\nTo: bob@example.net,\r\n\teve@example.net\r\n"
    b"Subject: one\r\nSubject: two  \t words\r\nDate: Fri, 20 Nov 2026 10:00:00 +0000\r\nList-Id: <l.example.test>\r\n"
    b"\r\nHello \t world  \r\n\r\nbye\r\n\r\n\r\n"
)


def signed(message: bytes, keys: tuple[SigningKey, ...] = KEYS) -> bytes:
    """The message with its signatures in front."""
    end = header_end(message)
    body_hash = BodyHash("relaxed")
    body_hash.update(message[end:])
    return signatures(message[:end], body_hash, keys, int(time.time())) + message


def verified(message: bytes) -> list[bool]:
    """What dkimpy says of each signature."""
    records = {f"{key.selector}._domainkey.{key.domain}.": key.record() for key in KEYS}

    def lookup(name: bytes, timeout: int = 5) -> bytes:
        return records[name.decode()].encode()

    found = []
    for index in range(len(KEYS)):
        try:
            found.append(dkim.DKIM(message).verify(idx=index, dnsfunc=lookup))
        except dkim.DKIMException:
            found.append(False)
    return found


class SigningTests(SynchronousTestCase):
    """RFC 6376, RFC 8463."""

    def test_verified(self) -> None:
        """Both kinds of keys, over folded and repeated fields and a body with blanks."""
        self.assertEqual(verified(signed(MESSAGE)), [True, True])
        self.assertEqual(verified(signed(b"From: a@example.test\r\n\r\n")), [True, True])

    def test_changed(self) -> None:
        """A changed body or field breaks them; what relaxed form allows does not."""
        message = signed(MESSAGE)
        for old, new, good in (
            (b"Hello", b"Hallo", False), (b"two", b"three", False), (b"Hello \t world  ", b"Hello  world", True),
            (b"Received: somewhere", b"Received: elsewhere", True),
        ):
            self.assertEqual(verified(message.replace(old, new)), [good, good], new)

    def test_oversigned(self) -> None:
        """Nobody adds a second author, subject or recipient in front of the first."""
        message = signed(MESSAGE)
        for field in (b"From: mallory@example.org", b"Subject: other", b"To: x@y.test", b"Date: now",
                      b"Reply-To: mallory@example.org", b"Cc: x@y.test"):
            self.assertEqual(verified(field + b"\r\n" + message), [False, False], field)

    def test_lines(self) -> None:
        """No line of a signature is long."""
        for line in signed(MESSAGE).partition(b"Received:")[0].split(b"\r\n"):
            self.assertLessEqual(len(line), 78)

    def test_secret(self) -> None:
        """A key does not print itself."""
        self.assertNotIn("PrivateKey", repr(KEYS[0]))
