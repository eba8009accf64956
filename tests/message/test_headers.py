"""Header blocks: fields, folding, and what is cut out of them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.headers import (
    MAX_FIELDS,
    MAX_OCTETS,
    Headers,
    compact,
    header_end,
    only_fields,
    unfold,
    without_fields,
)

BLOCK = (
    b"From: a@b\r\n"
    b"To: c@d,\r\n\te@f\r\n"
    b"no field\r\n"
    b"Subject : one\r\n"
    b"X-Empty:\r\n"
    b"SUBJECT: two\r\n"
    b"To-Do: nothing\r\n"
    b"\r\n"
)

OCTETS = st.lists(
    st.sampled_from([b"a", b"Bcc", b":", b" ", b"\t", b"\r\n", b"\n", b"\r", b"To", b"\0", b"x: y\r\n"]), max_size=25,
).map(b"".join)


class HeadersTests(SynchronousTestCase):
    """Headers.scan and lookups."""

    def test_fields(self) -> None:
        """Fields come in their order with lower-case names; lines without a colon are none and end nothing."""
        names = [field.name for field in Headers.scan(BLOCK + b"body: no\r\n").fields]
        self.assertEqual(names, [b"from", b"to", b"subject", b"x-empty", b"subject", b"to-do"])

    def test_offsets(self) -> None:
        """The offsets of a field cut exactly its lines out of the block."""
        headers = Headers.scan(BLOCK)
        field = headers.fields[1]
        self.assertEqual(BLOCK[field.start:field.end], b"To: c@d,\r\n\te@f\r\n")
        self.assertEqual(BLOCK[field.value_start:field.end], b"c@d,\r\n\te@f\r\n")

    def test_get(self) -> None:
        """Names are looked up without case, the first field counts, the value is unfolded; an empty one is there."""
        headers = Headers.scan(BLOCK)
        self.assertEqual(headers.get(b"to"), b"c@d,\te@f")
        self.assertEqual(headers.get(b"Subject"), b"one")
        self.assertEqual(headers.get_all(b"Subject"), [b"one", b"two"])
        self.assertEqual(headers.get(b"x-empty"), b"")
        self.assertIsNone(headers.get(b"Date"))

    def test_contains(self) -> None:
        """Whether a field exists is asked with `in`."""
        headers = Headers.scan(BLOCK)
        self.assertIn(b"FROM", headers)
        self.assertNotIn(b"Message-ID", headers)

    def test_field_limit(self) -> None:
        """Of endless fields the first 1000 are read, and it is told that there were more."""
        headers = Headers.scan(b"a: b\r\n" * (MAX_FIELDS + 1))
        self.assertEqual((len(headers.fields), headers.complete), (MAX_FIELDS, False))
        self.assertTrue(Headers.scan(b"a: b\r\n" * MAX_FIELDS).complete)

    def test_octet_limit(self) -> None:
        """A field behind the first 256 KB is not read, and that is told; a long body does not matter."""
        headers = Headers.scan(b"a: " + b"b" * MAX_OCTETS + b"\r\nFrom: x\r\n\r\n")
        self.assertEqual((headers.get(b"From"), headers.complete), (None, False))
        self.assertTrue(Headers.scan(b"a: b\r\n\r\n" + b"x" * MAX_OCTETS).complete)

    @given(OCTETS)
    def test_never_raises(self, octets: bytes) -> None:
        """Any octets are scanned; offsets grow and stay within the header."""
        headers = Headers.scan(octets)
        last = 0
        for field in headers.fields:
            self.assertTrue(last <= field.start < field.value_start <= field.end <= header_end(octets))
            last = field.end


class HeaderEndTests(SynchronousTestCase):
    """header_end."""

    def test_cases(self) -> None:
        """A body begins after the first empty line, of either kind; without one there is no body."""
        for octets, end in [
            (b"", 0), (b"\r\n", 2), (b"\nx", 1), (b"a: b\r\n", 6), (b"a: b\r\n\r\nc", 8), (b"a: b\n\nc", 6),
            (b"a: b\r\n\nc", 7), (b"a: b\n\r\nc", 7), (b"\r\n\r\n", 2),
        ]:
            self.assertEqual(header_end(octets), end, octets)


class UnfoldTests(SynchronousTestCase):
    """unfold and compact."""

    def test_unfold(self) -> None:
        """Line ends go, the white space after them stays, stray CR is a space."""
        for value, expected in [
            (b" a\r\n b \r\n", b"a b"), (b"a\n\tb", b"a\tb"), (b"a\rb", b"a b"), (b"a  b", b"a  b"), (b" \r\n ", b""),
        ]:
            self.assertEqual(unfold(value), expected)

    def test_compact(self) -> None:
        """Runs of white space become one space."""
        self.assertEqual(compact(b" a\r\n  b\t\tc\td  e"), b"a b c d e")


class CutTests(SynchronousTestCase):
    """only_fields and without_fields."""

    def test_only(self) -> None:
        """HEADER.FIELDS gives the fields as they stand there, in their order, then an empty line."""
        self.assertEqual(
            only_fields(BLOCK, [b"SUBJECT", b"to"]),
            b"To: c@d,\r\n\te@f\r\nSubject : one\r\nSUBJECT: two\r\n\r\n")
        self.assertEqual(only_fields(BLOCK, [b"from"]), b"From: a@b\r\n\r\n")

    def test_only_nothing(self) -> None:
        """Names that are not there give an empty line."""
        for names in ([], [b"Date"], [b"no field"], [b"a.*"], [b""]):
            self.assertEqual(only_fields(BLOCK, names), b"\r\n", names)

    def test_without(self) -> None:
        """HEADER.FIELDS.NOT leaves everything else untouched."""
        self.assertEqual(
            without_fields(BLOCK, [b"subject", b"TO"]),
            b"From: a@b\r\nno field\r\nX-Empty:\r\nTo-Do: nothing\r\n\r\n")
        self.assertEqual(without_fields(BLOCK, []), BLOCK)

    def test_without_leaves_the_body(self) -> None:
        """Stripping Bcc does not touch a body that looks like a header."""
        message = b"Bcc: x@y,\r\n z@y\r\nTo: a@b\r\nbcc : q\r\n\r\nBcc: quoted\r\n\r\nBcc: again\r\n"
        self.assertEqual(without_fields(message, [b"Bcc"]), b"To: a@b\r\n\r\nBcc: quoted\r\n\r\nBcc: again\r\n")

    def test_without_on_all(self) -> None:
        """A header of nothing but Bcc leaves the empty line."""
        self.assertEqual(without_fields(b"Bcc: a\r\n\r\nx", [b"bcc"]), b"\r\nx")

    def test_last_line_without_end(self) -> None:
        """A header that breaks off is served with a line end."""
        self.assertEqual(only_fields(b"To: a\r\nFrom: b", [b"from"]), b"From: b\r\n\r\n")

    def test_without_last_line(self) -> None:
        """Taking a field off the end leaves the line before it whole."""
        self.assertEqual(without_fields(b"To: a\r\nBcc: b", [b"bcc"]), b"To: a\r\n")

    @settings(max_examples=500)
    @given(OCTETS, st.lists(st.sampled_from([b"to", b"Bcc", b"x", b"a"]), max_size=3))
    def test_many_names_are_the_same(self, octets: bytes, names: list[bytes]) -> None:
        """A long list of names is looked up in another way with the same result."""
        header = octets[:header_end(octets)]
        many = [*names, *(b"name-%d" % number for number in range(60))]
        self.assertEqual(only_fields(header, many), only_fields(header, names))
        self.assertEqual(without_fields(octets, many), without_fields(octets, names))
