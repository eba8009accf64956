"""Tests of quantummail.imap.column_fetch: many messages at once are told as each alone would be."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import delete

from quantummail.imap import attributes, column_fetch
from quantummail.imap.server import IMAPConnection
from quantummail.store.flags import FLAGGED, SEEN
from quantummail.store.tables import contents
from tests.imap.case import ImapCase

ITEMS = ("UID", "FLAGS", "(UID FLAGS)", "ALL", "FULL", "BODYSTRUCTURE", "(INTERNALDATE BODY UID RFC822.SIZE)",
         "(MODSEQ FLAGS)")


class SameTests(ImapCase):
    """With columns and without them."""

    def setUp(self) -> None:
        super().setUp()
        for number in range(12):
            self.deliver(b"Subject: %d%%s\r\n\r\ntext\r\n" % number, flags=(0, SEEN, FLAGGED)[number % 3],
                         keywords=("$Work",) if number == 7 else (), date=837571465 + number * 100_000)

    def say(self, connection: IMAPConnection, command: str | bytes) -> str:
        """What the server answers; between its pages others have their turn."""
        answer = super().say(connection, command)
        while self.clock.getDelayedCalls() and (more := self.turn(connection)):
            answer += more
        return answer

    def turn(self, connection: IMAPConnection) -> str:
        """What the server says in its next turn."""
        self.clock.advance(0)
        return self.heard(connection)

    def check(self) -> None:
        """Ask for everything by both ways."""
        session = self.selected()
        self.say(session, "e ENABLE CONDSTORE")
        for numbers in ("1:*", "2:4,7,9:*", "5"):
            for items in ITEMS:
                quick = self.say(session, f"a FETCH {numbers} {items}")
                by_uid = self.say(session, f"a UID FETCH {numbers} {items}")
                with self.one_by_one():
                    self.assertEqual(self.say(session, f"a FETCH {numbers} {items}"), quick)
                    self.assertEqual(self.say(session, f"a UID FETCH {numbers} {items}"), by_uid)
                self.assertIn("a OK", quick)

    def one_by_one(self) -> _OneByOne:
        """Without columns for the time being."""
        return _OneByOne()

    def test_same(self) -> None:
        """In pages of any size."""
        self.check()
        self.patch(column_fetch, "PAGE", 5)
        self.check()

    def test_recent(self) -> None:
        r"""Messages that are \Recent in this session are told so."""
        session = self.selected()
        self.assertIn("\\Recent", self.say(session, "a FETCH 1:* FLAGS"))
        self.deliver()
        self.assertIn("* 13 FETCH (FLAGS (\\Recent))\r\n", self.say(session, "b FETCH 1:* FLAGS"))

    def test_expunged_by_others(self) -> None:
        """A message that somebody else has expunged keeps its number, and the rest is told (RFC 2180 4.1.2)."""
        one, two = self.selected(), self.selected()
        self.patch(column_fetch, "PAGE", 5)
        self.say(one, "a FETCH 1:* FLAGS")
        self.say(two, "a STORE 3,12 +FLAGS.SILENT \\Deleted")
        self.say(two, "b EXPUNGE")
        answer = self.say(one, "c FETCH 1:* (UID FLAGS)")
        self.assertEqual(answer.count(" FETCH (UID "), 10)
        self.assertIn("* 11 FETCH (UID 11 ", answer)
        self.assertIn("c NO [EXPUNGEISSUED]", answer)

    def test_lost_contents(self) -> None:
        """What the index has lost is told as an empty text (RFC 3501 wants a value)."""
        with self.store.database.write_engine.begin() as connection:
            connection.execute(delete(contents))
        self.check()


class _OneByOne:
    """Takes the columns away from all attributes."""

    def __enter__(self) -> None:
        self._all = dict(attributes.RENDERERS)
        for name, renderer in self._all.items():
            attributes.RENDERERS[name] = replace(renderer, columns=None)

    def __exit__(self, *_what: object) -> None:
        attributes.RENDERERS.update(self._all)
