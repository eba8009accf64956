"""Exchanges from the first message to the account."""

from __future__ import annotations

import json
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from quantummail.auth.exchanges import Exchange
from quantummail.auth.introspection import Introspection, IntrospectionSettings
from quantummail.auth.login import Authenticator, LoginFailed, LoginLimits, LoginUnavailable, Peer
from quantummail.auth.methods import MethodSettings
from quantummail.auth.sasl import SaslError, SaslNotAuthorized
from quantummail.auth.scram import derive
from quantummail.store.errors import Unavailable
from quantummail.store.records import Credentials, ScramKeys, User
from quantummail.tls.channel import Channel, fingerprint
from tests.auth.accounts import PASSWORDS, CountedHashing, MemoryUsers
from tests.auth.certificates import client_certificate
from tests.support.scram import ScramClient
from tests.support.stores import now

ALICE, SECRET = "alice@example.test", "tanstaaf tanstaaf"
ITERATIONS = 4096


class FakeChannel:
    """TLS 1.3, perhaps with a client's certificate."""

    binds = True

    def __init__(self, *names: str) -> None:
        self.certificate = client_certificate(*names) if names else None

    def binding(self, kind: str) -> bytes | None:
        """The exporter's data."""
        return b"e" * 32 if kind == "tls-exporter" else None

    def client_certificate(self) -> Any:
        """What the client has shown."""
        return self.certificate


class Words:
    """What an authorization server says of tokens: whose they are."""

    def __init__(self) -> None:
        self.owners = {"good": ALICE, "other": "bob@example.test", "stranger": "x@example.test"}
        self.failure: Exception | None = None

    async def owner(self, token: str) -> str | None:
        """Ask."""
        if self.failure is not None:
            raise self.failure
        return self.owners.get(token)

    error = Introspection.error
    settings = IntrospectionSettings("https://as.example/", "id", "secret", scopes=("mail",))


class ExchangeCase(SynchronousTestCase):
    """Alice with SCRAM keys, bob without; all that is logged."""

    limits = LoginLimits(free=100)
    methods = MethodSettings(scram="yes", scram_iterations=ITERATIONS)

    def setUp(self) -> None:
        self.clock = Clock()
        self.users = MemoryUsers()
        self.keys = derive(SECRET, ITERATIONS)
        self.alice = self.users.add(ALICE, PASSWORDS.hash(SECRET), scram=self.keys)
        self.bob = self.users.add("bob@example.test", PASSWORDS.hash(SECRET))
        self.words = Words()
        self.hashing = CountedHashing()
        self.authenticator = self.make(self.methods)
        self.events: list[LogEvent] = []
        observer = cast("ILogObserver", self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def make(self, methods: MethodSettings) -> Authenticator:
        """An authenticator for these users."""
        return Authenticator(
            cast("Any", self.users), self.hashing, self.clock, self.limits, methods, cast("Any", self.words))

    def peer(self, channel: FakeChannel | None = None) -> Peer:
        """A client under TLS."""
        return Peer("imap", "192.0.2.1", "c0ffee", cast("Channel | None", channel), self.end)

    def end(self) -> None:
        """The session ends."""

    def begin(self, name: str, channel: FakeChannel | None = None) -> Exchange:
        """A new exchange."""
        found = self.authenticator.exchange(name, self.peer(channel), lambda _: True)
        assert found is not None
        return found

    def scram(self, client: ScramClient, *, plus: bool = False) -> User:
        """A whole SCRAM login."""
        run = self.begin("SCRAM-SHA-256-PLUS" if plus else "SCRAM-SHA-256", FakeChannel() if plus else None)
        self.assertEqual(run.begin(), b"")
        challenge = now(run.answer(client.first()))
        assert isinstance(challenge, bytes)
        signature = now(run.answer(client.final(challenge)))
        assert isinstance(signature, bytes)
        client.verify(signature)
        user = now(run.answer(b""))
        assert isinstance(user, User)
        return user

    def lines(self) -> list[str]:
        """What was logged."""
        return [formatEvent(event) for event in self.events]


class PasswordTests(ExchangeCase):
    """PLAIN and LOGIN."""

    def test_plain(self) -> None:
        """One message, with or without challenge."""
        self.assertEqual(self.begin("plain").begin(), b"")
        self.assertEqual(now(self.begin("PLAIN").answer(f"\0{ALICE}\0{SECRET}".encode())), self.alice)

    def test_login(self) -> None:
        """Name, then password; two exchanges share nothing (faults.md I12)."""
        run, other = self.begin("LOGIN"), self.begin("login")
        self.assertEqual(run.begin(), b"Username:")
        self.assertEqual(now(run.answer(ALICE.encode())), b"Password:")
        self.assertEqual(now(other.answer(b"ada")), b"Password:")
        self.assertEqual(now(run.answer(SECRET.encode())), self.alice)

    def test_keys_at_login(self) -> None:
        """A login with a password makes the keys that are missing, once."""
        now(self.begin("PLAIN").answer(f"\0bob@example.test\0{SECRET}".encode()))
        self.assertEqual(self.hashing.done, ["verify", "derive"])
        self.assertEqual(self.scram(ScramClient("bob@example.test", SECRET)), self.bob)
        self.authenticator = self.make(self.methods)
        now(self.begin("PLAIN").answer(f"\0bob@example.test\0{SECRET}".encode()))
        self.assertEqual(self.hashing.done, ["verify", "derive", "verify"])

    def test_other_iterations(self) -> None:
        """Keys of another strength are made anew."""
        self.authenticator = self.make(MethodSettings(scram="yes", scram_iterations=5000))
        now(self.begin("PLAIN").answer(f"\0{ALICE}\0{SECRET}".encode()))
        client = ScramClient(ALICE, SECRET)
        self.scram(client)
        self.assertEqual(client.iterations, 5000)

    def test_keys_cannot_be_kept(self) -> None:
        """A login does not depend on keys."""
        async def fail(user_id: int, password_hash: str, keys: ScramKeys) -> None:
            raise Unavailable("disk full")

        self.patch(self.users, "keep_scram_keys", fail)
        self.assertEqual(now(self.begin("PLAIN").answer(f"\0bob@example.test\0{SECRET}".encode())), self.bob)


class ScramTests(ExchangeCase):
    """SCRAM-SHA-256, with and without PLUS."""

    def test_login(self) -> None:
        """The right password gets in, without any hash, and the session can be ended."""
        self.assertEqual(self.scram(ScramClient("Alice@Example.test", SECRET)), self.alice)
        self.assertEqual(self.hashing.done, [])
        self.assertEqual(self.lines(), [f"login protocol=imap user={ALICE} client=192.0.2.1"])
        self.users.accounts[ALICE] = Credentials(self.alice, "another")
        ended: list[bool] = []
        self.patch(self.authenticator.sessions, "leave", lambda *_: ended.append(True))
        self.clock.advance(5)
        self.assertEqual(ended, [True])

    def test_plus(self) -> None:
        """With channel binding, too."""
        client = ScramClient(ALICE, SECRET, header="p=tls-exporter,,", binding=b"e" * 32)
        self.assertEqual(self.scram(client, plus=True), self.alice)

    def test_failures_are_alike(self) -> None:
        """Unknown, disabled and without keys fail like a wrong password, in the same place, words and log line."""
        self.users.add("off@example.test", "x", enabled=False, scram=self.keys)
        for name in (ALICE, "ghost@example.test", "off@example.test", "bob@example.test", "no-domain"):
            self.events.clear()
            run, client = self.begin("SCRAM-SHA-256"), ScramClient(name, SECRET if name != ALICE else "wrong")
            challenge = now(run.answer(client.first()))
            assert isinstance(challenge, bytes)
            with self.assertRaises(LoginFailed) as caught:
                now(run.answer(client.final(challenge)))
            self.assertEqual(str(caught.exception), "authentication failed")
            self.assertEqual(self.lines(), [f"authentication failure protocol=imap user={name} client=192.0.2.1"])

    def test_stable_salt(self) -> None:
        """Who is not there has the same salt and iterations in every exchange, as who is there has."""
        salts = set()
        for _ in range(2):
            client = ScramClient("ghost@example.test", "x")
            challenge = now(self.begin("SCRAM-SHA-256").answer(client.first()))
            assert isinstance(challenge, bytes)
            client.final(challenge)
            salts.add((client.salt, client.iterations))
        self.assertEqual(len(salts), 1)
        self.assertEqual(salts.pop()[1], ITERATIONS)

    def test_password_changed_meanwhile(self) -> None:
        """What was proved with the old keys does not count when there are new ones."""
        run, client = self.begin("SCRAM-SHA-256"), ScramClient(ALICE, SECRET)
        challenge = now(run.answer(client.first()))
        assert isinstance(challenge, bytes)
        self.users.accounts[ALICE] = Credentials(self.alice, "x", derive("another one", ITERATIONS))
        with self.assertRaises(LoginFailed):
            now(run.answer(client.final(challenge)))

    def test_somebody_in_between(self) -> None:
        """Another TLS on the client's side is an error of the exchange, and logged."""
        run = self.begin("SCRAM-SHA-256-PLUS", FakeChannel())
        client = ScramClient(ALICE, SECRET, header="p=tls-exporter,,", binding=b"f" * 32)
        challenge = now(run.answer(client.first()))
        assert isinstance(challenge, bytes)
        with self.assertRaises(SaslError):
            now(run.answer(client.final(challenge)))
        self.assertIn("channel binding or nonce differ", self.lines()[0])

    def test_downgrade(self) -> None:
        """A client from whose list PLUS was taken is refused, unless we had taken it."""
        run = self.begin("SCRAM-SHA-256", FakeChannel())
        with self.assertRaises(SaslError):
            now(run.answer(ScramClient(ALICE, SECRET, header="y,,").first()))
        off = self.authenticator.exchange(
            "SCRAM-SHA-256", self.peer(FakeChannel()), lambda name: name != "AUTH=SCRAM-SHA-256-PLUS")
        assert off is not None
        self.assertIsInstance(now(off.answer(ScramClient(ALICE, SECRET, header="y,,").first())), bytes)

    def test_more_after_the_signature(self) -> None:
        """The last response is empty."""
        run, client = self.begin("SCRAM-SHA-256"), ScramClient(ALICE, SECRET)
        challenge = now(run.answer(client.first()))
        assert isinstance(challenge, bytes)
        now(run.answer(client.final(challenge)))
        with self.assertRaises(SaslError):
            now(run.answer(b"x"))

    def test_store_unavailable(self) -> None:
        """When the store cannot be asked nobody is called wrong."""
        self.users.failure = Unavailable("database is locked")
        with self.assertRaises(LoginUnavailable):
            now(self.begin("SCRAM-SHA-256").answer(ScramClient(ALICE, SECRET).first()))


class ThrottleTests(ExchangeCase):
    """Guesses by SCRAM count like others."""

    limits = LoginLimits(client=2, client_per_hour=1)

    def test_guesses(self) -> None:
        """After some wrong proofs no more are taken."""
        kinds = []
        for _ in range(3):
            run, client = self.begin("SCRAM-SHA-256"), ScramClient(ALICE, "wrong")
            challenge = now(run.answer(client.first()))
            assert isinstance(challenge, bytes)
            guess = Deferred.fromCoroutine(run.answer(client.final(challenge)))
            self.clock.pump([1.0] * 3)
            kinds.append(self.failureResultOf(guess).type)
        self.assertEqual(kinds, [LoginFailed, LoginFailed, LoginUnavailable])


class ExternalTests(ExchangeCase):
    """Client certificates."""

    def test_address_in_the_certificate(self) -> None:
        """Who shows one is who it names, in any case, named or not."""
        for response in (b"", ALICE.encode(), b"Alice@Example.TEST"):
            run = self.begin("EXTERNAL", FakeChannel("Alice@example.test"))
            self.assertEqual(now(run.answer(response)), self.alice)

    def test_somebody_else(self) -> None:
        """Nobody acts for whom the certificate does not name."""
        with self.assertRaises(SaslNotAuthorized):
            now(self.begin("EXTERNAL", FakeChannel(ALICE)).answer(b"bob@example.test"))

    def test_several(self) -> None:
        """With several addresses the client says which."""
        channel = FakeChannel(ALICE, "bob@example.test")
        with self.assertRaises(SaslError):
            now(self.begin("EXTERNAL", channel).answer(b""))
        self.assertEqual(now(self.begin("EXTERNAL", channel).answer(b"bob@example.test")), self.bob)

    def test_no_account(self) -> None:
        """A certificate makes no account, and does not open one that is disabled."""
        self.users.add("off@example.test", "x", enabled=False)
        for name in ("ghost@example.test", "off@example.test"):
            with self.assertRaises(LoginFailed):
                now(self.begin("EXTERNAL", FakeChannel(name)).answer(b""))
        self.assertIn("authentication failure protocol=imap user=ghost@example.test client=192.0.2.1", self.lines())

    def test_mapped(self) -> None:
        """The configuration may say whose a certificate is, against what is in it."""
        channel = FakeChannel("ghost@elsewhere.test")
        assert channel.certificate is not None
        self.authenticator = self.make(MethodSettings(certificates={fingerprint(channel.certificate): ALICE}))
        self.assertEqual(now(self.begin("EXTERNAL", channel).answer(b"")), self.alice)

    def test_without_certificate(self) -> None:
        """It is not offered to others."""
        for channel in (None, FakeChannel(), FakeChannel("no address")):
            offered = self.authenticator.offered(cast("Channel | None", channel), lambda _: True)
            self.assertNotIn("EXTERNAL", offered)


class BearerTests(ExchangeCase):
    """OAUTHBEARER and XOAUTH2."""

    def test_login(self) -> None:
        """A token lets in whom it is for."""
        for name, message in (("OAUTHBEARER", b"n,a=alice@example.test,\1auth=Bearer good\1\1"),
                              ("OAUTHBEARER", b"n,,\1auth=Bearer good\1\1"),
                              ("XOAUTH2", b"user=Alice@example.test\1auth=Bearer good\1\1")):
            self.assertEqual(now(self.begin(name).answer(message)), self.alice)

    def test_error(self) -> None:
        """A bad token gets the reason as JSON, and the login fails at whatever comes then."""
        for name, user, token in (("OAUTHBEARER", f"n,a={ALICE},", "bad"), ("XOAUTH2", f"user={ALICE}", "bad"),
                                  ("XOAUTH2", f"user={ALICE}", "other"), ("OAUTHBEARER", "n,,", "stranger")):
            run = self.begin(name)
            said = now(run.answer(f"{user}\1auth=Bearer {token}\1\1".encode()))
            assert isinstance(said, bytes)
            wanted = {"status": "invalid_token", "scope": "mail"}
            if name == "XOAUTH2":
                wanted = {"status": "401", "schemes": "bearer", "scope": "mail"}
            self.assertEqual(json.loads(said), wanted)
            with self.assertRaises(LoginFailed):
                now(run.answer(b"\1"))
        self.assertEqual(len([line for line in self.lines() if line.startswith("authentication failure")]), 4)

    def test_unavailable(self) -> None:
        """When nobody can be asked, the client may try again."""
        self.words.failure = LoginUnavailable()
        with self.assertRaises(LoginUnavailable):
            now(self.begin("XOAUTH2").answer(b"user=alice@example.test\1auth=Bearer good\1\1"))

    def test_not_configured(self) -> None:
        """Without an authorization server there are no tokens."""
        plain = Authenticator(cast("Any", self.users), self.hashing, self.clock)
        self.assertEqual(plain.offered(None, lambda _: True), ("PLAIN", "LOGIN"))


class OfferTests(ExchangeCase):
    """What is offered."""

    def test_order(self) -> None:
        """The best first; each can be switched off."""
        channel = cast("Channel", FakeChannel(ALICE))
        everything = ("EXTERNAL", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN")
        self.assertEqual(self.authenticator.offered(channel, lambda _: True), everything)
        for name in everything:
            offered = self.authenticator.offered(channel, f"AUTH={name}".__ne__)
            self.assertEqual(offered, tuple(other for other in everything if other != name))

    def test_not_offered_not_begun(self) -> None:
        """What is not offered does not begin."""
        for name in ("SCRAM-SHA-256-PLUS", "EXTERNAL", "CRAM-MD5", "", "PLAIN "):
            self.assertIsNone(self.authenticator.exchange(name, self.peer(), lambda _: True))

    def test_auto(self) -> None:
        """SCRAM waits until every account has keys: the last one's next login with a password makes them."""
        self.authenticator = self.make(MethodSettings(scram="auto", scram_iterations=ITERATIONS))
        now(self.authenticator.methods.look())
        self.assertNotIn("SCRAM-SHA-256", self.authenticator.offered(None, lambda _: True))
        now(self.begin("PLAIN").answer(f"\0bob@example.test\0{SECRET}".encode()))
        self.assertIn("SCRAM-SHA-256", self.authenticator.offered(None, lambda _: True))

    def test_no(self) -> None:
        """Switched off, no keys are made either."""
        self.authenticator = self.make(MethodSettings(scram="no"))
        now(self.begin("PLAIN").answer(f"\0bob@example.test\0{SECRET}".encode()))
        self.assertEqual(self.hashing.done, ["verify"])
        self.assertNotIn("SCRAM-SHA-256", self.authenticator.offered(None, lambda _: True))
