"""The texts of messages: which of them contain something. Answers are complete, whatever the index knows.

What the index cannot decide it leaves open; `read` then looks into the messages themselves.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quantummail.store.account_turns import AccountTurns
from quantummail.store.errors import NoSuchMessage, StoreError
from quantummail.store.indexing import Indexing
from quantummail.store.text_conditions import Condition
from quantummail.store.text_files import Broken, TextFiles
from quantummail.store.text_lookup import Answer, lookup
from quantummail.store.text_places import LOOKUP, email_ids_txn, uids_txn
from quantummail.store.text_reading import groups, read_many
from quantummail.store.threads import Inline, Threads

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from quantummail.store.bodies import Bodies
    from quantummail.store.database import Database
    from quantummail.store.messages import Messages

# Long searches of an account wait for each other; the indexing takes one of them now and then
_THREADS = 3
# Up to so many messages are looked up one by one in the index
FEW = 1000
# Messages are read in groups
GROUP = 32
GROUP_OCTETS = 1 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of one condition."""

    uids: set[int]
    """Messages that fulfil it."""
    undecided: set[int]
    """Messages that have to be read to know."""


class Texts:
    """The texts of all accounts. Sequences of UIDs ascend."""

    def __init__(
        self, database: Database, messages: Messages, bodies: Bodies, directory: str, reactor: Any
    ) -> None:
        self._database = database
        self._messages = messages
        self._bodies = bodies
        self._threads: Inline | Threads = Threads(reactor, "store-texts", _THREADS) if reactor else Inline()
        self._turns = AccountTurns(self._threads)
        self.files = TextFiles(directory)
        self.indexing = Indexing(database, messages, bodies, self.files, self._threads, reactor)

    def start(self, *, serving: bool) -> None:
        """See what is there; a server also begins to index what is not."""
        self._threads.start()
        self.files.start(tidy=serving)
        if serving:
            self.indexing.start()

    async def stop(self) -> None:
        """Finish what is at hand."""
        await self.indexing.stop()
        self._threads.stop()

    def forget(self, account_id: int | None) -> None:
        """Throw away the index of an account, or of all. A server that runs makes it again within a minute."""
        for each in self.files.accounts() if account_id is None else [account_id]:
            self.indexing.forget(each)

    async def find(
        self, account_id: int, mailbox_id: int, uids: Sequence[int], exists: int, conditions: Sequence[Condition],
        stopped: Callable[[], bool] = lambda: False,
    ) -> list[Found]:
        """What the index knows of each condition, for some messages of a mailbox that has `exists`.

        There may be more UIDs in the answer than were asked for.
        `stopped` tells that nobody waits any more; it is called in a thread. Raises `text_lookup.Stopped` then.
        """
        name = self.files.name(account_id)
        below = self.indexing.indexed_below(mailbox_id)
        if name is None:
            return [Found(set(), set(uids)) for _ in conditions]
        # a few are looked up; of many those that may not be indexed yet
        few = len(uids) <= FEW or len(uids) * LOOKUP <= exists
        asked = uids if few else uids[bisect_left(uids, below) :]
        places = await self._database.run(email_ids_txn, account_id, mailbox_id, asked) if asked else {}
        email_ids = list(places.values())
        try:
            answer = await self._turns.run(
                account_id, lookup, self.files, name, conditions, email_ids if few else None, email_ids, stopped)
        except Broken as error:
            self.indexing.broken(account_id, name, str(error))
            return [Found(set(), set(uids)) for _ in conditions]
        return await self._database.run(_by_uid_txn, account_id, mailbox_id, answer, places, 0 if few else exists)

    async def read(
        self, account_id: int, mailbox_id: int, uids: Sequence[int], conditions: Sequence[Condition],
        stopped: Callable[[], bool] = lambda: False,
    ) -> AsyncIterator[tuple[int, list[bool]]]:
        """Look into messages: UIDs, and whether each condition is fulfilled. Those that are gone are missing.

        Raises StoreError where a message cannot be read.
        """
        for start in range(0, len(uids), GROUP):
            messages = await self._messages.fetch(account_id, mailbox_id, uids[start : start + GROUP], contents=True)
            for group in groups(messages, GROUP_OCTETS):
                outcomes = await self._turns.run(account_id, read_many, self._bodies, group, conditions, stopped)
                for message, outcome in zip(group, outcomes, strict=False):
                    if isinstance(outcome, NoSuchMessage):
                        self._messages.vanished.missed(account_id, mailbox_id, [message.uid])
                    elif isinstance(outcome, StoreError):
                        raise outcome
                    else:
                        yield message.uid, outcome
                if stopped():
                    return


def _by_uid_txn(
    connection: Connection, account_id: int, mailbox_id: int, answer: Answer, places: Mapping[int, str], exists: int
) -> list[Found]:
    """The answer in UIDs. Those of messages that are not in `places` are looked up, unless `exists` is 0."""
    found: list[Found] = []
    missing = {uid for uid, email_id in places.items() if email_id in answer.missing}
    for yes, undecided in zip(answer.found, answer.undecided, strict=True):
        if exists:
            found.append(Found(
                uids_txn(connection, account_id, mailbox_id, yes, exists),
                missing | uids_txn(connection, account_id, mailbox_id, undecided, exists)))
        else:
            wanted = set(yes)
            found.append(Found(
                {uid for uid, email_id in places.items() if email_id in wanted},
                missing | {uid for uid, email_id in places.items() if email_id in undecided}))
    return found
