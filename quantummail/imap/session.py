"""One client's session: its state, its selected mailbox, and what it is told. Knows no transport and no Deferred."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from twisted.logger import Logger

from quantummail.auth.login import Peer
from quantummail.imap import capabilities, contexts, responses, shared
from quantummail.imap.framing import Refused
from quantummail.imap.grammar.cursor import BadSyntax, Cursor
from quantummail.imap.modes import Modes
from quantummail.imap.progress import INPROGRESS, LONG, Progress
from quantummail.imap.refusals import refusal_of
from quantummail.imap.registry import ANY, COMMANDS, Command, State
from quantummail.imap.responses import Farewell, Refusal, printable
from quantummail.imap.view import View
from quantummail.store import errors
from quantummail.store.mailboxes import canonical
from quantummail.tls.channel import Channel
from quantummail.wire.clients import is_local

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Sequence

    from quantummail.auth.login import Authenticator
    from quantummail.imap.connection import Dialogue, Wire
    from quantummail.imap.grammar.sequence import SequenceSet
    from quantummail.imap.notifying import Notification
    from quantummail.imap.settings import ImapSettings
    from quantummail.imap.user_sessions import UserSessions
    from quantummail.store.records import Mailbox, Snapshot, User
    from quantummail.store.store import Store

log = Logger(namespace="quantummail.imap")

# SELECT answers from the mailbox's counters where there are more messages than these
_AT_ONCE = 1000
# Commands that use neither the numbers nor the UIDs of messages
_NUMBERLESS = frozenset(("CLOSE", "EXAMINE", "LIST", "SELECT", "STATUS", "UNSELECT"))
# Commands after which the mailbox is not selected any more, whatever the rights on it are
_LEAVING = frozenset(("EXAMINE", "LOGOUT", "SELECT", "UNAUTHENTICATE", "UNSELECT"))
_WITH_UTF8 = frozenset(("UTF8=ACCEPT", "IMAP4REV2"))


class Session:
    """All state of one client."""

    __slots__ = (
        "_early_hint", "_listener", "_unwatch", "authenticator", "bad_commands", "closed", "coming", "dialogue",
        "enabled", "failed_logins", "midway", "modes", "notification", "progress", "sessions", "settings", "starttls",
        "store", "tag", "user", "view", "wire",
    )

    def __init__(
        self, wire: Wire, settings: ImapSettings, store: Store, authenticator: Authenticator, sessions: UserSessions,
        *, starttls: bool,
    ) -> None:
        self.wire = wire
        self._listener = self.settings = settings
        self.store = store
        self.authenticator = authenticator
        self.sessions = sessions
        self.starttls = starttls
        """Whether STARTTLS can be offered while there is no TLS."""
        self.user: User | None = None
        self.view: View | None = None
        self.dialogue: Dialogue | None = None
        self.enabled: frozenset[str] = frozenset()
        """Extensions that the client has switched on (RFC 5161)."""
        self.modes = Modes()
        self.progress: Progress | None = None
        """Of a long command: what counts its steps here is told to the client (RFC 9585)."""
        self.notification: Notification | None = None
        """What the client wants to hear without asking, once it has said so (RFC 5465)."""
        self.failed_logins = 0
        self.tag = ""
        """Of the command that runs."""
        self.coming = 0
        """Octets of a literal that the client sends unasked, and nobody has taken over yet."""
        self.midway = False
        """Whether a response is written in part: nothing else may be said before it is whole."""
        self.bad_commands = 0
        self.closed = False
        """Whether the connection is gone: what still runs must not begin anything that nobody would end."""
        self._early_hint = 0
        self._unwatch: Callable[[], None] | None = None

    # What commands ask.

    @property
    def state(self) -> State:
        """The state of RFC 3501 section 3."""
        if self.user is None:
            return State.NOT_AUTHENTICATED
        return State.AUTHENTICATED if self.view is None else State.SELECTED

    @property
    def account_id(self) -> int:
        """Who reads. Whose mail it is says the mailbox (`View`, `Mailbox`): part of every question to the store."""
        assert self.user is not None
        return self.user.id

    @property
    def selected(self) -> View:
        """The selected mailbox, for commands of that state."""
        assert self.view is not None
        return self.view

    def changing(self, rights: str) -> View:
        """The selected mailbox, for commands that need all of these rights to change it."""
        if self.selected.examined:
            raise Refusal("Mailbox is read-only", "NOPERM")
        if not all(map(self.selected.may, rights)):
            raise shared.not_allowed()
        return self.selected

    @property
    def login_allowed(self) -> bool:
        """Whether a password may travel on this connection (RFC 3501 11.1, RFC 9051 11.1)."""
        if self.wire.tls or self.settings.implicit_tls:
            return True
        return self.settings.plaintext_login and is_local(self.wire.client)

    @property
    def utf8(self) -> bool:
        """Whether the client reads and writes UTF-8 where RFC 3501 has ASCII (RFC 9755, RFC 9051)."""
        return not self.enabled.isdisjoint(_WITH_UTF8)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The names of the SASL mechanisms that are offered."""
        return self.authenticator.offered(Channel.of(self.wire.tls_handle), self.settings.offers)

    @property
    def peer(self) -> Peer:
        """Who logs in here, for the authenticator."""
        wire = self.wire
        return Peer("imaps" if self.settings.implicit_tls else "imap", wire.client, wire.connection_id,
                    Channel.of(wire.tls_handle), wire.expel)

    def capability(self) -> str:
        """The capabilities as they are now."""
        return capabilities.advertised(
            self.settings, logged_in=self.user is not None, starttls=self.starttls and not self.wire.tls,
            mechanisms=self.mechanisms if self.login_allowed else (),
        )

    def messages(self, numbers: SequenceSet, *, uid: bool) -> array[int]:
        """The UIDs that a set means. Message numbers that do not exist are an error (RFC 3501 section 9)."""
        view = self.selected
        if numbers.saved and not (self.settings.offers("SEARCHRES") or self.modes.rev2):
            raise BadSyntax("Invalid message set")
        if uid:
            return view.known(numbers)
        if numbers.exceeds(view.exists):
            raise BadSyntax("No such message number")
        return view.numbered(numbers)

    async def mailbox(self, name: str, rights: str, *, create: bool = False) -> Mailbox:
        """A mailbox by its name, with which the user may do all of this: see `shared.allowed`."""
        return await shared.allowed(self, name, rights, create=create)

    def use_condstore(self) -> None:
        """The client has shown that it knows mod-sequences: they come unasked from now on (RFC 7162 3.1)."""
        if self.modes.condstore:
            return
        self.modes.condstore = True
        if self.view is not None:
            self.untagged(f"OK [HIGHESTMODSEQ {self.view.told}] Highest")

    # What commands say.

    def write(self, data: bytes) -> None:
        """Send octets."""
        self.wire.write(data)

    def untagged(self, text: str) -> None:
        """Send an untagged response."""
        self.write(f"* {printable(text)}\r\n".encode("ascii"))

    def tagged(self, tag: str, response: str, text: str) -> None:
        """Send a tagged response; untagged if the tag could not be read."""
        self.bad_commands += response == "BAD"
        self.write(f"{tag or '*'} {response} {printable(text)}\r\n".encode("ascii"))

    async def complete(self, tag: str, text: str, *, response: str = "OK", expunges: bool = True) -> None:
        """Tell what has changed meanwhile, then that the command is done."""
        await self.sync(expunges=expunges)
        self._admit()
        self.tagged(tag, response, text)

    def _admit(self) -> None:
        """Say how far the client knows everything, where it was shown mod-sequences beyond expunges that must wait."""
        view = self.view
        if self.modes.qresync and view is not None and view.expunges_wait:
            # RFC 7162 3.2.5
            self.untagged(f"OK [HIGHESTMODSEQ {view.told}] Messages are gone that cannot be told of yet")

    # The selected mailbox.

    async def select(self, name: str, *, read_only: bool) -> tuple[View, Snapshot]:
        """Open a mailbox: the view, and what the store says of it now.

        The mailbox that was open is left, also if this fails (RFC 3501 6.3.1).
        """
        self.unselect()
        known = self.store.mailboxes.remembered(self.account_id, name)
        if known is not None:
            # what there is to know of it comes with its name: one question instead of two
            with contextlib.suppress(errors.NoSuchMailbox):
                return await self._open(self.account_id, known, canonical(name), read_only)
        box = await self.mailbox(name, "r")
        if not box.owner:
            return await self._open(box.account_id, box.id, None, read_only)
        return await self._open(box.account_id, box.id, None, read_only, box)

    async def _open(
        self, account_id: int, mailbox_id: int, name: str | None, read_only: bool, other: Mailbox | None = None
    ) -> tuple[View, Snapshot]:
        self._early_hint = 0
        unwatch = self.store.changes.watch(mailbox_id, self.hint)
        try:
            snapshot = await self.store.messages.open(
                account_id, mailbox_id, claim_recent=not read_only and other is None, late_above=_AT_ONCE, name=name)
        except BaseException:
            unwatch()
            raise
        if self.closed:
            unwatch()
            raise Farewell("The connection is gone")
        self._unwatch = unwatch
        if other is not None:
            box = replace(snapshot.mailbox, owner=other.owner, rights=other.rights)
            snapshot = replace(snapshot, mailbox=shared.shown(box))
        self.view = View(snapshot, read_only=read_only, modes=self.modes)
        # what was committed while the snapshot was made
        self.view.hinted = max(self.view.hinted, self._early_hint)
        return self.view, snapshot

    async def know_messages(self) -> None:
        """Have the UIDs of the selected mailbox, if there is one: SELECT leaves many for the first who needs them."""
        view = self.view
        if view is None or view.filled:
            return
        try:
            uids = await self.store.messages.uids_at(
                view.account_id, view.mailbox_id, view.modseq, view.highest_uid + 1)
        except errors.NoSuchMailbox:
            raise Farewell("The selected mailbox was deleted") from None
        if not view.filled and not view.fill(uids):
            self.store.messages.counters_wrong(view.mailbox_id)
            raise Farewell("[UNAVAILABLE] The mailbox has to be opened again")

    async def know_rights(self) -> None:
        """Look what the user may still do with the selected mailbox, if it is another's."""
        view = self.view
        if view is None or not view.owner:
            return
        rights = await self.store.acls.rights(self.account_id, view.account_id, view.mailbox_id)
        if "r" not in rights:
            # as if it had been deleted
            raise Farewell("The selected mailbox cannot be read any more")
        if rights != view.rights:
            view.rights = rights
            if not view.examined:
                self.write(responses.permanent_flags(view.keywords, view.flag_mask))

    def unselect(self) -> None:
        """Leave the selected mailbox as it is."""
        self.view = None
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None

    def hint(self, modseq: int) -> None:
        """The store says that the selected mailbox has changed."""
        self._early_hint = max(self._early_hint, modseq)
        if self.view is not None:
            self.view.hinted = max(self.view.hinted, modseq)
            if self.listening and self.view.behind:
                self.wire.wake()

    @property
    def listening(self) -> bool:
        """Whether the client hears of its mailbox while it says nothing: in IDLE (RFC 2177), by NOTIFY (RFC 5465)."""
        if self.notification is not None and not self.notification.selected:
            return False
        return self.dialogue.pushes if self.dialogue is not None else self.notification is not None

    async def push(self, *, idle: bool) -> bool:
        """Tell a client that listens what is new; whether to look again."""
        if self.notification is not None:
            # nothing that goes wrong now is the answer to a command
            self.tag = ""
            return await self.notification.tell(idle=idle)
        if idle:
            await self.sync(expunges=True)
        return idle and self.view is not None and self.view.behind

    def caused(self, *names: str) -> None:
        """The client itself has changed these mailboxes, or its subscriptions to them: no news to it (RFC 5465 5)."""
        if self.notification is not None:
            self.notification.caused(*names)

    def own_messages(self, mailbox_id: int, uids: Sequence[int]) -> None:
        """The client itself has put these messages there."""
        if self.notification is not None:
            self.notification.own_messages(mailbox_id, uids)

    async def sync(self, *, expunges: bool, flags: bool = True) -> None:
        """Tell the client what has happened in its mailbox, as far as it may hear of it now (RFC 3501 5.2, 7.4.1).

        Without `flags`, what has happened to these is told another time.
        """
        view = self.view
        if view is None:
            return
        output: list[bytes] = []
        highest_uid, view.quiet = view.highest_uid, not flags
        if flags and view.unsaid and self.notification is not None:
            output += await self.notification.unsaid_flags()
        if view.behind:
            await self.know_rights()
            await self.know_messages()
            hinted = view.hinted
            changes = await self.store.messages.changes(view.account_id, view.mailbox_id, view.modseq)
            if changes is None:
                # RFC 2180 3.3: the mailbox was deleted by somebody else, nothing true could be said about it
                raise Farewell("The selected mailbox was deleted")
            uidnext = changes.mailbox.uidnext
            recent = self.store.messages.recent
            output += view.learn(changes, (
                recent.claim(view.mailbox_id, uidnext) if view.claims_recent else recent.first(view.mailbox_id)
            ))
            if view.hinted == hinted:
                view.hinted = view.modseq
        if view.touched:
            output += await contexts.updates(self)
        if expunges and view.expunges_wait:
            if view.contexts:
                # RFC 5267 4.3.4: while the numbers are true
                output += contexts.removals(view, view.gone)
            output += view.expunge()
        if output:
            self.write(b"".join(output))
        if self.notification is not None and view.highest_uid > highest_uid:
            # RFC 5465 5.2: behind EXISTS, and behind ESEARCH
            await self.notification.tell_new(highest_uid)

    # How a command runs.

    async def run(self, text: bytes, coming: int = 0) -> None:
        """Run one command and answer it, whatever comes of it.

        The client sends so many octets more without being asked: if the command does not take them, they are read over.
        """
        self.tag = ""
        self.coming = coming
        found: Command | None = None
        try:
            cursor = Cursor(text, utf8=self.utf8)
            self.tag = cursor.tag()
            cursor.space()
            found = self._command(cursor)
            if found.name not in _LEAVING:
                await self.know_rights()
            if found.states is not ANY and found.name not in _NUMBERLESS:
                await self.know_messages()
            if found.name in LONG and self.settings.offers(INPROGRESS):
                with Progress(self):
                    answer = await found.run(self, cursor)
            else:
                answer = await found.run(self, cursor)
            if answer is not None:
                await self.complete(self.tag, answer, expunges=found.expunges)
        except Exception as error:  # noqa: BLE001  # the command's edge: everything becomes a tagged reply
            if self.coming and not isinstance(error, Farewell):
                self.read_over(self.tag, self.coming, error)
                return
            await self.answer(self.tag, error, expunges=found.expunges if found is not None else False)

    def _command(self, cursor: Cursor) -> Command:
        name = cursor.word()
        if name == "UID":
            cursor.space()
            name = f"UID {cursor.word()}"
        found = COMMANDS.get(name)
        if found is None or (found.capability and not self.settings.offers(found.capability)):
            raise BadSyntax("Unknown command")
        if self.state not in found.states:
            raise BadSyntax(f"Not allowed in the {self.state.value} state")
        if self.modes.uidonly and found.by_number:
            # RFC 9586 3.2
            raise Refusal("There are no message numbers", "UIDREQUIRED", response="BAD")
        return found

    def streams(self, text: bytes) -> bool:
        """Whether the literal that this text of a command announces is to be streamed."""
        if self.user is None:
            return False
        try:
            cursor = Cursor(text, utf8=self.utf8)
            cursor.tag()
            cursor.space()
            found = self._command(cursor)
        except (BadSyntax, Refusal):
            return False
        return found.streams is not None and found.streams(text[cursor.position :])

    def read_over(self, tag: str, size: int, error: Exception) -> None:
        """Read over a literal that the client sends without being asked, and what follows it; then tell the error."""
        self.coming = 0
        refusal = refusal_of(error)
        if refusal is None:
            log.failure("unexpected error in a command", connection=self.wire.connection_id)
            refusal = Refusal("Internal error, please try again later", "SERVERBUG")
        self.wire.swallow(size, Refused(tag, refusal.response, refusal.text))

    async def answer(self, tag: str, error: Exception, *, expunges: bool = False) -> None:
        """Turn an exception into the reply that it means. What is no answer to a command is raised again."""
        refusal = None if self.midway else refusal_of(error)
        if refusal is None:
            raise error
        if refusal.response == "NO":
            await self.sync(expunges=expunges)
        self._admit()
        self.tagged(tag, refusal.response, refusal.text)

    def close(self) -> None:
        """The connection is gone, or begins anew under TLS."""
        self.closed = True
        dialogue, self.dialogue = self.dialogue, None
        if dialogue is not None:
            dialogue.close()
        self.log_out()

    def log_out(self) -> None:
        """Forget whose session this was, and what its client has switched on (RFC 8437 section 2)."""
        self.unselect()
        if self.notification is not None:
            self.notification.stop()
            self.notification = None
        self.enabled = frozenset()
        self.modes = Modes()
        self.settings = self._listener
        if self.user is not None:
            self.sessions.leave(self.user.id)
            self.authenticator.sessions.leave(self.user.id, self.wire.expel)
            self.user = None
