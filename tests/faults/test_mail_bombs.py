"""Messages made to be expensive: delivered and looked at through the whole server, while others wait for nothing."""

from __future__ import annotations

import time

from tests.faults.canary import Canary
from tests.faults.case import FaultCase

PATIENT = 1.5
_DEEP = "".join(f'Content-Type: multipart/mixed; boundary="b{level}"\r\n\r\n--b{level}\r\n' for level in range(10_000))
_MIXED = b'Content-Type: multipart/mixed; boundary="%s"\r\n\r\n'
_PLAIN = b"Content-Type: text/plain"
_END = b"\r\n\r\nx\r\n"
BOMBS: dict[str, bytes] = {
    "10 000 levels": f"Subject: deep\r\n{_DEEP}\r\ntext\r\n".encode(),
    "10 000 messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * 10_000 + b"x\r\n",
    "100 000 parts": _MIXED % b"b" + b"--b\r\n\r\nx\r\n" * 100_000 + b"--b--\r\n",
    "100 000 header fields": b"X-Field: value\r\n" * 100_000 + b"\r\nx\r\n",
    "To of 1 MB": b"To: " + b", ".join(b"user%d@example.net" % number for number in range(50_000)) + _END,
    "To of 1 MB of commas": b"To: " + b"," * 1_000_000 + _END,
    "To of 1 MB of comments": b"To: " + b"(" * 1_000_000 + _END,
    "To of 1 MB of brackets": b"To: " + b"<" * 500_000 + b"a@b" + b">" * 500_000 + _END,
    "To of groups": b"To: " + b"a:" * 300_000 + _END,
    "folded Subject": b"Subject: " + b"\r\n " * 200_000 + b"x" + _END,
    "parameter of semicolons": _PLAIN + b'; a="' + b";" * 200_000 + _END,
    "parameters of quotes": _PLAIN + b'; a="\\"' * 100_000 + _END,
    "16 000 parameters": _PLAIN + b"".join(b";\r\n p*%d*=x" % number for number in range(16_000)) + _END,
    "encoded words": b"Subject: " + b"=?utf-8?q?" * 50_000 + _END,
    "good encoded words": b"Subject: " + b"=?utf-8?b?w7w=?=\r\n " * 40_000 + _END,
    "References of 1 MB": b"References: " + b"<a@b> " * 170_000 + _END,
    "lines like boundaries": _MIXED % b"b" + b"--c\r\n" * 300_000,
    "boundary of 60 KB": _MIXED % (b"b" * 60_000) + b"--b\r\n" * 1000,
    "no header at all": b"\r\n" + b"x\r\n" * 100_000,
    "only a header": b"Subject: x\r\n",
    "Date of digits": b"Date: " + b"1" * 100_000 + _END,
}


class MailBombTests(FaultCase):
    """The receiver describes a message once; reading what it found costs nothing."""

    def test_bombs(self) -> None:
        """Each is taken and shown within moments, by IMAP and POP3, and others are served meanwhile."""
        slowest = ("", 0.0)
        with Canary(self.imap("bob", "INBOX")) as waits:
            smtp = self.smtp()
            reader = self.imap("alice", "INBOX")
            for number, (name, octets) in enumerate(BOMBS.items(), 1):
                began = time.monotonic()
                code, text = smtp.deliver(octets, self.address("alice"))
                self.assertEqual(code, 250, f"{name}: {text}")
                reader.must("NOOP")
                response = reader.must(f"FETCH {number} (ENVELOPE BODYSTRUCTURE BODY RFC822.SIZE BODY.PEEK[HEADER])")
                self.assertTrue(any(b"ENVELOPE" in line for line in response.untagged), name)
                reader.must(f"FETCH {number} (BODY.PEEK[1] BODY.PEEK[1.1.1.MIME] BODY.PEEK[HEADER.FIELDS (To)])")
                reader.must(f'SEARCH {number} SUBJECT "nothing" FROM "nobody" HEADER X-Nothing ""')
                took = time.monotonic() - began
                slowest = max(slowest, (name, took), key=lambda one: one[1])
                self.assertLess(took, 4 * PATIENT, name)
        print(f"{len(BOMBS)} bombs, the slowest: {slowest[0]} ({slowest[1] * 1000:.0f} ms); {waits}")
        self.assertLess(waits.longest, PATIENT)
        bodies = self.bodies()
        for octets, sent in zip(bodies.values(), BOMBS.values(), strict=True):
            self.assertTrue(octets.endswith(sent))
        pop3 = self.pop3()
        for number in range(1, len(BOMBS) + 1):
            pop3.must(f"TOP {number} 5")
            pop3.lines()
        self.assertNotIn("Traceback", self.server.log())
        self.assertNotIn("unexpected error", self.server.log())
