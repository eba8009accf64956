"""Mailboxes of other users, with a running server: IMAPClient gives rights and uses them, so does the command."""

from __future__ import annotations

import json
import statistics
import time

import imapclient
from imapclient.exceptions import IMAPClientError

from tests.scenarios.case import HOST, Scenario, simple_message

THERE = "Other Users/alice@example.test"


class Sharing(Scenario):
    """Alice shares, Bob visits."""

    own_server = True

    def client(self, user: str) -> imapclient.IMAPClient:
        """Somebody has logged in."""
        client = imapclient.IMAPClient(HOST, self.server.ports["imaps"], ssl_context=self.tls, timeout=30)
        self.addCleanup(client.shutdown)
        client.login(self.address(user), self.password(user))
        return client

    def setUp(self) -> None:
        super().setUp()
        self.server.command("acl", "delete", "alice@example.test", "INBOX", "bob@example.test")
        self.alice, self.bob = self.client("alice"), self.client("bob")

    def told(self, client: imapclient.IMAPClient, wanted: tuple[object, ...]) -> None:
        """Wait until a response has come in IDLE."""
        responses: list[tuple[object, ...]] = []
        deadline = time.monotonic() + 10
        while wanted not in responses:
            self.assertLess(time.monotonic(), deadline, responses)
            responses += client.idle_check(timeout=1)

    def test_by_the_owner(self) -> None:
        """SETACL lets Bob see, read and add; what he may not do is refused, and what is his own stays his."""
        namespaces = self.bob.namespace()
        self.assertEqual(namespaces.other, (("Other Users/", "/"),))
        self.assertEqual(self.bob.list_folders("", "Other Users*"), [])
        self.alice.create_folder("Orders")
        self.alice.append("Orders", simple_message("an order"))
        self.alice.setacl("Orders", "bob@example.test", "lri")
        self.assertIn((b"bob@example.test", b"lri"), self.alice.getacl("Orders"))
        self.assertIn(f"{THERE}/Orders", [name for _, _, name in self.bob.list_folders()])
        self.bob.select_folder(f"{THERE}/Orders")
        self.assertEqual(self.bob.folder_status(f"{THERE}/Orders", ["MESSAGES"])[b"MESSAGES"], 1)
        self.assertEqual(self.bob.search(["TEXT", "order"]), [1])
        self.bob.append(f"{THERE}/Orders", simple_message("another"), flags=(b"\\Flagged",))
        self.assertEqual(self.bob.get_flags([2])[2], (b"\\Recent",))
        self.assertRaises(IMAPClientError, self.bob.add_flags, [1], b"\\Seen")
        self.bob.copy([1], "INBOX")
        self.alice.setacl("Orders", "bob@example.test", "-r")
        with self.assertRaises((IMAPClientError, OSError)):
            self.bob.fetch([1], ["BODY[]"])
        again = self.client("bob")
        self.assertRaises(IMAPClientError, again.select_folder, f"{THERE}/Orders")
        again.select_folder("INBOX")
        self.assertIn(b"an order", again.fetch([1], ["BODY[]"])[1][b"BODY[]"])

    def test_news(self) -> None:
        """A guest in IDLE hears of new mail, and the owner of what the guest does, within 100 ms (the median)."""
        self.alice.setacl("INBOX", "bob@example.test", "lrswite")
        self.bob.select_folder(f"{THERE}/INBOX")
        self.alice.select_folder("INBOX")
        delays = []
        for number in range(1, 9):
            listening, writing = (self.bob, self.alice) if number % 2 else (self.alice, self.bob)
            listening.idle()
            writing.append("INBOX" if number % 2 else f"{THERE}/INBOX", simple_message(f"number {number}"))
            accepted = time.monotonic()
            self.told(listening, (number, b"EXISTS"))
            delays.append(time.monotonic() - accepted)
            listening.idle_done()
        median = statistics.median(delays) * 1000
        print(f"IDLE in a shared mailbox: news show after {median:.1f} ms")
        self.assertLess(median, 100)

    def test_by_an_administrator(self) -> None:
        """The command gives rights, lists them, and takes them away from a session that idles."""
        def command(*words: str) -> str:
            return self.server.command("acl", *words).stdout

        self.assertIn("has lr on INBOX", command("set", "alice@example.test", "INBOX", "bob@example.test", "lr"))
        self.assertEqual(json.loads(command("shared", "bob@example.test", "--json")), [
            {"owner": "alice@example.test", "mailbox": "INBOX", "rights": "lr"}])
        self.bob.select_folder(f"{THERE}/INBOX", readonly=True)
        self.bob.idle()
        command("delete", "alice@example.test", "INBOX", "bob@example.test")
        self.told(self.bob, (b"BYE", *b"The selected mailbox cannot be read any more".split()))
        self.assertEqual(json.loads(command("list", "alice@example.test", "--json")), [])
        self.assertEqual(self.server.command("acl", "set", "alice@example.test", "INBOX", "x@example.test", "lr",
                                             check=False).returncode, 67)
