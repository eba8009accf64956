"""Who gets it: users, aliases with several targets, subaddresses, the postmaster, the catch-all, and nobody else."""

from __future__ import annotations

import smtplib

from tests.scenarios.case import STRANGER, Scenario, simple_message


class Recipients(Scenario):
    """Mail from a stranger to addresses of all kinds."""

    users = ("alice", "bob", "carol")

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        for alias, *targets in (
            ("team", "alice@example.test", "bob@example.test"),
            ("everybody", "team@example.test", "carol@example.test", "alice@example.test"),
        ):
            cls.server.command("alias", "add", f"{alias}@example.test", *targets)
        cls.server.command("domain", "add", "catch.test")
        cls.server.command("alias", "add", "@catch.test", "carol@example.test")
        cls.server.command("alias", "add", "only@catch.test", "bob@example.test")

    def counts(self) -> list[int]:
        """Messages of alice, bob and carol."""
        return [len(self.inbox(user)) for user in self.users]

    def refused(self, recipient: str, sender: str = STRANGER) -> tuple[int, bytes]:
        """The answer to RCPT."""
        client = self.smtp()
        client.mail(sender)
        return client.rcpt(recipient)

    def test_alias(self) -> None:
        """An alias with two targets reaches both."""
        self.deliver(simple_message(), "team")
        self.assertEqual(self.counts(), [1, 1, 0])

    def test_alias_of_alias(self) -> None:
        """Who is reached twice gets it once."""
        self.deliver(simple_message(), "everybody", "alice")
        self.assertEqual(self.counts(), [1, 1, 1])

    def test_subaddress(self) -> None:
        """user+tag is the user; Delivered-To keeps the tag."""
        self.deliver(simple_message(), "alice+shop")
        self.assertEqual(self.counts(), [1, 0, 0])
        self.assertIn(b"Delivered-To: alice+shop@example.test\r\n", self.inbox()[0])

    def test_subaddress_of_alias(self) -> None:
        """alias+tag is the alias."""
        self.deliver(simple_message(), "team+x")
        self.assertEqual(self.counts(), [1, 1, 0])

    def test_case(self) -> None:
        """Names and domains are taken in any case."""
        self.deliver(simple_message(), "ALICE@Example.TEST")
        self.assertEqual(self.counts(), [1, 0, 0])

    def test_catch_all(self) -> None:
        """Whatever has no address of its own goes to the catch-all; what has one does not."""
        self.deliver(simple_message(), "anything@catch.test")
        self.deliver(simple_message(), "only@catch.test")
        self.assertEqual(self.counts(), [0, 1, 1])

    def test_postmaster(self) -> None:
        """postmaster with and without a domain, and in a domain without accounts, reaches the administrator."""
        self.addCleanup(self._empty, "postmaster")
        self._empty("postmaster")
        for recipient in ("postmaster", "Postmaster@example.test", "abuse@example.test"):
            with self.subTest(recipient):
                client = self.smtp()
                client.mail("")
                self.assertEqual(client.docmd("RCPT", f"TO:<{recipient}>")[0], 250)
                self.assertEqual(client.data(simple_message())[0], 250)
        self.assertEqual(len(self.inbox("postmaster")), 3)

    def test_unknown(self) -> None:
        """An unknown user is 550 5.1.1, for a bounce too."""
        for sender in (STRANGER, ""):
            code, text = self.refused("nobody@example.test", sender)
            self.assertEqual((code, text[:5]), (550, b"5.1.1"))

    def test_never_relays(self) -> None:
        """Other domains are refused, in every disguise of an address that goes on to one."""
        for recipient in ("a@example.org", "a%example.org@example.test", '"a@example.org"@example.test',
                          "example.org!a@example.test", "@example.test:a@example.org", "a@[127.0.0.1]", "a@localhost"):
            with self.subTest(recipient):
                client = self.smtp()
                client.mail(STRANGER)
                code, _ = client.docmd("RCPT", f"TO:<{recipient}>")
                self.assertIn(code, range(500, 560))

    def test_disabled(self) -> None:
        """A disabled account takes no mail (550 5.2.1) and no login; enabled again it has what it had."""
        self.deliver(simple_message(), "bob")
        self.server.command("user", "disable", "bob@example.test")
        self.addCleanup(self.server.command, "user", "enable", "bob@example.test")
        # answers are remembered for two seconds
        self.eventually(lambda: self.refused("bob@example.test")[0] != 250)
        code, text = self.refused("bob@example.test")
        self.assertEqual((code, text[:5]), (550, b"5.2.1"))
        self.server.command("user", "enable", "bob@example.test")
        self.assertEqual(len(self.inbox("bob")), 1)

    def test_one_unknown_of_three(self) -> None:
        """A message for two known and one unknown recipient reaches the two."""
        with self.smtp() as client:
            refused = client.sendmail(
                STRANGER, ["alice@example.test", "nobody@example.test", "bob@example.test"], simple_message())
        self.assertEqual({who: code for who, (code, _) in refused.items()}, {"nobody@example.test": 550})
        self.assertEqual(self.counts(), [1, 1, 0])

    def test_new_account_at_once(self) -> None:
        """Who was unknown and then made gets mail at once, while the server runs."""
        self.assertEqual(self.refused("dave@example.test")[0], 550)
        self.server.add_user("dave")
        self.deliver(simple_message(), "dave")
        self.assertEqual(len(self.inbox("dave")), 1)

    def test_vrfy_tells_nothing(self) -> None:
        """VRFY answers the same for everybody."""
        client: smtplib.SMTP = self.smtp()
        self.assertEqual(client.verify("alice@example.test"), client.verify("nobody@example.test"))
