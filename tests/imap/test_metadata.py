"""Tests of quantummail.imap.commands.metadata and its grammar: limits, and who may do what."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap.grammar.cursor import BadSyntax, Cursor, LimitExceeded
from quantummail.imap.grammar.mailbox import InvalidMailbox
from quantummail.imap.grammar.metadata import GetMetadata, get_metadata, rendered, set_metadata
from tests.auth.accounts import PASSWORDS
from tests.imap.case import PASSWORD, ImapCase
from tests.support.stores import make_user, now


class LimitTests(ImapCase):
    """How much a client may keep here."""

    def test_too_long(self) -> None:
        """A value over the limit is refused with the limit (RFC 5464 4.3); nothing of the command is done."""
        connection = self.logged_in(self.listener(annotation_size=1024))
        self.assertEqual(
            self.say(connection, b'a SETMETADATA INBOX (/private/a "x" /private/b {1025+}\r\n%b)\r\n' % (b"x" * 1025)),
            "a NO [METADATA MAXSIZE 1024] The value is too long\r\n")
        self.assertIn("(/private/a NIL)", self.say(connection, "b GETMETADATA INBOX /private/a"))

    def test_too_many(self) -> None:
        """No more than the limit; what is there can be replaced."""
        connection = self.logged_in(self.listener(annotations=1))
        self.assertIn("a OK", self.say(connection, 'a SETMETADATA INBOX (/private/a "x" /shared/a "x")'))
        self.assertIn("b NO [METADATA TOOMANY] ", self.say(connection, 'b SETMETADATA INBOX (/private/b "x")'))
        self.assertIn("c OK", self.say(connection, 'c SETMETADATA INBOX (/private/a NIL /private/b "x")'))
        self.assertIn("d OK", self.say(connection, 'd SETMETADATA "" (/private/a "x")'))
        self.assertIn("e NO [METADATA TOOMANY] ", self.say(connection, 'e SETMETADATA "" (/private/b "x")'))

    def test_switched_off(self) -> None:
        """Without the capability there are no such commands, and LIST does not know the option."""
        connection = self.logged_in(self.listener(disabled=frozenset({"METADATA", "LIST-METADATA"})))
        for text in ("GETMETADATA INBOX /private/a", 'SETMETADATA INBOX (/private/a "")',
                     'LIST "" % RETURN (METADATA (/private/a))'):
            self.assertIn("a BAD ", self.say(connection, f"a {text}"))


class RightsTests(ImapCase):
    """Who sees and sets what."""

    def test_server(self) -> None:
        """An administrator speaks to all users; the configuration says who that is (RFC 5464 3.2.1.1)."""
        bob = make_user(self.store, "bob@example.test", PASSWORDS.hash(PASSWORD))
        now(self.store.users.delete(bob.address))
        now(self.store.users.create("bob@example.test", PASSWORDS.hash(PASSWORD), admin=True))
        factory = self.listener(contact="mailto:postmaster@example.test")
        administrator, user = self.logged_in(factory, "bob@example.test"), self.logged_in(factory)
        self.assertIn("a OK", self.say(administrator, 'a SETMETADATA "" (/shared/comment "closed on Sunday")'))
        self.assertIn("b NO [NOPERM]", self.say(administrator, 'b SETMETADATA "" (/shared/admin "me")'))
        self.assertEqual(
            self.say(user, 'c GETMETADATA "" (/shared/comment /shared/admin)'),
            '* METADATA "" (/shared/comment "closed on Sunday" /shared/admin "mailto:postmaster@example.test")\r\n'
            "c OK GETMETADATA completed\r\n")
        self.assertIn("d OK [METADATA LONGENTRIES 30]", self.say(user, 'd GETMETADATA (MAXSIZE 20) "" /shared/admin'))

    def test_private(self) -> None:
        """What one user says of the server is nobody else's business."""
        make_user(self.store, "bob@example.test", PASSWORDS.hash(PASSWORD))
        self.say(self.logged_in(), 'a SETMETADATA "" (/private/a "secret")')
        answer = self.say(self.logged_in(name="bob@example.test"), 'a GETMETADATA (DEPTH infinity) "" /private')
        self.assertEqual(answer, "a OK GETMETADATA completed\r\n")


class GrammarTests(SynchronousTestCase):
    """What is read, and written."""

    def test_get(self) -> None:
        """Options before and behind the mailbox, one entry and many."""
        for text, expected in (
            (b" a /private/b", GetMetadata("a", ("/private/b",), 0, None)),
            (b' "" (/private/b /SHARED/c /private/b)', GetMetadata("", ("/private/b", "/SHARED/c"), 0, None)),
            (b" (MAXSIZE 5) a (/private/b)", GetMetadata("a", ("/private/b",), 0, 5)),
            (b" a (depth 1 maxsize 0) /private", GetMetadata("a", ("/private",), 1, 0)),
            (b' {1+}\r\na (DEPTH infinity) ("/shared/x y")', GetMetadata("a", ("/shared/x y",), None, None)),
        ):
            with self.subTest(text=text):
                self.assertEqual(get_metadata(Cursor(text)), expected)

    def test_too_many_entries(self) -> None:
        """A command has an end."""
        names = b" ".join(b"/private/%d" % number for number in range(600))
        self.assertRaises(LimitExceeded, get_metadata, Cursor(b" a (%b)" % names))
        values = b" ".join(b'/private/%d ""' % number for number in range(600))
        self.assertRaises(LimitExceeded, set_metadata, Cursor(b" a (%b)" % values))
        self.assertRaises(BadSyntax, get_metadata, Cursor(b" a /private/" + b"x" * 300))

    @given(st.dictionaries(st.from_regex(r"/(private|shared)/[a-z]{1,9}", fullmatch=True), st.binary() | st.none(),
                           min_size=1))
    def test_written_and_read(self, values: dict[str, bytes | None]) -> None:
        """What a response says can be said back, whatever the octets."""
        text = b" ".join(rendered(name, value) for name, value in values.items())
        self.assertEqual(set_metadata(Cursor(b" a (%b)" % text)), ("a", values))

    @given(st.lists(st.sampled_from([
        b"(", b")", b" ", b"/private", b"/a", b'"', b"NIL", b"{1}\r\n", b"~{1+}\r\n", b"\x00", b"MAXSIZE",
        b"DEPTH", b"1", b"*", b"INBOX",
    ])))
    def test_anything(self, pieces: list[bytes]) -> None:
        """Nothing raises what is no answer to a client."""
        for read in (get_metadata, set_metadata):
            with contextlib.suppress(BadSyntax, LimitExceeded, InvalidMailbox):
                read(Cursor(b" " + b"".join(pieces)))
