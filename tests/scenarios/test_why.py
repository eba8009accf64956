"""An administrator asks why, and says whom nobody may write to: the real commands beside the real server."""

from __future__ import annotations

import json
import smtplib
from typing import ClassVar

from tests.faults.sink import Sink
from tests.scenarios.case import HOST, Scenario, simple_message
from tests.scenarios.test_sending import QUICK
from tests.support.server import free_ports

Refused = dict[str, tuple[int, bytes]]


class WhyScenario(Scenario):
    """Mail goes to a server that knows everybody but `no*`."""

    sink: ClassVar[Sink]

    @classmethod
    def setUpClass(cls) -> None:
        (port,) = free_ports(1)
        cls.sink = Sink(port)
        cls.addClassCleanup(cls.sink.close)
        cls.settings = {
            "sending": {"routes": f"sink.test smtp://127.0.0.1:{port}?tls=none"}, "queue": QUICK,
            "limits": {"mails_per_minute_per_sender": "3", "recipients_per_day": "5"},
        }
        super().setUpClass()

    def submit(self, *recipients: str, message_id: str = "<why@x>", sender: str = "alice") -> Refused:
        """A user writes; what recipients were refused with."""
        address = self.address(sender)
        with smtplib.SMTP(HOST, self.server.ports["submission"], timeout=30) as smtp:
            smtp.starttls(context=self.tls)
            smtp.login(address, self.password(sender))
            return smtp.sendmail(address, list(recipients), simple_message(
                "why", **{"From": address, "Message-ID": message_id}))

    def why(self, *words: str) -> str:
        """What the command tells, once it is written."""
        return self.server.command("why", *words, check=False).stdout

    def test_bounced_and_suppressed(self) -> None:
        """The whole story of a message; its address is refused from then on, until it is taken off the list."""
        self.submit("x@sink.test", "no@sink.test")
        self.eventually(lambda: "is told by" in self.why("why@x"))
        told = self.why("why@x")
        for words in (
            "came by submission from", "over TLSv1.3", "alice@example.test logged in", "to no@sink.test: accepted",
            "queued for x@sink.test by smtp://127.0.0.1:", "the rule `sink.test` in [sending] routes",
            "answer to RCPT TO: 550 5.1.1 nobody here", "x@sink.test: delivered", "no@sink.test: failed (hard)",
            "made to tell the sender of", "in INBOX of alice@example.test",
        ):
            self.assertIn(words, told)
        with self.assertRaises(smtplib.SMTPRecipientsRefused) as caught:
            self.submit("no@sink.test", message_id="<again@x>")
        code, text = caught.exception.recipients["no@sink.test"]
        self.assertEqual(code, 550)
        self.assertIn(b"is suppressed since", text)
        self.assertIn("550 5.1.1 nobody here", self.server.command("suppression", "list").stdout)
        self.eventually(lambda: "suppression delete" in self.why("alice@example.test", "no@sink.test", "1h"))
        self.server.command("suppression", "delete", "no@sink.test")
        self.assertEqual(json.loads(self.server.command("suppression", "list", "--json").stdout), [])

    def test_limits(self) -> None:
        """The fourth mail of a minute is refused for now, with when there is room; so is the sixth recipient."""
        refused = self.submit(*(f"x{number}@sink.test" for number in range(6)), sender="bob")
        self.assertEqual([code for code, _ in refused.values()], [452])
        self.assertIn(b"4.5.3 No more than 5 recipients in one day: try again in", refused["x5@sink.test"][1])
        with self.assertRaises(smtplib.SMTPSenderRefused) as caught:
            for _ in range(4):
                self.submit("alice@example.test", sender="bob")
        self.assertEqual(caught.exception.smtp_code, 450)
        self.assertRegex(caught.exception.smtp_error, rb"^4\.7\.1 No more than 3 mails a minute from bob@example.test: "
                                                      rb"try again in [0-9]+ s$")
        self.eventually(lambda: "the limits in [limits]" in self.why("bob@example.test", "*"))

    def test_stranger(self) -> None:
        """What strangers were refused is told too, by sender and recipient, and as JSON."""
        with smtplib.SMTP(HOST, self.server.ports["smtp"], timeout=30) as smtp:
            smtp.ehlo("mx.elsewhere.test")
            smtp.mail("carol@elsewhere.test")
            self.assertEqual(smtp.rcpt("nobody@example.test")[0], 550)
        self.eventually(lambda: "no account, alias, role" in self.why("carol@elsewhere.test", "nobody@example.test"))
        (tale,) = json.loads(self.why("carol@elsewhere.test", "nobody@example.test", "--json"))
        self.assertEqual(tale["steps"][0]["verdict"], "refused")

    def test_unknown(self) -> None:
        """Nothing known is 67."""
        done = self.server.command("why", "never@seen", check=False)
        self.assertEqual((done.returncode, done.stderr), (67, "quantummail: nothing is known of that\n"))
