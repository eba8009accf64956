"""Which addresses requests may go to."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from quantummail.fetch.addresses import is_public, networks, refused

PUBLIC = ("8.8.8.8", "1.1.1.1", "203.0.114.1", "2606:4700::1111", "2a00:1450::1", "2001:200::1")
OTHERS = (
    "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1",
    "192.88.99.1", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1",
    "64:ff9b::808:808", "64:ff9b:1::1", "2002:7f00:1::", "2002:808:808::1", "2001::1", "2001:db8::1", "3fff::1",
    "fe80::1", "fe80::1%1", "fec0::1", "fc00::1", "fd12::1", "ff02::1", "5f00::1", "2000::1%eth0",
)


class AddressTests(SynchronousTestCase):
    """Public, or not."""

    def test_public(self) -> None:
        """Addresses of the Internet are public; nothing else is, in whatever disguise."""
        for address in PUBLIC:
            self.assertTrue(is_public(ip_address(address)), address)
        for address in OTHERS:
            self.assertFalse(is_public(ip_address(address)), address)

    def test_all_have_to_be_good(self) -> None:
        """One bad address among good ones spoils them all."""
        self.assertEqual(refused(("8.8.8.8", "2606:4700::1111")), "")
        self.assertEqual(refused(("8.8.8.8", "10.0.0.1")), "10.0.0.1")

    def test_allowed(self) -> None:
        """What the administrator allows is allowed, and nothing beside it."""
        allowed = networks(("10.1.0.0/16", "fd00::/8", "127.0.0.1"))
        self.assertEqual(refused(("10.1.2.3", "fd12::1", "127.0.0.1", "8.8.8.8"), allowed), "")
        self.assertEqual(refused(("127.0.0.2",), allowed), "127.0.0.2")
        self.assertEqual(refused(("::ffff:10.1.2.3",), allowed), "::ffff:10.1.2.3")
        self.assertRaises(ValueError, networks, ("10.1.2.3/8",))
