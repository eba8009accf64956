"""Every capability can be switched off, for all and for one account; and how logins look to IMAP."""

from __future__ import annotations

import base64

from quantummail.auth.login import Authenticator, LoginLimits
from quantummail.auth.methods import MethodSettings
from quantummail.auth.scram import derive
from quantummail.imap import capabilities, registry
from tests.auth.accounts import PASSWORDS, CountedHashing
from tests.imap.case import NAME, PASSWORD, ImapCase
from tests.support.scram import ScramClient
from tests.support.stores import now


def words(answer: str) -> set[str]:
    """The capabilities in an answer; those with a number behind them without it, too."""
    line = next(line for line in answer.splitlines() if line.startswith("* CAPABILITY"))
    found = set(line.split()[2:])
    return found | {word.partition("=")[0] for word in found if word.partition("=")[2].isdigit()}


class ListenerTests(ImapCase):
    """`disabled_capabilities` of a listener."""

    def test_every_one(self) -> None:
        """Whatever is advertised is gone when it is switched off, and nothing else is."""
        registry.load()
        usual = words(self.say(self.logged_in(), "a CAPABILITY"))
        for name in capabilities.names():
            if name not in usual:
                # needs another program, setting or state
                continue
            factory = self.listener(disabled=frozenset({name}))
            self.assertNotIn(name, words(self.say(self.logged_in(factory), "a CAPABILITY")))

    def test_passwords(self) -> None:
        """Where no mechanism takes passwords, LOGIN does not either, and says so."""
        connection, _ = self.connect(self.listener(disabled=frozenset({"AUTH=PLAIN", "AUTH=LOGIN"})))
        self.assertIn("LOGINDISABLED", words(self.say(connection, "a CAPABILITY")))
        self.assertIn("b NO [CANNOT]", self.say(connection, f'b LOGIN {NAME} "{PASSWORD}"'))
        self.assertIn("c NO [CANNOT]", self.say(connection, "c AUTHENTICATE PLAIN"))


class AccountTests(ImapCase):
    """What one account does without."""

    def test_from_the_next_login_on(self) -> None:
        """Neither advertised nor taken, after the login and until the logout; open sessions stay as they are."""
        before = self.selected()
        now(self.store.users.set_disabled_capabilities(NAME, ["MOVE"]))
        after = self.selected()
        self.assertIn("MOVE", words(self.say(before, "a CAPABILITY")))
        self.assertNotIn("MOVE", words(self.say(after, "a CAPABILITY")))
        self.assertIn("b BAD", self.say(after, "b UID MOVE 1 Trash"))
        self.say(after, "c UNAUTHENTICATE")
        now(self.store.users.set_disabled_capabilities(NAME, []))
        self.say(after, f'd LOGIN {NAME} "{PASSWORD}"')
        self.assertIn("MOVE", words(self.say(after, "e CAPABILITY")))

    def test_with_the_listener(self) -> None:
        """What is off for all stays off."""
        now(self.store.users.set_disabled_capabilities(NAME, ["IDLE"]))
        found = words(self.say(self.logged_in(self.listener(disabled=frozenset({"MOVE"}))), "a CAPABILITY"))
        self.assertFalse(found & {"IDLE", "MOVE"})


class ScramTests(ImapCase):
    """SCRAM-SHA-256 over AUTHENTICATE."""

    def setUp(self) -> None:
        super().setUp()
        now(self.store.users.set_password(NAME, PASSWORDS.hash(PASSWORD), derive(PASSWORD, 4096)))
        self.authenticator = Authenticator(
            self.store.users, CountedHashing(), self.clock, LoginLimits(free=100), MethodSettings(scram="yes"))
        self.factory = self.listener()

    def test_login(self) -> None:
        """Two challenges, an empty response, OK; with and without initial response."""
        for initial in (True, False):
            connection, _ = self.connect()
            client = ScramClient(NAME, PASSWORD)
            first = base64.b64encode(client.first()).decode()
            if initial:
                said = self.say(connection, f"a AUTHENTICATE SCRAM-SHA-256 {first}")
            else:
                self.assertEqual(self.say(connection, "a AUTHENTICATE SCRAM-SHA-256"), "+ \r\n")
                said = self.say(connection, first)
            said = self.say(connection, base64.b64encode(client.final(base64.b64decode(said[2:]))).decode())
            client.verify(base64.b64decode(said[2:]))
            self.assertTrue(self.say(connection, "").startswith("a OK [CAPABILITY"))

    def test_wrong_and_cancelled(self) -> None:
        """A wrong password is NO, a cancelled or garbled exchange is BAD; each leaves the connection as it was."""
        connection, _ = self.connect()
        client = ScramClient(NAME, "wrong")
        said = self.say(connection, f"a AUTHENTICATE SCRAM-SHA-256 {base64.b64encode(client.first()).decode()}")
        self.say(connection, base64.b64encode(client.final(base64.b64decode(said[2:]))).decode())
        self.clock.advance(5)
        self.assertIn("a NO [AUTHENTICATIONFAILED]", self.heard(connection))
        self.say(connection, "b AUTHENTICATE SCRAM-SHA-256")
        self.assertIn("b BAD", self.say(connection, "*"))
        self.assertIn("c BAD", self.say(connection, "c AUTHENTICATE SCRAM-SHA-256 bm8="))
        self.assertIn("d OK", self.say(connection, f'd LOGIN {NAME} "{PASSWORD}"'))
