"""Sealed secrets."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.sealed import Seal, Unsealable, secret_key
from tests.support.places import temporary_directory


class SealTests(SynchronousTestCase):
    """What is closed opens with the same key, at the same place, unchanged; nothing else does."""

    def test_open(self) -> None:
        """There and back; the same secret looks different each time."""
        seal = Seal(b"k" * 32)
        sealed = seal.close(b"secret", "here")
        self.assertEqual(seal.open(sealed, "here"), b"secret")
        self.assertNotIn(b"secret", sealed)
        self.assertNotEqual(seal.close(b"secret", "here"), sealed)

    def test_refused(self) -> None:
        """Another key, another place, another version, a changed or missing octet."""
        sealed = Seal(b"k" * 32).close(b"secret", "here")
        for key, octets, place in (
            (b"x" * 32, sealed, "here"), (b"k" * 32, sealed, "there"), (b"k" * 32, b"\x02" + sealed[1:], "here"),
            (b"k" * 32, sealed[:-1], "here"), (b"k" * 32, sealed[:-1] + b"\0", "here"), (b"k" * 32, b"", "here"),
            (b"k" * 32, b"\x01", "here"),
        ):
            with self.assertRaises(Unsealable):
                Seal(key).open(octets, place)

    def test_key_file(self) -> None:
        """The key is made once, and for us alone."""
        path = temporary_directory(self) / "keys" / "secrets"
        key = secret_key(path)
        self.assertEqual((len(key), secret_key(path)), (32, key))
        self.assertEqual((path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777), (0o600, 0o700))
        self.assertEqual([one.name for one in path.parent.iterdir()], ["secrets"])
