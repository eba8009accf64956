"""Tests of quantummail.imap.grammar.mailbox."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.imap.grammar.cursor import BadSyntax, Cursor
from quantummail.imap.grammar.mailbox import InvalidMailbox, checked, decode, encode, mailbox


class MailboxTests(SynchronousTestCase):
    """Names on the wire."""

    GOOD = [
        ("INBOX", "INBOX"), ("inbox", "INBOX"), ("InBox/Sub", "INBOX/Sub"), ("Sent", "Sent"), ("a&-b", "a&b"),
        ("&ZeVnLIqe-", "日本語"), ("Entw&APw-rfe", "Entwürfe"), ("~peter/mail/&U,BTFw-", "~peter/mail/台北"),
        ('"with space"', "with space"), ("x.y", "x.y"), ("inboxes", "inboxes"), ("a]b", "a]b"), ("...", "..."),
    ]
    BAD = [
        # decoded they would be "/", "..", NUL, a line end, "." (I6)
        "&AC8-", "&AC4ALg-", "&AAA-", "&AA0ACg-", "&AC4-", "a/&AC4ALg-/b",
        "..", "a/../b", "a//b", "/a", "a/", ".", '""',
        # not canonical, not finished, half a surrogate pair, no base64
        "&AGE-", "&AOk", "&2AA-", "&===-", "&A-", "&AOk-&AOk-", "a&b", "&",
    ]

    def test_decoded(self) -> None:
        """Names come out in Unicode, INBOX in capitals."""
        for text, name in self.GOOD:
            self.assertEqual(mailbox(Cursor(text.encode())), name)

    def test_refused(self) -> None:
        """Whatever could leave its place is refused after decoding (I6)."""
        for text in self.BAD:
            self.assertRaises(InvalidMailbox, mailbox, Cursor(text.encode()))

    def test_eight_bit(self) -> None:
        """Raw UTF-8 is no name in IMAP4rev1."""
        self.assertRaises(InvalidMailbox, mailbox, Cursor('"é"'.encode()))
        self.assertRaises(BadSyntax, mailbox, Cursor("é".encode()))

    def test_bounds(self) -> None:
        """Sixteen levels, 255 octets a level."""
        checked("/".join(["a"] * 16))
        checked("é" * 127)
        self.assertRaises(InvalidMailbox, checked, "/".join(["a"] * 17))
        self.assertRaises(InvalidMailbox, checked, "é" * 128)

    def test_composed(self) -> None:
        """Decomposed letters are the same name as composed ones."""
        self.assertEqual(mailbox(Cursor(encode("e\u0301"))), "\u00e9")

    @given(st.text(max_size=40))
    def test_round_trip(self, text: str) -> None:
        """Any text can be written and read."""
        try:
            encoded = encode(text)
        except UnicodeEncodeError:
            return
        if any(unicodedata.category(letter) == "Cs" for letter in text):
            return
        self.assertEqual(decode(encoded), text)
        self.assertTrue(encoded.isascii())

    @given(st.binary(max_size=60))
    def test_names_are_safe(self, octets: bytes) -> None:
        """Whatever comes is refused or a name that stays where it belongs (I6)."""
        try:
            name = checked(decode(octets))
        except InvalidMailbox:
            return
        for level in name.split("/"):
            self.assertNotIn(level, ("", ".", ".."))
            self.assertNotIn("\x00", level)
