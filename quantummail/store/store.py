"""The store as a whole: the database, the tree of Maildirs, and what keeps the two in step."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.store import pairing
from quantummail.store.account_changes import AccountHub
from quantummail.store.accounts import NO_PASSWORD, REMOVED, Aliases, Domains, Users
from quantummail.store.acls import Acls
from quantummail.store.additions import Additions
from quantummail.store.adoption import Adoption, Findings
from quantummail.store.annotations import Annotations
from quantummail.store.appends import Appends
from quantummail.store.bodies import Bodies
from quantummail.store.changes import ChangeHub
from quantummail.store.conversations import Conversations
from quantummail.store.database import Database
from quantummail.store.decoded import DecodedParts
from quantummail.store.directory import Directory
from quantummail.store.dkim_keys import DkimKeys
from quantummail.store.durability import Durability
from quantummail.store.errors import AlreadyExists, NoSuchUser, StoreError
from quantummail.store.following import Following
from quantummail.store.inboxes import Inboxes
from quantummail.store.intake import Intake
from quantummail.store.journey import Journey
from quantummail.store.mailboxes import Mailboxes
from quantummail.store.maildir import unescape
from quantummail.store.messages import Messages
from quantummail.store.mirror import Mirror
from quantummail.store.names import normal_address
from quantummail.store.numbering import Numbering
from quantummail.store.orders import Orders
from quantummail.store.other_commits import OtherCommits
from quantummail.store.outgoing import Outgoing
from quantummail.store.outside import Outside
from quantummail.store.previews import Previews
from quantummail.store.queue_files import QueueFiles
from quantummail.store.reserve import Reserve
from quantummail.store.sts_policies import StsPolicies
from quantummail.store.suppressions import Suppressions
from quantummail.store.tables import accounts
from quantummail.store.texts import Texts
from quantummail.store.threads import Inline, Threads
from quantummail.store.tls_results import TlsResults
from quantummail.store.webhooks import Webhooks

if TYPE_CHECKING:
    from collections.abc import Sequence

_FILE_THREADS = 4


class Store:
    """Everything that is kept. Its parts do the work; this opens, starts and stops them."""

    log = Logger(namespace="quantummail.store")

    def __init__(self, reactor: Any, url: str, mail_root: Path, spool: Path, readers: int, delimiter: str) -> None:
        self._root = str(mail_root)
        self._spool = str(spool)
        self._threads: Inline | Threads = Threads(reactor, "store-files", _FILE_THREADS) if reactor else Inline()
        self._durability = Durability(self._root)
        others = OtherCommits(os.path.join(os.path.dirname(self._spool), "commits"))
        self.database = Database(url, reactor, readers, Reserve(os.path.join(self._spool, "reserve")), others)
        self._intake = Intake(self._durability, self.database.submit, self.database.report)
        self._queue_files = QueueFiles(os.path.join(os.path.dirname(self._spool), "queue"))
        # the queue may be on another file system than the mail
        self._queue_durability = Durability(self._queue_files.directory)
        self._queue_intake = Intake(self._queue_durability, self.database.submit, self.database.report)
        self.journey = Journey(self.database, reactor, lambda: self.bodies.has_room(0))
        self.webhooks = Webhooks(self.database)
        self.suppressions = Suppressions(self.database, others)
        self.outgoing = Outgoing(
            self.database, self._queue_files, self._threads, self._queue_intake, self.journey, self.webhooks,
            self.suppressions)
        self._threaded = reactor is not None
        self.changes = ChangeHub()
        self.bodies = Bodies(self._root, self._spool, self._threads)
        self.decoded = DecodedParts(self.bodies)
        self._numbering = Numbering(self._root)
        additions = Additions(self._numbering)
        self.messages = Messages(
            self.database, self._root, self._spool, self._threads, self._intake, additions, reactor, self.journey)
        self.appends = Appends(
            self.database, self._root, self._threads, self._intake, additions, self.messages.arrivals,
            self.messages.unfinished, self.journey)
        self.changes.everything = self._changed
        self.orders = Orders(self.database, self.messages, self.bodies)
        self.conversations = Conversations(self.database, self.messages, self.bodies)
        self.account_changes = AccountHub()
        self.previews = Previews(self.database, self.messages, self.bodies, self._threads)
        self.mailboxes = Mailboxes(
            self.database, self._root, self._threads, self.messages, self._numbering, self.account_changes)
        self.inboxes = Inboxes(self.mailboxes, others)
        self.acls = Acls(self.database, self.account_changes)
        self.annotations = Annotations(self.database, self.account_changes, self._root)
        self.domains = Domains(self.database)
        self.users = Users(self.database, self.mailboxes, self._root, self._threads, others)
        self.aliases = Aliases(self.database)
        self.dkim_keys = DkimKeys(self.database)
        self.sts_policies = StsPolicies(self.database)
        self.tls_results = TlsResults(self.database)
        self.directory = Directory(self.database, reactor, delimiter)
        self.mirror = Mirror(self.database, self._root, self._threads, reactor)
        self.adoption = Adoption(
            self.database, self._root, self._threads, self.mailboxes, self.messages.arrivals, additions,
            self._numbering)
        self.texts = Texts(
            self.database, self.messages, self.bodies, os.path.join(os.path.dirname(self._spool), "texts"), reactor)
        self._outside = Outside(self.database, self.changes, self.account_changes, reactor)
        self._following = Following(self.adoption, self.changes, self._root, self._threads, reactor)
        self._scan: Deferred[None] | None = None
        self._stopping = False
        self._serving = False
        self.database.published = self._published

    @classmethod
    def open(
        cls, reactor: Any, url: str, mail_root: Path, spool: Path, *, readers: int = 4, delimiter: str = "+"
    ) -> Store:
        """A store that is not started yet; nothing is touched. Without a reactor all is done where it is called."""
        return cls(reactor, url, mail_root, spool, readers, delimiter)

    async def start(self, *, serving: bool = False) -> None:
        """Begin to work. A server (the only one, it holds the lock) also recovers what a crash left behind."""
        for directory in (self._root, self._spool):
            os.makedirs(directory, mode=0o700, exist_ok=True)
        self._queue_files.make()
        self._durability.start()
        self._queue_durability.start()
        self.database.start()
        self._threads.start()
        if self._threaded:
            self._intake.start()
            self._queue_intake.start()
        self.texts.start(serving=serving)
        self._numbering.interrupted = not await self.database.run(pairing.in_step_txn, self._root)
        if serving:
            await self.database.write(pairing.begin_txn, self._root)
            self._serving = True
            await self._threads.run(self._empty_spool)
            await self.messages.unfinished.undo()
            await self.outgoing.start()
            self.mirror.wake()
            self.database.warm()
            self._scan = Deferred.fromCoroutine(self._scan_all())
            if self._threaded:
                self._outside.start()
                self._following.start()

    async def stop(self) -> None:
        """Finish what runs, then close."""
        self._stopping = True
        if self._scan is not None:
            await self._scan
        await self._outside.stop()
        await self._following.stop()
        await self.texts.stop()
        await self.previews.stop()
        await self.mirror.stop()
        await self.messages.vanished.stop()
        await self.messages.bundles.stop()
        await self.messages.recent.write()
        await self.journey.flush()
        self._threads.stop()
        self._intake.stop()
        self._queue_intake.stop()
        mark = await self._close_pair()
        self.database.stop()
        self._durability.stop()
        self._queue_durability.stop()
        if mark is not None:
            pairing.close(self._root, mark)

    async def _close_pair(self) -> pairing.Mark | None:
        if not self._serving:
            return None
        try:
            return await self.database.write(pairing.close_txn)
        except StoreError as error:
            self.log.error("the end of this run cannot be noted: {reason}", reason=str(error))
            return None

    async def reindex(self, address: str | None = None, *, min_age: float = 0) -> Findings:
        """Look into every Maildir of an account, or of all and of those that only the tree knows.

        Accounts that only the tree knows are created without a password. `min_age`: see `Adoption.scan`.
        """
        if address is not None:
            user = await self.users.find(address)
            if user is None:
                raise NoSuchUser(f"there is no user {address}")
            return await self.adoption.scan(user.id, user.address, full=True, min_age=min_age)
        await self.database.write(pairing.adopt_txn, self._root)
        findings = Findings()
        for found in await self._threads.run(self._accounts_in_tree):
            try:
                await self._create_from_tree(found)
            except StoreError as error:
                findings.errors.append(f"{found}: {error}")
        for account_id, account in await self.database.run(_accounts_txn):
            findings.add(await self.adoption.scan(account_id, account, full=True, min_age=min_age))
        await self.mirror.catch_up()
        return findings

    async def _create_from_tree(self, address: str) -> None:
        if await self.users.find(address) is not None:
            return
        with contextlib.suppress(AlreadyExists):
            await self.domains.add(address.rpartition("@")[2])
        await self.users.create(address, NO_PASSWORD)
        self.log.warn("{address} was found in the tree and created without a password", address=address)

    def _accounts_in_tree(self) -> list[str]:
        found = []
        for domain in sorted(os.listdir(self._root)):
            path = os.path.join(self._root, domain)
            if domain.startswith(".") or not os.path.isdir(path):
                continue
            for local_part in sorted(os.listdir(path)):
                if local_part.startswith(REMOVED) or not os.path.isdir(os.path.join(path, local_part, "cur")):
                    continue
                with contextlib.suppress(StoreError):
                    found.append(normal_address(f"{unescape(local_part)}@{unescape(domain)}"))
        return found

    async def _scan_all(self) -> None:
        """Look for what changed while nobody served; in the background, an account at a time."""
        try:
            for account_id, address in await self.database.run(_accounts_txn):
                if self._stopping:
                    return
                await self.adoption.scan(account_id, address, full=False)
        except StoreError as error:
            self.log.error("the scan of the tree failed: {reason}", reason=str(error))
        except Exception:  # noqa: BLE001  # the edge of a background task
            self.log.failure("unexpected error in the scan of the tree")

    def _empty_spool(self) -> None:
        """Nobody was promised anything about what lies here: the 250 comes after a Maildir has it."""
        for name in os.listdir(self._spool):
            if name.endswith(".tmp"):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self._spool, name))

    def _changed(self, mailbox_id: int, modseq: int) -> None:
        self.messages.pictures.hint(mailbox_id, modseq)
        self.inboxes.changed(mailbox_id)

    def _published(self, changes: dict[int, int]) -> None:
        self.changes.publish(changes)
        self.account_changes.publish(changes)
        self.mirror.wake()
        self.texts.indexing.changed(list(changes))


def _accounts_txn(connection: Connection) -> Sequence[tuple[int, str]]:
    rows = connection.execute(select(accounts.c.id, accounts.c.address).order_by(accounts.c.id))
    return [(row.id, row.address) for row in rows]
