"""Which way mail goes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery.route import BadRoute, Routes, Way, parse_credentials, parse_rule, parse_target
from quantummail.message.address import Address
from quantummail.smtp.client_session import Login
from quantummail.tls.outbound import Mode

LOGINS = parse_credentials("# ours\n\nme@relay.test  pass word\nyou@our.test@other.test x\n")


def routes(*rules: str) -> Routes:
    """The rules as an administrator writes them."""
    return Routes([parse_rule(rule, LOGINS) for rule in rules])


def destination(which: Routes, recipient: str, sender: str = "alice@our.test", *, ours: bool = False) -> str:
    """Where mail goes."""
    return which.destination(sender, Address.parse(recipient), ours=ours)


class DestinationTests(SynchronousTestCase):
    """Rules and what is left without them."""

    def test_without_rules(self) -> None:
        """Our own domains here, others by MX, under one name in any spelling."""
        self.assertEqual(destination(routes(), "bob@our.test", ours=True), "local")
        self.assertEqual(destination(routes(), "Bob@Example.NET"), "example.net")
        self.assertEqual(destination(routes(), "bob@M\u00dcnchen.example"), "xn--mnchen-3ya.example")
        self.assertEqual(destination(routes(), "bob@[192.0.2.1]"), "[192.0.2.1]")

    def test_patterns(self) -> None:
        """A domain, what is below it, an address, everything; the first rule counts."""
        which = routes("bob@a.test smtp://one", "a.test smtp://two", ".a.test smtp://three", "b.test mx", "* smtp://all")
        for recipient, expected in (
            ("bob@a.test", "smtp://one"), ("eve@a.test", "smtp://two"), ("x@sub.a.test", "smtp://three"),
            ("x@b.test", "b.test"), ("x@nota.test", "smtp://all"),
        ):
            self.assertEqual(destination(which, recipient), expected)

    def test_senders(self) -> None:
        """Rules may look at the sender."""
        which = routes("from our.test smtp://ours", "from carol@other.test smtp://carol")
        for sender, expected in (("alice@our.test", "smtp://ours"), ("carol@other.test", "smtp://carol"),
                                 ("dave@other.test", "a.test"), ("", "a.test")):
            self.assertEqual(destination(which, "x@a.test", sender), expected)

    def test_our_domains(self) -> None:
        """A smarthost for everything does not take our own mail away; a rule for a domain of ours does."""
        which = routes("split.test lmtp:/run/other", "from our.test smtp://ours", "* smtp://all")
        self.assertEqual(destination(which, "bob@our.test", ours=True), "local")
        self.assertEqual(destination(which, "bob@split.test", ours=True), "lmtp:/run/other")

    def test_routes(self) -> None:
        """A destination is enough to find the way again."""
        which = routes("* submission://me@relay.test")
        found = which.route(destination(which, "x@a.test"))
        self.assertEqual((found.way, found.host, found.port, found.login), (
            Way.RELAY, "relay.test", 587, Login("me", "pass word")))
        self.assertEqual((which.route("a.test").way, which.route("local").way), (Way.MX, Way.LOCAL))
        self.assertTrue(which.moved("smtp://gone"))
        self.assertFalse(which.moved("a.test") or which.moved(found.name))
        self.assertNotIn("pass word", repr(found))


class TargetTests(SynchronousTestCase):
    """URLs of relays."""

    def test_targets(self) -> None:
        """Scheme, host, port, TLS, login."""
        for url, host, port, lmtp, wrapped, mode in (
            ("smtp://mx.test", "mx.test", 25, False, False, Mode.OPPORTUNISTIC),
            ("smtp://[2001:db8::1]:2525?tls=none", "2001:db8::1", 2525, False, False, Mode.NONE),
            ("submission://me@relay.test", "relay.test", 587, False, False, Mode.VERIFY),
            ("submissions://me@relay.test?tls=encrypt", "relay.test", 465, False, True, Mode.ENCRYPT),
            ("lmtp://127.0.0.1", "127.0.0.1", 24, True, False, Mode.OPPORTUNISTIC),
            ("lmtp:/run/x/lmtp", "/run/x/lmtp", 24, True, False, Mode.OPPORTUNISTIC),
        ):
            found = parse_target(url, LOGINS)
            self.assertEqual((found.host, found.port, found.lmtp, found.wrapped, found.mode),
                             (host, port, lmtp, wrapped, mode), url)
        self.assertEqual(parse_target("submission://you%40our.test@other.test", LOGINS).login,
                         Login("you@our.test", "x"))

    def test_refused(self) -> None:
        """What cannot be meant is refused with the reason."""
        for rule in (
            "a.test", "a.test http://x", "a.test smtp://", "a.test smtp://x:99999", "a.test smtp://x?tls=maybe",
            "a.test smtp://nobody@relay.test", "a.test smtp://me:secret@relay.test", "a.test smtp://x?y=1",
            "a.test submission://me@relay.test?tls=none", "a b c", "",
        ):
            with self.assertRaises(BadRoute, msg=rule) as caught:
                parse_rule(rule, LOGINS)
            self.assertNotIn("secret", str(caught.exception))
        for text in ("me@relay.test", "relay.test password", "me@ x"):
            with self.assertRaises(BadRoute):
                parse_credentials(text)
