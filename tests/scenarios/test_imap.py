"""IMAP as IMAPClient and imaplib use it: folders, UIDPLUS, MOVE, keywords, two clients in one mailbox."""

from __future__ import annotations

import imaplib
from datetime import UTC, datetime

import imapclient

from tests.scenarios.case import HOST, Scenario, fetch, folders, simple_message
from tests.support.programs import run


class WithIMAPClient(Scenario):
    """IMAPClient, logged in as alice."""

    def setUp(self) -> None:
        super().setUp()
        self.client = self.connect()

    def connect(self) -> imapclient.IMAPClient:
        """Another connection."""
        client = imapclient.IMAPClient(HOST, self.server.ports["imaps"], ssl_context=self.tls, timeout=30)
        self.addCleanup(client.shutdown)
        client.login(self.address("alice"), self.password("alice"))
        return client

    def test_special_use(self) -> None:
        """A new account has a mailbox for each use, all subscribed."""
        listed = {name: flags for flags, _, name in self.client.list_folders()}
        for name in ("Drafts", "Sent", "Junk", "Trash", "Archive"):
            self.assertIn(f"\\{name}".encode(), listed[name])
        subscribed = {name for _, _, name in self.client.list_sub_folders()}
        self.assertEqual(subscribed, {"INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"})
        self.assertEqual(self.client.find_special_folder(b"\\Sent"), "Sent")

    def test_capabilities(self) -> None:
        """What the issue promises is offered after login."""
        offered = set(self.client.capabilities())
        self.assertLessEqual(
            {b"IMAP4REV1", b"LITERAL+", b"ID", b"ENABLE", b"IDLE", b"NAMESPACE", b"CHILDREN", b"UIDPLUS", b"MOVE",
             b"UNSELECT", b"SPECIAL-USE", b"CREATE-SPECIAL-USE", b"STATUS=SIZE", b"QUOTA"}, offered)
        self.assertTrue(any(name.startswith(b"APPENDLIMIT=") for name in offered))

    def test_uidplus(self) -> None:
        """APPEND and COPY tell the new UIDs; UID EXPUNGE removes those it names only."""
        uids = []
        for number in range(3):
            answer = self.client.append("INBOX", simple_message(f"number {number}"), (b"\\Deleted",))
            self.assertIn(b"APPENDUID", answer)
            uids.append(int(answer.split()[2].rstrip(b"]")))
        self.client.select_folder("INBOX")
        self.assertEqual(self.client.search(), uids)
        self.client.uid_expunge([uids[1]])
        self.assertEqual(self.client.search(), [uids[0], uids[2]])
        imap = self.imap()
        imap.select()
        imap.uid("COPY", f"{uids[0]},{uids[2]}", "Archive")
        copied = imap.response("COPYUID")[1][0].split()
        self.assertEqual(copied[1], f"{uids[0]},{uids[2]}".encode())
        self.client.select_folder("Archive")
        first, last = self.client.search()
        self.assertEqual(copied[2], f"{first}:{last}".encode())

    def test_move(self) -> None:
        """MOVE takes messages to another folder with their flags, dates and octets."""
        when = datetime(2020, 2, 29, 12, 30, 45, tzinfo=UTC)
        message = simple_message("moves")
        self.client.append("INBOX", message, (b"\\Flagged", b"$Important"), when)
        self.client.select_folder("INBOX")
        self.client.move(self.client.search(), "Archive")
        self.assertEqual(self.client.search(), [])
        self.client.select_folder("Archive")
        ((_, data),) = self.client.fetch(self.client.search(), ["FLAGS", "INTERNALDATE", "BODY.PEEK[]"]).items()
        self.assertEqual(set(data[b"FLAGS"]) - {b"\\Recent"}, {b"\\Flagged", b"$Important"})
        self.assertEqual(data[b"INTERNALDATE"].astimezone(UTC).timestamp(), when.timestamp())
        self.assertEqual(data[b"BODY[]"], message)

    def test_keywords(self) -> None:
        """Keywords of Thunderbird and Apple are kept, found by search, and told by other connections."""
        keywords = (b"$Forwarded", b"$Junk", b"NonJunk", b"$label1", b"$MailFlagBit0", b"$MDNSent")
        self.client.append("INBOX", simple_message())
        selected = self.client.select_folder("INBOX")
        self.assertIn(b"\\*", selected[b"PERMANENTFLAGS"])
        self.client.add_flags([self.client.search()[0]], keywords)
        other = self.connect()
        self.assertLessEqual(set(keywords), set(other.select_folder("INBOX")[b"FLAGS"]))
        self.assertEqual(other.search(["KEYWORD", "$label1", "UNKEYWORD", "$label2"]), self.client.search())
        self.client.remove_flags(self.client.search(), [b"$Junk"])
        ((_, data),) = other.fetch(other.search(), ["FLAGS"]).items()
        self.assertEqual(set(data[b"FLAGS"]) - {b"\\Recent"}, set(keywords) - {b"$Junk"})

    def test_folders(self) -> None:
        """Folders with umlauts, spaces and levels: created with parents, renamed with children, deleted."""
        self.client.create_folder("Grüße/日本語/a b & c")
        self.client.append("Grüße/日本語/a b & c", simple_message("deep"))
        names = {name for _, _, name in self.client.list_folders()}
        self.assertLessEqual({"Grüße", "Grüße/日本語", "Grüße/日本語/a b & c"}, names)
        self.client.rename_folder("Grüße", "Post.alt")
        self.assertEqual(self.client.folder_status("Post.alt/日本語/a b & c", ["MESSAGES"])[b"MESSAGES"], 1)
        self.client.delete_folder("Post.alt/日本語/a b & c")
        self.client.delete_folder("Post.alt/日本語")
        self.client.delete_folder("Post.alt")
        self.assertFalse(any("Post" in name for _, _, name in self.client.list_folders()))

    def test_inbox_renamed(self) -> None:
        """RENAME INBOX takes the mail away and leaves an empty INBOX."""
        self.deliver(simple_message())
        self.client.rename_folder("INBOX", "Old mail")
        self.assertEqual(self.client.folder_status("Old mail", ["MESSAGES"])[b"MESSAGES"], 1)
        self.assertEqual(self.client.folder_status("INBOX", ["MESSAGES"])[b"MESSAGES"], 0)

    def test_status_and_namespace(self) -> None:
        """STATUS tells size and counters, NAMESPACE one personal one with a slash."""
        self.client.append("Archive", simple_message("a"))
        status = self.client.folder_status("Archive", ["MESSAGES", "UNSEEN", "SIZE", "UIDNEXT", "UIDVALIDITY"])
        self.assertEqual((status[b"MESSAGES"], status[b"UNSEEN"], status[b"SIZE"]), (1, 1, len(simple_message("a"))))
        self.assertEqual(self.client.namespace().personal, (("", "/"),))

    def test_id(self) -> None:
        """ID tells who we are and says nothing about the machine."""
        said = self.client.id_({"name": "IMAPClient"})
        self.assertIn(b"QuantumMail", said[0])

    def test_search(self) -> None:
        """Searches in header, body and dates find what they should, with UTF-8 too."""
        self.client.append("INBOX", simple_message(
            "Grüße aus Köln", "Straße\r\n", Content_Type="text/plain; charset=utf-8"))
        self.client.append("INBOX", simple_message("other"))
        self.client.select_folder("INBOX")
        first, second = self.client.search()
        for criteria, found in (
            (["SUBJECT", "köln"], [first]), (["BODY", "straße"], [first]), (["TEXT", "other"], [second]),
            (["NOT", "SUBJECT", "other"], [first]), (["OR", "SUBJECT", "other", "BODY", "Straße"], [first, second]),
            (["FROM", "friend@example.net", "SENTSINCE", datetime(2026, 11, 20)], [first, second]),  # noqa: DTZ001  # IMAP dates have no zone
            (["SENTBEFORE", datetime(2026, 11, 20)], []),  # noqa: DTZ001  # see above
            (["LARGER", 10_000], []), (["UID", f"{second}:*"], [second]),
        ):
            with self.subTest(criteria):
                self.assertEqual(self.client.search(criteria, charset="UTF-8"), found)


class TwoClients(Scenario):
    """Two imaplib clients in one mailbox."""

    def setUp(self) -> None:
        super().setUp()
        for number in range(3):
            self.deliver(simple_message(f"number {number}"))
        self.one, self.two = self.imap(), self.imap()
        for client in (self.one, self.two):
            client.select()

    def test_flags(self) -> None:
        """A flag that one sets is told to the other at its next command."""
        self.one.store("2", "+FLAGS", "(\\Answered)")
        self.two.noop()
        _, told = self.two.response("FETCH")
        self.assertIn(b"\\Answered", told[0])
        self.assertTrue(told[0].startswith(b"2 "))

    def test_expunge(self) -> None:
        """Numbers stay good until the other is told: FETCH does not tell, NOOP does."""
        self.one.store("1", "+FLAGS.SILENT", "(\\Deleted)")
        self.one.expunge()
        self.assertIn(b"number 2", fetch(self.two, "3", "ENVELOPE")[0][0])
        self.assertEqual(self.two.response("EXPUNGE"), ("EXPUNGE", [None]))
        self.two.noop()
        self.assertEqual(self.two.response("EXPUNGE"), ("EXPUNGE", [b"1"]))
        first, second = fetch(self.two, "1:*", "ENVELOPE")
        self.assertIn(b"number 1", first[0])
        self.assertIn(b"number 2", second[0])

    def test_new_mail(self) -> None:
        """New mail is told to both."""
        self.deliver(simple_message("new"))
        for client in (self.one, self.two):
            client.noop()
            self.assertEqual(client.response("EXISTS")[1][-1], b"4")

    def test_recent_is_one_clients(self) -> None:
        """The first to select saw the messages as recent, the second did not."""
        _, first = self.one.search(None, "RECENT")
        _, second = self.two.search(None, "RECENT")
        self.assertEqual((first, second), ([b"1 2 3"], [b""]))

    def test_deleted_mailbox(self) -> None:
        """A mailbox that is deleted under a client ends in an answer or an end, not in silence or a crash."""
        self.one.create("doomed")
        self.two.select("doomed")
        self.one.delete("doomed")
        try:
            self.assertIn(self.two.noop()[0], ("OK", "NO"))
        except imaplib.IMAP4.abort:
            self.assertEqual(self.imap().select(), ("OK", [b"3"]))

    def test_examine_changes_nothing(self) -> None:
        """Read-only is read-only."""
        self.two.select(readonly=True)
        self.two.fetch("1", "(BODY[])")
        self.assertEqual(self.two.store("1", "+FLAGS", "(\\Seen)")[0], "NO")
        self.assertEqual(self.one.search(None, "SEEN"), ("OK", [b""]))


class OtherWays(Scenario):
    """In clear, and from the command line."""

    def test_no_login_in_clear(self) -> None:
        """Without TLS there is LOGINDISABLED, and LOGIN is refused before the password is looked at."""
        client = imaplib.IMAP4(HOST, self.server.ports["imap"])
        self.addCleanup(client.shutdown)
        self.assertIn("LOGINDISABLED", client.capabilities)
        with self.assertRaisesRegex(imaplib.IMAP4.error, "PRIVACYREQUIRED"):
            client.login(self.address("alice"), self.password("alice"))

    def test_authenticate_plain(self) -> None:
        """AUTHENTICATE PLAIN after STARTTLS, in the exchange with a continuation."""
        client = imaplib.IMAP4(HOST, self.server.ports["imap"])
        self.addCleanup(client.shutdown)
        client.starttls(self.tls)
        self.assertNotIn("LOGINDISABLED", client.capabilities)
        secret = f"\0{self.address('alice')}\0{self.password('alice')}".encode()
        self.assertEqual(client.authenticate("PLAIN", lambda _: secret)[0], "OK")

    def test_wrong_password(self) -> None:
        """A wrong password and an unknown user get the same answer."""
        answers = set()
        for user in (self.address("alice"), "nobody@example.test"):
            client = imaplib.IMAP4_SSL(HOST, self.server.ports["imaps"], ssl_context=self.tls)
            self.addCleanup(client.shutdown)
            with self.assertRaises(imaplib.IMAP4.error) as refused:
                client.login(user, "wrong")
            answers.add(str(refused.exception))
        self.assertEqual(len(answers), 1)
        self.assertIn("AUTHENTICATIONFAILED", answers.pop())

    def curl(self, path: str, *options: str, text: bytes = b"") -> str:
        """curl on the TLS port."""
        return run("curl", "-sS", "--cacert", self.server.certificate, "--user",
                   f"{self.address('alice')}:{self.password('alice')}", *options,
                   f"imaps://{HOST}:{self.server.ports['imaps']}/{path}", text=text)

    def test_curl_append(self) -> None:
        """curl appends a file, and flags and removes by commands of its own."""
        self._append_file()
        self.assertIn("EXISTS", self.curl("", "-X", "EXAMINE Archive"))
        self.curl("Archive", "-X", "STORE 1 +FLAGS \\Deleted")
        self.assertIn("1 EXPUNGE", self.curl("Archive", "-X", "EXPUNGE"))

    def _append_file(self) -> None:
        path = self.home() / "message"
        path.write_bytes(simple_message("from curl"))
        self.curl("Archive", "--upload-file", str(path))
        self.assertEqual(self.inbox(folder="Archive"), [simple_message("from curl")])

    def test_curl_list(self) -> None:
        """curl lists the folders."""
        listed = self.curl("")
        for name in folders(self.imap()):
            self.assertIn(name, listed)
