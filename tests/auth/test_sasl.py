"""The server's side of PLAIN and LOGIN."""

from __future__ import annotations

from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth.sasl import (
    MAX_FIELD,
    MAX_LINE,
    MECHANISMS,
    Exchange,
    Login,
    SaslCancelled,
    SaslError,
    SaslNotAuthorized,
    decode,
    encode,
    mechanism,
)


def exchange(name: str) -> Exchange:
    """A new exchange, which must be offered."""
    found = mechanism(name)
    assert found is not None
    return found


class PlainTests(SynchronousTestCase):
    """RFC 4616."""

    def test_claim(self) -> None:
        """One message holds the whole claim."""
        self.assertEqual(exchange("PLAIN").answer(b"\0tim@x.test\0tanstaaf tanstaaf"),
                         Login("", "tim@x.test", "tanstaaf tanstaaf"))

    def test_challenge(self) -> None:
        """Without an initial response the challenge is empty."""
        self.assertEqual(exchange("plain").begin(), b"")

    def test_same_authzid(self) -> None:
        """The user may be named twice, in any case."""
        self.assertEqual(exchange("PLAIN").answer(b"Tim@x.test\0tim@x.test\0p"),
                         Login("Tim@x.test", "tim@x.test", "p"))

    def test_other_authzid(self) -> None:
        """Nobody acts for another user."""
        self.assertRaises(SaslNotAuthorized, exchange("PLAIN").answer, b"ursel\0kurt\0xipj3plmq")

    def test_utf8(self) -> None:
        """Names and passwords are UTF-8."""
        self.assertEqual(exchange("PLAIN").answer("\0ü@x.test\0käse".encode()), Login("", "ü@x.test", "käse"))

    def test_malformed(self) -> None:
        """Anything else is a SaslError, which is a ValueError too."""
        for message in (b"", b"\0", b"\0\0", b"a\0b", b"\0a\0b\0c", b"\0a\0", b"\0\0b", b"\0\xff\0b", b"\0a\0\xc0\x80",
                        b"\0" + b"a" * (MAX_FIELD + 1) + b"\0b"):
            with self.assertRaises(SaslError, msg=message[:20]):
                exchange("PLAIN").answer(message)
            self.assertTrue(issubclass(SaslError, ValueError))

    def test_no_secret_in_text(self) -> None:
        """A claim in a traceback or a log does not show the password."""
        self.assertNotIn("geheim", repr(Login("", "tim", "geheim")))


class LoginTests(SynchronousTestCase):
    """LOGIN, as old clients speak it."""

    def test_questions(self) -> None:
        """It asks for the name, then for the password."""
        run = exchange("login")
        self.assertEqual(run.begin(), b"Username:")
        self.assertEqual(run.answer(b"tim@x.test"), b"Password:")
        self.assertEqual(run.answer(b"a b"), Login("", "tim@x.test", "a b"))

    def test_initial_response(self) -> None:
        """An initial response is the name."""
        self.assertEqual(exchange("LOGIN").answer(b"tim@x.test"), b"Password:")

    def test_malformed(self) -> None:
        """Empty answers, NUL and other encodings are errors, at both questions."""
        for message in (b"", b"a\0b", b"\xff", b"x" * (MAX_FIELD + 1)):
            with self.assertRaises(SaslError):
                exchange("LOGIN").answer(message)
            run = exchange("LOGIN")
            run.answer(b"tim")
            with self.assertRaises(SaslError):
                run.answer(message)


class MechanismTests(SynchronousTestCase):
    """What is offered."""

    def test_offered(self) -> None:
        """PLAIN and LOGIN, no challenge that needs the password in the clear on our side."""
        self.assertEqual(list(MECHANISMS), ["PLAIN", "LOGIN"])

    def test_others(self) -> None:
        """Anything else is None."""
        for name in ("CRAM-MD5", "", "PLAIN ", "ANONYMOUS"):
            self.assertIsNone(mechanism(name))

    def test_state(self) -> None:
        """Two exchanges share nothing (faults.md I12)."""
        first, second = exchange("LOGIN"), exchange("LOGIN")
        first.answer(b"tim")
        self.assertEqual(second.answer(b"ada"), b"Password:")


class DecodeTests(SynchronousTestCase):
    """Lines of an exchange."""

    def test_lines(self) -> None:
        """Base64 with or without its line end; `=` is the empty response."""
        for line, octets in [(b"AHRpbQBw", b"\0tim\0p"), (b"AHRpbQBw\r\n", b"\0tim\0p"), (b"=", b""),
                             (b"=\r\n", b""), (b"", b""), (b"\r\n", b""), (b"YQ==\n", b"a")]:
            self.assertEqual(decode(line), octets)

    def test_cancelled(self) -> None:
        """`*` cancels."""
        self.assertRaises(SaslCancelled, decode, b"*\r\n")

    def test_malformed(self) -> None:
        """Other characters, wrong padding and white space are errors, and no other exception than SaslError."""
        for line in (b"YQ", b"YQ=", b"YQ===", b"=YQ", b"Y Q==", b" YQ==", b"Y\0==", b"*YQ==", b"\xff\xfe", b"YQ==YQ==",
                     b"**", b"==", b"A", b"YWJj\r\nYWJj", b"-_-_"):
            with self.assertRaises(SaslError, msg=line):
                decode(line)

    def test_bounded(self) -> None:
        """A longer line than a protocol reads is not decoded."""
        self.assertRaises(SaslError, decode, b"A" * (MAX_LINE + 4))

    @given(st.binary(max_size=300))
    def test_round_trip(self, octets: bytes) -> None:
        """Whatever is encoded is decoded."""
        self.assertEqual(decode(encode(octets) or b"="), octets)
        self.assertEqual(encode(octets), b64encode(octets))

    @given(st.lists(st.binary(max_size=60), min_size=1, max_size=3), st.sampled_from(["PLAIN", "LOGIN"]))
    def test_nothing_but_sasl_errors(self, lines: list[bytes], name: str) -> None:
        """Whatever a client sends, undecoded or decoded: a challenge, a claim, or a SaslError."""
        for as_it_is in (True, False):
            run = exchange(name)
            for line in lines:
                try:
                    result = run.answer(line if as_it_is else decode(line))
                except SaslError:
                    break
                self.assertIsInstance(result, (bytes, Login))
