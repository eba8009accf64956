"""No query of everyday work reads a whole table or mailbox: what SQLite says about how it answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import event
from twisted.trial.unittest import SynchronousTestCase

from quantummail.store.flags import SEEN
from tests.store.messages import append, box
from tests.support.stores import make_store, make_user, now

# Tables that are small, or that a list of everything is asked of
_MAY_SCAN = re.compile(r"SCAN (domains|pairing|accounts|aliases|removals)\b")


class PlanTests(SynchronousTestCase):
    """Statements that are run while work is done."""

    def setUp(self) -> None:
        self.store = make_store(self)
        self.user = make_user(self.store)
        self.inbox = box(self.store, self.user.id)
        for _ in range(3):
            append(self.store, self.inbox)
        self.statements: dict[str, Any] = {}
        for engine in (self.store.database.write_engine, self.store.database._read_engine):
            event.listen(engine, "before_cursor_execute", self.note)

    def note(
        self, _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool
    ) -> None:
        """Remember a statement with parameters for it."""
        self.statements[statement] = parameters[0] if many else parameters

    def plans(self, work: Callable[[], Any]) -> dict[str, str]:
        """How the statements of some work are answered."""
        self.statements.clear()
        work()
        found = {}
        with self.store.database.write_engine.connect() as connection:
            raw: Any = connection.connection.driver_connection
            for statement, parameters in list(self.statements.items()):
                if statement.split(None, 1)[0] in ("SELECT", "UPDATE", "DELETE"):
                    rows = raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
                    found[statement] = "; ".join(row[3] for row in rows)
        return found

    def test_no_scans(self) -> None:
        """Delivering, flagging, copying, moving, expunging, selecting and fetching use indexes only."""

        def work() -> None:
            user, inbox = self.user.id, self.inbox.id
            trash = box(self.store, user, "Trash")
            append(self.store, self.inbox)
            now(self.store.messages.set_flags(user, inbox, [1, 3], "add", SEEN, ["$Work"]))
            now(self.store.messages.copy(user, inbox, [1], trash.id))
            now(self.store.messages.move(user, inbox, [1], trash.id))
            now(self.store.messages.open(user, inbox, claim_recent=True))
            now(self.store.messages.changes(user, inbox, 1))
            now(self.store.messages.fetch(user, inbox, [2, 3], contents=True))
            now(self.store.messages.remove(user, inbox, [2]))
            now(self.store.messages.expunge(user, inbox))
            now(self.store.messages.room_for(user, 1))
            now(self.store.mailboxes.list(user))
            now(self.store.mailboxes.create(user, "A/B"))
            now(self.store.mailboxes.rename(user, "A", "C"))
            now(self.store.mailboxes.delete(user, "C/B"))
            now(self.store.mailboxes.quota(user))
            now(self.store.users.credentials(self.user.address))
            now(self.store.directory.resolve("alice+x", "example.test"))
            now(self.store.directory.resolve("nobody", "example.test"))
            now(self.store.mirror.catch_up())
            now(self.store.users.delete(self.user.address))

        for statement, plan in self.plans(work).items():
            if "SCAN" in _MAY_SCAN.sub("", plan):
                self.fail(f"{plan}\n{statement}")

    def test_changes(self) -> None:
        """What is new in a mailbox is found by mod-sequence, not by reading all of its messages."""
        plans = self.plans(lambda: now(self.store.messages.changes(self.user.id, self.inbox.id, 1)))
        (plan,) = [plan for statement, plan in plans.items() if "messages.modseq >" in statement]
        self.assertRegex(plan, r"INDEX ix_messages_account_id_mailbox_id_modseq \(.*modseq>\?")

    def test_removal(self) -> None:
        """Removing messages does not read those that stay."""
        plans = self.plans(lambda: now(self.store.messages.remove(self.user.id, self.inbox.id, [2])))
        for statement, plan in plans.items():
            self.assertNotIn("messages USING PRIMARY KEY (account_id=?)", plan, statement)
