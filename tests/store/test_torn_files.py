"""What a power cut leaves of a delivery that was promised to nobody."""

from __future__ import annotations

import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.support.stores import make_store, make_user, now

TORN = "1795168370.Q38frby0jt8j7t4jaR0.host,S=5338"


class TornFileTests(SynchronousTestCase):
    """The scan of the tree meets a file whose name says that it was longer."""

    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.store = make_store(self, Path(directory.name))
        make_user(self.store)
        self.maildir = Path(directory.name) / "mail/example.test/alice"

    def scan(self, name: str, octets: bytes) -> int:
        """Put a file into the tree and look; how many messages were adopted."""
        (self.maildir / "new" / name).write_bytes(octets)
        return now(self.store.reindex("alice@example.test")).adopted

    def test_torn(self) -> None:
        """A delivery that is not whole is no message; it is moved to tmp/, where nobody reads."""
        for octets in (b"", b"Subject: half a mes"):
            self.assertEqual(self.scan(TORN, octets), 0)
            self.assertEqual((self.maildir / "tmp" / TORN).read_bytes(), octets)
            self.assertEqual(list((self.maildir / "new").iterdir()), [])

    def test_whole(self) -> None:
        """A delivery that is whole becomes a message, whether it was promised or not."""
        self.assertEqual(self.scan(TORN, b"x" * 5336 + b"\r\n"), 1)

    def test_line_ends(self) -> None:
        """A program that has made LF of CRLF has torn nothing."""
        self.assertEqual(self.scan(TORN, b"x" * 5336 + b"\n"), 1)

    def test_foreign(self) -> None:
        """A short file of another program is a message: what its name says is that program's business."""
        self.assertEqual(self.scan("1795168370.M12P34.host,S=5338", b"Subject: x\r\n\r\n"), 1)
