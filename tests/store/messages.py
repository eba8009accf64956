"""Messages for tests of the store."""

from __future__ import annotations

from collections.abc import Sequence

from quantummail.store.records import Appended, Mailbox
from quantummail.store.store import Store
from tests.support.stores import now

PLAIN = b"From: alice@example.test\r\nSubject: Hello\r\n\r\nHow are you?\r\n"


def append(
    store: Store, box: Mailbox, octets: bytes = PLAIN, flags: int = 0, keywords: Sequence[str] = ()
) -> Appended:
    """Store a message as IMAP APPEND does."""
    body = store.bodies.spooled()
    now(body.write(octets))
    return now(store.messages.append(
        box.account_id, box.id, body, flags=flags, keywords=keywords, internal_date=None))


def box(store: Store, account_id: int, name: str = "INBOX") -> Mailbox:
    """A mailbox as it is now."""
    found = now(store.mailboxes.find(account_id, name))
    assert found is not None
    return found


def uids(store: Store, mailbox: Mailbox) -> list[int]:
    """The UIDs in a mailbox."""
    return list(now(store.messages.open(mailbox.account_id, mailbox.id, claim_recent=False)).uids)


def content(store: Store, mailbox: Mailbox, uid: int) -> bytes:
    """The octets of a message."""
    (message,) = now(store.messages.fetch(mailbox.account_id, mailbox.id, [uid]))

    async def read() -> bytes:
        return await store.bodies.read(message)

    return now(read())
