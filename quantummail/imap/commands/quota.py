"""GETQUOTA, GETQUOTAROOT, SETQUOTA: how much room there is (RFC 9208)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities, responses, shared
from quantummail.imap.grammar.cursor import BadSyntax
from quantummail.imap.grammar.mailbox import mailbox
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.imap.responses import Refusal
from quantummail.message.imap_string import astring
from quantummail.store.errors import InvalidName

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session
    from quantummail.store.records import User

QUOTA = capabilities.offer("QUOTA")
QUOTASET = capabilities.offer("QUOTASET")
capabilities.offer("QUOTA=RES-STORAGE")
capabilities.offer("QUOTA=RES-MESSAGE")

# One quota root for all mailboxes of an account: "" is the user's own, addresses are those of all accounts
OWN = b""
# A column of the database holds so many octets
_MOST_KIBIOCTETS = (1 << 53) - 1
_MOST_MESSAGES = (1 << 63) - 1


@command("GETQUOTA", AUTHENTICATED, capability=QUOTA)
async def get_quota(session: Session, arguments: Cursor) -> str:
    """GETQUOTA (RFC 9208 4.1.2)."""
    arguments.space()
    root = arguments.astring()
    arguments.end()
    await _tell(session, root, (await _owner(session, root)).id)
    return "GETQUOTA completed"


@command("GETQUOTAROOT", AUTHENTICATED, capability=QUOTA)
async def get_quota_root(session: Session, arguments: Cursor) -> str:
    """GETQUOTAROOT (RFC 9208 4.1.3)."""
    arguments.space()
    name = mailbox(arguments)
    arguments.end()
    box = await session.mailbox(name, "r")
    # what is in a mailbox counts in the account that has it
    root = box.owner.encode("utf-8") if box.owner else OWN
    session.write(b"* QUOTAROOT %s %s\r\n" % (
        responses.mailbox_name(box.name, utf8=session.utf8), astring(root)))
    await _tell(session, root, box.account_id)
    return "GETQUOTAROOT completed"


@command("SETQUOTA", AUTHENTICATED, capability=QUOTASET)
async def set_quota(session: Session, arguments: Cursor) -> str:
    """SETQUOTA (RFC 9208 4.1.4), for administrators. Limits that are not mentioned are taken away."""
    arguments.space()
    root = arguments.astring()
    arguments.space()
    limits = _limits(arguments)
    arguments.end()
    assert session.user is not None
    if not session.user.admin:
        raise Refusal("Quotas are set by administrators", "NOPERM")
    owner = await _owner(session, root)
    for name, limit in limits.items():
        if not limit:
            # none of our limits can be nothing at all: 0 stands for "no limit" in the store
            raise Refusal(f"{name} cannot be limited to 0", "CANNOT")
    await session.store.users.set_quota(
        owner.address, 1024 * limits.get("STORAGE", 0), limits.get("MESSAGE", 0))
    await _tell(session, root, owner.id)
    return "SETQUOTA completed"


def _limits(arguments: Cursor) -> dict[str, int]:
    """Read ``"(" [resource-name SP resource-limit *(SP resource-name SP resource-limit)] ")"``."""
    arguments.expect(b"(")
    limits: dict[str, int] = {}
    while not arguments.skip(b")"):
        if limits:
            arguments.space()
        name = arguments.word()
        arguments.space()
        # RFC 9208 section 7: a number64
        limit = arguments.number(_MOST_MESSAGES)
        if name in limits:
            raise BadSyntax("A resource is given twice")
        if name not in ("STORAGE", "MESSAGE"):
            raise Refusal("No such resource", "CANNOT")
        # what is more than can be counted is no limit that anybody reaches
        limits[name] = min(limit, _MOST_KIBIOCTETS) if name == "STORAGE" else limit
    return limits


async def _owner(session: Session, root: bytes) -> User:
    """Whose quota a root is. Those of others are shown to administrators, and to those who read their mailboxes."""
    user = session.user
    assert user is not None
    if root == OWN:
        return user
    try:
        address = root.decode("utf-8")
        if user.admin or address.lower() == user.address or any(
            box.owner == address and "r" in box.rights for box in await shared.others(session)
        ):
            found = await session.store.users.find(address)
            if found is not None:
                return found
    except (UnicodeDecodeError, InvalidName):
        pass
    raise Refusal("No such quota root", "NONEXISTENT")


async def _tell(session: Session, root: bytes, account_id: int) -> None:
    quota = await session.store.mailboxes.quota(account_id)
    resources = []
    if quota.limit_bytes:
        # RFC 9208 5.1: units of 1024 octets. Use is rounded up, so that it never looks like less than it is.
        resources.append(b"STORAGE %d %d" % (-(-quota.used_bytes // 1024), quota.limit_bytes // 1024))
    if quota.limit_messages:
        resources.append(b"MESSAGE %d %d" % (quota.used_messages, quota.limit_messages))
    session.write(b"* QUOTA %s (%s)\r\n" % (astring(root), b" ".join(resources)))
