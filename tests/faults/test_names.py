"""Names of mailboxes that lead out of an account, and numbers that lead into another."""

from __future__ import annotations

import base64
import os
import random
import re
from pathlib import Path

from tests.faults.case import LONG, FaultCase
from tests.faults.wire import Gone

# As written in modified UTF-7 (RFC 3501 5.1.3): what they mean is looked at after decoding
TRAVERSALS = (
    "..", ".", "../x", "../../x", "a/../b", "a/..", "./a", "a/./b", "/a", "a/", "a//b", "/etc/passwd", "&AC8-etc",
    "&AC4ALg-", "&AC4ALg-/x", "a/&AC4ALg-/b", "&AAA-", "a&AAA-b", "&AC4ALgAv-x", "&AA0ACg-", "a\\..\\b", "~", "~root",
    "~/x", "....//x", ".../x", "cur", "new", "tmp", "tmp/x", ".Sent", "Sent.x", "%2e%2e", "%2e%2e%2fx", "..%2fx",
    "&ACU-2e", "INBOX/../../bob", "INBOX/..", ".", " ", "&", "&-", "&AGE-", "&2D0-", "&2D3eAA-", "&//8-",
    "quantummail-uids", "INBOX/cur", "a.b.c", "a/.b", ".quantummail", "x" * 300, "y/" * 40 + "z", "x" * 70_000,
)


class TraversalTests(FaultCase):
    """Whatever a mailbox is called, its files are below the account's directory."""

    def outside(self) -> set[str]:
        """Everything that is not alice's."""
        own = self.server.maildir("alice@example.test")
        found = set()
        for base, directories, names in os.walk(self.server.directory):
            if Path(base) == own:
                directories.clear()
                continue
            found |= {os.path.join(base, name) for name in (*directories, *names)
                      if not re.search(r"sqlite|server\.log", name)}
        return found

    def test_traversals(self) -> None:
        """Known ways out are refused, or are names like others: nothing outside of the account is touched."""
        before = self.outside()
        for command in ("CREATE", "SUBSCRIBE", "SELECT", "DELETE", "STATUS", "APPEND", "RENAME", "COPY"):
            for name in TRAVERSALS:
                self.try_name(command, name.encode())
        self.assertEqual(self.outside(), before)
        self.inside()

    def test_random_names(self) -> None:
        """Random names, made of what hurts, create directories inside the account and nowhere else."""
        before = self.outside()
        pieces = [".", "..", "/", "\\", "&AC8-", "&AC4-", "&AAA-", "&-", "~", "%", "a", "INBOX", "cur", "\u0301", " "]
        chosen = random.Random(1)
        client = self.imap()
        for _ in range(5000 if LONG else 400):
            name = "".join(chosen.choices(pieces, k=chosen.randint(1, 6)))
            if chosen.random() < 0.5:
                noise = "".join(map(chr, chosen.choices((0, 10, 13, 46, 47, 92, 0x2215, 0x202e, 0xff0f, 0x2024), k=3)))
                name += "&" + base64.b64encode(noise.encode("utf-16-be")).decode().rstrip("=").replace("/", ",") + "-"
            octets = name.encode()
            client.say(b"CREATE {%d+}\r\n%s" % (len(octets), octets))
        self.assertEqual(self.outside(), before)
        self.inside()

    def try_name(self, command: str, name: bytes) -> None:
        """One command with one name, as a literal."""
        client = self.imap("alice", "INBOX")
        literal = b"{%d+}\r\n%s" % (len(name), name)
        rest = {"STATUS": b" (MESSAGES)", "APPEND": b" {3+}\r\nx\r\n"}.get(command, b"")
        try:
            if command == "RENAME":
                client.say(b"CREATE temporary")
                response = client.say(b"RENAME temporary " + literal)
            elif command == "COPY":
                response = client.say(b"UID COPY 1:* " + literal)
            else:
                response = client.say(command.encode() + b" " + literal + rest)
            self.assertIn(response.status, ("OK", "NO", "BAD"))
        except Gone:
            # BYE to a name of 70 000 octets
            self.assertGreater(len(name), 60_000)
        finally:
            client.close()

    def inside(self) -> None:
        """What alice has are Maildirs, one level below her own, without links to elsewhere."""
        own = self.server.maildir("alice@example.test")
        for entry in own.iterdir():
            self.assertFalse(entry.is_symlink())
            self.assertEqual(entry.resolve().parent, own.resolve())
            if entry.is_dir() and entry.name not in ("cur", "new", "tmp"):
                self.assertTrue(entry.name.startswith("."), entry)
                self.assertTrue((entry / "cur").is_dir(), entry)
        log = self.server.log()
        self.assertNotIn("Traceback", log)
        self.assertNotIn("unexpected error", log)


class OtherUsersTests(FaultCase):
    """What is bob's stays bob's."""

    def test_numbers_and_names(self) -> None:
        """No UID, number, name or path of alice's session reaches a message of bob."""
        secret = b"Subject: secret\r\n\r\nfor bob alone\r\n"
        bob = self.imap("bob", "INBOX")
        self.assertTrue(bob.append("INBOX", secret).ok)
        bob.must('CREATE "Private"')
        alice = self.imap("alice", "INBOX")
        for command in (
            "UID FETCH 1:* BODY[]", "FETCH 1:* BODY[]", "UID FETCH 1:4294967295 (ENVELOPE)", "UID SEARCH ALL",
            "SEARCH TEXT bob", "UID COPY 1:* Archive", "UID MOVE 1:* Archive", "UID STORE 1:* +FLAGS (\\Deleted)",
            "UID EXPUNGE 1:*", "EXPUNGE", "SELECT Private", "STATUS Private (MESSAGES)", "EXAMINE \"bob/INBOX\"",
            "SELECT \"../bob/INBOX\"", "SELECT \"bob@example.test/INBOX\"", "SELECT \"#user/bob\"",
            "SELECT \"~bob/INBOX\"", "SELECT \"user/bob\"", "DELETE Private", "RENAME Private Mine",
            "LIST \"\" \"*\"", "LIST \"user/\" \"*\"", "LIST \"~bob\" \"*\"", "LIST \"..\" \"*\"", "LSUB \"\" \"*\"",
            "GETQUOTAROOT Private", "GETQUOTA \"bob@example.test\"", "APPEND \"bob/INBOX\" {3+}\r\nx\r\n",
        ):
            response = alice.say(command)
            said = b"".join(response.untagged) + response.text.encode()
            for word in (b"secret", b"for bob", b"Private (MESSAGES"):
                self.assertNotIn(word, said, command)
            if command.startswith("LIST"):
                self.assertNotIn(b"Private", said)
            if not response.ok or command.startswith("SELECT"):
                alice.must("SELECT INBOX")
        self.assertEqual(len(self.bodies("bob")), 1)
        pop3 = self.pop3("alice")
        for command in ("RETR 1", "TOP 1 0", "DELE 1", "LIST 1", "UIDL 1"):
            self.assertEqual(pop3.say(command)[:4], b"-ERR", command)
        pop3.must("QUIT")
        self.assertEqual(len(self.bodies("bob")), 1)
