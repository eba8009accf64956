"""What a user may do with a mailbox (RFC 4314 section 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quantummail.imap.session import Session
    from quantummail.store.records import Mailbox

# l: see it, r: read, s: \Seen, w: other flags, i: add messages, p: be written to, k: create below, x: delete it,
# t: \Deleted, e: expunge, a: give rights to others
ALL = "lrswipkxtea"


def rights(session: Session, mailbox: Mailbox) -> str:
    """The letters of the user's rights on a mailbox, empty if there are none: the owner has all of them."""
    return ALL if mailbox.account_id == session.account_id else ""
