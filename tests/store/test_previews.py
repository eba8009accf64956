"""Tests of quantummail.store.previews: found once, then kept."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.errors import Unavailable
from quantummail.store.records import Message
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now


class PreviewsTests(SynchronousTestCase):
    """A mailbox with messages that nobody has looked at."""

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.store = make_store(self, self.directory)
        self.user = make_user(self.store)
        box = now(self.store.mailboxes.find(self.user.id, "INBOX"))
        assert box is not None
        self.inbox = box.id
        for number in range(40):
            body = self.store.bodies.spooled()
            now(body.write(b"Subject: x\r\n\r\nMessage %d\r\n" % number + b"x" * 100_000 * (number == 7)))
            now(self.store.messages.append(
                self.user.id, self.inbox, body, flags=0, keywords=(), internal_date=None))

    def messages(self) -> list[Message]:
        return now(self.store.messages.fetch(self.user.id, self.inbox, range(1, 41), contents=True))

    def kept(self) -> list[str | None]:
        """What the database has."""
        return [message.contents.preview for message in self.messages() if message.contents is not None]

    def find(self, messages: Sequence[Message]) -> dict[str, str]:
        return now(self.store.previews.find(self.user.id, messages))

    def test_kept(self) -> None:
        """What was found is there from then on."""
        found = self.find(self.messages())
        self.assertEqual(list(found.values())[:3], ["Message 0", "Message 1", "Message 2"])
        self.assertEqual(self.kept()[:3], ["Message 0", "Message 1", "Message 2"])
        self.assertEqual(len(self.kept()[7] or ""), 200)

    def test_gone(self) -> None:
        """A message whose file is gone has none, the others do."""
        for path in self.directory.glob("mail/*/*/new/*"):
            if b"Message 3\r" in path.read_bytes():
                path.unlink()
        self.assertEqual(len(self.find(self.messages())), 39)
        self.assertEqual(self.kept()[2:5], ["Message 2", None, "Message 4"])

    def test_not_kept(self) -> None:
        """When they cannot be kept they are told all the same."""

        async def fail(*_: object) -> None:
            raise Unavailable("the disk is full")

        self.patch(self.store.database, "write", fail)
        self.assertEqual(len(self.find(self.messages())), 40)

    def test_later(self) -> None:
        """In the background they are found for all that are asked for, each once."""
        self.store.previews.find_later(self.user.id, self.inbox, list(range(1, 41)))
        self.assertEqual(self.kept()[39], "Message 39")
        self.assertNotIn(None, self.kept())

    def test_stopped(self) -> None:
        """A store that stops begins nothing."""
        now(self.store.previews.stop())
        self.store.previews.find_later(self.user.id, self.inbox, [1])
        self.assertEqual(self.kept()[0], None)
