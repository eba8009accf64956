"""Tests of quantummail.store.maildir and store.names: whatever a name holds, its path stays where it belongs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import assume, example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.errors import InvalidName
from quantummail.store.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN
from quantummail.store.maildir import (
    IN_NEW,
    LETTER_SHIFT,
    account_directory,
    check_name,
    file_name,
    folder,
    locate,
    make_maildir,
    name_of_folder,
    path_of,
    promised_size,
    split_info,
    unescape,
)
from quantummail.store.names import lookup_address, normal_address, normal_domain

ANYTHING = st.text(st.characters(codec="utf-8"), max_size=40)
AWKWARD = st.text(st.sampled_from("./%&-~\\\0\n INBOXinbox+@=,:*\N{GREEK SMALL LETTER PI}\N{PILE OF POO}"), max_size=20)
NAMES = ANYTHING | AWKWARD
ROOT = "/srv/mail"


def _depth_below_root(path: str) -> int:
    """How many levels a relative path is below the root, by what the kernel makes of it; -1 outside."""
    joined = os.path.normpath(os.path.join(ROOT, path))
    return joined.removeprefix(ROOT).count("/") if joined.startswith(f"{ROOT}/") else -1


class AccountPathTests(SynchronousTestCase):
    """Directories of accounts."""

    @given(NAMES, NAMES)
    @example("..", "..")
    @example("../..", "x/../../..")
    def test_below(self, local_part: str, domain: str) -> None:
        """Any address at all has its directory two levels below the root, and no other address the same one."""
        domain = domain.replace("@", "")
        assume(local_part and domain)
        path = account_directory(lookup_address(local_part, domain))
        self.assertEqual(_depth_below_root(path), 2)
        for part in path.split("/"):
            self.assertFalse(part.startswith("."))
            self.assertNotIn("\0", part)

    @given(NAMES, NAMES)
    def test_unescaped(self, local_part: str, domain: str) -> None:
        """The address can be read from the directory again."""
        assume("@" not in domain)
        directory, _, last = account_directory(f"{local_part}@{domain}").rpartition("/")
        self.assertEqual((unescape(last), unescape(directory)), (local_part, domain))

    @given(NAMES)
    def test_normal(self, text: str) -> None:
        """An address is refused, or has a form that stays the same."""
        for normal in (normal_address, normal_domain):
            try:
                once = normal(text)
            except InvalidName:
                continue
            self.assertEqual(normal(once), once)

    def test_longest(self) -> None:
        """The longest local part fits a file name."""
        self.assertLessEqual(len(os.path.basename(account_directory(f"{'%' * 64}@example.test"))), 255)


class MailboxNameTests(SynchronousTestCase):
    """Names of mailboxes and their folders."""

    @given(NAMES)
    @example("..")
    @example("a/../../b")
    @example("./.")
    def test_below(self, name: str) -> None:
        """A name is refused, or its folder is directly below the account's directory and means this name."""
        try:
            checked = check_name(name)
        except InvalidName:
            return
        directory = folder(checked)
        self.assertEqual(_depth_below_root(f"example.test/alice/{directory}"), 2 if checked == "INBOX" else 3)
        self.assertTrue(directory == "" or directory.startswith("."))
        self.assertNotIn(directory, (".", ".."))
        self.assertTrue(directory.isascii() and directory.isprintable() and len(directory) <= 255)
        self.assertEqual(name_of_folder(directory), checked)
        self.assertEqual(check_name(checked), checked)

    @given(NAMES)
    def test_folders(self, directory: str) -> None:
        """A foreign folder is refused, or means a name that can be."""
        try:
            name = name_of_folder(f".{directory}")
        except InvalidName:
            return
        self.assertEqual(check_name(name), name)

    def test_refused(self) -> None:
        """Empty levels, dots, control characters, too many levels and too long names are refused, as IMAP does."""
        for name in ("", "/", "a/", "/a", "a//b", "..", "a/./b", "a\0b", "a\nb", "a\u2028b", "\x7f",
                     "/".join("a" * 17), "x" * 256, "\udc80"):
            self.assertRaises(InvalidName, check_name, name)

    def test_inbox(self) -> None:
        """The first level INBOX is the same in any case, others are not."""
        self.assertEqual(check_name("inbox/Inbox"), "INBOX/Inbox")
        self.assertEqual(check_name("Inboxes"), "Inboxes")


class FileNameTests(SynchronousTestCase):
    """Names of messages' files."""

    @given(st.integers(0, (1 << 31) - 1))
    def test_flags(self, flags: int) -> None:
        """Flags in a name are read again."""
        path = path_of("name", flags)
        self.assertEqual(split_info(os.path.basename(path)), ("name", flags))

    def test_letters(self) -> None:
        """Letters stand in the order of the alphabet; unknown ones are no flags, lower-case ones keywords."""
        self.assertEqual(path_of("n", SEEN | DELETED | ANSWERED | FLAGGED | DRAFT), "cur/n:2,DFRST")
        self.assertEqual(path_of("n", IN_NEW), "new/n")
        self.assertEqual(split_info("n:2,XSP"), ("n", SEEN))
        self.assertEqual(split_info("n:2,Sza"), ("n", SEEN | 1 << LETTER_SHIFT | 1 << LETTER_SHIFT + 25))

    def test_promised(self) -> None:
        """Only the name of a delivery tells how long its file must be."""
        self.assertEqual(promised_size(file_name(1, "Q0123456789abcdefR12", 77)), 77)
        for name in (file_name(1, "C0123456789abcdef", 77), file_name(1, "Q0123456789abcdefR0", None), "x,S=5", ""):
            self.assertIsNone(promised_size(name))

    def test_located(self) -> None:
        """A file is found by its name without flags, and not by the beginning of it."""
        with tempfile.TemporaryDirectory() as directory:
            make_maildir(directory)
            (Path(directory) / "cur/1.abc:2,S").touch()
            (Path(directory) / "new/2.abc").touch()
            self.assertEqual(locate(directory, "1.abc"), f"{directory}/cur/1.abc:2,S")
            self.assertEqual(locate(directory, "2.abc"), f"{directory}/new/2.abc")
            self.assertIsNone(locate(directory, "1.ab"))
            self.assertIsNone(locate(f"{directory}/nowhere", "1.abc"))
