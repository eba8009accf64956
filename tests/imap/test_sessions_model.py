"""Three sessions on one mailbox against what their clients know: numbers, UIDs and flags never come apart."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from quantummail.imap.server import IMAPConnection
from tests.imap.case import ImapCase
from tests.support.stores import now

SESSIONS = 3
FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "k1", "k2")


class Client:
    """A client that believes every word of the server (RFC 3501 section 7)."""

    def __init__(self, case: ImapCase, connection: IMAPConnection) -> None:
        self.case = case
        self.connection = connection
        self.flags: list[frozenset[str] | None] = []
        """What it knows of each message; None: not told yet."""
        self.idling = False
        self.command("s SELECT INBOX")

    def command(self, text: str) -> str:
        """Say something, and take in what comes back."""
        return self.take(self.case.say(self.connection, text), text)

    def take(self, answer: str, text: str = "") -> str:
        """Read responses as a client does."""
        by_number = re.match(r"\w (FETCH|STORE|SEARCH) ", text)
        for line in answer.split("\r\n"):
            if found := re.fullmatch(r"\* (\d+) EXISTS", line):
                self.case.assertGreaterEqual(int(found[1]), len(self.flags), "EXISTS never shrinks a mailbox")
                if text.startswith("s SELECT"):
                    self.flags = []
                self.flags += [None] * (int(found[1]) - len(self.flags))
            elif found := re.fullmatch(r"\* (\d+) EXPUNGE", line):
                self.case.assertIsNone(by_number, "no EXPUNGE while numbers are in use")
                del self.flags[int(found[1]) - 1]
            elif found := re.match(r"\* (\d+) FETCH \(.*FLAGS \((.*?)\)", line):
                self.flags[int(found[1]) - 1] = frozenset(found[2].split()) - {"\\Recent"}
        return answer


class Sessions(RuleBasedStateMachine):
    """Random commands in random order."""

    case: ImapCase

    def __init__(self) -> None:
        super().__init__()
        self.case.setUp()
        self.clients = [Client(self.case, self.case.logged_in()) for _ in range(SESSIONS)]

    @rule(flags=st.sets(st.sampled_from(FLAGS)))
    def deliver(self, flags: set[str]) -> None:
        self.case.deliver(flags=1 if "\\Seen" in flags else 0, keywords=tuple(one for one in flags if one[0] == "k"))
        self.hear()

    def hear(self) -> None:
        for client in self.clients:
            heard = client.take(self.case.heard(client.connection))
            self.case.assertTrue(client.idling or not heard, "nothing is said while no command is in progress")

    def ready(self, index: int) -> Client:
        client = self.clients[index]
        if client.idling:
            client.idling = False
            client.command("DONE")
        return client

    @rule(index=st.integers(0, SESSIONS - 1), data=st.data(), sign=st.sampled_from(["+", "-", ""]),
          silent=st.booleans(), flag=st.sampled_from(FLAGS), uid=st.booleans())
    def store(self, index: int, data: st.DataObject, sign: str, silent: bool, flag: str, uid: bool) -> None:
        client = self.ready(index)
        if not client.flags:
            return
        number = data.draw(st.integers(1, len(client.flags)))
        item = f"{sign}FLAGS{'.SILENT' * silent}"
        answer = client.command(f"a STORE {number} {item} ({flag})")
        known = client.flags[number - 1]
        if silent and "a OK" in answer and known is not None:
            # what a client does that is not told: it believes its own command
            client.flags[number - 1] = {"+": known | {flag}, "-": known - {flag}, "": frozenset({flag})}[sign]
        self.hear()
        if uid:
            client.command("b NOOP")

    @rule(index=st.integers(0, SESSIONS - 1), how=st.sampled_from(["EXPUNGE", "UID EXPUNGE 1:*", "UID MOVE 1 Trash"]))
    def expunge(self, index: int, how: str) -> None:
        self.ready(index).command(f"a {how}")
        self.hear()

    @rule(index=st.integers(0, SESSIONS - 1), how=st.sampled_from(
        ["FETCH 1:* FLAGS", "SEARCH ALL", "UID SEARCH SEEN", "UID FETCH 1:* FLAGS", "UID COPY 1:2 INBOX", "CHECK"]))
    def look(self, index: int, how: str) -> None:
        self.ready(index).command(f"a {how}")
        self.hear()

    @rule(index=st.integers(0, SESSIONS - 1))
    def idle(self, index: int) -> None:
        client = self.ready(index)
        client.command("i IDLE")
        client.idling = True

    @precondition(lambda self: self.clients)
    @rule(index=st.integers(0, SESSIONS - 1))
    def compare(self, index: int) -> None:
        """After NOOP a client knows what the store knows."""
        client = self.ready(index)
        client.command("a NOOP")
        case = self.case
        snapshot = now(case.store.messages.open(case.user.id, case.mailbox_id(), claim_recent=False))
        believed = list(client.flags)
        answer = client.command("b FETCH 1:* (UID FLAGS)") if believed else ""
        uids = [int(uid) for uid in re.findall(r"FETCH \(UID (\d+)", answer)]
        case.assertEqual(uids, list(snapshot.uids))
        case.assertEqual(len(believed), len(uids))
        for known, true in zip(believed, client.flags, strict=True):
            case.assertIn(known, (None, true))

    def teardown(self) -> None:
        for index in range(SESSIONS):
            self.compare(index)
        self.case.doCleanups()


class SessionsTests(ImapCase):
    """The model."""

    def test_never_apart(self) -> None:
        """Whatever three clients do, each of them ends with the truth."""
        machine = type("Machine", (Sessions,), {"case": self})
        run_state_machine_as_test(machine, settings=settings(
            max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck),
            # a failure is short enough as it comes, and shrinking would take minutes
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
        ))
