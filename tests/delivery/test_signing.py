"""Whose mail is signed, with which keys."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery.signing import Signing
from quantummail.message.headers import header_end
from quantummail.store.dkim_keys import KeyState, NoSuchKey
from quantummail.store.errors import AlreadyExists, NoSuchDomain
from quantummail.store.sealed import Seal
from tests.support.stores import make_store, make_user, now

SEAL = Seal(b"k" * 32)


class SigningTests(SynchronousTestCase):
    """Keys in the store, and what is signed with them."""

    def setUp(self) -> None:
        self.store = make_store(self)
        make_user(self.store)
        self.clock = Clock()
        self.signing = Signing(self.store.dkim_keys, SEAL, self.clock)

    def add(self, selector: str, state: KeyState = KeyState.ACTIVE, domain: str = "example.test") -> None:
        """A key."""
        secret = Ed25519PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        now(self.store.dkim_keys.add(domain, selector, "ed25519", secret, "v=DKIM1", state, SEAL))
        self.clock.advance(10)

    def selectors(self, message: bytes) -> list[str]:
        """The keys that a message is signed with."""
        body = self.store.bodies.spooled()
        now(body.write(message))
        header = message[: header_end(message)]
        fields = now(self.signing.signatures(header, 0, body, 0)).decode()
        return [line.partition("s=")[2].partition(";")[0] for line in fields.split("\r\n") if " s=" in line]

    def test_active(self) -> None:
        """Active keys sign; published and retired ones do not. Changes are followed."""
        self.assertEqual(self.selectors(b"From: alice@example.test\r\n\r\n"), [])
        self.add("one")
        self.add("two", KeyState.PUBLISHED)
        self.assertEqual(self.selectors(b"From: alice@example.test\r\n\r\nx"), ["one"])
        now(self.store.dkim_keys.change("example.test", "two", KeyState.ACTIVE))
        now(self.store.dkim_keys.change("example.test", "one", KeyState.RETIRED))
        self.clock.advance(10)
        self.assertEqual(self.selectors(b"From: alice@example.test\r\n\r\nx"), ["two"])

    def test_author(self) -> None:
        """The author's domain counts; where that is not clear nothing is signed."""
        self.add("one")
        for header, expected in (
            (b"From: Alice <alice@EXAMPLE.test>", ["one"]), (b"From: bob@example.org", []), (b"Subject: x", []),
            (b"From: <<>", []), (b"From: a@example.org, alice@example.test", []),
        ):
            self.assertEqual(self.selectors(header + b"\r\n\r\nx\r\n"), expected, header)

    def test_store(self) -> None:
        """Keys belong to our domains, once; secrets do not stand in the database."""
        self.add("one")
        with self.assertRaises(AlreadyExists):
            self.add("one")
        with self.assertRaises(NoSuchDomain):
            self.add("one", domain="example.org")
        with self.assertRaises(NoSuchKey):
            now(self.store.dkim_keys.delete("example.test", "two"))
        (key,) = now(self.store.dkim_keys.of("example.test"))
        self.assertEqual(key.name, "one._domainkey.example.test")
        now(self.store.dkim_keys.delete("example.test", "one"))
        self.assertEqual(now(self.store.dkim_keys.of()), ())
