"""Tests of quantummail.imap.progress."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from quantummail.imap import progress
from quantummail.imap.registry import COMMANDS, SELECTED, Command
from tests.imap.case import ImapCase


class ProgressTests(ImapCase):
    """A long command says that it is at work (RFC 9585)."""

    def setUp(self) -> None:
        super().setUp()
        self.connection = self.selected()
        self.work: Deferred[str] = Deferred()

        async def run(session: Any, _arguments: Any) -> str:
            self.session = session
            return await self.work

        self.addCleanup(COMMANDS.__setitem__, "EXPUNGE", COMMANDS["EXPUNGE"])
        COMMANDS["EXPUNGE"] = Command("EXPUNGE", SELECTED, run, True, "", None)

    def test_every_few_seconds(self) -> None:
        """Nothing at first, then a line each interval, until it is done."""
        self.assertEqual(self.say(self.connection, "a EXPUNGE"), "")
        self.clock.advance(progress.INTERVAL - 1)
        self.assertEqual(self.heard(self.connection), "")
        self.clock.advance(1)
        self.assertEqual(self.heard(self.connection), '* OK [INPROGRESS ("a" NIL NIL)] Still at it\r\n')
        self.session.progress.done, self.session.progress.goal = 5, 9
        self.clock.advance(progress.INTERVAL)
        self.assertEqual(self.heard(self.connection), '* OK [INPROGRESS ("a" 5 9)] Still at it\r\n')
        self.work.callback("done")
        self.assertEqual(self.heard(self.connection), "a OK done\r\n")
        self.clock.advance(3 * progress.INTERVAL)
        self.assertEqual(self.heard(self.connection), "")

    def test_not_inside_a_response(self) -> None:
        """Nothing is said between the pieces of a response."""
        self.say(self.connection, "a EXPUNGE")
        self.session.midway = True
        self.clock.advance(progress.INTERVAL)
        self.assertEqual(self.heard(self.connection), "")
        self.session.midway = False
        self.work.callback("done")

    def test_switched_off(self) -> None:
        """Without the capability the command works in silence."""
        self.connection = self.selected(factory=self.listener(disabled=frozenset({"INPROGRESS"})))
        self.say(self.connection, "a EXPUNGE")
        self.clock.advance(progress.INTERVAL)
        self.assertEqual(self.heard(self.connection), "")
        self.work.callback("done")
