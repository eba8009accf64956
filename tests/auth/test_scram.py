"""The server's side of SCRAM, against the client in tests/support/scram.py and the example of RFC 7677."""

from __future__ import annotations

import base64
import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth.sasl import SaslError, SaslNotAuthorized
from quantummail.auth.scram import First, Scram, derive, made_up
from tests.support.scram import ScramClient

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
KEYS = derive("pencil", 4096, SALT)
EXPORTED = b"e" * 32


def binding(kind: str) -> bytes | None:
    """A connection with one type of channel binding."""
    return EXPORTED if kind == "tls-exporter" else None


def scram(*, plus: bool = False, plus_offered: bool = False) -> Scram:
    """A run with the nonce of RFC 7677 3."""
    return Scram(plus=plus, plus_offered=plus_offered, binding=binding, nonce="%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")


class ExampleTests(SynchronousTestCase):
    """RFC 7677 3."""

    def test_messages(self) -> None:
        """Octet for octet."""
        run = scram()
        self.assertEqual(run.first(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"), First("", "user"))
        self.assertEqual(run.challenge(KEYS), b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                              b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")
        self.assertTrue(run.proves(b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                   b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="))
        self.assertEqual(run.signature(), b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


class ProofTests(SynchronousTestCase):
    """Who gets in."""

    def proven(self, client: ScramClient, run: Scram) -> bool:
        """Whether a client gets in; the server's signature is checked then."""
        run.first(client.first())
        if not run.proves(client.final(run.challenge(KEYS))):
            return False
        client.verify(run.signature())
        return True

    def test_password(self) -> None:
        """The right password does, another does not."""
        self.assertTrue(self.proven(ScramClient("user", "pencil"), scram()))
        self.assertFalse(self.proven(ScramClient("user", "pen"), scram()))

    def test_channel_binding(self) -> None:
        """PLUS binds to what both sides see of TLS."""
        client = ScramClient("user", "pencil", header="p=tls-exporter,,", binding=EXPORTED)
        self.assertTrue(self.proven(client, scram(plus=True, plus_offered=True)))

    def test_somebody_in_between(self) -> None:
        """Another TLS on the client's side is told as an error, not as a wrong password."""
        client = ScramClient("user", "pencil", header="p=tls-exporter,,", binding=b"f" * 32)
        self.assertRaises(SaslError, self.proven, client, scram(plus=True, plus_offered=True))

    def test_downgrade(self) -> None:
        """A client that can bind, and was told that we cannot, is refused if we had told it that we can."""
        client = ScramClient("user", "pencil", header="y,,")
        self.assertTrue(self.proven(client, scram()))
        self.assertRaises(SaslError, self.proven, client, scram(plus_offered=True))

    def test_flags_and_mechanisms(self) -> None:
        """PLUS needs a binding, the other has none; a type that the connection has not is an error."""
        for header, plus in (("n,,", True), ("y,,", True), ("p=tls-exporter,,", False), ("p=tls-unique,,", True)):
            client = ScramClient("user", "pencil", header=header, binding=EXPORTED)
            self.assertRaises(SaslError, self.proven, client, scram(plus=plus, plus_offered=plus))

    def test_changed_on_the_way(self) -> None:
        """A nonce or channel binding that differs is an error."""
        for change in ((b"r=rOpr", b"r=rOpx"), (b"c=biws", b"c=eSws")):
            client, run = ScramClient("user", "pencil"), scram()
            run.first(client.first())
            self.assertRaises(SaslError, run.proves, client.final(run.challenge(KEYS)).replace(*change))

    def test_extensions(self) -> None:
        """Optional extensions are not looked at, but signed."""
        run = scram()
        self.assertEqual(run.first(b"n,,n=user,r=abc,x=y,z=,"), First("", "user"))

    def test_names(self) -> None:
        """Comma and equals sign are escaped; the user may be named twice; nobody acts for another."""
        self.assertEqual(scram().first(b"n,,n=a=2Cb=3Dc,r=x").username, "a,b=c")
        self.assertEqual(scram().first("n,a=Ü@x,n=ü@x,r=x".encode()), First("Ü@x", "ü@x"))
        self.assertRaises(SaslNotAuthorized, scram().first, b"n,a=bob,n=alice,r=x")

    def test_malformed(self) -> None:
        """Anything else is a SaslError."""
        for message in (b"", b"n", b"n,", b"n,,", b"n,,n=a", b"n,,n=a,r=", b"n,,r=x,n=a", b"n,,m=1,n=a,r=x",
                        b"x,,n=a,r=x", b"n,,n=a=2,r=x", b"n,,n==,r=x", b"n,,n=,r=x", b"n,,n=a\0,r=x", b"n,,n=\xff,r=x",
                        b"p=,,n=a,r=x", b"n,a=x\0,n=a,r=x", b"n,,n=" + b"a" * 2000 + b",r=x",
                        b"n,,n=a,r=" + b"x" * 5000):
            self.assertRaises(SaslError, scram().first, message)
        for message in (b"", b"c=biws", b"c=biws,r=x", b"c=biws,r=x,p=", b"c=*,r=x,p=YQ==", b"c=biws,r=x,p=Y"):
            run = scram()
            run.first(b"n,,n=a,r=x")
            run.challenge(KEYS)
            self.assertRaises(SaslError, run.proves, message)

    def test_short_proof(self) -> None:
        """A proof of another length is a wrong one."""
        client, run = ScramClient("user", "pencil"), scram()
        run.first(client.first())
        final = client.final(run.challenge(KEYS)).partition(b",p=")[0]
        self.assertFalse(run.proves(final + b",p=YQ=="))

    @settings(max_examples=50)
    @given(st.binary(max_size=80), st.binary(max_size=80))
    def test_nothing_but_sasl_errors(self, first: bytes, final: bytes) -> None:
        """Whatever a client sends."""
        for begin in (first, b"n,," + first, b"n,,n=a,r=x" + first):
            with contextlib.suppress(SaslError):
                run = scram()
                run.first(begin)
                run.challenge(KEYS)
                self.assertFalse(run.proves(final))


class KeyTests(SynchronousTestCase):
    """Salts and keys."""

    def test_salt(self) -> None:
        """Every account has a salt of its own."""
        self.assertNotEqual(derive("pencil", 4096).salt, derive("pencil", 4096).salt)
        self.assertEqual(derive("pencil", 4096, SALT), KEYS)

    def test_made_up(self) -> None:
        """Who is not there has the same salt each time, of the usual length, and no password."""
        ghost = made_up(b"secret", "ghost@example.test", 4096)
        self.assertEqual(ghost, made_up(b"secret", "ghost@example.test", 4096))
        self.assertEqual((len(ghost.salt), ghost.iterations), (len(derive("x", 4096).salt), 4096))
        self.assertNotEqual(ghost.salt, made_up(b"secret", "other@example.test", 4096).salt)
        self.assertNotEqual(ghost.salt, made_up(b"another", "ghost@example.test", 4096).salt)

    def test_one_spelling(self) -> None:
        """A password is the same however the keyboard composes it."""
        self.assertEqual(derive("k\u00e4se", 4096, SALT), derive("ka\u0308se", 4096, SALT))
