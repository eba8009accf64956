"""Address lists: what ENVELOPE shows of them, and which of them a decision may rest on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.address import Address
from quantummail.message.address_list import parse_address_list, strict_addresses

_END = (None, None, None, None)

# value, entries, whether everybody reads it alike
CASES: list[tuple[bytes, list[tuple[bytes | None, ...]], bool]] = [
    (b"", [], True),
    (b"a@b", [(None, None, b"a", b"b")], True),
    (b"Alice <a@b>", [(b"Alice", None, b"a", b"b")], True),
    (b'"A, B" <a@b>, c@d', [(b"A, B", None, b"a", b"b"), (None, None, b"c", b"d")], True),
    (b"J. R. Smith <a@b>", [(b"J. R. Smith", None, b"a", b"b")], True),
    (b'"a" "b" c <d@e>', [(b"a b c", None, b"d", b"e")], True),
    (b"a@b (x), (y) c@d", [(b"x", None, b"a", b"b"), (b"y", None, b"c", b"d")], True),
    (b"=?utf-8?q?a_b?= <a@b>", [(b"=?utf-8?q?a_b?=", None, b"a", b"b")], True),
    (b'"x y"@z, a@[192.0.2.1]', [(None, None, b"x y", b"z"), (None, None, b"a", b"[192.0.2.1]")], True),
    (b'"a\\"b\\\\\r\n c" <a@b>', [(b'a"b\\ c', None, b"a", b"b")], True),
    (b"<@r1,@r2:a@b>", [(None, b"@r1,@r2", b"a", b"b")], True),
    (b",,a@b,,", [(None, None, b"a", b"b")], True),
    (b"undisclosed-recipients:;", [(None, None, b"undisclosed-recipients", None), _END], True),
    (b"g: a@b, c@d;, x@y", [
        (None, None, b"g", None), (None, None, b"a", b"b"), (None, None, b"c", b"d"), _END, (None, None, b"x", b"y"),
    ], True),
    (b"g: a@b", [(None, None, b"g", None), (None, None, b"a", b"b"), _END], True),
    ("ä <ä@ö>".encode(), [("ä".encode(), None, "ä".encode(), "ö".encode())], True),
    (b"a . b@c . d", [(None, None, b"a.b", b"c.d")], False),
    (b"a@b;c@d", [(None, None, b"a", b"b"), (None, None, b"c", b"d")], False),
    (b"A <a@b> B <c@d>, e@f", [(b"A", None, b"a", b"b"), (None, None, b"e", b"f")], False),
    (b"boss@x.org <a@b>", [(b"boss@x.org", None, b"a", b"b")], False),
    (b"alice@example.org)bob@evil, c@d", [(None, None, b"alice", b"example.org"), (None, None, b"c", b"d")], False),
    (b"alice@example.org(<bob@evil>", [(None, None, b"alice", b"example.org")], False),
    (b"a@b@c, <a@b@c>", [(None, None, b"a@b", b"c"), (None, None, b"a@b", b"c")], False),
    (b"<a@b, c@d", [(None, None, b"a", b"b"), (None, None, b"c", b"d")], False),
    (b"a@b>c", [(None, None, b"a", b"b")], False),
    (b'"open <a@b>, c@d', [(b"open", None, b"a", b"b"), (None, None, b"c", b"d")], False),
    (b"(open a@b", [], False),
    (b"x", [(None, None, b"x", b"")], False),
    (b"Foo Bar", [(b"Foo Bar", None, b"", b"")], False),
    (b"<>", [(None, None, b"", b"")], False),
    (b"@x", [(None, None, b"", b"x")], False),
    (b"a@", [(None, None, b"a", b"")], False),
    (b"a b@c", [(None, None, b"a b", b"c")], False),
    (b"<@r", [(None, None, b"@r", b"")], False),
    (b"a\0@b", [(None, None, b"a", b"b")], False),
    (b"a@b\0c", [(None, None, b"a", b"b")], False),
    (b";", [], False),
]


class AddressListTests(SynchronousTestCase):
    """parse_address_list and strict_addresses."""

    def test_cases(self) -> None:
        """Each list gives the entries that a reader of the message would see."""
        for value, entries, _ in CASES:
            self.assertEqual([tuple(entry) for entry in parse_address_list(value)], entries, value)

    def test_strict(self) -> None:
        """Only lists without any oddity are good for decisions."""
        for value, entries, good in CASES:
            if not good:
                self.assertRaises(ValueError, strict_addresses, value)
                continue
            domains = [entry[3].decode() for entry in entries if entry[3] is not None]
            self.assertEqual([address.domain for address in strict_addresses(value)], domains, value)

    def test_strict_gives_addresses(self) -> None:
        """Decisions see the same Address that SMTP would."""
        self.assertEqual(strict_addresses(b'"a b"@EXAMPLE.org'), [Address("a b", "example.org")])

    def test_strict_refuses_bad_addresses(self) -> None:
        """An entry that is well-formed for a header but no Mailbox is refused."""
        for value in (b"a@b..c", b"a..b@c", b"a@-b", b"\xff@b", b"a@[1.2.3]", b"a@b.c."):
            self.assertRaises(ValueError, strict_addresses, value)

    def test_limit(self) -> None:
        """Not more than 1000 addresses are read, and a longer list decides nothing."""
        self.assertEqual(len(parse_address_list(b"a@b," * 5000)), 1000)
        self.assertRaises(ValueError, strict_addresses, b"a@b," * 1001)
        self.assertEqual(len(strict_addresses(b"a@b," * 1000)), 1000)

    @given(st.lists(st.sampled_from([
        b"a", b"b@c", b'"', b"\\", b"<", b">", b"@", b",", b";", b":", b"(", b")", b" ", b".", b"[", b"]", b"\r\n ",
        b"\0", b"\xff", b"=?utf-8?q?x?=",
    ]), max_size=30).map(b"".join))
    def test_never_raises(self, value: bytes) -> None:
        """Any octets give a list; groups open and close in turn; strict addresses are among the shown ones."""
        entries = parse_address_list(value)
        in_group = False
        for entry in entries:
            if entry.domain is None:
                self.assertEqual(entry.local_part is None, in_group)
                in_group = not in_group
        self.assertFalse(in_group)
        try:
            addresses = strict_addresses(value)
        except ValueError:
            return
        shown = [entry for entry in entries if entry.domain is not None and entry.local_part is not None]
        self.assertEqual(
            [(address.local_part, address.domain) for address in addresses],
            [((entry.local_part or b"").decode(), (entry.domain or b"").decode()) for entry in shown])
