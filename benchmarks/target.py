"""A server to measure: made in a directory, started and stopped, and described as JSON for a mail benchmark harness.

    python benchmarks/target.py make DIR [--users N]   accounts user1 ... userN of example.test, password BENCHMARK
    python benchmarks/target.py start DIR              in the background; waits until it is ready
    python benchmarks/target.py stop DIR
    python benchmarks/target.py empty DIR              every mailbox, and waits until the files are gone
    python benchmarks/target.py describe DIR           host, ports, accounts and hooks, as JSON

Limits that many connections of one client would meet are off; everything else is as installed. Put DIR on the file
system that is to be measured, usually a journaled ext4.
"""

from __future__ import annotations

import argparse
import imaplib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from twisted.internet.defer import Deferred

from quantummail.auth.passwords import Passwords
from quantummail.config import load
from quantummail.store import migrations
from quantummail.store.store import Store

DOMAIN, PASSWORD = "example.test", "pass"
PORTS = {
    "smtp": 24025, "submission": 24587, "submissions": 24465, "lmtp": 24024, "imap": 24143, "imaps": 24993,
    "pop3": 24110, "pop3s": 24995,
}
# Mail for this domain goes to a sink of the harness's
RELAY_DOMAIN, SINK_PORT = "relay.test", 22999
_UNLIMITED = "max_connections = 5000\nmax_connections_per_client = 0\nmax_connections_per_minute = 0\n"
_SMTP_LIKE = ("smtp", "submission", "submissions", "lmtp")


def make(directory: Path, users: int) -> None:
    """Write the configuration, the certificate and the accounts."""
    directory.mkdir(parents=True, exist_ok=True)
    text = "[server]\nhostname = mail.example.test\ndata_dir = data\nplaintext_login = loopback\nlog = json\n"
    text += f"\n[sending]\nroutes = {RELAY_DOMAIN} smtp://127.0.0.1:{SINK_PORT}\n"
    text += "\n[limits]\nmails_per_minute_per_sender = 0\nmails_per_minute = 0\nrecipients_per_day = 0\n"
    for name, port in PORTS.items():
        text += f"\n[{name}]\nlisten = 127.0.0.1:{port}\n{_UNLIMITED}"
        text += "max_messages = 1000000\n" if name in _SMTP_LIKE else ""
        text += "max_connections_per_user = 5000\n" if name in ("imap", "imaps") else ""
    (directory / "quantummail.ini").write_text(text)
    _command(directory, "init", "--domain", DOMAIN)
    config = load(directory / "quantummail.ini")
    if migrations.current_revision(config.database.url) != migrations.EXPECTED_REVISION:
        raise SystemExit("the database has another revision")
    store = Store.open(None, config.database.url, config.storage.mail_root, config.server.data_dir / "spool")
    # argon2 for every account, once: what is measured afterwards is what an installed server does
    hashed = Passwords().hash(PASSWORD)

    async def fill() -> None:
        await store.start()
        for number in range(1, users + 1):
            await store.users.create(f"user{number}@{DOMAIN}", hashed)
        await store.stop()

    Deferred.fromCoroutine(fill()).addErrback(lambda failure: failure.raiseException())


def start(directory: Path) -> None:
    """Run the server in the background, and wait for "is ready" in its log."""
    log = directory / "log"
    with log.open("ab") as output:
        begins = output.tell()
        process = subprocess.Popen(
            [*_program(directory), "serve"], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True)
    (directory / "pid").write_text(f"{process.pid}\n")
    deadline = time.monotonic() + 20
    while b"is ready" not in log.read_bytes()[begins:]:
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"the server does not start: see {log}")
        time.sleep(0.01)


def stop(directory: Path) -> None:
    """End it, if it runs."""
    try:
        pid = int((directory / "pid").read_text())
        os.kill(pid, signal.SIGTERM)
        for _ in range(500):
            os.kill(pid, 0)
            time.sleep(0.02)
    except (FileNotFoundError, ProcessLookupError):
        return
    raise SystemExit("the server does not stop")


def empty(directory: Path, users: int) -> None:
    """Delete all mail by IMAP. Files go behind the answers: a measurement must not begin before that is over."""
    for number in range(1, users + 1):
        client = imaplib.IMAP4("127.0.0.1", PORTS["imap"])
        client.login(f"user{number}@{DOMAIN}", PASSWORD)
        if client.select()[1] != [b"0"]:
            client.store("1:*", "+FLAGS.SILENT", "\\Deleted")
            client.expunge()
        client.logout()
    mail = directory / "data" / "mail" / DOMAIN
    while any(any((mail / f"user{number}" / part).iterdir()) for number in range(1, users + 1)
              for part in ("new", "cur")):
        time.sleep(0.05)


def describe(directory: Path, users: int) -> dict[str, object]:
    """The server in the harness's words."""
    here = [sys.executable, str(Path(__file__).resolve())]
    maildir = f"{directory}/data/mail/{DOMAIN}/user{{n}}"
    return {
        "name": "quantummail", "host": "127.0.0.1", **PORTS, "user": f"user{{n}}@{DOMAIN}", "password": PASSWORD,
        "users": users, "relay_domain": RELAY_DOMAIN, "sink_port": SINK_PORT,
        "delivered": {"method": "maildir", "path": maildir}, "pidfiles": [f"{directory}/pid"],
        "start": [*here, "start", str(directory)], "stop": [*here, "stop", str(directory)],
        "reset": [*here, "empty", str(directory), "--users", str(users)],
        "exec": [*_program(directory), "serve"], "listen": PORTS["imap"], "fill": "imap",
        "mailbox_path": maildir, "evict_path": f"{directory}/data",
    }


def _program(directory: Path) -> list[str]:
    return [sys.executable, "-m", "quantummail.cli", "--config", str(directory / "quantummail.ini")]


def _command(directory: Path, *arguments: str) -> None:
    subprocess.run([*_program(directory), *arguments], check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("make", "start", "stop", "empty", "describe"))
    parser.add_argument("directory", type=Path)
    parser.add_argument("--users", type=int, default=100)
    given = parser.parse_args()
    directory = given.directory.resolve()
    if given.action == "make":
        make(directory, given.users)
    elif given.action == "empty":
        empty(directory, given.users)
    elif given.action == "describe":
        print(json.dumps(describe(directory, given.users), indent=1))
    else:
        {"start": start, "stop": stop}[given.action](directory)


if __name__ == "__main__":
    main()
