"""Which resolvers this machine uses."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.dns.servers import system_servers
from tests.support.places import temporary_directory


class SystemServersTests(SynchronousTestCase):
    """resolv.conf(5)."""

    def test_lines(self) -> None:
        """Every nameserver, in order; anything else is passed over."""
        path = temporary_directory(self) / "resolv.conf"
        path.write_text("# comment\nsearch example.test\nnameserver 192.0.2.1\nnameserver\nnameserver fe80::1%eth0\n"
                        "options edns0\nnameserver somewhere\n")
        self.assertEqual(system_servers(path), (("192.0.2.1", 53), ("fe80::1%eth0", 53)))

    def test_none(self) -> None:
        """Without a file, or without a line in it, this machine is asked."""
        path = temporary_directory(self) / "resolv.conf"
        self.assertEqual(system_servers(path), (("127.0.0.1", 53),))
        path.write_text("search example.test\n")
        self.assertEqual(system_servers(path), (("127.0.0.1", 53),))
