"""What systemd and we tell each other, and the units."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from quantummail.config import template
from quantummail.service.systemd import Notifier, inherited_sockets
from tests.support.places import temporary_directory

UNITS = Path(__file__).parents[2] / "systemd"


class InheritedSocketsTests(SynchronousTestCase):
    """LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES (sd_listen_fds)."""

    def test_for_another_process(self) -> None:
        """What was meant for our parent is not ours; the variables are removed all the same."""
        environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "smtp", "HOME": "/"}
        self.assertEqual((inherited_sockets(environ), environ), ({}, {"HOME": "/"}))

    def test_nothing(self) -> None:
        """Without systemd there is nothing."""
        self.assertEqual(inherited_sockets({}), {})

    def test_nonsense(self) -> None:
        """A count that is none is none."""
        self.assertEqual(inherited_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}), {})


class NotifierTests(SynchronousTestCase):
    """sd_notify."""

    def setUp(self) -> None:
        self.path = str(temporary_directory(self) / "notify")
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(self.path)
        self.manager.setblocking(False)

    def test_states(self) -> None:
        """Ready, reloading, stopping, alive."""
        notifier = Notifier({"NOTIFY_SOCKET": self.path})
        notifier.ready("serving")
        notifier.reloading()
        notifier.alive()
        notifier.stopping()
        said = [self.manager.recv(1024).decode() for _ in range(4)]
        self.assertEqual(said[0], "READY=1\nSTATUS=serving")
        self.assertRegex(said[1], r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
        self.assertEqual(said[2], "WATCHDOG=1")
        self.assertEqual(said[3].splitlines()[0], "STOPPING=1")

    def test_abstract_address(self) -> None:
        """A leading @ is the abstract namespace."""
        name = f"quantummail-test-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(f"\0{name}")
            Notifier({"NOTIFY_SOCKET": f"@{name}"}).alive()
            self.assertEqual(manager.recv(1024), b"WATCHDOG=1")

    def test_nobody_listens(self) -> None:
        """Without a manager, or when it is gone, nothing happens."""
        Notifier({}).ready("serving")
        Notifier({"NOTIFY_SOCKET": "/nonexistent/notify"}).ready("serving")

    def test_watchdog(self) -> None:
        """The interval is told in microseconds, and only to the process it is meant for."""
        self.assertEqual(Notifier({"WATCHDOG_USEC": "60000000"}).watchdog, 60.0)
        self.assertEqual(Notifier({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}).watchdog, 60.0)
        self.assertEqual(Notifier({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}).watchdog, 0.0)
        self.assertEqual(Notifier({}).watchdog, 0.0)


class UnitTests(SynchronousTestCase):
    """The units in systemd/."""

    def setUp(self) -> None:
        self.analyze = shutil.which("systemd-analyze")

    def test_exposure(self) -> None:
        """The sandbox leaves an exposure of at most 2.0 by systemd's own measure."""
        if self.analyze is None:
            raise SkipTest("systemd-analyze is not installed")
        done = subprocess.run(
            [self.analyze, "security", "--offline=true", "--no-pager", str(UNITS / "quantummail.service")],
            capture_output=True, text=True, check=False)
        found = re.search(r"exposure level for quantummail.service: (\d+\.\d+)", done.stdout)
        assert found is not None, done.stdout + done.stderr
        self.assertLessEqual(float(found[1]), 2.0)

    def test_every_listener_has_a_socket_of_its_name(self) -> None:
        """`listen = systemd` finds a socket for each listener that a production server has."""
        found = {}
        for path in UNITS.glob("*.socket"):
            unit = configparser.ConfigParser(strict=False, interpolation=None)
            unit.read(path)
            found[unit["Socket"]["FileDescriptorName"]] = unit["Socket"]
            self.assertEqual(unit["Socket"]["Service"], "quantummail.service")
            self.assertEqual(path.name, f"quantummail-{unit['Socket']['FileDescriptorName']}.socket")
        self.assertEqual(set(found), set(template.production_listeners()))
        for name, listen in template.production_listeners().items():
            if name != "lmtp":
                self.assertEqual(found[name]["ListenStream"].rpartition(":")[2], listen.rpartition(":")[2])

    def test_the_service_names_its_sockets(self) -> None:
        """The service takes all of them."""
        text = (UNITS / "quantummail.service").read_text()
        line = next(line for line in text.splitlines() if line.startswith("Sockets="))
        units = [path.name for path in UNITS.glob("*.socket")]
        self.assertEqual(sorted(line.removeprefix("Sockets=").split()), sorted(units))
