"""Awkward messages come out as they went in, octet for octet, by every way in and out."""

from __future__ import annotations

import poplib
import smtplib
from email import message_from_bytes, policy

import imapclient

from tests.scenarios.case import HOST, STRANGER, Scenario, fetch, simple_message
from tests.scenarios.messages import AWKWARD
from tests.support.programs import run_octets


class Awkward(Scenario):
    """The table of tests/scenarios/messages.py."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        poplib._MAXLINE = 1_000_000  # type: ignore[attr-defined]  # its 2048 is too short for real mail
        cls.addClassCleanup(setattr, poplib, "_MAXLINE", 2048)

    def send_raw(self, smtp: smtplib.SMTP, message: bytes) -> None:
        """DATA without what smtplib changes: line ends are ours, only dots are doubled."""
        smtp.mail(STRANGER, ["BODY=8BITMIME"])
        smtp.rcpt(self.address("alice"))
        self.assertEqual(smtp.docmd("DATA")[0], 354)
        stuffed = (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:]
        smtp.send(stuffed + b".\r\n")
        code, text = smtp.getreply()
        self.assertEqual(code, 250, text)

    def test_smtp_to_imap_and_pop3(self) -> None:
        """DATA, then FETCH BODY[] and RETR: byte-identical below the trace fields."""
        with self.smtp() as smtp:
            for message in AWKWARD.values():
                self.send_raw(smtp, message)
        stored = self.inbox()
        self.assertEqual(len(stored), len(AWKWARD))
        pop3 = self.pop3(utf8=True)
        for number, (name, sent) in enumerate(AWKWARD.items(), 1):
            with self.subTest(name):
                self.assertDelivered(stored[number - 1], sent)
                _, lines, size = pop3.retr(number)
                retrieved = b"".join(line + b"\r\n" for line in lines)
                self.assertEqual(retrieved, stored[number - 1])
                self.assertEqual(size, len(retrieved))

    def test_pop3_without_utf8(self) -> None:
        """Who has not said UTF8 gets headers in ASCII, and what Python reads in them is the same (RFC 6856, 6857)."""
        with self.smtp() as smtp:
            self.send_raw(smtp, AWKWARD["raw UTF-8 header"])
        _, lines, _ = self.pop3().retr(1)
        retrieved = b"\r\n".join(lines)
        self.assertTrue(retrieved.isascii())
        message = message_from_bytes(retrieved, policy=policy.default)
        self.assertEqual(message["subject"], "Grüße 日本語 🎉")
        self.assertEqual(message["from"].addresses[0].display_name, "Jürgen")

    def test_chunking(self) -> None:
        """BDAT in three pieces gives the same octets as DATA."""
        with self.smtp() as smtp:
            for message in AWKWARD.values():
                smtp.mail(STRANGER, ["BODY=8BITMIME"])
                smtp.rcpt(self.address("bob"))
                third = len(message) // 3
                first, second, last = message[:third], message[third:2 * third], message[2 * third:]
                for piece, end in ((first, ""), (second, ""), (last, " LAST")):
                    smtp.send(f"BDAT {len(piece)}{end}\r\n".encode() + piece)
                    code, text = smtp.getreply()
                    self.assertEqual(code, 250, text)
        for (name, sent), stored in zip(AWKWARD.items(), self.inbox("bob"), strict=True):
            with self.subTest(name):
                self.assertDelivered(stored, sent)

    def test_append(self) -> None:
        """APPEND keeps every octet, adds none, and ENVELOPE and BODYSTRUCTURE can be parsed by IMAPClient."""
        with imapclient.IMAPClient(HOST, self.server.ports["imaps"], ssl_context=self.tls) as client:
            client.login(self.address("alice"), self.password("alice"))
            sent = {name: message for name, message in AWKWARD.items() if message}
            for message in sent.values():
                client.append("Archive", message)
            client.select_folder("Archive")
            fetched = client.fetch(client.search(), ["BODY.PEEK[]", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE"])
            for (name, message), (_, data) in zip(sent.items(), sorted(fetched.items()), strict=True):
                with self.subTest(name):
                    self.assertEqual(data[b"BODY[]"], message)
                    self.assertEqual(data[b"RFC822.SIZE"], len(message))

    def test_header_and_text(self) -> None:
        """BODY[HEADER] and BODY[TEXT] together are the message, and partial fetches are pieces of it."""
        imap = self.imap()
        for message in AWKWARD.values():
            if message:
                imap.append("Archive", "", "", message)
        imap.select("Archive", readonly=True)
        names = [name for name, message in AWKWARD.items() if message]
        for number, name in enumerate(names, 1):
            with self.subTest(name):
                header, text, piece = (
                    fetch(imap, str(number), section)[0][1]
                    for section in ("BODY.PEEK[HEADER]", "BODY.PEEK[TEXT]", "BODY.PEEK[]<7.20>"))
                self.assertEqual(header + text, AWKWARD[name])
                self.assertEqual(piece, AWKWARD[name][7:27])

    def test_bare_line_ends_are_refused(self) -> None:
        """A bare CR or LF is refused (550 5.6.11), nothing is stored, and the session ends."""
        for message in (b"Subject: a\nb\r\n\r\nHi\r\n", b"Subject: a\r\n\r\nbare\rcr\r\n",
                        b"Subject: a\r\n\r\nx\n.\r\ny\r\n"):
            with self.subTest(message):
                smtp = self.smtp()
                smtp.mail(STRANGER)
                smtp.rcpt(self.address("alice"))
                smtp.docmd("DATA")
                smtp.send(message + b".\r\n")
                code, text = smtp.getreply()
                self.assertEqual((code, text[:6]), (550, b"5.6.11"))
                self.assertEqual(smtp.getreply()[0], 421)
        self.assertEqual(self.inbox(), [])

    def test_smtputf8(self) -> None:
        """With SMTPUTF8 a sender and a recipient may have any letters, and the header too."""
        user = self.server.add_user("jürgen")
        message = simple_message("Grüße", "日本語\r\n", From="Zoë <zoë@bücher.example>", To=f"Jürgen <{user}>")
        with self.smtp() as smtp:
            self.assertTrue(smtp.has_extn("smtputf8"))
            smtp.command_encoding = "utf-8"
            self.assertEqual(smtp.mail("zoë@bücher.example", ["SMTPUTF8", "BODY=8BITMIME"])[0], 250)
            self.assertEqual(smtp.rcpt(user)[0], 250)
            self.assertEqual(smtp.data(message)[0], 250)
        pop3 = poplib.POP3_SSL(HOST, self.server.ports["pop3s"], context=self.tls)
        self.addCleanup(pop3.close)
        pop3.encoding = "utf-8"
        pop3.utf8()
        pop3.user(user)
        pop3.pass_(self.server.passwords[user])
        _, lines, _ = pop3.retr(1)
        stored = b"".join(line + b"\r\n" for line in lines)
        self.assertDelivered(stored, message)
        self.assertIn(b"with UTF8SMTP id", stored)
        self.assertIn("Return-Path: <zoë@bücher.example>".encode(), stored)

    def test_utf8_without_the_word(self) -> None:
        """A UTF-8 address without SMTPUTF8 is refused."""
        smtp = self.smtp()
        smtp.command_encoding = "utf-8"
        self.assertIn(smtp.mail("zoë@example.net")[0], (501, 550, 553))

    def test_curl(self) -> None:
        """curl reads the same octets by IMAP and by POP3, part by part too."""
        sent = AWKWARD["attachment"]
        self.deliver(sent)
        user = f"{self.address('alice')}:{self.password('alice')}"
        common = ("curl", "-sS", "--cacert", self.server.certificate, "--user", user)
        imap = f"imaps://{HOST}:{self.server.ports['imaps']}/INBOX"
        whole = run_octets(*common, f"{imap};MAILINDEX=1").stdout
        self.assertDelivered(whole, sent)
        self.assertEqual(run_octets(*common, f"pop3s://{HOST}:{self.server.ports['pop3s']}/1").stdout, whole)
        part = run_octets(*common, f"{imap};MAILINDEX=1;SECTION=2").stdout
        attachment = sent.partition(b"filename=noise.bin\r\n\r\n")[2].partition(b"\r\n--=_b--")[0]
        self.assertEqual(part.rstrip(b"\r\n"), attachment)
