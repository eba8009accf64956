"""Submission on 587 and 465: who logs in may write, in their own name, to whom we can reach."""

from __future__ import annotations

import smtplib
from email import message_from_bytes, policy

from tests.scenarios.case import HOST, Scenario, simple_message
from tests.support.programs import run

FROM_ALICE = simple_message("from alice", From="Alice <alice@example.test>", To="bob@example.test")
# What swaks ends with when the server refuses the step
SWAKS_REFUSED_LOGIN, SWAKS_REFUSED_MAIL, SWAKS_REFUSED_RCPT = 28, 23, 24


class Swaks(Scenario):
    """swaks submits as alice."""

    def swaks(self, *options: str, listener: str = "submission", code: int = 0) -> str:
        """Run swaks with TLS as the listener wants it."""
        return run(
            "swaks", "--server", f"{HOST}:{self.server.ports[listener]}",
            "--tls" if listener == "submission" else "--tls-on-connect",
            "--from", self.address("alice"), "--to", self.address("bob"), *options, code=code)

    def login(self, mechanism: str) -> tuple[str, ...]:
        """swaks's options to log in."""
        return ("--auth", mechanism, "--auth-user", self.address("alice"), "--auth-password", self.password("alice"))

    def test_starttls_plain(self) -> None:
        """587 with STARTTLS and AUTH PLAIN."""
        said = self.swaks(*self.login("PLAIN"))
        self.assertIn("<~  235 2.7.0", said)
        self.assertIn(b"with ESMTPSA id", self.inbox("bob")[0])

    def test_starttls_login(self) -> None:
        """587 with STARTTLS and AUTH LOGIN."""
        self.swaks(*self.login("LOGIN"))
        self.assertEqual(len(self.inbox("bob")), 1)

    def test_tls_plain(self) -> None:
        """465 with TLS from the start and AUTH PLAIN."""
        self.swaks(*self.login("PLAIN"), listener="submissions")
        self.assertIn(b"with ESMTPSA id", self.inbox("bob")[0])

    def test_tls_login(self) -> None:
        """465 with TLS from the start and AUTH LOGIN."""
        self.swaks(*self.login("LOGIN"), listener="submissions")
        self.assertEqual(len(self.inbox("bob")), 1)

    def test_wrong_password(self) -> None:
        """A wrong password is 535, in the words that fail2ban looks for in the log."""
        said = self.swaks("--auth", "PLAIN", "--auth-user", self.address("alice"), "--auth-password", "wrong",
                          code=SWAKS_REFUSED_LOGIN)
        self.assertIn("535 5.7.8", said)
        self.assertRegex(self.server.log(), r"authentication failure.*127\.0\.0\.1")
        self.assertNotIn(self.password("alice"), self.server.log())

    def test_without_login(self) -> None:
        """Without a login nobody submits."""
        self.assertIn("530 5.7.0", self.swaks(code=SWAKS_REFUSED_MAIL))

    def test_foreign_sender(self) -> None:
        """Alice does not write as bob: 553."""
        said = self.swaks(*self.login("PLAIN"), "--from", self.address("bob"), code=SWAKS_REFUSED_MAIL)
        self.assertIn("553 5.7.1", said)

    def test_stranger_on_25(self) -> None:
        """On 25 there is no AUTH and no relaying."""
        said = run("swaks", "--server", f"{HOST}:{self.server.ports['smtp']}", "--tls", "--from", "a@example.net",
                   "--to", "somebody@example.org", code=SWAKS_REFUSED_RCPT)
        self.assertNotIn("AUTH", said)
        self.assertIn("550 5.7.1", said)


class Curl(Scenario):
    """curl submits as alice."""

    def curl(self, scheme: str, listener: str, *options: str) -> None:
        """Upload a message for bob."""
        run("curl", "-sS", "--ssl-reqd", "--cacert", self.server.certificate,
            "--user", f"{self.address('alice')}:{self.password('alice')}", *options,
            "--mail-from", self.address("alice"), "--mail-rcpt", self.address("bob"), "--upload-file", "-",
            f"{scheme}://{HOST}:{self.server.ports[listener]}/client.example.net", text=FROM_ALICE)
        self.assertDelivered(self.inbox("bob")[0], FROM_ALICE)

    def test_starttls(self) -> None:
        """587 with STARTTLS."""
        self.curl("smtp", "submission")

    def test_tls(self) -> None:
        """465."""
        self.curl("smtps", "submissions")

    def test_initial_response(self) -> None:
        """AUTH PLAIN with the response on the same line."""
        self.curl("smtp", "submission", "--sasl-ir", "--login-options", "AUTH=PLAIN")

    def test_login_initial_response(self) -> None:
        """AUTH LOGIN with the user name on the same line."""
        self.curl("smtps", "submissions", "--sasl-ir", "--login-options", "AUTH=LOGIN")


class Smtplib(Scenario):
    """Python's smtplib submits as alice."""

    def submission(self) -> smtplib.SMTP_SSL:
        """A logged-in client on 465."""
        client = smtplib.SMTP_SSL(HOST, self.server.ports["submissions"], "client.example.net", context=self.tls)
        self.addCleanup(client.close)
        client.login(self.address("alice"), self.password("alice"))
        return client

    def test_no_auth_in_clear(self) -> None:
        """AUTH is not offered before STARTTLS, and refused, with the words that say why."""
        client = self.smtp("submission")
        self.assertFalse(client.has_extn("auth"))
        code, text = client.docmd("AUTH", "PLAIN AGFsaWNlAHNlY3JldA==")
        self.assertEqual(code, 538)
        self.assertIn(b"5.7.11", text)

    def test_auth_after_starttls(self) -> None:
        """After STARTTLS PLAIN and LOGIN are offered, in the ways of smtplib with and without initial response."""
        for initial in (True, False):
            with self.subTest(initial=initial):
                client = self.smtp("submission")
                client.starttls(context=self.tls)
                client.ehlo()
                self.assertLessEqual({"PLAIN", "LOGIN"}, set(client.esmtp_features["auth"].split()))
                code, _ = client.login(self.address("alice"), self.password("alice"), initial_response_ok=initial)
                self.assertEqual(code, 235)

    def test_bcc_is_stripped(self) -> None:
        """Nobody sees who else got it: Bcc is gone, and nothing that we add tells."""
        message = simple_message(
            "secret copy", From="alice@example.test", Bcc="carol@example.test,\r\n bob@example.test")
        self.submission().sendmail("alice@example.test", ["alice@example.test", "bob@example.test"], message)
        for user in self.users:
            stored = self.inbox(user)[0]
            self.assertNotIn(b"bcc", stored.lower())
            self.assertNotIn(b"carol", stored)
            self.assertNotIn(b"bob@", stored)

    def test_date_and_message_id_are_added(self) -> None:
        """What a message must have and lacks is added, with the id of the 250 as Message-ID."""
        bare = b"From: alice@example.test\r\nSubject: bare\r\n\r\nHi\r\n"
        self.submission().sendmail("alice@example.test", ["bob@example.test"], bare)
        stored = self.inbox("bob")[0]
        self.assertTrue(stored.endswith(bare))
        message = message_from_bytes(stored, policy=policy.default)
        self.assertTrue(message["Message-ID"].endswith("@mail.example.test>"))
        self.assertIn(message["Message-ID"].strip("<>").partition("@")[0], message["Received"])
        self.assertIsNotNone(message["Date"].datetime)

    def test_what_is_there_is_kept(self) -> None:
        """Date and Message-ID of the client are not replaced."""
        self.submission().sendmail("alice@example.test", ["bob@example.test"], FROM_ALICE)
        self.assertDelivered(self.inbox("bob")[0], FROM_ALICE)

    def test_foreign_author(self) -> None:
        """From: somebody else's address is 553, though the envelope is right."""
        client = self.submission()
        with self.assertRaises(smtplib.SMTPDataError) as refused:
            client.sendmail("alice@example.test", ["bob@example.test"], simple_message(From="bob@example.test"))
        self.assertEqual(refused.exception.smtp_code, 553)
        self.assertEqual(self.inbox("bob"), [])

    def test_alias_and_subaddress_are_own(self) -> None:
        """A user writes as an alias that leads to them, and as user+tag."""
        self.server.command("alias", "add", "sales@example.test", "alice@example.test", check=False)
        for sender in ("sales@example.test", "alice+shop@example.test"):
            with self.subTest(sender):
                self.submission().sendmail(sender, ["bob@example.test"], simple_message(From=sender))

    def test_several_recipients(self) -> None:
        """One message to several users is one file with several names, each user has it once."""
        self.submission().sendmail(
            "alice@example.test", ["bob@example.test", "alice@example.test", "bob+list@example.test"], FROM_ALICE)
        self.assertEqual([len(self.inbox(user)) for user in self.users], [1, 1])
        self.assertEqual(self.files("alice")[0].stat().st_ino, self.files("bob")[0].stat().st_ino)

    def test_pipelined_messages(self) -> None:
        """Many messages in one connection, each with its own id."""
        client = self.submission()
        for number in range(20):
            client.sendmail("alice@example.test", ["bob@example.test"],
                            simple_message(f"number {number}", From="alice@example.test"))
        stored = self.inbox("bob")
        self.assertEqual([f"Subject: number {number}\r\n".encode() in message for number, message in enumerate(stored)],
                         [True] * 20)
        ids = {message.partition(b" id ")[2].split()[0] for message in stored}
        self.assertEqual(len(ids), 20)
