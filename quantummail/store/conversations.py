"""Which messages of an account belong together: THREADID of RFC 8474, found out when somebody asks for it.

A message belongs where one of the identifiers that it has or refers to belongs; otherwise it begins a thread, which is
named after the first message that it refers to, or after itself. What was once said stays: if two threads turn out to
be one, their messages keep the names they have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Select, bindparam, select, text

from quantummail.message.description import thread_ids_of
from quantummail.message.thread_ids import NO_ID, unpacked
from quantummail.store.errors import NoSuchMessage
from quantummail.store.sort_keys import keep_thread_ids_txn
from quantummail.store.tables import contents, messages, thread_references, threads
from quantummail.store.transaction import Transaction

if TYPE_CHECKING:
    from quantummail.store.bodies import Bodies
    from quantummail.store.database import Database
    from quantummail.store.messages import Messages
    from quantummail.store.records import Message

PAGE = 500
MOST_REFERENCES = 50
_HEADER = 64 * 1024

_THREADS = select(threads.c.email_id, threads.c.thread).where(
    threads.c.account_id == bindparam("account"), threads.c.email_id.in_(bindparam("email_ids", expanding=True))
)
_UNKNOWN = (
    select(contents.c.email_id, contents.c.thread_ids)
    .where(
        contents.c.account_id == bindparam("account"),
        contents.c.email_id.in_(bindparam("email_ids", expanding=True)),
    )
    .order_by(contents.c.id)
)
_REFERENCES = select(thread_references.c.reference, thread_references.c.thread).where(
    thread_references.c.account_id == bindparam("account"),
    thread_references.c.reference.in_(bindparam("references", expanding=True)),
)
_IN_MAILBOX = (messages.c.account_id == bindparam("account")) & (messages.c.mailbox_id == bindparam("box"))
_WITHOUT_THREAD = (
    select(messages.c.uid)
    .select_from(messages.outerjoin(
        threads, (threads.c.account_id == messages.c.account_id) & (threads.c.email_id == messages.c.email_id)))
    .where(_IN_MAILBOX, threads.c.thread.is_(None))
    .order_by(messages.c.uid)
)
_OF_THREAD = (
    select(messages.c.uid)
    .join_from(
        threads, messages,
        (messages.c.account_id == threads.c.account_id) & (messages.c.email_id == threads.c.email_id),
    )
    .where(_IN_MAILBOX, threads.c.account_id == bindparam("account"), threads.c.thread == bindparam("thread"))
)
_OF_EMAIL = select(messages.c.uid).where(_IN_MAILBOX, messages.c.email_id == bindparam("email_id"))
# both dialects know this clause, SQLAlchemy's insert() only in dialect-specific forms
_KEEP_THREAD = text(
    "INSERT INTO threads (account_id, email_id, thread) VALUES (:account, :email_id, :thread)"
    " ON CONFLICT (account_id, email_id) DO NOTHING"
)
_KEEP_REFERENCE = text(
    "INSERT INTO thread_references (account_id, reference, thread) VALUES (:account, :reference, :thread)"
    " ON CONFLICT (account_id, reference) DO NOTHING"
)


class Conversations:
    """The threads of all accounts. A thread is a number of 64 bits, with a sign."""

    def __init__(self, database: Database, messages_: Messages, bodies: Bodies) -> None:
        self._database = database
        self._messages = messages_
        self._bodies = bodies

    async def threads(self, account_id: int, asked: Sequence[Message]) -> dict[str, int]:
        """EMAILID to thread; those that are gone meanwhile are missing. At most 500 messages at once."""
        email_ids = list(dict.fromkeys(message.email_id for message in asked))
        known = await self._database.run(_threads_txn, account_id, email_ids)
        if len(known) == len(email_ids):
            return known
        missing = [message for message in asked if message.email_id not in known]
        await self._read(account_id, missing)
        unknown = list(dict.fromkeys(message.email_id for message in missing))
        return known | await self._database.write(assign_txn, account_id, unknown)

    async def of_thread(self, account_id: int, mailbox_id: int, thread: int) -> list[int]:
        """The UIDs of a thread's messages in a mailbox, in no order."""
        key = {"account": account_id, "box": mailbox_id}
        without = await self._database.run(_uids_txn, _WITHOUT_THREAD, key)
        for start in range(0, len(without), PAGE):
            page = await self._messages.fetch(account_id, mailbox_id, without[start : start + PAGE])
            await self.threads(account_id, page)
        return await self._database.run(_uids_txn, _OF_THREAD, {**key, "thread": thread})

    async def of_email(self, account_id: int, mailbox_id: int, email_id: str) -> list[int]:
        """The UIDs of a message's copies in a mailbox, in no order."""
        return await self._database.run(
            _uids_txn, _OF_EMAIL, {"account": account_id, "box": mailbox_id, "email_id": email_id})

    async def _read(self, account_id: int, asked: Sequence[Message]) -> None:
        """Read the headers of messages that came before anybody kept what threads them."""
        unread = set(await self._database.run(_unread_txn, account_id, [message.email_id for message in asked]))
        found: dict[str, bytes] = {}
        for message in asked:
            if message.email_id in unread and message.email_id not in found:
                try:
                    found[message.email_id] = thread_ids_of(await self._bodies.read(message, 0, _HEADER))
                except NoSuchMessage:
                    continue
        if found:
            await self._database.write(keep_thread_ids_txn, account_id, list(found.items()))


def assign_txn(transaction: Transaction, account_id: int, email_ids: Sequence[str]) -> dict[str, int]:
    """Find the threads of messages that have none, those first that came first, and keep them."""
    connection = transaction.connection
    known = _threads_txn(connection, account_id, email_ids)
    rows = [
        (row.email_id, _identifiers(row.thread_ids))
        for row in connection.execute(_UNKNOWN, {"account": account_id, "email_ids": list(email_ids)})
        if row.email_id not in known
    ]
    if not rows:
        return known
    belongs = _references_txn(connection, account_id, {number for _, numbers in rows for number in numbers})
    new: dict[int, int] = {}
    found: dict[str, int] = {}
    for email_id, numbers in rows:
        # the nearest ancestor knows best
        place = next((belongs[number] for number in reversed(numbers) if number in belongs), None)
        thread = place if place is not None else numbers[0] if numbers else _alone(email_id)
        found[email_id] = thread
        for number in numbers:
            if number not in belongs:
                belongs[number] = new[number] = thread
    connection.execute(_KEEP_THREAD, [
        {"account": account_id, "email_id": email_id, "thread": thread} for email_id, thread in found.items()
    ])
    if new:
        connection.execute(_KEEP_REFERENCE, [
            {"account": account_id, "reference": number, "thread": thread} for number, thread in new.items()
        ])
    return known | found


def _identifiers(packed: bytes | None) -> list[int]:
    """Those of the ancestors, the nearest last, then the message's own."""
    if packed is None:
        return []
    own, *ancestors = unpacked(packed)[1]
    # the first one names the thread, the last ones find it; who lists thousands does not fill the table
    if len(ancestors) > MOST_REFERENCES:
        ancestors = [ancestors[0], *ancestors[1 - MOST_REFERENCES :]]
    return [number for number in (*ancestors, own) if number != NO_ID]


def _alone(email_id: str) -> int:
    """The thread of a message without any identifier."""
    return int.from_bytes(blake2b(email_id.encode(), digest_size=8).digest(), "little", signed=True)


def _references_txn(connection: Connection, account_id: int, numbers: Iterable[int]) -> dict[int, int]:
    wanted = list(numbers)
    found: dict[int, int] = {}
    for start in range(0, len(wanted), PAGE):
        rows = connection.execute(_REFERENCES, {"account": account_id, "references": wanted[start : start + PAGE]})
        found.update((row.reference, row.thread) for row in rows)
    return found


def _threads_txn(connection: Connection, account_id: int, email_ids: Sequence[str]) -> dict[str, int]:
    rows = connection.execute(_THREADS, {"account": account_id, "email_ids": list(email_ids)})
    return {row.email_id: row.thread for row in rows}


def _unread_txn(connection: Connection, account_id: int, email_ids: Sequence[str]) -> list[str]:
    return [
        row.email_id for row in connection.execute(_UNKNOWN, {"account": account_id, "email_ids": list(email_ids)})
        if row.thread_ids is None
    ]


def _uids_txn(connection: Connection, query: Select[tuple[int]], parameters: Mapping[str, object]) -> list[int]:
    return [row.uid for row in connection.execute(query, dict(parameters))]
