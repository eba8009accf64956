"""Addresses of RFC 5321: what is one, what it means, and what nobody may be fooled by."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.address import Address, parse_path

GOOD = [
    ("alice@example.org", "alice", "example.org", "alice@example.org"),
    ("Alice.B@EXAMPLE.Org", "Alice.B", "example.org", "Alice.B@example.org"),
    ("a+b=c@x", "a+b=c", "x", "a+b=c@x"),
    ("user%other.test@example.org", "user%other.test", "example.org", "user%other.test@example.org"),
    ("other.test!user@example.org", "other.test!user", "example.org", "other.test!user@example.org"),
    ('"alice"@example.org', "alice", "example.org", "alice@example.org"),
    ('"u@x"@example.org', "u@x", "example.org", '"u@x"@example.org'),
    ('"a b"@example.org', "a b", "example.org", '"a b"@example.org'),
    ('"a\\"b\\\\"@example.org', 'a"b\\', "example.org", '"a\\"b\\\\"@example.org'),
    ('"a..b"@example.org', "a..b", "example.org", '"a..b"@example.org'),
    ('""@example.org', "", "example.org", '""@example.org'),
    ("a@[192.0.2.1]", "a", "[192.0.2.1]", "a@[192.0.2.1]"),
    ("a@[IPv6:2001:DB8::1]", "a", "[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]"),
    ("a@[ipv6:::ffff:192.0.2.1]", "a", "[IPv6:::ffff:c000:201]", "a@[IPv6:::ffff:c000:201]"),
    ("jürgen@Bücher.example", "jürgen", "bücher.example", "jürgen@bücher.example"),
    ("用户@例え.テスト", "用户", "例え.テスト", "用户@例え.テスト"),
    ("a@bu\u0308cher.example", "a", "bücher.example", "a@bücher.example"),
    ("a@xn--bcher-kva.example", "a", "xn--bcher-kva.example", "a@xn--bcher-kva.example"),
    ("a@my_host.example", "a", "my_host.example", "a@my_host.example"),
    ("b" * 120 + "@example.org", "b" * 120, "example.org", "b" * 120 + "@example.org"),
]

BAD = [
    "", "@", "alice", "alice@", "@example.org", "alice@example.org ", " alice@example.org",
    "alice@@example.org",
    "alice@example.org@example.net", "u@x@local", "alice@example..org", "alice@.example.org",
    "alice@example.org.",
    "alice@-example.org", "alice@example-.org", "a..b@example.org", ".a@example.org", "a.@example.org",
    "a b@example.org", '"a"b@example.org', 'a"b"@example.org', '"a@example.org', 'a"@example.org',
    "a\\b@example.org",
    "<a@example.org>", "Alice <a@example.org>", "a@example.org,b@example.org", "a(b)@example.org",
    "a@exa(b)mple.org",
    "alice@example.org)bob@example.net", "alice@example.org(<bob@example.net>", "a;b@example.org",
    "a:b@example.org",
    "a@[1.2.3]", "a@[1.2.3.256]", "a@[IPv6:1.2.3.4]", "a@[IPv6:fe80::1%eth0]", "a@[tag:content]", "a@[]",
    "a@[1.2.3.4",
    "a\r\nRCPT TO:<b@example.org>@x", "a@x\r\n", "a@x\n", "a\x00b@x", '"a\r\nb"@x', '"a\x00b"@x',
    "a\x7f@x", "a\x85b@x",
    "a\u2028b@x", "a\u202eb@x", "a@x\u202e", "\ud800@x", "a@b\uff0ec", "a@b\u3002c", "a\u00a0b@x",
    "é" * 200 + "@x",
    "a@" + "b" * 64, "a@" + ".".join(["b" * 60] * 5), "b" * 256 + "@x", "a@" + ".".join(["é" * 40] * 5),
]

PATHS = [
    ("<>", None, ""),
    ("<> SIZE=1", None, " SIZE=1"),
    ("<a@x> BODY=8BITMIME", Address("a", "x"), " BODY=8BITMIME"),
    ("<Postmaster>", Address("postmaster", ""), ""),
    ("<@a,@b:u@x>", Address("u", "x"), ""),
    ("<@[192.0.2.1]:u@x>", Address("u", "x"), ""),
    ('<"> SIZE=5"@x>junk', Address("> SIZE=5", "x"), "junk"),
]

BAD_PATHS = [
    "", "a@x", "<a@x", "<a>", "<@a:>", "<@a u@x>", "<@a,b:u@x>", "<@a:@b:u@x>", "< a@x>", "<a@x >", "<<a@x>>",
    "<a@x,b@y>", "<@a:postmaster>", "<postmaster@>",
]


class AddressTests(SynchronousTestCase):
    """Address.parse and str."""

    def test_good(self) -> None:
        """Every form of Mailbox is understood and written back in its shortest form."""
        for text, local_part, domain, written in GOOD:
            address = Address.parse(text)
            self.assertEqual((address.local_part, address.domain), (local_part, domain), text)
            self.assertEqual(str(address), written)

    def test_bad(self) -> None:
        """What is not a Mailbox as a whole is refused with a text that has no control character."""
        for text in BAD:
            complaint = str(self.assertRaises(ValueError, Address.parse, text))
            self.assertTrue(complaint.isprintable(), text)

    def test_postmaster_needs_a_domain_outside_paths(self) -> None:
        """Only a path may name postmaster alone."""
        self.assertRaises(ValueError, Address.parse, "postmaster")
        self.assertEqual(str(Address("postmaster", "")), "postmaster")

    def test_no_control_characters_by_hand(self) -> None:
        """An Address with a line end cannot even be constructed."""
        for text in ("a\r\nb", "a\nb", "\0", "\x7f", "\u2029"):
            self.assertRaises(ValueError, Address, text, "example.org")
            self.assertRaises(ValueError, Address, "alice", text)

    def test_joiners(self) -> None:
        """ZWNJ and ZWJ are letters' companions in several scripts and pass."""
        self.assertEqual(Address.parse("क्\u200dष@x").local_part, "क्\u200dष")

    def test_linear(self) -> None:
        """A megabyte of anything is refused at once."""
        began = time.perf_counter()
        n = 500_000
        for text in ("a." * n, '"' + "\\a" * n, "a@" + "b." * n, "a@" + "b" * n, "@" * n):
            self.assertRaises(ValueError, Address.parse, text)
            self.assertRaises(ValueError, parse_path, "<" + text)
            self.assertRaises(ValueError, parse_path, "<@a," * 200_000)
        self.assertLess(time.perf_counter() - began, 5.0)


class PathTests(SynchronousTestCase):
    """parse_path."""

    def test_good(self) -> None:
        """A path is taken off the front, its source route is dropped, the rest is given back."""
        for text, address, rest in PATHS:
            self.assertEqual(parse_path(text), (address, rest), text)

    def test_bad(self) -> None:
        """A broken path is refused."""
        for text in BAD_PATHS:
            self.assertRaises(ValueError, parse_path, text)


class AddressProperties(SynchronousTestCase):
    """Properties of all addresses."""

    @given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=40), st.booleans())
    def test_round_trip(self, local_part: str, space: bool) -> None:
        """Whatever local part an address has, it is written so that it is read back the same."""
        address = Address(local_part + " " * space, "example.org")
        self.assertEqual(Address.parse(str(address)), address)

    @given(st.text(st.sampled_from('ab@."\\<>,:;[]()%! \r\n\0é'), max_size=30))
    def test_never_fooled(self, text: str) -> None:
        """What is accepted means the same when it is written and read again, and holds one path only."""
        try:
            address = Address.parse(text)
        except ValueError:
            return
        self.assertEqual(Address.parse(str(address)), address)
        self.assertEqual(parse_path(f"<{address}>"), (address, ""))
        self.assertTrue(str(address).isprintable())
