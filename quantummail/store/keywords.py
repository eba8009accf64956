"""Keywords of a mailbox: each has a bit, given out as names come (RFC 3501 2.3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, insert, select

from quantummail.store.errors import LimitReached
from quantummail.store.flags import KEYWORD_SHIFT, MAX_KEYWORD_LENGTH, MAX_KEYWORDS
from quantummail.store.prepared import Prepared
from quantummail.store.tables import keywords

_KEYWORDS = Prepared(
    select(keywords.c.name)
    .where(keywords.c.account_id == bindparam("account"), keywords.c.mailbox_id == bindparam("box"))
    .order_by(keywords.c.bit)
)


def keywords_txn(connection: Connection, account_id: int, mailbox_id: int) -> tuple[str, ...]:
    """The keywords of a mailbox in the order of their bits."""
    rows = _KEYWORDS.execute(connection, {"account": account_id, "box": mailbox_id})
    return tuple(rows.scalars())


def keyword_mask_txn(
    connection: Connection, account_id: int, mailbox_id: int, names: Sequence[str], *, create: bool = True,
    as_many_as_fit: bool = False,
) -> int:
    """The bits of keywords (any case); unknown ones get a bit, or count as none if not to `create`.

    `LimitReached` when there are too many, or `as_many_as_fit`: what is copied or found is not refused for a keyword.
    """
    known = keywords_txn(connection, account_id, mailbox_id)
    bits = {name.lower(): bit for bit, name in enumerate(known)}
    mask = 0
    for name in names:
        bit = bits.get(name.lower())
        if bit is None:
            if not create:
                continue
            bit = len(bits)
            if as_many_as_fit and (bit >= MAX_KEYWORDS or len(name) > MAX_KEYWORD_LENGTH):
                continue
            if bit >= MAX_KEYWORDS:
                raise LimitReached(f"a mailbox has at most {MAX_KEYWORDS} keywords")
            if len(name) > MAX_KEYWORD_LENGTH:
                raise LimitReached(f"a keyword has at most {MAX_KEYWORD_LENGTH} characters")
            connection.execute(
                insert(keywords),
                {"account_id": account_id, "mailbox_id": mailbox_id, "bit": bit, "name": name},
            )
            bits[name.lower()] = bit
        mask |= 1 << (KEYWORD_SHIFT + bit)
    return mask
