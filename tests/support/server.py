"""The whole server as a process of its own, for scenarios: real sockets, real files, started by the real command.

::

    with RunningServer(users=("alice", "bob")) as server:
        smtp = smtplib.SMTP("127.0.0.1", server.ports["smtp"])
        ...
        server.passwords["alice@example.test"]
"""

from __future__ import annotations

import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]
LISTENERS = ("smtp", "submission", "submissions", "lmtp", "imap", "imaps", "pop3", "pop3s")
# Limits that scenarios run into because all their clients are one address
_GENEROUS: Mapping[str, Mapping[str, str]] = {
    **{name: {"max_connections_per_client": "0"} for name in LISTENERS},
    "pop3": {"max_connections_per_client": "0", "max_connections_per_minute": "0"},
    "pop3s": {"max_connections_per_client": "0", "max_connections_per_minute": "0"},
    "limits": {"mails_per_minute_per_sender": "0", "mails_per_minute": "0"},
}

# Sections that decide what the commands make
_DATA = ("database", "storage", "tls")
_TEMPLATES: dict[str, tuple[Path, dict[str, str]]] = {}


def environment() -> dict[str, str]:
    """The environment of a command: our package can be imported, and nothing configures it from outside."""
    # an installed server does not compile its modules at each start
    clean = {name: value for name, value in os.environ.items()
             if not name.startswith("QUANTUMMAIL_") and name != "PYTHONDONTWRITEBYTECODE"}
    return {**clean, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def free_ports(count: int) -> list[int]:
    """Ports on which nobody listens, below those that the kernel gives to clients."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


class RunningServer:
    """A server with its own directory, certificate, database and ports.

    :param users: local parts of the accounts that are made, with passwords of their own in `passwords`.
    :param settings: sections and keys of the configuration, over those that scenarios need.
    :param directory: where everything is; a temporary one by default, which `close` removes.
    :param wrapper: a command that runs the server, such as strace with its options.
    """

    def __init__(
        self, *, domain: str = "example.test", users: Sequence[str] = ("alice", "bob"),
        settings: Mapping[str, Mapping[str, str]] | None = None, directory: Path | None = None,
        wrapper: Sequence[str] = (),
    ) -> None:
        self.domain = domain
        self._own_directory = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="quantummail-"))
        self.config_path = self.directory / "quantummail.ini"
        self.log_path = self.directory / "server.log"
        self.ports = dict(zip(LISTENERS, free_ports(len(LISTENERS)), strict=True))
        self.lmtp_socket = self.directory / "lmtp.sock"
        self.passwords: dict[str, str] = {}
        self.wrapper = tuple(wrapper)
        self.environ: dict[str, str] = {}
        """Variables for the server, over those of `environment`."""
        self.process: subprocess.Popen[bytes] | None = None
        self._log_begins = 0
        try:
            self._write_configuration(settings or {})
            self._set_up(users, settings or {})
        except BaseException:
            self.close()
            raise

    # What scenarios use.

    @property
    def mail_root(self) -> Path:
        """Where the Maildirs are."""
        return self.directory / "data" / "mail"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.directory / "data" / "quantummail.sqlite"

    @property
    def certificate(self) -> Path:
        """The certificate that the server shows, which clients can trust."""
        return self.directory / "data" / "tls" / "certificate.pem"

    def maildir(self, address: str) -> Path:
        """The Maildir of an account whose address needs no escaping."""
        local_part, _, domain = address.partition("@")
        return self.mail_root / domain / local_part

    def start(self, patience: float = 60.0) -> Self:
        """Start, and wait until it greets on every port."""
        command = [*self.wrapper, sys.executable, "-m", "quantummail.cli", "--config", str(self.config_path), "serve"]
        with self.log_path.open("ab") as log:
            self._log_begins = log.tell()
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
                env={**environment(), **self.environ})
        deadline = time.monotonic() + patience
        while not self._ready():
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the server is not ready after {patience} s:\n{self.log()}")
            time.sleep(0.01)
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM, patience: float = 20.0) -> int:
        """Ask it to finish, and wait; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            os.kill(self.pid, number)
        return self.process.wait(patience)

    def kill(self) -> None:
        """SIGKILL, and wait until it is dead."""
        assert self.process is not None
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        self.process.wait(20)

    def restart(self) -> Self:
        """Stop (if it runs), and start again."""
        self.stop()
        return self.start()

    @property
    def pid(self) -> int:
        """The process of the server itself, also under a wrapper."""
        assert self.process is not None
        if not self.wrapper:
            return self.process.pid
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else self.process.pid

    def log(self) -> str:
        """Everything the server has logged so far, over all its starts."""
        return self.log_path.read_text("utf-8", "replace") if self.log_path.exists() else ""

    def command(self, *arguments: str, text: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run ``quantummail --config ... arguments``; `text` is its standard input."""
        done = subprocess.run(
            [sys.executable, "-m", "quantummail.cli", "--config", str(self.config_path), *arguments],
            input=text, capture_output=True, text=True, cwd=self.directory, env=environment(), timeout=60, check=False)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def add_user(self, local_part: str, *options: str) -> str:
        """Make an account; its address, whose password is in `passwords` then."""
        address = f"{local_part}@{self.domain}"
        done = self.command("user", "add", address, "--generate", *options)
        self.passwords[address] = done.stdout.split()[-1]
        return address

    def close(self) -> None:
        """End the server, whatever it does, and remove what it left."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        if self.process is None:
            try:
                self.start()
            except BaseException:
                self.close()
                raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # Its own.

    def _write_configuration(self, settings: Mapping[str, Mapping[str, str]]) -> None:
        sections: dict[str, dict[str, str]] = {
            "server": {"hostname": f"mail.{self.domain}", "data_dir": "data", "log": "text", "log_level": "debug",
                       # a client that keeps its connection is cut off after this
                       "stop_after": "2s"},
        }
        for name, port in self.ports.items():
            sections[name] = {"listen": f"127.0.0.1:{port}", **_GENEROUS[name]}
        sections["limits"] = {**_GENEROUS["limits"]}
        sections["lmtp"]["listen"] += f", unix:{self.lmtp_socket}"
        for name, keys in settings.items():
            sections.setdefault(name, {}).update(keys)
        lines = [line for name, keys in sections.items()
                 for line in (f"[{name}]", *(f"{key} = {value}" for key, value in keys.items()), "")]
        self.config_path.write_text("\n".join(lines), "utf-8")

    def _set_up(self, users: Sequence[str], settings: Mapping[str, Mapping[str, str]]) -> None:
        """Run the commands that make the data; or copy what they made for such a server before."""
        made_of = repr((self.domain, users, [(name, settings.get(name)) for name in _DATA]))
        if made_of not in _TEMPLATES:
            self._make_data(users)
            template = Path(tempfile.mkdtemp(prefix="quantummail-template-"))
            atexit.register(shutil.rmtree, template, True)
            shutil.copytree(self.directory / "data", template / "data")
            _TEMPLATES[made_of] = template / "data", self.passwords.copy()
            return
        template, passwords = _TEMPLATES[made_of]
        shutil.copytree(template, self.directory / "data")
        self.passwords.update(passwords)

    def _make_data(self, users: Sequence[str]) -> None:
        done = self.command("init", "--domain", self.domain)
        for line in done.stdout.splitlines():
            if "password (shown only now): " in line:
                self.passwords[f"postmaster@{self.domain}"] = line.rpartition(" ")[2]
        for user in users:
            self.add_user(user)

    def _ready(self) -> bool:
        log = self.log_path.read_bytes()
        return b" is ready" in log[self._log_begins:]
