"""Canonical forms, compared with those of dkimpy."""

from __future__ import annotations

import hashlib
from typing import Any

from dkim.canonicalization import Relaxed, Simple
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.canonical import BodyHash, Form, header_field

PIECES = st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"\r\n\r\n", b"b c", b"  ", b".", b"\r\n \r\n"])
ORACLES: dict[Form, Any] = {"simple": Simple, "relaxed": Relaxed}


class BodyTests(SynchronousTestCase):
    """RFC 6376 3.4.3, 3.4.4."""

    def digest(self, form: Form, *pieces: bytes) -> bytes:
        """Of a body in pieces."""
        body_hash = BodyHash(form)
        for piece in pieces:
            body_hash.update(piece)
        return body_hash.digest()

    @settings(max_examples=400, deadline=None)
    @given(st.lists(PIECES, max_size=14), st.integers(0, 60))
    def test_as_dkimpy(self, pieces: list[bytes], cut: int) -> None:
        """The same as dkimpy's, wherever the body is cut."""
        # without a line end at the end dkimpy leaves blanks there
        body = b"".join([*pieces, b"\r\n"]) if pieces else b""
        for form, oracle in ORACLES.items():
            wanted = hashlib.sha256(oracle.canonicalize_body(body)).digest()
            self.assertEqual(self.digest(form, body[:cut], body[cut:]), wanted, (form, body))

    def test_examples(self) -> None:
        """Those of the RFC (3.4.6), and bodies of nothing."""
        body = b" C \r\nD \t E\r\n\r\n\r\n"
        for form, text, expected in (
            ("relaxed", body, b" C\r\nD E\r\n"), ("simple", body, b" C \r\nD \t E\r\n"),
            ("relaxed", b"", b""), ("simple", b"", b"\r\n"), ("relaxed", b"\r\n\r\n", b""),
            ("simple", b"\r\n" * 3, b"\r\n"),
            ("relaxed", b"no end", b"no end\r\n"), ("simple", b"no end", b"no end\r\n"),
            ("relaxed", b"a\r\r\n\r\n", b"a\r\r\n"),
        ):
            self.assertEqual(self.digest(form, text), hashlib.sha256(expected).digest(), (form, text))  # type: ignore[arg-type]  # a Form

    def test_length(self) -> None:
        """How long the canonical body is, and a hash of its beginning alone."""
        body_hash = BodyHash("relaxed", limit=3)
        body_hash.update(b"a  b c\r\n\r\n")
        self.assertEqual(body_hash.digest(), hashlib.sha256(b"a b").digest())
        self.assertEqual(body_hash.length, 7)

    def test_linear(self) -> None:
        """Octet by octet costs no more than a little more."""
        body_hash = BodyHash("relaxed")
        for _ in range(20_000):
            body_hash.update(b"x y\r\n")
        self.assertEqual(body_hash.digest(), self.digest("relaxed", b"x y\r\n" * 20_000))


class HeaderTests(SynchronousTestCase):
    """RFC 6376 3.4.1, 3.4.2."""

    def test_fields(self) -> None:
        """One field in both forms."""
        field = b"SubJect \t: a\r\n\t b  c \t\r\n"
        self.assertEqual(header_field(field, "simple"), field)
        self.assertEqual(header_field(field, "relaxed"), b"subject:a b c\r\n")
        self.assertEqual(header_field(b"X:\r\n", "relaxed"), b"x:\r\n")

    @settings(max_examples=200, deadline=None)
    @given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n ", b"\r\n\t", b":"]), max_size=12))
    def test_as_dkimpy(self, pieces: list[bytes]) -> None:
        """The same as dkimpy's."""
        value = b"".join(pieces) + b"\r\n"
        ((name, wanted),) = Relaxed.canonicalize_headers([(b"Subject", value)])
        self.assertEqual(header_field(b"Subject:" + value, "relaxed"), name + b":" + wanted)
