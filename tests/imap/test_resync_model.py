"""A client with QRESYNC that hangs up whenever it likes: when it comes back it learns exactly what it has missed."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from quantummail.store import removals
from tests.imap.case import ImapCase
from tests.support.stores import now
from tests.support.transport import MemoryTransport

FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "k1")


class Cache:
    """What a client keeps while it is away (RFC 4549, RFC 7162 section 4)."""

    def __init__(self, case: ImapCase, *, uidonly: bool) -> None:
        self.case = case
        self.uidonly = uidonly
        self.flags: dict[int, frozenset[str]] = {}
        self.numbers: list[int | None] = []
        """The UIDs behind the message numbers, as far as they are known."""
        self.modseq = 0
        self.uidvalidity = 0
        self.complete = 0
        """Up to this UID it has asked for every message. It may know of later ones whose flags have changed."""
        self.connection = case.logged_in()
        self.connect("")

    def connect(self, match: str) -> None:
        """Hang up, come back with what is known."""
        assert isinstance(self.connection.transport, MemoryTransport)
        self.connection.transport.lose()
        self.connection = self.case.logged_in()
        self.command(f"e ENABLE QRESYNC{' UIDONLY' * self.uidonly}")
        parameters = f" (QRESYNC ({self.uidvalidity} {self.modseq}{match}))" if self.modseq else ""
        self.numbers = []
        answer = self.command(f"s SELECT INBOX{parameters}")
        self.uidvalidity = int(re.findall(r"UIDVALIDITY (\d+)", answer)[0])
        # new messages: those that it has not asked for yet
        self.command(f"f UID FETCH {self.complete + 1}:* (UID FLAGS MODSEQ)")
        self.complete = max(self.flags, default=self.complete)
        self.numbers = [*sorted(self.flags)]

    def command(self, text: str) -> str:
        """Say something, and believe every word of the answer."""
        answer = self.case.say(self.connection, text)
        seen, highest = 0, 0
        for line in answer.split("\r\n"):
            if found := re.fullmatch(r"\* VANISHED (?:\(EARLIER\) )?(.*)", line):
                self.vanished(found[1])
            elif re.search(r"\d+ EXPUNGE$", line):
                self.case.fail("VANISHED replaces EXPUNGE")
            elif found := re.fullmatch(r"\* (\d+) EXISTS", line):
                self.numbers += [None] * (int(found[1]) - len(self.numbers))
            elif found := re.search(r"(\d+) UIDFETCH \(|FETCH \(UID (\d+) ", line):
                self.fetched(int(found[1] or found[2]), line)
            seen = max(seen, *map(int, re.findall(r"[( ]MODSEQ \((\d+)\)", line)), 0)
            if told := re.findall(r"\[HIGHESTMODSEQ (\d+)\]", line):
                highest = int(told[0])
        # a code says how far the client knows everything; otherwise what it has seen does
        self.modseq = highest or max(self.modseq, seen)
        return answer

    def vanished(self, ranges: str) -> None:
        for each in ranges.split(","):
            first, _, last = each.partition(":")
            for uid in range(int(first), int(last or first) + 1):
                self.flags.pop(uid, None)
                if uid in self.numbers:
                    self.numbers.remove(uid)
                elif None in self.numbers and uid > max(self.flags, default=0):
                    self.numbers.remove(None)

    def fetched(self, uid: int, line: str) -> None:
        if found := re.search(r"FLAGS \((.*?)\)", line):
            self.flags[uid] = frozenset(found[1].split()) - {"\\Recent"}
        else:
            # its own silent STORE
            self.flags[uid] = self.flags.get(uid, frozenset()) | {"k1"}


class Resync(RuleBasedStateMachine):
    """Random changes, by others and by the client itself."""

    case: ImapCase

    def __init__(self) -> None:
        super().__init__()
        self.case.setUp()
        self.case.patch(removals, "KEPT_TOMBSTONES", 2)
        for _ in range(4):
            self.case.deliver()
        self.other = self.case.selected()
        self.clients = [Cache(self.case, uidonly=False), Cache(self.case, uidonly=True)]

    @rule()
    def deliver(self) -> None:
        self.case.deliver()

    @rule(uid=st.integers(1, 12), sign=st.sampled_from(["+", "-", ""]), flag=st.sampled_from(FLAGS))
    def change(self, uid: int, sign: str, flag: str) -> None:
        self.case.say(self.other, f"a UID STORE {uid} {sign}FLAGS.SILENT ({flag})")

    @rule(first=st.integers(1, 12), more=st.integers(0, 2))
    def remove(self, first: int, more: int) -> None:
        now(self.case.store.messages.remove(
            self.case.user.id, self.case.mailbox_id(), range(first, first + more + 1)))

    @rule(client=st.integers(0, 1), text=st.sampled_from([
        "NOOP", "EXPUNGE", "UID EXPUNGE 1:6", "UID MOVE 3 Trash", "UID STORE 1:5 +FLAGS.SILENT (k1)",
        "UID STORE 2:7 (UNCHANGEDSINCE 9) +FLAGS.SILENT (k1)", "UID STORE 4:8 +FLAGS (\\Deleted)",
        "UID FETCH 1:* (UID FLAGS MODSEQ)", "CHECK",
    ]))
    def act(self, client: int, text: str) -> None:
        self.clients[client].command(f"a {text}")

    @rule(text=st.sampled_from(["FETCH 1 (UID FLAGS MODSEQ)", "STORE 1 +FLAGS (\\Seen)", "SEARCH MODSEQ 1"]))
    def by_number(self, text: str) -> None:
        """Commands that may not tell of expunges."""
        self.clients[0].command(f"a {text}")

    @rule(uid=st.integers(1, 12), other=st.integers(1, 12))
    def leave_at_a_bad_moment(self, uid: int, other: int) -> None:
        """What was shown last is newer than an expunge that could not be told."""
        self.remove(uid, 0)
        self.change(other, "+", "\\Flagged")
        self.by_number("FETCH 1 (UID FLAGS MODSEQ)")
        self.come_back(0, False, False)

    @rule(client=st.integers(0, 1), with_known=st.booleans(), with_match=st.booleans())
    def come_back(self, client: int, with_known: bool, with_match: bool) -> None:
        """Hang up in the middle of everything; come back; know the truth."""
        cache, case = self.clients[client], self.case
        known = sorted(cache.flags)
        match = f" 1:{known[-1]}" if with_known and known else ""
        if with_match and known and not cache.uidonly:
            places = range(0, len(known), 2)
            numbers, uids = [str(place + 1) for place in places], [str(known[place]) for place in places]
            match += f" ({','.join(numbers)} {','.join(uids)})"
        cache.connect(match)
        snapshot = now(case.store.messages.open(case.user.id, case.mailbox_id(), claim_recent=False))
        case.assertEqual(sorted(cache.flags), list(snapshot.uids))
        case.say(self.other, "s NOOP")
        answer = case.say(self.other, "t UID FETCH 1:* (FLAGS)")
        true = {
            int(uid): frozenset(flags.split()) - {"\\Recent"}
            for uid, flags in re.findall(r"UID (\d+) FLAGS \((.*?)\)", answer)
        }
        case.assertEqual(cache.flags, true)

    def teardown(self) -> None:
        self.come_back(0, False, True)
        self.come_back(1, True, False)
        self.case.doCleanups()


class ResyncModelTests(ImapCase):
    """The model."""

    def test_nothing_is_missed(self) -> None:
        """Whatever happens while a client is away, and whenever it went."""
        machine = type("Machine", (Resync,), {"case": self})
        run_state_machine_as_test(machine, settings=settings(
            max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck),
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
        ))
