"""How messages begin, for PREVIEW (RFC 8970): found when somebody asks for the first time, then kept."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, update
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.message.preview import preview
from quantummail.store.errors import NoSuchMessage, StoreError
from quantummail.store.prepared import Prepared
from quantummail.store.tables import contents

if TYPE_CHECKING:
    from quantummail.store.bodies import Bodies
    from quantummail.store.database import Database
    from quantummail.store.messages import Messages
    from quantummail.store.records import Message
    from quantummail.store.threads import Inline, Threads
    from quantummail.store.transaction import Transaction

# Read in one go: some milliseconds of a thread
_GROUP = 16
# Messages up to this size are read whole
_WHOLE = 64 * 1024
# What clients who do not wait have asked for, and is still to be found
_MOST_WAITING = 10_000

_KEEP = Prepared(
    update(contents)
    .where(contents.c.account_id == bindparam("account"), contents.c.email_id == bindparam("email"))
    .values(preview=bindparam("words"))
)


class Previews:
    """Finds the beginnings of messages."""

    log = Logger(namespace="quantummail.store")

    def __init__(
        self, database: Database, messages: Messages, bodies: Bodies, threads: Inline | Threads
    ) -> None:
        self._database = database
        self._messages = messages
        self._bodies = bodies
        self._threads = threads
        self._waiting: dict[tuple[int, int, int], None] = {}
        """Account, mailbox, UID."""
        self._running: Deferred[None] | None = None
        self._stopped = False

    async def find(self, account_id: int, messages: Sequence[Message]) -> dict[str, str]:
        """How messages begin, by EMAILID, and keep it; those whose files are gone are missing.

        The messages have their contents, and are as many as are in memory anyway.
        """
        words: dict[str, str] = {}
        for start in range(0, len(messages), _GROUP):
            words.update(await self._threads.run(self._read, messages[start : start + _GROUP]))
        if words:
            try:
                await self._database.write(_keep_txn, account_id, words)
            except StoreError as error:
                self.log.error("previews cannot be kept: {reason}", reason=str(error))
        return words

    def find_later(self, account_id: int, mailbox_id: int, uids: Sequence[int]) -> None:
        """The same in the background, as far as there is room for more work: somebody may ask again."""
        if self._stopped:
            return
        room = _MOST_WAITING - len(self._waiting)
        self._waiting.update(dict.fromkeys((account_id, mailbox_id, uid) for uid in uids[:room]))
        if self._running is None and self._waiting:
            self._running = Deferred.fromCoroutine(self._work())
            self._running.addCallback(self._done)

    async def stop(self) -> None:
        """Finish what is being done."""
        self._stopped = True
        self._waiting.clear()
        if self._running is not None:
            await self._running

    async def _work(self) -> None:
        try:
            while self._waiting:
                account_id, mailbox_id, _ = first = next(iter(self._waiting))
                group = [one for one in list(self._waiting)[: _GROUP * 4] if one[:2] == first[:2]]
                for one in group:
                    del self._waiting[one]
                uids = sorted(uid for _, _, uid in group)
                messages = await self._messages.fetch(account_id, mailbox_id, uids, contents=True)
                await self.find(account_id, [
                    one for one in messages if one.contents is not None and one.contents.preview is None
                ])
        except StoreError as error:
            self._waiting.clear()
            self.log.error("previews cannot be made: {reason}", reason=str(error))
        except Exception:  # noqa: BLE001  # the edge of a background task
            self._waiting.clear()
            self.log.failure("unexpected error while previews were made")

    def _done(self, _: None) -> None:
        self._running = None

    def _read(self, messages: Sequence[Message]) -> dict[str, str]:
        found: dict[str, str] = {}
        for message in messages:
            if message.contents is None:
                continue
            with contextlib.suppress(NoSuchMessage):
                found[message.email_id] = self._preview(message, message.contents.parts)
        return found

    def _preview(self, message: Message, parts: bytes) -> str:
        if message.size > _WHOLE:
            return preview(parts, lambda start, end: self._bodies.read_here(message, start, end))
        octets = self._bodies.read_here(message, 0, message.size)
        return preview(parts, lambda start, end: octets[start:end])


def _keep_txn(transaction: Transaction, account_id: int, found: Mapping[str, str]) -> None:
    _KEEP.execute_many(transaction.connection, [
        {"account": account_id, "email": email_id, "words": words} for email_id, words in found.items()
    ])
