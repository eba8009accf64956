"""GETQUOTA, GETQUOTAROOT: how much room there is (RFC 9208)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities, responses
from quantummail.imap.grammar.mailbox import mailbox
from quantummail.imap.registry import AUTHENTICATED, command
from quantummail.imap.responses import Refusal

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session

QUOTA = capabilities.offer("QUOTA")
capabilities.offer("QUOTA=RES-STORAGE")
capabilities.offer("QUOTA=RES-MESSAGE")

# One quota root for all mailboxes of an account
ROOT = b'""'


@command("GETQUOTA", AUTHENTICATED, capability=QUOTA)
async def get_quota(session: Session, arguments: Cursor) -> str:
    """GETQUOTA (RFC 9208 4.1.2)."""
    arguments.space()
    root = arguments.astring()
    arguments.end()
    if root:
        raise Refusal("No such quota root", "NONEXISTENT")
    await _tell(session)
    return "GETQUOTA completed"


@command("GETQUOTAROOT", AUTHENTICATED, capability=QUOTA)
async def get_quota_root(session: Session, arguments: Cursor) -> str:
    """GETQUOTAROOT (RFC 9208 4.1.3)."""
    arguments.space()
    name = mailbox(arguments)
    arguments.end()
    await session.mailbox(name)
    session.write(b"* QUOTAROOT %s %s\r\n" % (responses.mailbox_name(name, utf8=session.utf8), ROOT))
    await _tell(session)
    return "GETQUOTAROOT completed"


async def _tell(session: Session) -> None:
    quota = await session.store.mailboxes.quota(session.account_id)
    resources = []
    if quota.limit_bytes:
        # RFC 9208 5.1: units of 1024 octets. Use is rounded up, so that it never looks like less than it is.
        resources.append(b"STORAGE %d %d" % (-(-quota.used_bytes // 1024), quota.limit_bytes // 1024))
    if quota.limit_messages:
        resources.append(b"MESSAGE %d %d" % (quota.used_messages, quota.limit_messages))
    session.write(b"* QUOTA %s (%s)\r\n" % (ROOT, b" ".join(resources)))
