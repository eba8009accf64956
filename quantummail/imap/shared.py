"""Mailboxes of other users: the names under which a reader finds them (RFC 2342), and with which rights (RFC 4314).

They are below ``Other Users/<address>/``, under the names that they have for their owner. Whoever wants a mailbox by
its name asks here, and says what he wants to do with it. What a user may not even see is to him as if it did not exist.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quantummail.imap import capabilities
from quantummail.imap.responses import Refusal
from quantummail.message.mailbox_name import DELIMITER, OTHER_USERS
from quantummail.store.mailboxes import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quantummail.imap.session import Session
    from quantummail.store.records import Mailbox

ACL = capabilities.offer("ACL")
# RFC 4314 section 2.2: the rights that RFC 2086 did not have
RIGHTS = capabilities.offer("RIGHTS", value=lambda settings: "texk" if settings.offers(ACL) else "")

PREFIX = OTHER_USERS + DELIMITER


def is_below(name: str) -> bool:
    """Whether a name belongs to others' mailboxes, or stands above them."""
    return name == OTHER_USERS or name.startswith(PREFIX)


def place(name: str) -> tuple[str, str] | None:
    """The owner's address and the name that he uses; None where this can be no mailbox of another user."""
    if not name.startswith(PREFIX):
        return None
    address, _, rest = name.removeprefix(PREFIX).partition(DELIMITER)
    if "@" not in address or not rest:
        return None
    # a local part may have the delimiter in it
    return address.replace("%2F", DELIMITER).replace("%25", "%"), canonical(rest)


def shown_name(owner: str, name: str) -> str:
    """The name of another user's mailbox."""
    return DELIMITER.join((OTHER_USERS, owner.replace("%", "%25").replace(DELIMITER, "%2F"), name))


def shown(box: Mailbox) -> Mailbox:
    """A mailbox as its reader knows it: another's has another name, and its special use says nothing to him."""
    return replace(box, name=shown_name(box.owner, box.name), special_use="") if box.owner else box


async def find(session: Session, name: str) -> Mailbox | None:
    """The mailbox of this name on which the user has any right."""
    found = await session.store.mailboxes.find(session.account_id, name)
    if found is not None or not session.settings.offers(ACL):
        return found
    where = place(name)
    if where is None:
        return None
    other = await session.store.acls.find(session.account_id, *where)
    return None if other is None else shown(other)


async def allowed(session: Session, name: str, rights: str, *, create: bool = False) -> Mailbox:
    """The mailbox of this name, with which the user may do all of this.

    `create`: the client may make it (RFC 3501 6.3.11, 6.4.7: TRYCREATE).
    """
    found = await find(session, name)
    missing = found is None or any(right not in found.rights for right in rights)
    if found is None or (missing and "l" not in found.rights):
        # RFC 4314 section 6: one answer for what is not there, and for what may not be seen
        raise Refusal("No such mailbox", "TRYCREATE" if create else "NONEXISTENT")
    if missing:
        raise not_allowed()
    return found


def not_allowed() -> Refusal:
    """The answer where rights are missing (RFC 5530)."""
    return Refusal("Not allowed", "NOPERM")


async def others(session: Session) -> list[Mailbox]:
    """The mailboxes of others on which the user has any right, by name."""
    if not session.settings.offers(ACL):
        return []
    return [shown(box) for box in await session.store.acls.shared(session.account_id)]


async def every(session: Session, right: str = "l") -> Sequence[Mailbox]:
    """The user's own mailboxes, and those of others on which he has this right."""
    own = await session.store.mailboxes.list(session.account_id)
    names = {box.name for box in own}
    return [
        *own, *(box for box in await others(session) if right in box.rights and box.name not in names)
    ]
