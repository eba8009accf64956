"""What systemd and we tell each other: sockets it has opened, and when we are ready (sd_listen_fds, sd_notify)."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import MutableMapping

_FIRST_DESCRIPTOR = 3


def inherited_sockets(environ: MutableMapping[str, str]) -> dict[str, list[socket.socket]]:
    """The listening sockets we were started with, by name. The variables are removed: they are not for children.

    A socket without a name is listed as "unknown", as sd_listen_fds_with_names does.
    """
    process, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    found: dict[str, list[socket.socket]] = {}
    if process != str(os.getpid()) or not count.isdigit():
        return found
    for index in range(int(count)):
        inherited = socket.socket(fileno=_FIRST_DESCRIPTOR + index)
        inherited.set_inheritable(False)
        name = names[index] if index < len(names) and names[index] else "unknown"
        found.setdefault(name, []).append(inherited)
    return found


class Notifier:
    """Tells the service manager how we are. Does nothing when there is none."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._address = environ.pop("NOTIFY_SOCKET", "")
        microseconds = environ.pop("WATCHDOG_USEC", "")
        process = environ.pop("WATCHDOG_PID", "")
        wanted = microseconds.isdigit() and process in ("", str(os.getpid()))
        self.watchdog: float = int(microseconds) / 1_000_000 if wanted else 0.0
        """Seconds after which we count as hanging; 0: nobody watches."""

    def ready(self, status: str) -> None:
        """We serve."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """We read our files again; `ready` follows."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """We finish."""
        self._send("STOPPING=1\nSTATUS=finishing what is running")

    def alive(self) -> None:
        """We do not hang."""
        self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        # A leading @ stands for the abstract namespace
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
                manager.sendto(state.encode(), address)
        except OSError:
            # The service manager is gone or does not listen: not a reason to stop serving mail
            return
