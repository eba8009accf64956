"""Tests of quantummail.store.sort_keys: what messages are compared by."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.description import describe
from quantummail.store.sort_keys import first_address


def first(field: str, header: str) -> tuple[bytes, bytes, bytes]:
    """The first address of a field of a message with this header."""
    return first_address(describe(header.replace("\n", "\r\n").encode() + b"\r\n\r\n").envelope, field)


class FirstAddressTests(SynchronousTestCase):
    """Names and addresses found in a rendered ENVELOPE."""

    CASES = [
        ("from", "From: Bob <bob@x.test>, Eve <eve@x.test>", (b"Bob", b"bob", b"x.test")),
        ("from", "Subject: none", (b"", b"", b"")),
        ("to", "From: a@b.test\nTo: c@d.test", (b"", b"c", b"d.test")),
        ("cc", "From: a@b.test\nTo: c@d.test, \"E\\\" (F)\" <e@f.test>\nCc: \"G \\\\ H\" <g@h.test>",
         (b"G \\ H", b"g", b"h.test")),
        ("to", "Subject: \"(quoted\\\"\nFrom: B\xfc <b@x.test>\nReply-To: \xfc <u@x.test>, v@x.test\nTo: w@x.test",
         (b"", b"w", b"x.test")),
        ("from", "Subject: \xfc ((\nFrom: \xfc <u@x.test>", ("\xfc".encode(), b"u", b"x.test")),
        ("to", "To: friends: a@b.test, c@d.test;", (b"", b"friends", b"")),
    ]

    def test_cases(self) -> None:
        """The first one of From, To and Cc, however the envelope had to be written."""
        for field, header, expected in self.CASES:
            self.assertEqual(first(field, header), expected, header)

    def test_no_envelope(self) -> None:
        """A message whose contents are lost has none."""
        self.assertEqual(first_address(None, "from"), (b"", b"", b""))

    @given(st.binary(max_size=80), st.sampled_from(["from", "to", "cc"]))
    def test_any(self, octets: bytes, field: str) -> None:
        """No header breaks it, and nothing that is no envelope does."""
        first_address(describe(b"From: " + octets + b"\r\nTo: " + octets + b"\r\n\r\n").envelope, field)
        first_address(octets, field)
