"""Starting, stopping and starting again: what runs is finished, what is promised stays."""

from __future__ import annotations

import contextlib
import signal
import smtplib
import subprocess
import sys
import threading
import time

from tests.scenarios.case import HOST, STRANGER, Scenario, fetch, simple_message
from tests.support.server import environment


class Lifecycle(Scenario):
    """Signals, locks and restarts."""

    own_server = True

    def stop_later(self, number: signal.Signals = signal.SIGTERM) -> subprocess.Popen[bytes]:
        """Ask the server to stop, and wait until it has begun to."""
        assert self.server.process is not None
        self.server.process.send_signal(number)
        self.eventually(lambda: f"{number.name}: finishing" in self.server.log().rpartition("is ready")[2])
        return self.server.process

    def test_sigterm_finishes_data(self) -> None:
        """SIGTERM while a message comes in: it is taken, stored and answered 250; then exit code 0."""
        smtp = self.smtp()
        smtp.mail("friend@example.net")
        smtp.rcpt(self.address("alice"))
        smtp.docmd("DATA")
        smtp.send(b"Subject: while stopping\r\n\r\nfirst\r\n")
        process = self.stop_later()
        time.sleep(0.2)
        self.assertIsNone(process.poll())
        smtp.send(b"second\r\n.\r\n")
        code, text = smtp.getreply()
        self.assertEqual(code, 250, text)
        self.assertEqual(process.wait(10), 0)
        self.server.start()
        self.assertIn(b"first\r\nsecond\r\n", self.inbox()[0])

    def test_sigint(self) -> None:
        """SIGINT ends as SIGTERM does; idle clients hear it in the words of their protocol."""
        smtp, imap = self.smtp(), self.imap()
        process = self.stop_later(signal.SIGINT)
        self.assertEqual(process.wait(10), 0)
        self.assertEqual(smtp.getreply()[0], 421)
        self.assertTrue(imap.readline().startswith(b"* BYE"))

    def test_silent_client_is_cut_off(self) -> None:
        """A client in the middle of a message that says nothing more does not hold the server for long."""
        smtp = self.smtp()
        smtp.mail("friend@example.net")
        smtp.rcpt(self.address("alice"))
        smtp.docmd("DATA")
        smtp.send(b"Subject: never finished\r\n")
        began = time.monotonic()
        self.assertEqual(self.stop_later().wait(15), 0)
        self.assertLess(time.monotonic() - began, 10)
        self.server.start()
        self.assertEqual(self.inbox(), [])

    def test_second_server(self) -> None:
        """A second server in the same directory is refused with exit code 75, and the first goes on."""
        second = subprocess.run(
            [sys.executable, "-m", "quantummail.cli", "--config", str(self.server.config_path), "serve"],
            capture_output=True, text=True, cwd=self.server.directory, env=environment(), timeout=30, check=False)
        self.assertEqual(second.returncode, 75)
        self.assertIn(f"another server works in {self.server.directory / 'data'} (process {self.server.pid})",
                      second.stderr)
        self.deliver(simple_message())
        self.assertEqual(len(self.inbox()), 1)

    def test_uids_are_stable(self) -> None:
        """UIDs, UIDVALIDITY, flags, keywords and folders are the same after a restart."""
        imap = self.imap()
        imap.create("Kept")
        for number in range(5):
            imap.append("Kept", "(\\Flagged work)" if number % 2 else "", "", simple_message(f"number {number}"))
        imap.select("Kept")
        imap.store("3", "+FLAGS.SILENT", "(\\Deleted)")
        imap.expunge()

        def state() -> tuple[object, ...]:
            client = self.imap()
            client.select("Kept", readonly=True)
            fetched = fetch(client, "1:*", "UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE")
            status = client.status("Kept", "(UIDVALIDITY UIDNEXT MESSAGES UNSEEN)")[1]
            return [said.replace(b" \\Recent", b"").replace(b"\\Recent", b"") for said, _ in fetched], status

        before = state()
        self.server.restart()
        self.assertEqual(state(), before)

    def test_uids_are_not_reused(self) -> None:
        """The UID of the newest message, removed before a restart, is not given again, after kill -9 neither."""
        seen = []
        for end in (self.server.stop, self.server.kill):
            imap = self.imap()
            imap.select()
            imap.append("INBOX", "", "", simple_message())
            imap.noop()
            seen.append(int(imap.uid("SEARCH", "ALL")[1][0].split()[-1]))
            imap.store("1:*", "+FLAGS.SILENT", "(\\Deleted)")
            imap.expunge()
            end()
            self.server.start()
        imap = self.imap()
        imap.append("INBOX", "", "", simple_message())
        imap.select()
        seen.append(int(imap.uid("SEARCH", "ALL")[1][0]))
        self.assertEqual(seen, sorted(set(seen)))

    def test_kill(self) -> None:
        """kill -9 between two commands loses nothing; the next start is ready at once."""
        for number in range(10):
            self.deliver(simple_message(f"number {number}"))
        self.server.kill()
        began = time.monotonic()
        self.server.start()
        took = time.monotonic() - began
        print(f"start after kill -9: {took:.2f} s until ready")
        self.assertEqual([f"number {number}".encode() in message for number, message in enumerate(self.inbox())],
                         [True] * 10)

    def test_restart_under_load(self) -> None:
        """Four senders go on through a restart: every message that was answered 250 is there, once."""
        accepted: list[str] = []
        stop = threading.Event()

        def send(sender: int) -> None:
            number = 0
            while not stop.is_set():
                try:
                    with contextlib.closing(smtplib.SMTP(HOST, self.server.ports["smtp"], timeout=30)) as smtp:
                        while not stop.is_set():
                            subject = f"load {sender}-{number}"
                            smtp.sendmail(STRANGER, self.address("alice"), simple_message(subject))
                            accepted.append(subject)
                            number += 1
                except (OSError, smtplib.SMTPException):
                    # 421, or nobody is there: what had no 250 is sent again
                    time.sleep(0.05)

        senders = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for sender in senders:
            sender.start()
        self.eventually(lambda: len(accepted) > 20, 30)
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        before = len(accepted)
        self.eventually(lambda: len(accepted) > before + 20, 30)
        stop.set()
        for sender in senders:
            sender.join(60)
        subjects = [message.partition(b"Subject: ")[2].partition(b"\r\n")[0].decode() for message in self.inbox()]
        self.assertEqual(set(accepted) - set(subjects), set())
        self.assertEqual(len(subjects), len(set(subjects)))
