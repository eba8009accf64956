"""Flags of `sendmail`, and how a message is handed in."""

from __future__ import annotations

import io
import os
import stat

from twisted.trial.unittest import SynchronousTestCase

from quantummail.cli import sendmail
from quantummail.cli.handing_in import EX_TEMPFAIL, USUAL_SOCKET, Places, hand_in, places
from quantummail.cli.sendmail import BadUsage, Flags, parse
from quantummail.cli.smtp_on_stdin import drop_of, reply_of, serve
from quantummail.message.drop import Drop, read_line
from quantummail.message.envelope import Recipient, Sender
from quantummail.smtp.reply import Reply
from tests.support.places import temporary_directory


class FlagTests(SynchronousTestCase):
    """As programs give them."""

    def test_taken(self) -> None:
        """Together, with values attached or not, before and behind recipients."""
        for words, expected in (
            ("-t -oi", Flags(from_header=True, dots_are_text=True)),
            ("-ti", Flags(from_header=True, dots_are_text=True)),
            ("-i a@b c", Flags(dots_are_text=True, recipients=["a@b", "c"])),
            ("-fme@x.test a@b", Flags(sender="me@x.test", recipients=["a@b"])),
            ("-f me@x.test -- -a@b", Flags(sender="me@x.test", recipients=["-a@b"])),
            ("-r me -F Joe root", Flags(sender="me", name="Joe", recipients=["root"])),
            ("-f <> root", Flags(sender="", recipients=["root"])),
            ("-oem -odb -odi -oee -om -oo7 root", Flags(recipients=["root"])),
            ("-O IgnoreDots=true root -v", Flags(dots_are_text=True, recipients=["root"], verbose=True)),
            ("-N failure,delay -R hdrs -V id1 root",
             Flags(notify=("DELAY", "FAILURE"), ret="HDRS", envid="id1", recipients=["root"])),
            ("-N never root", Flags(notify=("NEVER",), recipients=["root"])),
            ("-bm -B8BITMIME -G -U -n -d0.1 -L tag -h 3 -X /dev/null -C /etc/x -p ESMTP root",
             Flags(recipients=["root"])),
            ("-bs", Flags(mode="s")), ("-bp", Flags(mode="p")), ("-q30m", Flags(flush=True)), ("-q", Flags(flush=True)),
        ):
            self.assertEqual(parse(words.split()), expected, words)

    def test_refused(self) -> None:
        """What cannot be done is said."""
        for words in ("-bd", "-b", "-f", "-N whenever", "-N never,delay", "-R some", "-z"):
            with self.assertRaises(BadUsage, msg=words):
                parse(words.split())

    def test_recipients(self) -> None:
        """Several may stand in one argument; a quoted name is one."""
        self.assertEqual(sendmail._addresses(["a@b, c@d", "e", '"x y"@z']), ["a@b", "c@d", "e", '"x y"@z'])

    def test_dot(self) -> None:
        """A dot alone ends the message, unless -i says otherwise."""
        for ignored, expected in ((False, b"a\n"), (True, b"a\n.\nb\n")):
            self.assertEqual(sendmail._read(io.BytesIO(b"a\n.\nb\n"), dots_are_text=ignored), expected)


class HandingInTests(SynchronousTestCase):
    """While no server answers."""

    def setUp(self) -> None:
        self.directory = temporary_directory(self)
        self.drop = Drop("0" * 32, 5, ("root",))

    def test_left(self) -> None:
        """The message is a file, readable for the group, with nothing half-written beside it."""
        answer = hand_in(Places(self.directory / "none.sock", self.directory), self.drop, b"hello")
        self.assertEqual(answer.code, 0)
        (path,) = self.directory.iterdir()
        line, _, octets = path.read_bytes().partition(b"\n")
        self.assertEqual((read_line(line), octets), (self.drop, b"hello"))
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o640)
        self.assertFalse(path.name.startswith("."))

    def test_nowhere(self) -> None:
        """No server, and no directory that takes it: 75, so that the program tries again."""
        for directory in (None, self.directory / "missing"):
            self.assertEqual(hand_in(Places(None, directory), self.drop, b"hello").code, EX_TEMPFAIL)

    def test_places(self) -> None:
        """Who cannot read the configuration, or finds it broken, looks in the usual places."""
        path = self.directory / "quantummail.ini"
        self.assertEqual(places(path).socket, USUAL_SOCKET)
        path.write_text("nonsense\n")
        self.assertEqual(places(path).socket, USUAL_SOCKET)
        path.write_text(f"[server]\ndata_dir = {self.directory}\n[local]\ndrop_directory =\n")
        self.assertEqual(places(path), Places(self.directory / "local.sock", None))
        self.assertTrue(os.path.exists(path))


class SpeakingTests(SynchronousTestCase):
    """`sendmail -bs`."""

    def speak(self, octets: bytes, reply: Reply = reply_of(0, "ok")) -> tuple[list[bytes], list[tuple[str, bytes]]]:  # noqa: B008  # a frozen value
        """What is answered (codes), and what was handed in."""
        handed: list[tuple[str, bytes]] = []

        def send(sender: Sender, recipients: tuple[Recipient, ...], content: bytes) -> Reply:
            drop = drop_of("0" * 32, sender, recipients, len(content))
            handed.append((f"{drop.sender} {' '.join(drop.recipients)}", content))
            return reply

        sink = io.BytesIO()
        serve(io.BytesIO(octets), sink, "h.test", 1 << 20, send)
        return [line[:3] for line in sink.getvalue().splitlines() if line[3:4] == b" "], handed

    def test_message(self) -> None:
        """A message, its dots unstuffed, whatever its line ends are."""
        words = b"HELO x\nMAIL FROM:<a@b.test>\nRCPT TO:<c@d.test>\nRCPT TO:<e@d.test>\nDATA\nA: b\n\n..c\n.\nQUIT\n"
        for octets in (words, words.replace(b"\n", b"\r\n")):
            codes, handed = self.speak(octets)
            self.assertEqual(codes, [b"220", b"250", b"250", b"250", b"250", b"354", b"250", b"221"])
            self.assertEqual(handed, [("a@b.test c@d.test e@d.test", b"A: b\r\n\r\n.c\r\n")])

    def test_refused(self) -> None:
        """What the server refuses is refused."""
        for code, expected in ((67, b"550"), (75, b"451"), (69, b"554"), (1, b"451")):
            codes, _ = self.speak(b"HELO x\nMAIL FROM:<>\nRCPT TO:<c@d.test>\nDATA\n\n.\n", reply_of(code, "no"))
            self.assertEqual(codes[-1], expected)

    def test_broken_off(self) -> None:
        """Nothing is handed in of a message without its end."""
        self.assertEqual(self.speak(b"HELO x\nMAIL FROM:<>\nRCPT TO:<c@d.test>\nDATA\nA: b\n")[1], [])
