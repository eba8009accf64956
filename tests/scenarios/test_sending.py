"""Mail goes out: to another server of ours, to a hostile one, to nobody; and comes back as a bounce where it must."""

from __future__ import annotations

import smtplib
import socket
import threading
import time
from collections.abc import Callable, Sequence

from tests.scenarios.case import HOST, Scenario, simple_message
from tests.support.server import RunningServer, free_ports

# Waits are short, so that a test sees the second attempt
QUICK = {"first_retry": "1s", "longest_wait": "2s"}


class Sending(Scenario):
    """Our server, and a port that it sends `example.net` to."""

    there_port: int

    @classmethod
    def setUpClass(cls) -> None:
        cls.settings = {
            "sending": {"routes": f"example.net smtp://127.0.0.1:{cls.there_port}"}, "queue": QUICK}
        super().setUpClass()

    def submit(self, *recipients: str, subject: str = "out", options: Sequence[str] = (),
               rcpt_options: Sequence[str] = ()) -> None:
        """Alice writes."""
        with smtplib.SMTP(HOST, self.server.ports["submission"], timeout=30) as smtp:
            smtp.starttls(context=self.tls)
            smtp.login(self.address("alice"), self.password("alice"))
            smtp.sendmail(
                self.address("alice"), list(recipients),
                simple_message(subject, From=self.address("alice"), To=", ".join(recipients)), options, rcpt_options)

    def wait_for(self, condition: Callable[[], object], seconds: float = 20) -> None:
        """Until it is true."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not happen:\n{self.server.log()[-4000:]}")
            time.sleep(0.05)


class BetweenTwoServers(Sending):
    """Another server of ours is the other side."""

    there: RunningServer

    @classmethod
    def setUpClass(cls) -> None:
        cls.there = RunningServer(domain="example.net", users=("bob",))
        cls.addClassCleanup(cls.there.close)
        cls.there_port = cls.there.ports["smtp"]
        super().setUpClass()

    def setUp(self) -> None:
        super().setUp()
        for part in ("new", "cur"):
            for path in (self.there.maildir("bob@example.net") / part).iterdir():
                path.unlink()

    def start_there(self) -> None:
        """Start the other side; it stops after the test."""
        self.there.start()
        self.addCleanup(self.there.stop)

    def inbox_there(self) -> list[bytes]:
        """What bob has."""
        maildir = self.there.maildir("bob@example.net")
        return [path.read_bytes() for part in ("new", "cur") for path in sorted((maildir / part).iterdir())]

    def test_delivered(self) -> None:
        """Alice writes to bob on the other server."""
        self.start_there()
        self.submit("bob@example.net")
        self.wait_for(self.inbox_there)
        (message,) = self.inbox_there()
        self.assertIn(b"Return-Path: <alice@example.test>", message)
        self.assertIn(b"Subject: out", message)
        self.assertRegex(self.server.log(), r"delivered by .*: 250 2\.0\.0")

    def test_bounce(self) -> None:
        """Nobody there of that name: alice gets a report that says who said what."""
        self.start_there()
        self.submit("nobody@example.net", "bob@example.net")
        self.wait_for(lambda: self.inbox("alice"))
        (report,) = self.inbox("alice")
        self.assertIn(b"Content-Type: multipart/report; report-type=delivery-status", report)
        self.assertIn(b"Final-Recipient: rfc822; nobody@example.net", report)
        self.assertIn(b"550", report)
        self.wait_for(self.inbox_there)

    def test_later(self) -> None:
        """While nobody answers the mail waits, over a restart too, and goes when the other side is back."""
        self.submit("bob@example.net")
        self.wait_for(lambda: "is not reached" in self.server.log())
        self.server.kill()
        self.start_there()
        self.server.start()
        self.wait_for(self.inbox_there)
        time.sleep(1)
        self.assertEqual(len(self.inbox_there()), 1)

    def test_forwarded_and_bounced(self) -> None:
        """An alias hands mail on; what bounces there comes back to who sent it."""
        self.start_there()
        self.server.command("alias", "add", "away@example.test", "nobody@example.net")
        with smtplib.SMTP(HOST, self.server.ports["smtp"], timeout=30) as smtp:
            smtp.sendmail("bob@example.net", ["away@example.test"], simple_message("hello", From="bob@example.net"))
        self.wait_for(self.inbox_there)
        (report,) = self.inbox_there()
        self.assertIn(b"Final-Recipient: rfc822; nobody@example.net", report)


class Hostile(Sending):
    """The other side does what it should not."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.there_port = free_ports(1)[0]
        super().setUpClass()

    def setUp(self) -> None:
        super().setUp()
        # what an earlier test has left behind
        self.server.command("queue", "delete", "--all", check=False)

    def submit(self, *recipients: str, subject: str = "out", options: Sequence[str] = (),
               rcpt_options: Sequence[str] = ()) -> None:
        """Alice writes, and it is tried at once although nobody answered in an earlier test."""
        super().submit(*recipients, subject=subject, options=options, rcpt_options=rcpt_options)
        self.server.command("queue", "flush")

    def serve(self, *lines: bytes | None) -> list[bytes]:
        """Answer each line that comes with the next of these; None hangs up. What came, for the test to look at."""
        seen: list[bytes] = []
        listener = socket.create_server(("127.0.0.1", self.there_port))
        listener.settimeout(20)
        self.addCleanup(listener.close)

        def play() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as reading:
                for number, line in enumerate(lines):
                    if line is None:
                        return
                    connection.sendall(line)
                    end = b".\r\n" if line.startswith(b"354") else None
                    while number < len(lines) - 1 and (came := reading.readline()):
                        seen.append(came)
                        if end is None or came == end:
                            break

        thread = threading.Thread(target=play, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 5)
        return seen

    def test_cut_anywhere(self) -> None:
        """Wherever it hangs up, nothing is lost and nothing bounces."""
        answers = [b"220 hi\r\n", b"250 mx\r\n", b"250 ok\r\n", b"250 ok\r\n"]
        self.serve(*answers[:2], None)
        self.submit("bob@example.net")
        self.wait_for(lambda: "deferred by" in self.server.log())
        self.assertEqual(self.inbox("alice"), [])

    def test_garbage(self) -> None:
        """Something that is no mail server: later, and the log says what it said."""
        self.serve(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.submit("bob@example.net")
        self.wait_for(lambda: "does not speak SMTP" in self.server.log())
        self.assertEqual(self.inbox("alice"), [])

    def reports(self) -> list[bytes]:
        """What alice was told."""
        maildir = self.server.maildir(self.address("alice"))
        return [path.read_bytes() for path in (maildir / "new").iterdir()]

    def test_refused_content(self) -> None:
        """A refusal behind the content bounces with the words of the other side, none of them control characters."""
        self.serve(b"220 hi\r\n", b"250 mx\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n",
                   b"554 5.7.1 \x1b[31mspam\r\n")
        self.submit("bob@example.net")
        self.wait_for(self.reports)
        (report,) = self.reports()
        self.assertIn(b"554 ?[31mspam", report)
        self.assertIn(b"Status: 5.7.1", report)
