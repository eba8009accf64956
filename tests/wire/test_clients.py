"""Tests of quantummail.wire.clients: what the address of a client tells."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.wire.clients import is_local, neighbourhood_of, network_of


class ClientTests(SynchronousTestCase):
    """Addresses of IPv4 and IPv6, mapped ones, and unix sockets."""

    def test_local(self) -> None:
        """Loopback addresses and unix sockets are this machine."""
        for client in ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "unix"):
            self.assertTrue(is_local(client), client)
        for client in ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "::2", "x", ""):
            self.assertFalse(is_local(client), client)

    def test_networks(self) -> None:
        """An address of IPv4 and a /64 of IPv6 count as one client."""
        for client, network in {
            "192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
            "2001:db8:1:2::9": "2001:db8:1:2::/64",
            "::ffff:192.0.2.1": "192.0.2.1", "unix": "unix", "fe80::1%eth0": "fe80::/64",
        }.items():
            self.assertEqual(network_of(client), network)

    def test_neighbourhoods(self) -> None:
        """A /24 of IPv4 and a /48 of IPv6 are a neighbourhood."""
        for client, network in [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2::3", "2001:db8:1::/48"),
                                ("::ffff:192.0.2.77", "192.0.2.0/24"), ("unix", "unix")]:
            self.assertEqual(neighbourhood_of(client), network)
