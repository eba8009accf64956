"""The messages of the simple mechanisms."""

from __future__ import annotations

import contextlib
from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth.sasl import (
    MAX_FIELD,
    MAX_LINE,
    Bearer,
    Login,
    SaslCancelled,
    SaslError,
    SaslNotAuthorized,
    decode,
    encode,
    oauthbearer,
    one_field,
    plain,
    xoauth2,
)


class PlainTests(SynchronousTestCase):
    """RFC 4616."""

    def test_claim(self) -> None:
        """One message holds the whole claim."""
        self.assertEqual(plain(b"\0tim@x.test\0tanstaaf tanstaaf"), Login("tim@x.test", "tanstaaf tanstaaf"))

    def test_same_authzid(self) -> None:
        """The user may be named twice, in any case."""
        self.assertEqual(plain(b"Tim@x.test\0tim@x.test\0p"), Login("tim@x.test", "p"))

    def test_other_authzid(self) -> None:
        """Nobody acts for another user."""
        self.assertRaises(SaslNotAuthorized, plain, b"ursel\0kurt\0xipj3plmq")

    def test_utf8(self) -> None:
        """Names and passwords are UTF-8."""
        self.assertEqual(plain("\0ü@x.test\0käse".encode()), Login("ü@x.test", "käse"))

    def test_malformed(self) -> None:
        """Anything else is a SaslError, which is a ValueError too."""
        for message in (b"", b"\0", b"\0\0", b"a\0b", b"\0a\0b\0c", b"\0a\0", b"\0\0b", b"\0\xff\0b", b"\0a\0\xc0\x80",
                        b"\0" + b"a" * (MAX_FIELD + 1) + b"\0b"):
            with self.assertRaises(SaslError, msg=message[:20]):
                plain(message)
            self.assertTrue(issubclass(SaslError, ValueError))

    def test_no_secret_in_text(self) -> None:
        """A claim in a traceback or a log shows neither password nor token."""
        self.assertNotIn("geheim", repr(Login("tim", "geheim")) + repr(Bearer("tim", "geheim")))


class OneFieldTests(SynchronousTestCase):
    """Messages that are a name or a password."""

    def test_malformed(self) -> None:
        """Empty ones, NUL and other encodings are errors."""
        self.assertEqual(one_field(b"a b"), "a b")
        for message in (b"", b"a\0b", b"\xff", b"x" * (MAX_FIELD + 1)):
            self.assertRaises(SaslError, one_field, message)


class BearerTests(SynchronousTestCase):
    """OAUTHBEARER (RFC 7628 3.1) and XOAUTH2."""

    def test_oauthbearer(self) -> None:
        """The user may be named, host and port are not looked at, the word Bearer is taken in any case."""
        for message, claim in (
            (b"n,a=tim@x.test,\1host=h\1port=143\1auth=Bearer vF9.dft4==\1\1", Bearer("tim@x.test", "vF9.dft4==")),
            (b"n,,\1auth=bearer  abc\1\1", Bearer("", "abc")),
            (b"y,a=t=2Cm=3D,\1auth=BEARER abc\1\1", Bearer("t,m=", "abc")),
        ):
            self.assertEqual(oauthbearer(message), claim)

    def test_xoauth2(self) -> None:
        """The user is always named."""
        claim = xoauth2(b"user=tim@x.test\1auth=Bearer a-b_c~d+e/f=\1\1")
        self.assertEqual(claim, Bearer("tim@x.test", "a-b_c~d+e/f="))

    def test_malformed(self) -> None:
        """Anything else is a SaslError."""
        for message in (b"", b"\1\1", b"n,,\1\1", b"n,,\1auth=Basic abc\1\1", b"n,,\1auth=Bearer abc\1",
                        b"p=tls-exporter,,\1auth=Bearer abc\1\1", b"n,,\1auth=Bearer a\1auth=Bearer b\1\1",
                        b"n,,\1auth=Bearer a b\1\1", b"n,,\1auth=Bearer \xff\1\1", b"user=,\1auth=Bearer a\1\1",
                        b"user=\1auth=Bearer abc\1\1", b"n,,\1auth=Bearer " + b"a" * MAX_LINE + b"\1\1"):
            for parse in (oauthbearer, xoauth2):
                if parse is xoauth2 and message.startswith(b"user=,"):
                    continue
                self.assertRaises(SaslError, parse, message)


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

    @given(st.binary(max_size=60))
    def test_nothing_but_sasl_errors(self, message: bytes) -> None:
        """Whatever a client sends: a claim, or a SaslError."""
        for parse in (plain, one_field, oauthbearer, xoauth2, decode, lambda octets: oauthbearer(octets + b"\1\1")):
            with contextlib.suppress(SaslError):
                parse(message)
