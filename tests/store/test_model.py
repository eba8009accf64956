"""The store against a model of it: whatever is done in whatever order, rows, counters, numbers and files agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, select
from twisted.trial.unittest import SynchronousTestCase

from quantummail.message.ids import new_id
from quantummail.store import removals
from quantummail.store.errors import AlreadyExists, NotAllowed
from quantummail.store.flags import DELETED, SEEN, names
from quantummail.store.letters import letters_of
from quantummail.store.letters import read as read_letters
from quantummail.store.maildir import DISK_MASK, split_info
from quantummail.store.records import Mailbox
from quantummail.store.storing import NewMessage, Target
from quantummail.store.tables import contents, messages
from quantummail.store.tables import removals as removals_table
from tests.support.places import temporary_directory
from tests.support.stores import make_store, make_user, now

BOXES = ["INBOX", "Trash", "a", "a/b", "b"]
KEYWORDS = ["$One", "two", "THREE"]
_LETTERS = {1: "S", 2: "R", 4: "F", 8: "T", 16: "D"}


@dataclass
class ModelMessage:
    """A message as the model knows it."""

    octets: bytes
    flags: int
    keywords: frozenset[str]


@dataclass
class ModelBox:
    """A mailbox as the model knows it."""

    messages: dict[int, ModelMessage] = field(default_factory=dict)
    highest: int = 0
    """The highest UID ever seen under this UIDVALIDITY."""
    modseq: int = 0
    uidvalidity: int = 0


class StoreMachine(RuleBasedStateMachine):
    """Does things to one account and to the model."""

    def __init__(self) -> None:
        super().__init__()
        self.case = SynchronousTestCase()
        self.directory = temporary_directory(self.case)
        self.store = make_store(self.case, self.directory)
        self.user = make_user(self.store)
        self.maildir = self.directory / "mail/example.test/alice"
        self.model: dict[str, ModelBox] = {name: ModelBox() for name in self.boxes()}
        self.validities: set[int] = set()
        self.count = 0

    def teardown(self) -> None:
        """Remove everything."""
        now(self.store.stop())
        self.case.doCleanups()

    def boxes(self) -> dict[str, Mailbox]:
        """The mailboxes as they are."""
        return {box.name: box for box in now(self.store.mailboxes.list(self.user.id))}

    def octets(self) -> bytes:
        """A new message."""
        self.count += 1
        return b"Subject: %d\r\n\r\n%s\r\n" % (self.count, b"x" * (self.count % 7))

    def present(self, name: str, picked: set[int]) -> list[int]:
        """UIDs of a mailbox, picked by their places."""
        known = sorted(self.model[name].messages)
        return sorted({known[place % len(known)] for place in picked}) if known else []

    # Rules.

    @initialize()
    def first(self) -> None:
        """Something is there."""
        self.append("INBOX", 0, set())

    @rule(name=st.sampled_from(BOXES), flags=st.integers(0, 31), keywords=st.sets(st.sampled_from(KEYWORDS)))
    def append(self, name: str, flags: int, keywords: set[str]) -> None:
        """APPEND."""
        if name not in self.model:
            return
        octets = self.octets()
        body = self.store.bodies.spooled()
        now(body.write(octets))
        appended = now(self.store.messages.append(
            self.user.id, self.boxes()[name].id, body, flags=flags, keywords=sorted(keywords), internal_date=None))
        self.arrive(name, appended.uid, ModelMessage(octets, flags, frozenset(keywords)))

    def arrive(self, name: str, uid: int, message: ModelMessage) -> None:
        """A message is there."""
        box = self.model[name]
        assert uid > box.highest, "UIDs only grow"
        box.highest = uid
        box.messages[uid] = message

    @rule()
    def deliver(self) -> None:
        """A delivery into several mailboxes at once."""
        octets = self.octets()
        body = self.store.bodies.spooled()
        now(body.write(octets))
        found = self.boxes()
        targets = [
            Target(self.user.id, found[name].id, self.folder(name)) for name in ("INBOX", "Trash") if name in found]
        for name, outcome in zip(
            ("INBOX", "Trash"), now(self.store.messages.deliver(targets, NewMessage(new_id(), b"X: y\r\n"), body)),
            strict=False,
        ):
            assert not isinstance(outcome, Exception), outcome
            self.arrive(name, outcome.uid, ModelMessage(b"X: y\r\n" + octets, 0, frozenset()))
        body.discard()

    def folder(self, name: str) -> str:
        """A mailbox's directory below the root."""
        return "example.test/alice" + ("" if name == "INBOX" else f"/.{name.replace('/', '.')}")

    @rule(
        name=st.sampled_from(BOXES), picked=st.sets(st.integers(0, 9), max_size=4),
        operation=st.sampled_from(["add", "remove", "replace"]), flags=st.integers(0, 31),
        keywords=st.sets(st.sampled_from(KEYWORDS)),
    )
    def set_flags(self, name: str, picked: set[int], operation: Any, flags: int, keywords: set[str]) -> None:
        """STORE."""
        if name not in self.model:
            return
        uids = self.present(name, picked)
        now(self.store.messages.set_flags(
            self.user.id, self.boxes()[name].id, uids, operation, flags, sorted(keywords)))
        for uid in uids:
            message = self.model[name].messages[uid]
            if operation == "add":
                message.flags |= flags
                message.keywords |= keywords
            elif operation == "remove":
                message.flags &= ~flags
                message.keywords -= keywords
            else:
                message.flags, message.keywords = flags, frozenset(keywords)

    @rule(
        source=st.sampled_from(BOXES), destination=st.sampled_from(BOXES),
        picked=st.sets(st.integers(0, 9), max_size=4), move=st.booleans(),
    )
    def copy(self, source: str, destination: str, picked: set[int], move: bool) -> None:
        """COPY and MOVE."""
        if source not in self.model or destination not in self.model:
            return
        found = self.boxes()
        uids = self.present(source, picked)
        work = self.store.messages.move if move else self.store.messages.copy
        copied = now(work(self.user.id, found[source].id, uids, found[destination].id))
        assert copied.source_uids == tuple(uids)
        for old, new in zip(copied.source_uids, copied.destination_uids, strict=True):
            message = self.model[source].messages[old]
            self.arrive(destination, new, ModelMessage(message.octets, message.flags, message.keywords))
            if move:
                del self.model[source].messages[old]

    @rule(name=st.sampled_from(BOXES), picked=st.none() | st.sets(st.integers(0, 9), max_size=4), forced=st.booleans())
    def expunge(self, name: str, picked: set[int] | None, forced: bool) -> None:
        """EXPUNGE, UID EXPUNGE, and POP3's QUIT."""
        if name not in self.model:
            return
        known = self.model[name].messages
        uids = None if picked is None else self.present(name, picked)
        box_id = self.boxes()[name].id
        if forced and uids is not None:
            gone = now(self.store.messages.remove(self.user.id, box_id, uids))
            assert list(gone) == uids
        else:
            gone = now(self.store.messages.expunge(self.user.id, box_id, uids))
            assert list(gone) == [
                uid for uid in sorted(known) if known[uid].flags & DELETED and (uids is None or uid in uids)]
        for uid in gone:
            del known[uid]

    @rule(name=st.sampled_from(BOXES))
    def create(self, name: str) -> None:
        """CREATE."""
        try:
            made = now(self.store.mailboxes.create(self.user.id, name))
        except AlreadyExists:
            assert name in self.model
            return
        assert name not in self.model
        assert made.uidvalidity not in self.validities, "no mailbox had it before"
        for level in ("a", name):
            if name.startswith(level):
                self.model.setdefault(level, ModelBox())

    @rule(name=st.sampled_from(BOXES[1:]))
    def delete(self, name: str) -> None:
        """DELETE."""
        if name in self.model:
            now(self.store.mailboxes.delete(self.user.id, name))
            del self.model[name]

    @rule(old=st.sampled_from(BOXES), new=st.sampled_from(BOXES))
    def rename(self, old: str, new: str) -> None:
        """RENAME."""
        if old not in self.model:
            return
        moved = {name: new + name.removeprefix(old) for name in self.model if f"{name}/".startswith(f"{old}/")}
        try:
            now(self.store.mailboxes.rename(self.user.id, old, new))
        except (AlreadyExists, NotAllowed):
            assert any(name in self.model for name in moved.values()) or new.startswith(f"{old}/")
            return
        if new == "a/b":
            self.model.setdefault("a", ModelBox())
        if old == "INBOX":
            self.model[new] = ModelBox()
            # numbered anew there
            for uid, message in zip(
                self.snapshot(new), [self.model[old].messages.pop(uid) for uid in sorted(self.model[old].messages)],
                strict=True,
            ):
                self.arrive(new, uid, message)
        else:
            self.model.update({target: self.model.pop(name) for name, target in moved.items()})

    def snapshot(self, name: str) -> list[int]:
        """UIDs as the store has them."""
        return list(now(self.store.messages.open(self.user.id, self.boxes()[name].id, claim_recent=False)).uids)

    @rule(name=st.sampled_from(BOXES), flags=st.none() | st.integers(0, 31), bare_lf=st.booleans())
    def adopt(self, name: str, flags: int | None, bare_lf: bool) -> None:
        """Another program leaves a message."""
        if name not in self.model:
            return
        octets = self.octets()
        letters = "".join(sorted(letter for bit, letter in _LETTERS.items() if (flags or 0) & bit))
        part = f"new/{self.count}.other" if flags is None else f"cur/{self.count}.other:2,{letters}"
        path = self.directory / "mail" / self.folder(name) / part
        path.write_bytes(octets.replace(b"\r\n", b"\n") if bare_lf else octets)
        before = set(self.snapshot(name))
        self.scan()
        (uid,) = set(self.snapshot(name)) - before
        self.arrive(name, uid, ModelMessage(octets, flags or 0, frozenset()))

    @rule()
    def scan(self) -> None:
        """A look through the tree finds nothing that is not known, and nothing wrong."""
        findings = now(self.store.adoption.scan(self.user.id, self.user.address, full=True))
        assert findings.errors == []
        assert (findings.vanished, findings.flags) == (0, 0)

    @rule()
    def reopen(self) -> None:
        """The store is closed and opened."""
        now(self.store.stop())
        self.store = make_store(self.case, self.directory)

    @rule()
    def mirror(self) -> None:
        """File names catch up: the tree tells what the rows tell."""
        now(self.store.mirror.catch_up())
        assert self.rows(removals_table.c.id) == []
        for name, box in self.model.items():
            directory = self.directory / "mail" / self.folder(name)
            letters = read_letters(str(directory))
            told = [split_info(path.name)[1] for path in (directory / "cur").iterdir()]
            found = [
                (on_disk & DISK_MASK, sorted(name.lower() for name in letters.keywords(letters_of(on_disk))))
                for on_disk in (*told, *(0 for _ in (directory / "new").iterdir()))]
            wanted = [
                (message.flags, sorted(name.lower() for name in message.keywords))
                for message in box.messages.values()]
            assert sorted(found) == sorted(wanted)
            assert list((directory / "tmp").iterdir()) == []

    # What is always so.

    def rows(self, *columns: Any) -> list[Any]:
        """Rows of a table."""

        async def read() -> list[Any]:
            def read_txn(connection: Connection) -> list[Any]:
                return list(connection.execute(select(*columns)))

            return await self.store.database.run(read_txn)

        return now(read())

    @invariant()
    def same_mailboxes(self) -> None:
        """The mailboxes, their messages and counters are those of the model; numbers only grow."""
        found = self.boxes()
        assert found.keys() == self.model.keys()
        for name, box in found.items():
            known = self.model[name]
            snapshot = now(self.store.messages.open(self.user.id, box.id, claim_recent=False))
            assert list(snapshot.uids) == sorted(known.messages)
            assert box.uidnext > known.highest
            assert box.highestmodseq >= known.modseq
            known.modseq = box.highestmodseq
            assert known.uidvalidity in (0, box.uidvalidity)
            known.uidvalidity = box.uidvalidity
            self.validities.add(box.uidvalidity)
            values = known.messages.values()
            assert box.messages == len(values)
            assert box.unseen == sum(not message.flags & SEEN for message in values)
            assert box.deleted == sum(bool(message.flags & DELETED) for message in values)
            assert box.size == sum(len(message.octets) for message in values)

    @invariant()
    def same_messages(self) -> None:
        """Every message has its octets, its contents, its flags and its keywords."""
        for name, box in self.boxes().items():
            known = self.model[name].messages
            keywords = now(self.store.messages.open(self.user.id, box.id, claim_recent=False)).keywords
            for message in now(self.store.messages.fetch(self.user.id, box.id, sorted(known), contents=True)):
                wanted = known[message.uid]
                assert message.contents is not None
                assert message.flags & DISK_MASK == wanted.flags
                assert {flag for flag in names(message.flags, keywords) if flag[0] != "\\"} == wanted.keywords
                assert message.modseq <= box.highestmodseq

                async def read(message: Any = message) -> bytes:
                    return await self.store.bodies.read(message)

                assert now(read()) == wanted.octets

    @invariant()
    def same_usage(self) -> None:
        """The quota counts what is there, and there are contents for each message and no others."""
        octets = [message.octets for box in self.model.values() for message in box.messages.values()]
        quota = now(self.store.mailboxes.quota(self.user.id))
        assert (quota.used_messages, quota.used_bytes) == (len(octets), sum(map(len, octets)))
        assert {row.email_id for row in self.rows(messages.c.email_id)} == {
            row.email_id for row in self.rows(contents.c.email_id)}


class ModelTests(SynchronousTestCase):
    """The machine above."""

    def test_agrees(self) -> None:
        """The store does what the model does."""
        self.patch(removals, "KEPT_TOMBSTONES", 3)
        run_state_machine_as_test(StoreMachine, settings=settings(
            max_examples=15, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)))
