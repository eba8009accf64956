"""Ends of messages that are none (CVE-2023-51764 and its kin), on real sockets and split between segments."""

from __future__ import annotations

import itertools
import time

from tests.faults.case import FaultCase
from tests.faults.wire import Gone, Smtp

_ENDS = ("\n", "\r", "\r\n", "\r\r\n", "\n\r", "\0\r\n", "\r\n\0")
# Before the dot, and behind it; where both are a true CRLF, the message ends and there is no attack
TERMINATORS = [
    f"{before}.{behind}".encode("latin-1")
    for before, behind in itertools.product(_ENDS, _ENDS)
    if not (before.endswith("\r\n") and behind.startswith("\r\n"))
]
SMUGGLED = (b"MAIL FROM:<smuggled@example.net>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"
            b"Subject: smuggled\r\n\r\nsmuggled\r\n.\r\n")
# What a server may say to all of it: taken as one message, or refused
ANSWERS = (250, 550, 554)


class SmugglingTests(FaultCase):
    """One transaction is one message, or none."""

    users = ("alice",)

    def test_no_second_message(self) -> None:
        """Whatever stands where an end could be, and however it is cut into segments, no second message appears."""
        self.assertGreaterEqual(len(TERMINATORS), 40)
        taken = 0
        for terminator in TERMINATORS:
            for listener in ("smtp", "lmtp"):
                client = self.smtp(listener)
                taken += self._attack(client, terminator, whole=listener == "lmtp")
                client.close()
        bodies = self.bodies()
        self.assertEqual(len(bodies), taken)
        for octets in bodies.values():
            self.assertIn(b"Subject: carrier", octets.partition(b"\r\n\r\n")[0])
            self.assertNotIn(b"smuggled@example.net", octets.partition(b"\r\n\r\n")[0])
        print(f"{len(TERMINATORS)} terminators twice: {taken} taken as one message, the others refused, none smuggled")

    def _attack(self, client: Smtp, terminator: bytes, *, whole: bool) -> int:
        client.begin("alice@example.test")
        octets = b"Subject: carrier\r\n\r\ncarrier" + terminator + SMUGGLED
        if whole:
            client.send(octets)
        else:
            # segments end before, within and behind the terminator
            start = octets.index(terminator)
            cuts = [0, *range(start, start + len(terminator) + 1), len(octets)]
            for left, right in itertools.pairwise(cuts):
                client.send(octets[left:right])
                time.sleep(0.001)
        try:
            code, text = client.reply()
            self.assertIn(code, ANSWERS, f"{terminator!r}: {text}")
            if text.startswith("5.6.11"):
                # these were the last words: not even an honest command is heard now
                self.assertEqual(client.reply()[0], 421, terminator)
                self.assertEqual(client.rest(), b"", terminator)
                return 0
            # nobody answers MAIL, RCPT or DATA now: they were octets of the message
            self.assertTrue(client.silent(0.01), terminator)
            self.assertEqual(client.say("RSET")[0], 250)
        except Gone:
            return 0
        return int(code == 250)
