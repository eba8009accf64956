"""Alice, whose mailboxes some others may use, and Bob, who is one of them."""

from __future__ import annotations

from dataclasses import replace

from quantummail.imap.server import IMAPConnection, IMAPFactory
from tests.auth.accounts import PASSWORDS
from tests.imap.case import NAME, PASSWORD, ImapCase
from tests.support.stores import make_user, now
from tests.support.transport import MemoryTransport

BOB, CAROL = "bob@example.test", "carol@example.test"
THERE = f"Other Users/{NAME}"


class SharedCase(ImapCase):
    """Alice has a mailbox named box."""

    settings = replace(ImapCase.settings, connections_per_user=0)

    def setUp(self) -> None:
        super().setUp()
        self.bob = make_user(self.store, BOB, PASSWORDS.hash(PASSWORD))
        now(self.store.mailboxes.create(self.user.id, "box"))

    def give(self, rights: str, mailbox: str = "box", identifier: str = BOB) -> None:
        """Alice lets somebody do this, and nothing else."""
        now(self.store.acls.change(self.user.id, self.mailbox_id(mailbox), identifier, rights))

    def guest(self, factory: IMAPFactory | None = None) -> IMAPConnection:
        """Bob has logged in."""
        return self.logged_in(factory, BOB)

    def leave(self, connection: IMAPConnection) -> None:
        """Somebody hangs up."""
        assert isinstance(connection.transport, MemoryTransport)
        connection.transport.lose()

    def visiting(self, rights: str = "lr", mailbox: str = "box") -> IMAPConnection:
        """Bob has opened one of Alice's mailboxes."""
        self.give(rights, mailbox)
        guest = self.guest()
        answer = self.say(guest, f's SELECT "{THERE}/{mailbox}"')
        assert "s OK " in answer, answer
        return guest

    def flags(self, uid: int, mailbox: str = "box") -> int:
        """The flags of one of Alice's messages."""
        (message,) = now(self.store.messages.fetch(self.user.id, self.mailbox_id(mailbox), [uid]))
        return message.flags
