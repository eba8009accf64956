"""Which capabilities can be switched off."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.cli.capabilities import UserCapabilities, doubts, imap_names
from quantummail.cli.command import CommandFailed
from quantummail.config import parse


class ConfigurationTests(SynchronousTestCase):
    """`disabled_capabilities` of listeners."""

    def test_doubts(self) -> None:
        """What there is not is told, with what may have been meant."""
        config = parse("""
[imap]
listen = 127.0.0.1:143
disabled_capabilities = MOVE, IDEL, literal+, AUTH=LOGIN
[pop3]
listen = 127.0.0.1:110
disabled_capabilities = TOP, MOVE
[submission]
listen = 127.0.0.1:587
disabled_capabilities = DSN, NTLM
""")
        self.assertEqual(doubts(config), [
            "[submission] disabled_capabilities: there is no NTLM",
            "[imap] disabled_capabilities: there is no IDEL, did you mean IDLE?",
            "[pop3] disabled_capabilities: there is no MOVE",
        ])

    def test_all_of_imap(self) -> None:
        """Every extension that IMAP advertises can be switched off, by its name in any case."""
        self.assertLessEqual({"LITERAL+", "LITERAL-", "MOVE", "IDLE", "SASL-IR"}, set(imap_names()))


class ChangeTests(SynchronousTestCase):
    """What an account does without, after the options of the command."""

    def changed(self, before: set[str], **options: str) -> list[str]:
        """The names that are off then."""
        command = UserCapabilities()
        command.update({"disable": None, "enable": None, **options})
        return sorted(command._changed(before))

    def test_disable(self) -> None:
        """Names of all three protocols, in any case."""
        self.assertEqual(self.changed({"MOVE"}, disable="idle, uidl DSN"), ["DSN", "IDLE", "MOVE", "UIDL"])

    def test_enable(self) -> None:
        """Some, or all, also those that nobody knows any more."""
        self.assertEqual(self.changed({"MOVE", "IDLE", "XOLD"}, enable="idle,xold"), ["MOVE"])
        self.assertEqual(self.changed({"MOVE", "IDLE"}, enable="all", disable="DSN"), ["DSN"])

    def test_unknown(self) -> None:
        """What there is not cannot be switched off, nor what matters before the login."""
        for name, said in (("MOVF", "did you mean MOVE"), ("STARTTLS", "before the login"), ("AUTH=PLAIN", "before")):
            with self.assertRaisesRegex(CommandFailed, said):
                self.changed(set(), disable=name)
