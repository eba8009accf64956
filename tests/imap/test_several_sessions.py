"""Three sessions in one mailbox, two of its owner and one of a guest, against a model of what must come of it.

The model knows UIDs, flags and mod-sequences; each client knows what it was told, and believes every word. After every
step the store is compared with the model, and each client is held to what RFC 3501 lets it hear: numbers change only
where they may, news in IDLE come at once, and nobody is told anything between his commands.

``SESSION_ROUNDS=500`` makes it long (`make faults`).
"""

from __future__ import annotations

import os
import re
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from quantummail.imap.server import IMAPConnection
from quantummail.store import flags as store_flags
from tests.imap.shared_case import THERE, SharedCase
from tests.support.stores import now

FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "k1")
# What a guest may have, beyond seeing and reading
RIGHTS = ("", "s", "t", "w", "e", "i", "st", "te", "swite")
ROUNDS = int(os.environ.get("SESSION_ROUNDS", "20"))


class Model:
    """The mailbox as it must be."""

    def __init__(self) -> None:
        self.uidnext = 1
        self.flags: dict[int, frozenset[str]] = {}
        self.rights = "swite"
        """The guest's."""

    def add(self, flags: frozenset[str]) -> None:
        self.flags[self.uidnext] = flags
        self.uidnext += 1

    def allowed(self, flags: frozenset[str]) -> frozenset[str]:
        """Those that the guest may set (RFC 4314 section 4)."""
        return frozenset(
            flag for flag in flags if {"\\Seen": "s", "\\Deleted": "t"}.get(flag, "w") in self.rights)

    def change(self, uid: int, sign: str, flags: frozenset[str], *, guest: bool) -> None:
        before = self.flags[uid]
        if guest:
            flags = self.allowed(flags)
        kept = before - self.allowed(before) if guest else frozenset()
        self.flags[uid] = {"+": before | flags, "-": before - flags, "": kept | flags}[sign]


class Client:
    """One client and what it knows."""

    def __init__(self, case: SharedCase, connection: IMAPConnection, *, guest: bool, qresync: bool) -> None:
        self.case = case
        self.connection = connection
        self.guest = guest
        self.qresync = qresync
        self.uids: list[int | None] = []
        self.flags: list[frozenset[str] | None] = []
        self.modseqs: dict[int, int] = {}
        self.idling = False
        if qresync:
            self.command("q ENABLE QRESYNC")
        self.command(f's SELECT "{THERE}/box"' if guest else "s SELECT box")
        self.learn()

    def command(self, text: str) -> str:
        """Say something, and take in what comes back."""
        return self.take(self.case.say(self.connection, text), text)

    def learn(self) -> None:
        """Ask for what is not known."""
        while None in self.uids:
            answer = self.command(f"f FETCH {self.uids.index(None) + 1}:* (UID FLAGS{' MODSEQ' * self.qresync})")
            if "f NO" in answer:
                # it came and went, and may not be told to have gone before
                self.command("n NOOP")

    def take(self, answer: str, text: str = "") -> str:
        """Read responses as a client does."""
        case = self.case
        case.assertNotIn("SERVERBUG", answer)
        case.assertNotIn("* BYE", answer)
        by_number = re.match(r"\w (FETCH|STORE|SEARCH) ", text)
        for line in answer.split("\r\n"):
            if found := re.fullmatch(r"\* (\d+) EXISTS", line):
                case.assertGreaterEqual(int(found[1]), len(self.uids), "EXISTS never shrinks a mailbox")
                self.uids += [None] * (int(found[1]) - len(self.uids))
                self.flags += [None] * (len(self.uids) - len(self.flags))
            elif found := re.fullmatch(r"\* (?:(\d+) EXPUNGE|VANISHED (\S+))", line):
                case.assertIsNone(by_number, "numbers stay as they are while they are in use")
                case.assertEqual(bool(found[2]), self.qresync)
                self.gone(found)
            elif found := re.fullmatch(r"\* (\d+) FETCH \((.*)\)", line):
                self.fetched(int(found[1]) - 1, found[2])
        return answer

    def gone(self, found: re.Match[str]) -> None:
        if found[1]:
            del self.uids[int(found[1]) - 1], self.flags[int(found[1]) - 1]
            return
        for each in found[2].split(","):
            first, _, last = each.partition(":")
            for uid in range(int(first), int(last or first) + 1):
                # what has just come, and was not asked for, has no UID yet
                place = self.uids.index(uid if uid in self.uids else None)
                del self.uids[place], self.flags[place]

    def fetched(self, place: int, items: str) -> None:
        if found := re.search(r"UID (\d+)", items):
            self.case.assertIn(self.uids[place], (None, int(found[1])), "a number keeps its message")
            self.uids[place] = int(found[1])
        if found := re.search(r"FLAGS \((.*?)\)", items):
            self.flags[place] = frozenset(found[1].split()) - {"\\Recent"}
        uid = self.uids[place]
        if uid is not None and (found := re.search(r"MODSEQ \((\d+)\)", items)):
            self.case.assertGreaterEqual(int(found[1]), self.modseqs.get(uid, 0), "a mod-sequence never falls")
            self.modseqs[uid] = int(found[1])


class Sessions(RuleBasedStateMachine):
    """Random commands in random order."""

    case: SharedCase

    def __init__(self) -> None:
        super().__init__()
        case = self.case
        case.setUp()
        self.model = Model()
        self.modseqs: dict[int, int] = {}
        self.highest = 0
        case.give("lr" + self.model.rights)
        self.clients = [
            Client(case, case.logged_in(), guest=False, qresync=False),
            Client(case, case.logged_in(), guest=False, qresync=True),
            Client(case, case.guest(), guest=True, qresync=False),
        ]

    def ready(self, index: int) -> Client:
        client = self.clients[index]
        if client.idling:
            client.idling = False
            client.command("DONE")
        client.learn()
        return client

    def may(self, client: Client, rights: str) -> bool:
        return not client.guest or all(right in self.model.rights for right in rights)

    # What clients do.

    @rule(flags=st.frozensets(st.sampled_from(FLAGS)))
    def deliver(self, flags: frozenset[str]) -> None:
        mask, keywords = store_flags.split(flags)
        self.case.deliver(mailbox="box", flags=mask, keywords=tuple(keywords))
        self.model.add(flags)

    @rule(index=st.integers(0, 2), flags=st.frozensets(st.sampled_from(FLAGS)))
    def append(self, index: int, flags: frozenset[str]) -> None:
        client = self.ready(index)
        name = f'"{THERE}/box"' if client.guest else "box"
        answer = client.command(f"a APPEND {name} ({' '.join(flags)}) {{3+}}\r\nabc")
        if not self.may(client, "i"):
            self.case.assertIn("a NO [NOPERM]", answer)
            return
        self.case.assertIn("a OK [APPENDUID", answer)
        self.model.add(self.model.allowed(flags) if client.guest else flags)

    @rule(index=st.integers(0, 2), data=st.data(), sign=st.sampled_from(["+", "-", ""]), silent=st.booleans(),
          flags=st.frozensets(st.sampled_from(FLAGS), min_size=1), uid=st.booleans(), late=st.booleans())
    def store(
        self, index: int, data: st.DataObject, sign: str, silent: bool, flags: frozenset[str], uid: bool, late: bool
    ) -> None:
        """STORE, by number or UID, perhaps only if nobody has changed the message since the client saw it."""
        client = self.ready(index)
        if not client.uids:
            return
        place = data.draw(st.integers(0, len(client.uids) - 1))
        number = client.uids[place]
        assert number is not None
        since = client.modseqs.get(number) if client.qresync and late else None
        condition = "" if since is None else f"(UNCHANGEDSINCE {since}) "
        answer = client.command(f"a {'UID ' * uid}STORE {number if uid else place + 1} {condition}{sign}FLAGS"
                                f"{'.SILENT' * silent} ({' '.join(flags)})")
        if silent and number in client.uids:
            # which of the flags could be set is not told; numbers may have changed
            client.flags[client.uids.index(number)] = None
        self.stored(client, answer, number, uid=uid, silent=silent, since=since, sign=sign, flags=flags)

    def stored(
        self, client: Client, answer: str, number: int, *, uid: bool, silent: bool, since: int | None, sign: str,
        flags: frozenset[str],
    ) -> None:
        case, model = self.case, self.model
        if client.guest and not (model.allowed(flags) if sign else model.allowed(frozenset(FLAGS))):
            case.assertIn("a NO [NOPERM]", answer)
        elif number not in model.flags:
            # RFC 2180 4.2.1, 4.2.2
            case.assertIn("a OK" if uid or silent else "a NO [EXPUNGEISSUED]", answer)
        elif since is not None and self.modseqs[number] > since:
            # no update is lost
            case.assertIn("a OK [MODIFIED ", answer)
        else:
            case.assertIn("a OK", answer)
            case.assertNotIn("MODIFIED", answer)
            model.change(number, sign, flags, guest=client.guest)

    @rule(index=st.integers(0, 2), only=st.booleans(), first=st.integers(1, 20), more=st.integers(0, 5))
    def expunge(self, index: int, only: bool, first: int, more: int) -> None:
        client = self.ready(index)
        known = set(client.uids)
        answer = client.command(f"a UID EXPUNGE {first}:{first + more}" if only else "a EXPUNGE")
        if not self.may(client, "e"):
            self.case.assertIn("a NO [NOPERM]", answer)
            return
        self.case.assertIn("a OK", answer)
        for uid, flags in list(self.model.flags.items()):
            if "\\Deleted" in flags and (not only or (uid in known and first <= uid <= first + more)):
                del self.model.flags[uid]

    @rule(index=st.integers(0, 2), data=st.data(), move=st.booleans())
    def copy(self, index: int, data: st.DataObject, move: bool) -> None:
        """COPY within the mailbox, or MOVE away: to another account if it is the guest who does it."""
        client = self.ready(index)
        if not client.uids:
            return
        uid = data.draw(st.sampled_from(client.uids))
        assert uid is not None
        there = f'"{THERE}/box"' if client.guest else "box"
        answer = client.command(f"a UID MOVE {uid} Trash" if move else f"a UID COPY {uid} {there}")
        if not self.may(client, "te" if move else "i"):
            self.case.assertIn("a NO [NOPERM]", answer)
            return
        self.case.assertIn("a OK", answer)
        flags = self.model.flags.get(uid)
        if flags is None:
            return
        if move:
            del self.model.flags[uid]
        else:
            self.model.add(self.model.allowed(flags) if client.guest else flags)

    @rule(index=st.integers(0, 2), how=st.sampled_from(
        ["FETCH 1:* FLAGS", "UID FETCH 1:* FLAGS", "SEARCH ALL", "UID SEARCH FLAGGED", "CHECK", "NOOP",
         "UID FETCH 1:* BODY.PEEK[]", "FETCH 1:* (FLAGS INTERNALDATE)"]))
    def look(self, index: int, how: str) -> None:
        client = self.ready(index)
        if client.uids:
            self.case.assertRegex(client.command(f"a {how}"), r"(?m)^a (OK|NO \[EXPUNGEISSUED\])")

    @rule(index=st.integers(0, 2))
    def search(self, index: int) -> None:
        """What SEARCH finds are messages that the client knows, and those that are there have the flag."""
        client = self.ready(index)
        found = re.search(r"\* SEARCH(.*)\r", client.command("a SEARCH FLAGGED"))
        assert found is not None
        numbers = [int(number) for number in found[1].split()]
        client.learn()
        known = [client.uids[number - 1] for number in numbers]
        flagged = [uid for uid, flags in self.model.flags.items() if "\\Flagged" in flags]
        self.case.assertEqual([uid for uid in known if uid in self.model.flags],
                              [uid for uid in flagged if uid in client.uids])

    @rule(index=st.integers(0, 2))
    def idle(self, index: int) -> None:
        client = self.ready(index)
        client.command("i IDLE")
        client.idling = True

    @rule(rights=st.sampled_from(RIGHTS))
    def allow(self, rights: str) -> None:
        """The owner lets the guest do more, or less."""
        self.model.rights = rights
        self.case.give("lr" + rights)

    @rule(index=st.integers(0, 2))
    def compare(self, index: int) -> None:
        """After NOOP a client knows what there is."""
        client = self.ready(index)
        client.command("a NOOP")
        client.learn()
        self.knows(client)

    # What must always hold.

    @invariant()
    def holds(self) -> None:
        for client in self.clients:
            heard = client.take(self.case.heard(client.connection))
            if client.idling:
                self.knows(client)
            else:
                self.case.assertEqual(heard, "", "nothing is said while no command is in progress")
        self.true()

    def knows(self, client: Client) -> None:
        """All messages, by their numbers; of flags what it was told is right."""
        case, model = self.case, self.model
        case.assertEqual(len(client.uids), len(model.flags))
        for known, told, (uid, flags) in zip(client.uids, client.flags, model.flags.items(), strict=True):
            case.assertIn(known, (None, uid))
            case.assertIn(told, (None, flags))

    def true(self) -> None:
        """The store has what the model has; a mod-sequence has grown where something has changed, and only there."""
        case, model = self.case, self.model
        box = now(case.store.mailboxes.find(case.user.id, "box"))
        assert box is not None
        snapshot = now(case.store.messages.open(case.user.id, box.id, claim_recent=False))
        messages = now(case.store.messages.fetch(case.user.id, box.id, snapshot.uids))
        flags = {
            one.uid: frozenset(store_flags.names(one.flags, snapshot.keywords)) for one in messages}
        case.assertEqual(flags, model.flags)
        case.assertEqual((box.uidnext, box.messages), (model.uidnext, len(model.flags)))
        modseqs = {one.uid: one.modseq for one in messages}
        for uid, modseq in modseqs.items():
            before = self.modseqs.get(uid)
            if before != modseq:
                case.assertGreater(modseq, self.highest, "what is new is above all that was there")
            case.assertLessEqual(modseq, box.highestmodseq)
        if modseqs != self.modseqs:
            case.assertGreater(box.highestmodseq, self.highest)
        self.modseqs, self.highest = modseqs, box.highestmodseq

    def teardown(self) -> None:
        for index in range(3):
            self.compare(index)
        self.case.doCleanups()


class SeveralSessionsTests(SharedCase):
    """The model."""

    def test_never_apart(self) -> None:
        """Whatever the three do, each of them ends with the truth."""
        machine: Any = type("Machine", (Sessions,), {"case": self})
        run_state_machine_as_test(machine, settings=settings(
            max_examples=ROUNDS, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck),
            # a failure is short enough as it comes, and shrinking would take minutes
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
        ))
