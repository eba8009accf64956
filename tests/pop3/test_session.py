"""Where a session is, and what may be said there."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.pop3.session import Session, State

BEFORE = ("USER", "AUTH", "STLS", "UTF8")
AFTER = ("STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "RSET", "NOOP")


def session(*, tls: bool = False, stls: bool = True, plaintext: bool = True, disabled: str = "") -> Session:
    """A new session."""
    return Session(tls=tls, stls=stls, plaintext=plaintext, mechanisms=lambda: ("PLAIN", "LOGIN"),
                   disabled=frozenset(disabled.split()))


class SwitchTests(SynchronousTestCase):
    """Capabilities that are switched off."""

    def test_for_all(self) -> None:
        """What is switched off is neither listed nor taken."""
        off = session(disabled="TOP USER UTF8 EXPIRE SASL STLS LANG")
        self.assertEqual(off.capabilities(), [
            "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "IMPLEMENTATION QuantumMail"])
        self.assertEqual({off.refusal(verb) for verb in ("USER", "AUTH", "STLS", "UTF8", "LANG")}, {
            "this command is switched off"})

    def test_for_one(self) -> None:
        """An account does without more, from its login on."""
        one = session(disabled="TOP")
        self.assertIsNone(one.refusal("USER"))
        one.entered(frozenset({"UIDL"}))
        self.assertEqual([verb for verb in ("TOP", "UIDL", "RETR") if one.refusal(verb)], ["TOP", "UIDL"])


class LegalityTests(SynchronousTestCase):
    """RFC 1939 3 to 6."""

    def legal(self, of: Session, *verbs: str) -> list[str]:
        """Those of the commands that are legal now."""
        return [verb for verb in verbs if of.refusal(verb) is None]

    def test_authorization(self) -> None:
        """Before the login: nothing of the maildrop."""
        self.assertEqual(self.legal(session(), *BEFORE, *AFTER, "CAPA", "QUIT"), [*BEFORE, "CAPA", "QUIT"])

    def test_transaction(self) -> None:
        """After it: nothing of the login."""
        after = session()
        after.entered()
        self.assertEqual(self.legal(after, *BEFORE, "PASS", *AFTER, "CAPA", "QUIT"), [*AFTER, "CAPA", "QUIT"])

    def test_update(self) -> None:
        """After QUIT: nothing."""
        done = session()
        done.state = State.UPDATE
        self.assertEqual(self.legal(done, *BEFORE, *AFTER, "CAPA", "QUIT", "PASS"), [])

    def test_password_without_tls(self) -> None:
        """Without TLS no password, unless the listener says so; with TLS always."""
        clear = session(plaintext=False)
        self.assertEqual(self.legal(clear, "USER", "PASS", "AUTH"), [])
        clear.secured()
        self.assertEqual(self.legal(clear, "USER", "AUTH"), ["USER", "AUTH"])

    def test_password_first(self) -> None:
        """PASS follows USER, and only once."""
        start = session()
        self.assertEqual(start.refusal("PASS"), "USER comes first")
        start.username = "alice"
        self.assertIsNone(start.refusal("PASS"))
        start.failed()
        self.assertEqual(start.refusal("PASS"), "USER comes first")

    def test_stls(self) -> None:
        """STLS once, where there is a certificate, and before UTF8."""
        self.assertIsNone(session().refusal("STLS"))
        self.assertIsNotNone(session(tls=True).refusal("STLS"))
        self.assertIsNotNone(session(stls=False).refusal("STLS"))
        spoken = session()
        spoken.utf8 = True
        self.assertIsNotNone(spoken.refusal("STLS"))

    def test_secured(self) -> None:
        """TLS forgets what was said before (RFC 2595 4)."""
        start = session()
        start.username, start.utf8 = "mallory", True
        start.secured()
        self.assertEqual((start.username, start.utf8, start.tls), ("", False, True))


class CapabilityTests(SynchronousTestCase):
    """RFC 2449 6."""

    ALWAYS = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "UTF8 USER", "LANG",
              "IMPLEMENTATION QuantumMail"]

    def test_clear(self) -> None:
        """Without TLS: STLS, and no way to log in."""
        self.assertEqual(session(plaintext=False).capabilities(), [*self.ALWAYS, "STLS"])

    def test_clear_on_loopback(self) -> None:
        """Where passwords may be sent in the clear both are there."""
        self.assertEqual(session().capabilities(), [*self.ALWAYS, "USER", "SASL PLAIN LOGIN", "STLS"])

    def test_tls(self) -> None:
        """With TLS: no STLS any more."""
        self.assertEqual(session(tls=True).capabilities(), [*self.ALWAYS, "USER", "SASL PLAIN LOGIN"])

    def test_after_login(self) -> None:
        """After the login TLS cannot begin."""
        after = session()
        after.entered()
        self.assertNotIn("STLS", after.capabilities())
