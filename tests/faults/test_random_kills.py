"""kill -9 at any moment, again and again on the same data, while four kinds of senders work."""

from __future__ import annotations

import random
import time

from tests.faults.case import ROUNDS, FaultCase
from tests.faults.ledger import Ledger
from tests.faults.senders import AppendSender, ChangeSender, LmtpSender, Sender, SmtpSender


class RandomKillTests(FaultCase):
    """The server is killed in the middle of everything."""

    users = ("alice", "bob", "carol", "dave")

    def test_promises_outlive_kills(self) -> None:
        """Every acknowledged message is there, rows are files, UIDs only grow, whatever moment the kill comes."""
        ledger = Ledger(self.server, self.users)
        began = time.monotonic()
        for number in range(ROUNDS):
            senders = self._senders(ledger, f"r{number}")
            for sender in senders:
                sender.start()
            time.sleep(random.uniform(0.02, 0.5))
            self.server.kill()
            for sender in senders:
                sender.join(20)
                self.assertFalse(sender.is_alive(), f"{sender.kind} still waits")
                self.assertIsNone(sender.trouble, f"{sender.kind} in round {number}")
            self.server.start()
            ledger.check()
        print(f"{ROUNDS} kills: {ledger.acknowledged} messages promised, all there, {ledger.copies} twice; "
              f"{(time.monotonic() - began) / ROUNDS:.2f} s a round")

    def _senders(self, ledger: Ledger, mark: str) -> list[Sender]:
        return [
            SmtpSender(ledger, mark, "alice"),
            LmtpSender(ledger, mark, "alice", "bob"),
            AppendSender(ledger, mark, "carol"),
            ChangeSender(ledger, mark, "dave"),
        ]
