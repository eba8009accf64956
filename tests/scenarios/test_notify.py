"""NOTIFY: news of all mailboxes, while the client says nothing (RFC 5465)."""

from __future__ import annotations

import imaplib
import statistics
import time

from tests.scenarios.case import Scenario, simple_message


class Notify(Scenario):
    """A client that listens, without IDLE, and others that do things."""

    # UIDs begin with 1
    own_server = True

    def listening(self, arguments: str) -> imaplib.IMAP4:
        """A client that has said what it wants to hear."""
        client = self.imap()
        client.send(f"n NOTIFY SET {arguments}\r\n".encode())
        while not client.readline().startswith(b"n OK"):
            pass
        return client

    def told(self, client: imaplib.IMAP4, wanted: bytes) -> None:
        """Wait until a response has come that begins so."""
        deadline = time.monotonic() + 10
        while not client.readline().startswith(wanted):
            self.assertLess(time.monotonic(), deadline)

    def test_new_mail(self) -> None:
        """New mail in a mailbox that is not open shows within 100 ms (the median of several); the figure is printed."""
        client = self.listening("(personal (MessageNew MessageExpunge))")
        delays = []
        with self.smtp() as smtp:
            for number in range(1, 16):
                smtp.sendmail("friend@example.net", "alice@example.test", simple_message(f"number {number}"))
                accepted = time.monotonic()
                self.told(client, b"* STATUS INBOX (UIDNEXT ")
                delays.append((time.monotonic() - accepted) * 1000)
        print(f"NOTIFY: new mail shows {statistics.median(delays):.1f} ms after the 250, at most {max(delays):.1f}")
        self.assertLess(statistics.median(delays), 100)

    def test_changes_of_another_session(self) -> None:
        """What another session does shows within 100 ms of its OK: mailboxes, flags, messages that go."""
        client = self.listening("(selected (MessageNew (UID) MessageExpunge FlagChange)) (personal (MailboxName))")
        self.deliver(simple_message())
        client.select()
        other = self.imap()
        other.select()
        for do, wanted in (
            (lambda: other.create("new"), b'* LIST (\\HasNoChildren) "/" new'),
            (lambda: other.rename("new", "newer"), b'* LIST (\\HasNoChildren) "/" newer ("OLDNAME" (new))'),
            (lambda: other.store("1", "+FLAGS", "(\\Deleted)"), b"* 1 FETCH (UID 1 FLAGS (\\Deleted"),
            (lambda: other.expunge(), b"* 1 EXPUNGE"),
            (lambda: other.append("INBOX", "", "", b"Subject: x\r\n\r\n"), b"* 1 FETCH (UID 2)"),
            (lambda: other.delete("newer"), b'* LIST (\\NonExistent \\HasNoChildren) "/" newer'),
        ):
            do()
            done = time.monotonic()
            self.told(client, wanted)
            self.assertLess(time.monotonic() - done, 0.1, wanted)

    def test_many_mailboxes(self) -> None:
        """NOTIFY with STATUS for 300 mailboxes is one question; the figure is printed."""
        other = self.imap()
        for number in range(300):
            other.create(f"box{number}")
        client = self.imap()
        begun = time.monotonic()
        client.send(b"n NOTIFY SET STATUS (personal (MessageNew MessageExpunge FlagChange))\r\n")
        lines = 0
        while not client.readline().startswith(b"n OK"):
            lines += 1
        elapsed = (time.monotonic() - begun) * 1000
        print(f"NOTIFY: STATUS of {lines} mailboxes takes {elapsed:.0f} ms")
        self.assertGreaterEqual(lines, 300)
