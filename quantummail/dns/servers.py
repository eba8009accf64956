"""Which resolvers this machine uses, where the configuration does not say."""

from __future__ import annotations

import ipaddress
from pathlib import Path

PORT = 53
_RESOLV_CONF = Path("/etc/resolv.conf")


def system_servers(path: Path = _RESOLV_CONF) -> tuple[tuple[str, int], ...]:
    """The ``nameserver`` lines of resolv.conf(5); without any, this machine itself, as that manual says."""
    found: list[tuple[str, int]] = []
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            # fe80::1%eth0: the scope belongs to the address
            ipaddress.ip_address(words[1])
        except ValueError:
            continue
        found.append((words[1], PORT))
    return tuple(found) or (("127.0.0.1", PORT),)
