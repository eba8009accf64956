"""Name servers of others for scenarios: nsd has zones, signed or not, and unbound resolves and validates.

Everything is on ports of 127.0.0.1, and gone when it is closed.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from tests.support.programs import program, run
from tests.support.server import free_ports

PROGRAMS = ("nsd", "unbound", "ldns-keygen", "ldns-signzone")
_HEAD = """$ORIGIN {name}.
$TTL 30
@ SOA ns hostmaster 1 3600 600 86400 1
@ NS ns
ns A 127.0.0.1
"""
_NSD = """server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{directory}"
  xfrdir: "{directory}"
  pidfile: "{directory}/nsd.pid"
  xfrdfile: "{directory}/xfrd.state"
  zonelistfile: "{directory}/zone.list"
  database: ""
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
"""
_UNBOUND = """server:
  directory: "{directory}"
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  interface: 127.0.0.1
  port: {port}
  do-ip6: no
  do-not-query-localhost: no
  module-config: "validator iterator"
  num-threads: 1
  local-zone: "test." nodefault
  cache-max-negative-ttl: 1
  infra-host-ttl: 1
  max-udp-size: 4096
remote-control:
  control-enable: no
"""


class NameServers:
    """The two of them.

    :param signed: zones with DNSSEC, by name; records as in a zone file, without SOA and NS.
    :param plain: zones without it.
    :param bogus: zones that are signed with another key than the one that is trusted.
    :param dead: names below which nobody answers.
    """

    def __init__(
        self, *, signed: Mapping[str, str], plain: Mapping[str, str] | None = None,
        bogus: Mapping[str, str] | None = None, dead: tuple[str, ...] = (),
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="quantummail-dns-"))
        self.authority, self.port, nobody = free_ports(3)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        try:
            nsd = _NSD.format(port=self.authority, directory=self.directory)
            unbound = _UNBOUND.format(port=self.port, directory=self.directory)
            for name, records in {**signed, **(plain or {}), **(bogus or {})}.items():
                file = self.directory / f"{name}.zone"
                file.write_text(_HEAD.format(name=name) + records, "utf-8")
                if name in signed or name in (bogus or {}):
                    anchor = self._sign(name)
                    if name in (bogus or {}):
                        anchor = self._key(name)
                    file = self.directory / f"{name}.zone.signed"
                    unbound = unbound.replace(
                        "remote-control:", f'  trust-anchor-file: "{anchor}.key"\nremote-control:')
                nsd += f'zone:\n  name: "{name}"\n  zonefile: "{file}"\n'
                unbound += f'stub-zone:\n  name: "{name}."\n  stub-addr: 127.0.0.1@{self.authority}\n'
            for name in dead:
                unbound += f'stub-zone:\n  name: "{name}."\n  stub-addr: 127.0.0.1@{nobody}\n'
            (self.directory / "nsd.conf").write_text(nsd, "utf-8")
            (self.directory / "unbound.conf").write_text(unbound, "utf-8")
            self.start()
        except BaseException:
            self.close()
            raise

    def _key(self, zone: str) -> str:
        """A new key for a zone; where it is, without suffix."""
        printed = run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone, home=self.directory)
        return str(self.directory / printed.split()[-1])

    def _sign(self, zone: str) -> str:
        key = self._key(zone)
        run("ldns-signzone", f"{zone}.zone", key, home=self.directory)
        return key

    def start(self) -> None:
        """Start what does not run, and wait until it answers."""
        commands = {"nsd": ["-d", "-c", "nsd.conf"], "unbound": ["-d", "-c", "unbound.conf"]}
        for name, arguments in commands.items():
            if name not in self._running:
                with (self.directory / f"{name}.log").open("ab") as log:
                    self._running[name] = subprocess.Popen(
                        [program(name), *arguments], cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log,
                        stderr=log)
        for port in (self.authority, self.port):
            self._wait(port)

    def stop(self, name: str) -> None:
        """End one of them."""
        process = self._running.pop(name)
        process.terminate()
        process.wait(10)

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + 10
        while True:
            try:
                dns.query.udp(dns.message.make_query("x.invalid.", "A"), "127.0.0.1", 0.5, port)
            except (OSError, dns.exception.DNSException):
                if time.monotonic() > deadline:
                    raise AssertionError(f"no name server at port {port}:\n{self.log()}") from None
                time.sleep(0.05)
            else:
                return

    def log(self) -> str:
        """What both have said."""
        return "\n".join(path.read_text("utf-8", "replace") for path in sorted(self.directory.glob("*.log")))

    def close(self) -> None:
        """End both."""
        for name in list(self._running):
            self.stop(name)
        shutil.rmtree(self.directory, ignore_errors=True)
