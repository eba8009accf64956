"""The server's secret."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth.secret import server_secret
from tests.support.places import temporary_directory


class SecretTests(SynchronousTestCase):
    """A file of its own."""

    def test_same(self) -> None:
        """The secret is made once, for nobody else's eyes, and stays."""
        path = temporary_directory(self) / "secret"
        made = server_secret(path)
        self.assertEqual((len(made), server_secret(path)), (32, made))
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)

    def test_cut_off(self) -> None:
        """A file that a crash has left empty is made anew."""
        path = temporary_directory(self) / "secret"
        path.write_bytes(b"")
        self.assertEqual(len(server_secret(path)), 32)
