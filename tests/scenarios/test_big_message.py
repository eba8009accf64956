"""A message of 25 MB goes through everything, byte for byte, and the server stays small."""

from __future__ import annotations

import re
from pathlib import Path

from tests.scenarios.case import HOST, Scenario, fetch, simple_message
from tests.scenarios.messages import with_attachment
from tests.support.programs import run, run_octets

MEGABYTE = 1024 * 1024
BIG = with_attachment(25 * MEGABYTE)
# What all this may add to the server's own memory, however often it is done; a copy of the message would show
OWN_MEMORY = 48 * MEGABYTE
# and to what it has in memory at one moment: files that are mapped while they are looked at come in here, which
# the kernel takes back when it likes
RESIDENT = 110 * MEGABYTE


class BigMessage(Scenario):
    """alice gets and reads 25 MB."""

    users = ("alice",)
    own_server = True
    own_before: int
    resident_before: int

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.own_before, cls.resident_before = cls.memory("RssAnon"), cls.memory("VmRSS")
        cls.addClassCleanup(cls.report)

    @classmethod
    def memory(cls, name: str) -> int:
        """What the kernel says about the server's memory, in octets."""
        status = Path(f"/proc/{cls.server.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) * 1024

    @classmethod
    def report(cls) -> None:
        """Print what it took, and fail if that is too much."""
        own, peak = cls.memory("RssAnon"), cls.memory("VmHWM")
        print(f"25 MB messages: RSS {cls.resident_before / MEGABYTE:.0f} MB at first, {peak / MEGABYTE:.0f} MB at most "
              f"with mapped files; own memory {cls.own_before / MEGABYTE:.0f} MB at first, "
              f"{own / MEGABYTE:.0f} MB at the end")
        if own - cls.own_before > OWN_MEMORY or peak - cls.resident_before > RESIDENT:
            raise AssertionError("the server grew by "
                                 f"{(own - cls.own_before) / MEGABYTE:.0f} MB of its own, "
                                 f"{(peak - cls.resident_before) / MEGABYTE:.0f} MB at most")

    def test_smtp_imap_pop3(self) -> None:
        """In by DATA; out by FETCH, by RETR, and on disk: below the trace fields byte-identical."""
        self.deliver(BIG)
        (stored,) = self.inbox()
        self.assertDelivered(stored, BIG)
        self.assertEqual(self.files()[0].read_bytes(), stored)
        _, lines, size = self.pop3().retr(1)
        self.assertEqual(size, len(stored))
        self.assertEqual(b"\r\n".join([*lines, b""]), stored)

    def test_swaks(self) -> None:
        """swaks attaches it, curl reads it by IMAP and POP3."""
        path = self.home() / "big.eml"
        path.write_bytes(BIG.replace(b"\r\n", b"\n"))
        run("swaks", "--server", f"{HOST}:{self.server.ports['smtp']}", "--tls", "--from", "friend@example.net",
            "--to", self.address("alice"), "--data", f"@{path}", "--suppress-data", patience=120)
        user = f"{self.address('alice')}:{self.password('alice')}"
        common = ("curl", "-sS", "--cacert", self.server.certificate, "--user", user)
        by_imap = run_octets(*common, f"imaps://{HOST}:{self.server.ports['imaps']}/INBOX;MAILINDEX=1").stdout
        self.assertTrue(by_imap.rstrip().endswith(BIG.rstrip()))
        by_pop3 = run_octets(*common, f"pop3s://{HOST}:{self.server.ports['pop3s']}/1").stdout
        self.assertEqual(by_imap, by_pop3)

    def test_append_and_partial(self) -> None:
        """APPEND of 25 MB; pieces anywhere in it, also of a part, and COPY to another folder."""
        imap = self.imap()
        self.assertEqual(imap.append("Archive", "", "", BIG)[0], "OK")
        imap.select("Archive")
        for start, length in ((0, 100), (10 * MEGABYTE + 7, 300_000), (len(BIG) - 50, 100), (len(BIG) + 1, 5)):
            with self.subTest(start):
                ((_, piece),) = fetch(imap, "1", f"BODY.PEEK[]<{start}.{length}>")
                self.assertEqual(piece, BIG[start:start + length])
        attachment = BIG.partition(b"filename=noise.bin\r\n\r\n")[2].partition(b"\r\n--=_b--")[0]
        ((_, piece),) = fetch(imap, "1", f"BODY.PEEK[2]<{5 * MEGABYTE}.1000>")
        self.assertEqual(piece, attachment[5 * MEGABYTE:5 * MEGABYTE + 1000])
        self.assertEqual(imap.copy("1", "Trash")[0], "OK")
        self.assertEqual(self.inbox(folder="Trash")[0], BIG)
        self.assertEqual(self.files(folder=".Trash")[0].stat().st_ino, self.files(folder=".Archive")[0].stat().st_ino)

    def test_bdat(self) -> None:
        """In by BDAT in pieces of a megabyte."""
        smtp = self.smtp()
        smtp.mail("friend@example.net")
        smtp.rcpt(self.address("alice"))
        for start in range(0, len(BIG), MEGABYTE):
            piece = BIG[start:start + MEGABYTE]
            smtp.send(f"BDAT {len(piece)}{' LAST' if start + MEGABYTE >= len(BIG) else ''}\r\n".encode() + piece)
            self.assertEqual(smtp.getreply()[0], 250)
        self.assertDelivered(self.inbox()[0], BIG)

    def test_one_long_line(self) -> None:
        """A single line of 25 MB is a message like others."""
        message = simple_message("line", "x" * 25 * MEGABYTE + "\r\n")
        self.deliver(message)
        self.assertDelivered(self.inbox()[0], message)

    def test_slow_reader(self) -> None:
        """A client that asks for 25 MB ten times and does not read costs no memory."""
        self.deliver(BIG)
        imap = self.imap()
        imap.select()
        before = self.memory("RssAnon")
        for number in range(10):
            imap.send(b"x%d FETCH 1 BODY.PEEK[]\r\n" % number)
        self.assertEqual(imap.sock.recv(1), b"*")
        other = self.imap()
        for _ in range(100):
            self.assertEqual(other.noop()[0], "OK")
        self.assertLess(self.memory("RssAnon") - before, 16 * MEGABYTE)
        imap.shutdown()

    def test_too_big(self) -> None:
        """What is bigger than the limit is refused before it is sent: at MAIL with SIZE, at APPEND by [TOOBIG]."""
        smtp = self.smtp()
        limit = int(smtp.esmtp_features["size"])
        self.assertEqual(smtp.mail("friend@example.net", [f"SIZE={limit + 1}"])[0], 552)
        imap = self.imap()
        imap.send(b"a APPEND INBOX {%d}\r\n" % (limit + 1))
        self.assertIn(b"[TOOBIG]", imap.readline())
