"""Octets of a message on their way out."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.smtp.data import DataReader
from quantummail.smtp.stuffing import BareLineEnd, Stuffing


def stuffed(chunks: list[bytes], *, dotted: bool = True) -> bytes:
    """What goes out for these chunks."""
    stuffing = Stuffing(dotted=dotted)
    return b"".join([*map(stuffing.feed, chunks), stuffing.end()])


class StuffingTests(SynchronousTestCase):
    """RFC 5321 4.5.2."""

    def test_dots(self) -> None:
        """A dot at the beginning of a line is doubled, wherever the chunks end; no other is."""
        for text, expected in (
            (b"", b".\r\n"),
            (b".\r\n", b"..\r\n.\r\n"),
            (b"a.b\r\n..\r\n.c\r\n", b"a.b\r\n...\r\n..c\r\n.\r\n"),
            (b"no end", b"no end\r\n.\r\n"),
            (b"\r\n.\r\n", b"\r\n..\r\n.\r\n"),
        ):
            for cut in range(len(text) + 1):
                self.assertEqual(stuffed([text[:cut], text[cut:]]), expected, (text, cut))

    def test_chunking(self) -> None:
        """For BDAT the octets go out as they are."""
        self.assertEqual(stuffed([b".\r\n", b".x"], dotted=False), b".\r\n.x")

    def test_bare_line_ends(self) -> None:
        """A CR or LF that stands alone never goes out: it could end the message for somebody (SMTP smuggling)."""
        for text in (b"a\nb", b"a\rb", b"a\r\r\n", b"\n", b"\r", b"a\r\n\r", b"a\r\n.\n", b"\n.\r\n"):
            for cut in range(len(text) + 1):
                for dotted in (True, False):
                    self.assertRaises(BareLineEnd, stuffed, [text[:cut], text[cut:]], dotted=dotted)

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.sampled_from([b".", b"..", b"a", b"\r\n", b"\r\n.", b"b" * 70]), max_size=30),
           st.lists(st.integers(0, 200), max_size=8))
    def test_read_back(self, pieces: list[bytes], cuts: list[int]) -> None:
        """Our own server reads what was meant, as one message, however it was cut."""
        text = b"".join(pieces)
        places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
        sent = stuffed([text[start:end] for start, end in itertools.pairwise(places)] or [b""])
        reader = DataReader(0)
        got = reader.feed(sent)
        self.assertTrue(reader.done)
        self.assertEqual((reader.rest, reader.refusal), (b"", None))
        self.assertEqual(got, text if not text or text.endswith(b"\r\n") else text + b"\r\n")
