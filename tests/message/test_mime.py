"""The MIME scanner and the table of parts."""

from __future__ import annotations

import mmap
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.description import describe
from quantummail.message.mime import MAX_DEPTH, MAX_PARTS, scan
from quantummail.message.parts import LEAF, MESSAGE, MULTIPART, find, leaves, pack
from tests.message.rendering import paths

MIXED = (
    b"Content-Type: multipart/mixed; boundary=a\r\n\r\n"
    b"preamble\r\n--a\r\nX: 1\r\n\r\none\r\n"
    b"--a\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Subject: in\r\nContent-Type: multipart/alternative; boundary=ab\r\n\r\n"
    b"--ab\r\n\r\nA\r\n--ab\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: BASE64\r\n\r\nQg==\r\n--ab--\r\n"
    b"epilogue\r\n"
    b"--a--\r\nend\r\n"
)

PIECES = st.lists(st.sampled_from([
    b"--a\r\n", b"--ab\r\n", b"--a--\r\n", b"--ab--\r\n", b"--a", b"\r\n", b"\r\n\r\n", b"\n", b"text\r\n", b"--\r\n",
    b" --a\r\n",
    b"Content-Type: multipart/mixed; boundary=a\r\n", b"Content-Type: multipart/digest; boundary=ab\r\n",
    b"Content-Type: message/rfc822\r\n", b"Content-Type: text/html\r\n", b"Content-Transfer-Encoding: base64\r\n",
    b"From: a@b\r\n", b"\0", b"\xff", b"Subject: \xc3\xbc\r\n", b":", b"\r", b"multipart/mixed; boundary=\"\"\r\n",
]), max_size=40).map(b"".join)


def section(message: bytes, path: tuple[int, ...], kind: str = "") -> bytes | None:
    """What BODY[path.kind] is."""
    part = find(describe(message).parts, path)
    if part is None:
        return None
    start, end = {
        "": (part.start, part.end),
        "MIME": (part.mime_start, part.start),
        "HEADER": (part.header_start, part.body_start),
        "TEXT": (part.body_start, part.end),
    }[kind]
    return message[start:end]


class SectionTests(SynchronousTestCase):
    """Parts found by their numbers (RFC 3501 6.4.5)."""

    def test_message(self) -> None:
        """The message itself has a header and a text."""
        self.assertEqual(section(MIXED, ()), MIXED)
        self.assertEqual(section(MIXED, (), "HEADER"), MIXED[:45])
        self.assertEqual(section(MIXED, (), "TEXT"), MIXED[45:])

    def test_leaf(self) -> None:
        """A part is its body without the line end before the delimiter, and a MIME header."""
        self.assertEqual(section(MIXED, (1,)), b"one")
        self.assertEqual(section(MIXED, (1,), "MIME"), b"X: 1\r\n\r\n")
        self.assertEqual(section(MIXED, (1,), "HEADER"), b"")

    def test_inner_message(self) -> None:
        """A message/rfc822 has a header and a text of its own, and its numbers go on within it."""
        self.assertEqual(section(MIXED, (2,), "MIME"), b"Content-Type: message/rfc822\r\n\r\n")
        self.assertEqual(
            section(MIXED, (2,), "HEADER"), b"Subject: in\r\nContent-Type: multipart/alternative; boundary=ab\r\n\r\n")
        self.assertTrue((section(MIXED, (2,), "TEXT") or b"").endswith(b"--ab--\r\nepilogue"))
        self.assertEqual(section(MIXED, (2, 1)), b"A")
        self.assertEqual(section(MIXED, (2, 2)), b"Qg==")

    def test_body_is_part_one(self) -> None:
        """Part 1 of a message that is no multipart is its body; there is nothing else in it."""
        message = b"Subject: x\r\n\r\nbody\r\n"
        self.assertEqual(section(message, (1,)), b"body\r\n")
        self.assertEqual(section(message, (1,), "MIME"), b"Subject: x\r\n\r\n")
        for path in ((2,), (0,), (-1,), (1, 1), (1 << 40,)):
            self.assertIsNone(section(message, path), path)

    def test_message_in_message(self) -> None:
        """Part 1 of a message whose body is a message is that message, 1.1 its body."""
        message = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n"
        self.assertEqual(section(message, (1,)), b"Subject: in\r\n\r\nx\r\n")
        self.assertEqual(section(message, (1,), "HEADER"), b"Subject: in\r\n\r\n")
        self.assertEqual(section(message, (1, 1)), b"x\r\n")
        self.assertIsNone(section(message, (1, 1, 1)))

    def test_missing(self) -> None:
        """Numbers beyond the last part, and beneath a leaf, name nothing."""
        for path in ((0,), (3,), (1, 1), (2, 3), (2, 1, 1), (2, 0)):
            self.assertIsNone(section(MIXED, path), path)

    def test_leaves(self) -> None:
        """The leaves are all texts and attachments, and the headers of multiparts and inner messages as empty parts."""
        parts = leaves(describe(MIXED).parts)
        found = [(MIXED[part.mime_start:part.start][:9], MIXED[part.start:part.end]) for part in parts]
        self.assertEqual(
            found, [(b"X: 1\r\n\r\n", b"one"), (b"Content-T", b""), (b"Subject: ", b""), (b"\r\n", b"A"),
                    (b"Content-T", b"Qg==")])
        self.assertEqual(len(leaves(describe(b"").parts)), 1)

    def test_type_and_encoding(self) -> None:
        """A part knows its media type and encoding, in lower case."""
        part = find(describe(MIXED).parts, (2, 2))
        assert part is not None
        self.assertEqual((part.type, part.encoding, part.is_message), ("text/html", "base64", False))
        part = find(describe(b"Content-Transfer-Encoding: uuencode\r\n\r\n").parts, (1,))
        assert part is not None
        self.assertEqual(part.encoding, "")


class ScanTests(SynchronousTestCase):
    """scan."""

    def test_depth(self) -> None:
        """What is nested deeper than 100 levels is one opaque part."""
        level = b"Content-Type: multipart/mixed; boundary=b%03d\r\n\r\n--b%03d\r\n"
        message = b"".join(level % (number, number) for number in range(150))
        parts = scan(message, len(message))
        self.assertEqual(len(parts), MAX_DEPTH + 1)
        self.assertEqual((parts[-1].kind, parts[-1].media), (LEAF, b"application/octet-stream"))
        self.assertEqual(parts[-1].end, len(message))

    def test_count(self) -> None:
        """After 10 000 parts the rest belongs to the last one."""
        message = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n\r\nx\r\n" * (MAX_PARTS + 50)
        parts = scan(message, len(message))
        self.assertEqual(len(parts), MAX_PARTS)
        self.assertEqual((parts[-2].end - parts[-2].body_start, parts[-1].end), (1, len(message)))
        self.assertEqual(section(message, (MAX_PARTS - 2,)), b"x")
        self.assertIsNone(section(message, (MAX_PARTS,)))

    def test_lines_of_nested_messages(self) -> None:
        """A message has the lines of its header and body, whatever other parts it shares them with."""
        parts = scan(MIXED, len(MIXED))
        counted = [(part.kind, part.lines) for part in parts if part.lines]
        self.assertEqual(counted, [(MESSAGE, 12)])
        for part in parts:
            if part.kind == MESSAGE or part.media.startswith(b"text/"):
                self.assertEqual(part.lines, MIXED.count(b"\n", part.body_start, part.end))

    def test_buffers(self) -> None:
        """bytes, memoryview and mmap are described alike, as far as they count."""
        with tempfile.TemporaryFile() as file:
            file.write(MIXED)
            file.flush()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                self.assertEqual(describe(mapped), describe(MIXED))
                self.assertEqual(describe(mapped, 100), describe(MIXED[:100]))
        self.assertEqual(describe(memoryview(MIXED)), describe(MIXED))
        self.assertEqual(describe(MIXED + b"more", len(MIXED)), describe(MIXED))

    def test_header_limit(self) -> None:
        """Fields behind 256 KB of header are not read, but the body begins where it begins."""
        message = b"Subject: one\r\n" + b"X: y\r\n" * 50_000 + b"To: a@b\r\n\r\nbody\r\n"
        self.assertEqual((describe(message).subject, describe(message).to), ("one", ""))
        self.assertEqual(section(message, (1,)), b"body\r\n")

    @settings(max_examples=300)
    @given(PIECES)
    def test_any_octets(self, message: bytes) -> None:
        """Any octets give a tree of parts that lie within each other, in order, and can all be found."""
        parts = scan(message, len(message))
        for part in parts:
            self.assertTrue(0 <= part.header_start <= part.body_start <= part.end <= len(message))
            last = part.body_start
            for child in part.children:
                self.assertIs(child.parent, part)
                self.assertTrue(last <= child.header_start and child.end <= part.end)
                last = child.end
            self.assertEqual(len(part.children), 1 if part.kind == MESSAGE else len(part.children))
            self.assertTrue(part.kind != LEAF or not part.children)
        self.assertEqual(parts[0].descendants, len(parts) - 1)
        # a root that is no multipart is found twice: as the message and as part 1
        found = paths(pack(parts))
        inner_roots = sum(part.kind == MESSAGE and part.children[0].kind == MULTIPART for part in parts)
        alone = parts[0].kind != MULTIPART
        self.assertEqual(len(found), len(parts) + alone - inner_roots)

    @given(PIECES)
    def test_line_ends(self, text: bytes) -> None:
        """With LF for CRLF a message has the same parts."""
        lf = text.replace(b"\r\n", b"\n").replace(b"\r", b"")
        crlf = lf.replace(b"\n", b"\r\n")
        one = [(part.kind, part.media, len(part.children)) for part in scan(lf, len(lf))]
        other = [(part.kind, part.media, len(part.children)) for part in scan(crlf, len(crlf))]
        self.assertEqual(one, other)
