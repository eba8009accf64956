"""`quantummail record`: what an administrator sees of one account's dialogues, and what nobody sees."""

from __future__ import annotations

import json
import time

from tests.scenarios.case import Scenario, simple_message


class Record(Scenario):
    """alice is recorded while she reads and sends; bob is not."""

    own_server = True

    def begin(self, *options: str) -> str:
        """Record alice; the recording's name, when the server has seen it."""
        name = self.server.command("record", self.address("alice"), *options).stdout.split()[-1]
        deadline = time.monotonic() + 10
        while f"are recorded: {name}" not in self.server.log():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        return name

    def tearDown(self) -> None:
        for recording in json.loads(self.server.command("record", "list", "--json").stdout):
            self.server.command("record", "delete", recording["name"])
        super().tearDown()

    def test_dialogues(self) -> None:
        """IMAP, POP3 and submission, from the greeting to the end; no password, no content, nobody else."""
        name = self.begin("--minutes", "1")
        message = simple_message("a subject", "a very private text\r\n", From=self.address("alice"))
        for user in ("alice", "bob"):
            imap = self.imap(user)
            imap.append("INBOX", "", "", message)
            imap.select()
            imap.fetch("1", "(BODY[] FLAGS)")
            imap.logout()
        pop3 = self.pop3("alice")
        pop3.retr(1)
        pop3.quit()
        smtp = self.smtp("submission")
        smtp.starttls(context=self.tls)
        smtp.login(self.address("alice"), self.password("alice"))
        smtp.sendmail(self.address("alice"), [self.address("alice")], message)
        smtp.quit()
        shown = self.server.command("record", "show", self.address("alice")).stdout
        for line in ("C: * LOGIN <", "S: * OK [CAPABILITY", "C: * APPEND INBOX * octets>", "BODY[] {", "octets>",
                     "S: * BYE Logging out", "C: PASS <", "C: RETR 1", "C: AUTH PLAIN <", "S: 354", "C: QUIT"):
            self.assertTrue(all(part in shown for part in line.split("*")), (line, shown))
        for secret in (self.password("alice"), "very private", "bob@"):
            self.assertNotIn(secret, shown)
        self.assertEqual(self.server.command("record", "stop", name).stdout, f"{name} has ended\n")

    def test_session_that_is_there(self) -> None:
        """A session that idles already is taken up."""
        imap = self.imap("alice")
        name = self.begin()
        deadline = time.monotonic() + 10
        while "was there before" not in self.server.command("record", "show", name).stdout:
            self.assertLess(time.monotonic(), deadline)
        imap.noop()
        imap.logout()
        self.assertIn("NOOP", self.server.command("record", "show", name).stdout)

    def test_refusals(self) -> None:
        """Nobody, too long, twice, nothing there."""
        for arguments, code in ((("nobody@example.test",), 67), ((self.address("alice"), "--minutes", "0"), 65),
                                (("show", "nothing"), 67), (("show",), 64)):
            self.assertEqual(self.server.command("record", *arguments, check=False).returncode, code, arguments)
        self.begin()
        self.assertEqual(self.server.command("record", self.address("alice"), check=False).returncode, 65)
        (listed,) = json.loads(self.server.command("record", "list", "--json").stdout)
        self.assertEqual((listed["address"], listed["running"]), (self.address("alice"), True))

