"""From what a try has brought to what becomes of each recipient."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from quantummail.delivery.outcome import Delivered, Fate, Result
from quantummail.queue.schedule import Schedule
from quantummail.queue.settling import Verdict, judge
from quantummail.store.outgoing_records import (
    Attempt,
    Claimed,
    OutgoingMessage,
    OutgoingRecipient,
    Settlement,
    State,
)

NOW = 1_000_000.0
DAY = 86400
SCHEDULE = Schedule(random=lambda: 0.5)
DELIVERED, DEFERRED, FAILED = Fate.DELIVERED, Fate.DEFERRED, Fate.FAILED


def recipient(*notify: str, attempts: int = 0, delay_told: bool = False) -> OutgoingRecipient:
    """Bob."""
    return OutgoingRecipient(1, "bob@a.test", "a.test", frozenset(notify), "", attempts, delay_told)


class JudgeTests(SynchronousTestCase):
    """One recipient, one answer."""

    def judge(
        self, one: OutgoingRecipient, fate: Fate, code: int, status: str = "", words: str = "", *, age: int = 0,
        sender: str = "alice@example.test", local: bool = False, relayed: bool = False, warn_always: bool = True,
    ) -> Verdict:
        """What becomes of it."""
        message = OutgoingMessage("m", None, "alice", "submission", sender, 10, created=int(NOW) - age)
        attempt = Attempt(int(NOW), 5, "mx.a.test", "192.0.2.1", "", "", "RCPT TO", code, status, words)
        delivered = Delivered((Result(one, fate, attempt, relayed),))
        return judge(Claimed(message, (one,)), delivered, SCHEDULE, NOW, local=local, warn_always=warn_always)

    def settled(self, verdict: Verdict) -> Settlement:
        """The one settlement."""
        (settlement,) = verdict.settlements
        return settlement

    def test_delivered(self) -> None:
        """Done; nobody hears of it unless they have asked."""
        verdict = self.judge(recipient(), DELIVERED, 250, relayed=True)
        self.assertEqual((self.settled(verdict).state, verdict.relayed, verdict.delivered), (State.DELIVERED, (), ()))

    def test_success_wanted(self) -> None:
        """NOTIFY=SUCCESS: "delivered" for our own, "relayed" where the next server will not tell, otherwise it does.

        RFC 3461 5.2.2 and 5.2.3.
        """
        self.assertEqual(len(self.judge(recipient("SUCCESS"), DELIVERED, 250, local=True).delivered), 1)
        self.assertEqual(len(self.judge(recipient("SUCCESS"), DELIVERED, 250, relayed=True).relayed), 1)
        verdict = self.judge(recipient("SUCCESS"), DELIVERED, 250)
        self.assertEqual((verdict.delivered, verdict.relayed), ((), ()))

    def test_failed(self) -> None:
        """A refusal is told to everybody but those who asked for other things (RFC 3461 4.1)."""
        for notify, told in (((), 1), (("FAILURE",), 1), (("SUCCESS",), 0), (("NEVER",), 0), (("DELAY",), 0)):
            verdict = self.judge(recipient(*notify), FAILED, 550, "5.1.1", "no such user")
            self.assertEqual(len(verdict.failed), told, notify)
            self.assertEqual(self.settled(verdict).state, State.FAILED)

    def test_kinds(self) -> None:
        """Addresses that do not exist are hard bounces and suppressed; policy, and our own mailboxes, are not."""
        hard = self.settled(self.judge(recipient(), FAILED, 550, "5.1.1", "no such user"))
        self.assertEqual((hard.bounce, hard.suppress), ("hard", True))
        policy = self.settled(self.judge(recipient(), FAILED, 550, "5.7.1", "spam"))
        self.assertEqual((policy.bounce, policy.suppress), ("permanent", False))
        ours = self.settled(self.judge(recipient(), FAILED, 550, "5.1.1", "no such user", local=True))
        self.assertEqual((ours.bounce, ours.suppress), ("hard", False))

    def test_deferred(self) -> None:
        """Tried again after the wait; nothing is told before it is late."""
        verdict = self.judge(recipient(), DEFERRED, 451, age=3600)
        settlement = self.settled(verdict)
        self.assertEqual((settlement.state, settlement.due, verdict.delayed), (State.DUE, int(NOW) + 241, ()))

    def test_late(self) -> None:
        """After four hours a warning, once, for those who want it or did not say, if it is on."""
        late = 5 * 3600
        verdict = self.judge(recipient(), DEFERRED, 451, age=late)
        self.assertTrue(self.settled(verdict).delay_told)
        self.assertEqual(len(verdict.delayed), 1)
        for one in (recipient(delay_told=True), recipient("FAILURE"), recipient("NEVER")):
            self.assertEqual(self.judge(one, DEFERRED, 451, age=late).delayed, ())
        self.assertEqual(self.judge(recipient(), DEFERRED, 451, age=late, warn_always=False).delayed, ())
        self.assertEqual(len(self.judge(recipient("DELAY"), DEFERRED, 451, age=late, warn_always=False).delayed), 1)

    def test_given_up(self) -> None:
        """After five days it is given up, with the last answer; that address may be good."""
        verdict = self.judge(recipient(attempts=10), DEFERRED, 451, "4.3.0", "busy", age=6 * DAY)
        settlement = self.settled(verdict)
        self.assertEqual((settlement.state, settlement.bounce, settlement.suppress), (State.FAILED, "transient", False))
        self.assertIn("busy", verdict.failed[0].attempt.answer)

    def test_clock_ahead(self) -> None:
        """A clock that jumps a week ahead bounces nothing before three attempts; one that jumps back, never."""
        self.assertEqual(self.settled(self.judge(recipient(), DEFERRED, 451, age=7 * DAY)).state, State.DUE)
        self.assertEqual(self.settled(self.judge(recipient(attempts=1), DEFERRED, 451, age=7 * DAY)).state, State.DUE)
        self.assertEqual(self.settled(self.judge(recipient(attempts=9), DEFERRED, 451, age=-7 * DAY)).state, State.DUE)

    def test_no_report_on_a_report(self) -> None:
        """With a null reverse-path there is nobody to tell (RFC 3461 6)."""
        verdict = self.judge(recipient("SUCCESS", "FAILURE", "DELAY"), FAILED, 550, sender="")
        self.assertEqual((verdict.failed, self.settled(verdict).state), ((), State.FAILED))
