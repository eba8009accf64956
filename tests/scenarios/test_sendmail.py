"""`sendmail`: from cron and scripts, with the server and without it, killed at any moment."""

from __future__ import annotations

import json
import os
import pwd
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from collections import Counter
from pathlib import Path

from tests.scenarios.case import Scenario
from tests.support.server import environment

CRON = """From: root (Cron Daemon)
To: root
Subject: Cron <root@host> backup
Content-Type: text/plain; charset=UTF-8

done
"""

# Another user need not be able to read what we are run by
_AS_ANOTHER = """
import os, sys
from quantummail.cli.sendmail import main
uid = int(sys.argv.pop(1))
os.setgroups([])
os.setgid(uid)
os.setuid(uid)
raise SystemExit(main())
"""


class SendmailTests(Scenario):
    """With a server of their own, which they stop and kill."""

    own_server = True
    users = ("alice",)
    # nobody listens there
    settings = {"sending": {"routes": "example.net smtp://127.0.0.1:9"}}

    def run_sendmail(self, *flags: str, text: str = "Subject: x\n\nhello\n", name: str = "") -> tuple[int, str]:
        """Exit code and what is said."""
        program = [sys.executable, "-m", "quantummail.cli.sendmail"]
        if name:
            link = self.home() / name
            link.write_text(f"#!{sys.executable}\nfrom quantummail.cli.sendmail import main\n"
                            "raise SystemExit(main())\n")
            link.chmod(0o755)
            program = [str(link)]
        done = subprocess.run(
            [*program, *flags], input=text, capture_output=True, text=True, timeout=60, check=False,
            env={**environment(), "QUANTUMMAIL_CONFIG": str(self.server.config_path)})
        return done.returncode, done.stdout + done.stderr

    def of_postmaster(self) -> list[Path]:
        """What administrators have got."""
        maildir = self.server.maildir(f"postmaster@{self.server.domain}")
        return [path for part in ("new", "cur") for path in (maildir / part).iterdir()]

    def drops(self) -> list[str]:
        """What waits in the directory."""
        return os.listdir(self.server.directory / "data" / "drop")

    def subjects(self) -> list[str]:
        """What alice has got."""
        return sorted(
            line for path in self.files() for line in path.read_text().splitlines() if line.startswith("Subject: "))

    def test_cron(self) -> None:
        """Cron's mail to root, who has no account here, reaches the administrator."""
        before = len(self.of_postmaster())
        self.assertEqual(self.run_sendmail("-FCronDaemon", "-i", "-odi", "-oem", "-oi", "-t", text=CRON), (0, ""))
        self.assertEqual(len(self.of_postmaster()), before + 1)

    def test_exit_codes(self) -> None:
        """0, 64, 67; what is wrong stands on stderr."""
        self.assertEqual(self.run_sendmail("alice@example.test")[0], 0)
        self.assertEqual(self.run_sendmail()[0], 64)
        self.assertEqual(self.run_sendmail("-bd")[0], 64)
        code, said = self.run_sendmail("nobody@example.test")
        self.assertEqual(code, 67)
        self.assertIn("No such user", said)

    def test_other_names(self) -> None:
        """mailq and newaliases; -bv and -bp; the subcommand."""
        self.assertEqual(self.run_sendmail(name="mailq")[0], 0)
        self.assertIn("aliases", self.run_sendmail(name="newaliases")[1])
        self.assertIn("is an account", self.run_sendmail("-bv", "alice@example.test")[1])
        self.assertEqual(self.run_sendmail("-bv", "nobody@example.test")[0], 67)
        done = self.server.command("sendmail", "-t", "-i", text="To: alice@example.test\nSubject: sub\n\n")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.eventually(lambda: "Subject: sub" in self.subjects())

    def test_mailq(self) -> None:
        """What waits for others is shown, with the last answer."""
        self.run_sendmail("x@example.net")
        shown = self.server.command("mailq").stdout
        self.assertIn("x@example.net", shown)
        self.assertIn("root@mail.example.test", shown)
        self.assertIn("in 1 Request", shown)
        self.assertEqual(len(json.loads(self.server.command("mailq", "--json").stdout)), 1)
        self.server.command("queue", "delete", "--all")

    def test_speaking(self) -> None:
        """SMTP on stdin and stdout."""
        code, said = self.run_sendmail("-bs", text=(
            "EHLO x\nMAIL FROM:<root@mail.example.test>\nRCPT TO:<alice@example.test>\nDATA\n"
            "Subject: bs\n\nhi\n.\nQUIT\n"))
        self.assertEqual(code, 0)
        self.assertIn("250 2.0.0 Ok: delivered", said)
        self.eventually(lambda: "Subject: bs" in self.subjects())

    def test_while_down(self) -> None:
        """The message waits in the directory, and arrives within a second or so of the start."""
        self.server.kill()
        self.assertEqual(self.run_sendmail("alice@example.test", text="Subject: later\n\nx\n"), (0, ""))
        self.assertEqual(len(self.drops()), 1)
        self.server.start(60)
        self.eventually(lambda: "Subject: later" in self.subjects(), 3)
        self.eventually(lambda: not self.drops())

    def test_nonsense_is_taken_away(self) -> None:
        """What is no message does not stay, and keeps nothing else."""
        directory = self.server.directory / "data" / "drop"
        (directory / "nonsense").write_text("what?\n")
        (directory / "directory").symlink_to("/etc")
        os.link(directory / "nonsense", directory / "again")
        self.eventually(lambda: not self.drops())

    def test_kill_at_any_moment(self) -> None:
        """Whatever was taken with exit code 0 is there, however often the server is killed meanwhile.

        Twice at most where a kill has hit between storing and answering: a file without its row is adopted.
        """
        sent: list[str] = []
        over = threading.Event()

        def send() -> None:
            number = 0
            while not over.is_set():
                number += 1
                subject = f"Subject: {threading.get_ident()}.{number}"
                if self.run_sendmail("alice@example.test", text=f"{subject}\n\nx\n")[0] == 0:
                    sent.append(subject)
                time.sleep(0.1)

        senders = [threading.Thread(target=send) for _ in range(2)]
        for thread in senders:
            thread.start()
        kills = 4
        for _ in range(kills):
            time.sleep(random.uniform(0.1, 1.0))
            assert self.server.process is not None
            self.server.process.send_signal(signal.SIGKILL)
            self.server.process.wait(20)
            time.sleep(random.uniform(0, 0.7))
            self.server.start(60)
        over.set()
        for thread in senders:
            thread.join(60)
        self.eventually(lambda: not self.drops(), 40)
        there = Counter(self.subjects())
        self.assertEqual(set(sent) - set(there), set())
        self.assertLessEqual(there.total() - len(sent), 2 * kills)
        self.assertGreater(len(sent), 5)


@unittest.skipUnless(os.geteuid() == 0, "only root can be somebody else")
class OtherUserTests(Scenario):
    """A user who is neither root nor the server."""

    own_server = True
    users = ("alice",)
    UID = 65534
    open: Path
    config: Path

    @classmethod
    def setUpClass(cls) -> None:
        cls.open = Path(tempfile.mkdtemp(prefix="quantummail-open-"))
        cls.addClassCleanup(shutil.rmtree, cls.open, True)
        cls.open.chmod(0o755)
        cls.settings = {"local": {
            "socket": str(cls.open / "local.sock"), "drop_directory": str(cls.open / "drop"),
            "senders": f"root *, {pwd.getpwuid(cls.UID).pw_name} @shop.test"}}
        super().setUpClass()
        cls.config = cls.open / "quantummail.ini"
        shutil.copy(cls.server.config_path, cls.config)
        cls.config.chmod(0o644)

    def run_sendmail(self, *flags: str, text: str = "Subject: x\n\nhello\n") -> tuple[int, str]:
        """Exit code and what is said, as that user."""
        done = subprocess.run(
            [sys.executable, "-c", _AS_ANOTHER, str(self.UID), *flags], input=text, capture_output=True, text=True,
            timeout=60, check=False, env={**environment(), "QUANTUMMAIL_CONFIG": str(self.config)}, cwd="/")
        return done.returncode, done.stdout + done.stderr

    def test_own_name(self) -> None:
        """He writes as himself, and as whom the configuration lets him."""
        name = pwd.getpwuid(self.UID).pw_name
        self.assertEqual(self.run_sendmail("alice@example.test"), (0, ""))
        self.assertEqual(self.run_sendmail("-f", "a@shop.test", "alice@example.test"), (0, ""))
        found = self.eventually(lambda: [octets for octets in self.inbox() if len(self.inbox()) == 2])
        self.assertIn(f"Return-Path: <{name}@mail.example.test>".encode(), found[0])
        self.assertIn(b"Return-Path: <a@shop.test>", found[1])

    def test_not_as_others(self) -> None:
        """Not as anybody else, in envelope or header."""
        code, said = self.run_sendmail("-f", "boss@example.test", "alice@example.test")
        self.assertEqual(code, 69)
        self.assertIn("[local] senders", said)
        self.assertEqual(
            self.run_sendmail("alice@example.test", text="From: boss@example.test\n\nx\n")[0], 69)

    def test_while_down(self) -> None:
        """He may leave messages only if he is of the directory's group; then the owner of the file says who he is."""
        self.server.stop()
        code, said = self.run_sendmail("alice@example.test")
        self.assertEqual(code, 75)
        self.assertIn("does not take the message", said)
        os.chown(self.open / "drop", 0, self.UID)
        self.assertEqual(self.run_sendmail("alice@example.test"), (0, ""))
        self.assertEqual(self.run_sendmail("-f", "boss@example.test", "alice@example.test"), (0, ""))
        self.server.start()
        (found,) = self.eventually(self.inbox)
        self.assertIn(f"From: {pwd.getpwuid(self.UID).pw_name}".encode(), found)
        self.eventually(lambda: not os.listdir(self.open / "drop"))
        time.sleep(0.5)
        self.assertEqual(len(self.inbox()), 1)
