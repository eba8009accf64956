"""Mailboxes are created, deleted and renamed in the accounts of other users, as far as these allow it (RFC 4314).

What is there but may not be seen must not show by other errors than those for what is not there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quantummail.imap import shared
from quantummail.imap.responses import Refusal
from quantummail.message.mailbox_name import DELIMITER
from quantummail.store.errors import AlreadyExists
from quantummail.store.mailboxes import INBOX

if TYPE_CHECKING:
    from quantummail.imap.session import Session
    from quantummail.store.records import Mailbox


def concerns(session: Session, name: str) -> bool:
    """Whether a name belongs to others' mailboxes."""
    return session.settings.offers(shared.ACL) and shared.is_below(name)


async def create(session: Session, name: str, special_use: str) -> Mailbox:
    """Create a mailbox below one on which the user has the right for it. It gets the same list as that one."""
    where = shared.place(name)
    if where is None:
        raise Refusal("These names are for mailboxes of other users", "CANNOT")
    parent = await _parent(session, *where)
    if special_use:
        raise Refusal("What a mailbox is for is its owner's to say", "USEATTR")
    try:
        made = await session.store.mailboxes.create(parent.account_id, where[1])
    except AlreadyExists:
        await _explain(session, name)
        raise
    return shared.shown(replace(made, owner=parent.owner))


async def delete(session: Session, box: Mailbox) -> None:
    """Delete a mailbox; the right for it has been looked at."""
    name = _own_name(box)
    if name == INBOX:
        raise Refusal("INBOX cannot be deleted", "CANNOT")
    await session.store.mailboxes.delete(box.account_id, name)


async def rename(session: Session, old: str, new: str) -> tuple[str, str]:
    """Rename a mailbox of another user; it stays with him. The names before and after."""
    box = await session.mailbox(old, "x")
    if not box.owner and not shared.is_below(new):
        # a name that was given before there was this namespace
        await session.store.mailboxes.rename(session.account_id, old, new)
        return old, new
    where = shared.place(new)
    if where is None or not box.owner:
        raise Refusal("A mailbox stays with its owner", "CANNOT")
    parent = await _parent(session, *where)
    if parent.account_id != box.account_id:
        raise Refusal("A mailbox stays with its owner", "CANNOT")
    name = _own_name(box)
    if name == INBOX:
        raise Refusal("INBOX cannot be renamed", "CANNOT")
    await _check_below(session, box, name)
    try:
        await session.store.mailboxes.rename(box.account_id, name, where[1])
    except AlreadyExists:
        await _explain(session, new)
        raise
    return box.name, shared.shown_name(box.owner, where[1])


async def _parent(session: Session, owner: str, name: str) -> Mailbox:
    """The mailbox that decides whether there may be one of this name (RFC 4314 section 4)."""
    parent = await session.store.acls.parent(session.account_id, owner, name)
    if parent is None or "k" not in parent.rights:
        # the same answer for users that there are not
        raise shared.not_allowed()
    return parent


async def _check_below(session: Session, box: Mailbox, name: str) -> None:
    """What is below it moves too, and takes the same right."""
    movable = {each.id for each in await session.store.acls.shared(session.account_id) if "x" in each.rights}
    for each in await session.store.mailboxes.list(box.account_id):
        if each.name.startswith(name + DELIMITER) and each.id not in movable:
            raise shared.not_allowed()


async def _explain(session: Session, name: str) -> None:
    """A name is taken: by something that the user may see, or else he is told nothing."""
    found = await shared.find(session, name)
    if found is None or "l" not in found.rights:
        raise shared.not_allowed() from None


def _own_name(box: Mailbox) -> str:
    where = shared.place(box.name)
    assert where is not None
    return where[1]
