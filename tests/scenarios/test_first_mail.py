"""The first mail: from swaks on port 25 to the disk, and from there to every program that reads mail."""

from __future__ import annotations

import sqlite3
from email import message_from_bytes, policy

import imapclient

from tests.scenarios.case import HOST, STRANGER, Scenario, fetch, simple_message
from tests.support.programs import run, run_octets


class FirstMail(Scenario):
    """A mail that swaks has sent."""

    def setUp(self) -> None:
        super().setUp()
        self.swaks = run(
            "swaks", "--server", f"{HOST}:{self.server.ports['smtp']}", "--tls", "--from", STRANGER,
            "--to", self.address("alice"), "--header", "Subject: first mail", "--body", "Hello from swaks")

    def test_maildir(self) -> None:
        """The file is in new/, with CRLF, its Received field tells the id that the 250 told."""
        (path,) = self.files()
        stored = path.read_bytes()
        reply = next(line for line in self.swaks.splitlines() if "Ok: delivered as" in line)
        self.assertEqual(path.parent.name, "new")
        self.assertIn(f"with ESMTPS id {reply.split()[-1]}".encode(), stored)
        self.assertTrue(stored.startswith(b"Return-Path: <friend@example.net>\r\nDelivered-To: alice@example.test\r\n"))
        self.assertEqual(stored.count(b"\n"), stored.count(b"\r\n"))

    def test_index(self) -> None:
        """The index has a row for the file, with its size."""
        (path,) = self.files()
        with sqlite3.connect(f"file:{self.server.database}?mode=ro", uri=True) as index:
            rows = index.execute(
                "SELECT messages.size FROM messages JOIN accounts ON accounts.id = messages.account_id "
                "WHERE accounts.address = 'alice@example.test'").fetchall()
        self.assertEqual(rows, [(path.stat().st_size,)])

    def test_curl_imap(self) -> None:
        """curl reads it by IMAP, octet for octet."""
        read = run_octets(
            "curl", "-sS", "--cacert", self.server.certificate, "--user",
            f"{self.address('alice')}:{self.password('alice')}",
            f"imaps://{HOST}:{self.server.ports['imaps']}/INBOX;MAILINDEX=1").stdout
        self.assertEqual(read, self.files()[0].read_bytes())

    def test_curl_imap_starttls(self) -> None:
        """curl reads it on port 143 after STARTTLS."""
        read = run_octets(
            "curl", "-sS", "--ssl-reqd", "--cacert", self.server.certificate, "--user",
            f"{self.address('alice')}:{self.password('alice')}",
            f"imap://{HOST}:{self.server.ports['imap']}/INBOX;MAILINDEX=1").stdout
        self.assertEqual(read, self.files()[0].read_bytes())

    def test_curl_imap_search(self) -> None:
        """curl finds it by its subject."""
        said = run(
            "curl", "-sS", "--cacert", self.server.certificate, "--user",
            f"{self.address('alice')}:{self.password('alice')}",
            f"imaps://{HOST}:{self.server.ports['imaps']}/INBOX?SUBJECT%20first")
        self.assertEqual(said, "* SEARCH 1\r\n")

    def test_curl_pop3(self) -> None:
        """curl reads it by POP3, octet for octet."""
        read = run_octets(
            "curl", "-sS", "--cacert", self.server.certificate, "--user",
            f"{self.address('alice')}:{self.password('alice')}",
            f"pop3s://{HOST}:{self.server.ports['pop3s']}/1").stdout
        self.assertEqual(read, self.files()[0].read_bytes())

    def test_curl_pop3_stls(self) -> None:
        """curl lists it on port 110 after STLS."""
        said = run(
            "curl", "-sS", "--ssl-reqd", "--cacert", self.server.certificate, "--user",
            f"{self.address('alice')}:{self.password('alice')}", f"pop3://{HOST}:{self.server.ports['pop3']}/")
        self.assertEqual(said, f"1 {self.files()[0].stat().st_size}\r\n")

    def test_imaplib(self) -> None:
        """imaplib sees one recent, unseen message with its envelope."""
        imap = self.imap()
        self.assertEqual(imap.select(), ("OK", [b"1"]))
        self.assertEqual(imap.response("RECENT"), ("RECENT", [b"1"]))
        ((said, _),) = fetch(imap, "1", "FLAGS", "ENVELOPE")
        self.assertIn(b"FLAGS (\\Recent)", said)
        self.assertIn(b'"first mail" ((NIL NIL "friend" "example.net"))', said)

    def test_imapclient(self) -> None:
        """IMAPClient parses envelope, structure and flags."""
        with imapclient.IMAPClient(HOST, self.server.ports["imaps"], ssl_context=self.tls) as client:
            client.login(self.address("alice"), self.password("alice"))
            client.select_folder("INBOX")
            ((_, data),) = client.fetch(client.search(["UNSEEN"]), ["ENVELOPE", "BODYSTRUCTURE", "RFC822.SIZE"]).items()
        self.assertEqual(data[b"ENVELOPE"].subject, b"first mail")
        self.assertEqual(data[b"ENVELOPE"].to[0].mailbox, b"alice")
        self.assertEqual(data[b"BODYSTRUCTURE"][:2], (b"text", b"plain"))
        self.assertEqual(data[b"RFC822.SIZE"], self.files()[0].stat().st_size)

    def test_poplib(self) -> None:
        """poplib reads it, and its UIDL is the same the next time."""
        pop3 = self.pop3()
        _, lines, octets = pop3.retr(1)
        self.assertEqual(b"\r\n".join([*lines, b""]), self.files()[0].read_bytes())
        self.assertEqual(octets, self.files()[0].stat().st_size)
        uidl = pop3.uidl()[1]
        pop3.quit()
        self.assertEqual(self.pop3().uidl()[1], uidl)

    def test_openssl(self) -> None:
        """A person who types IMAP into openssl s_client reads it."""
        said = run(
            "openssl", "s_client", "-quiet", "-crlf", "-ign_eof", "-connect", f"{HOST}:{self.server.ports['imaps']}",
            "-CAfile", self.server.certificate, "-verify_return_error",
            text=f"a LOGIN {self.address('alice')} {self.password('alice')}\nb SELECT INBOX\n"
                 "c FETCH 1 BODY[TEXT]\nd LOGOUT\n")
        self.assertIn("Hello from swaks", said)
        self.assertIn("d OK", said)


class ManyReaders(Scenario):
    """What is read by one program is seen by the other."""

    def test_seen(self) -> None:
        """A message that was read by IMAP is not new any more, on disk neither; POP3 still has it."""
        self.deliver(simple_message())
        imap = self.imap()
        imap.select()
        imap.fetch("1", "(BODY[])")
        imap.close()
        (path,) = self.eventually(lambda: [file for file in self.files() if file.name.endswith(":2,S")])
        self.assertEqual(path.parent.name, "cur")
        self.assertEqual(self.pop3().stat()[0], 1)

    def test_parsed(self) -> None:
        """Python's own parser reads what we have put on top as fields of the message."""
        self.deliver(simple_message("trace"))
        message = message_from_bytes(self.inbox()[0], policy=policy.default)
        self.assertEqual(message["Subject"], "trace")
        self.assertEqual(message["Delivered-To"], "alice@example.test")
        self.assertIn("client.example.net", message["Received"])
        self.assertEqual(message["Return-Path"], f"<{STRANGER}>")
