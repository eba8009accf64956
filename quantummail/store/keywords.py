"""Keywords of a mailbox: each has a bit, given out as names come (RFC 3501 2.3.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, insert, literal_column, select, update
from twisted.logger import Logger

from quantummail.store.errors import LimitReached
from quantummail.store.flags import KEYWORD_SHIFT, MAX_KEYWORD_LENGTH, MAX_KEYWORDS, SYSTEM_MASK
from quantummail.store.prepared import Prepared
from quantummail.store.tables import keywords, messages
from quantummail.store.transaction import Transaction

_log = Logger(namespace="quantummail.store")

_KEYWORDS = Prepared(
    select(keywords.c.name)
    .where(keywords.c.account_id == bindparam("account"), keywords.c.mailbox_id == bindparam("box"))
    .order_by(keywords.c.bit)
)
_CARRIED = Prepared(
    select(messages.c.flags.op("&")(literal_column(str(~SYSTEM_MASK)))).distinct()
    .where(messages.c.account_id == bindparam("account"), messages.c.mailbox_id == bindparam("box"))
)


def keywords_txn(connection: Connection, account_id: int, mailbox_id: int) -> tuple[str, ...]:
    """The keywords of a mailbox in the order of their bits."""
    return tuple([name for name, in _KEYWORDS.tuples(connection, {"account": account_id, "box": mailbox_id})])


def keyword_mask_txn(
    transaction: Transaction, account_id: int, mailbox_id: int, names: Sequence[str], *, create: bool = True,
    as_many_as_fit: bool = False,
) -> int:
    """The bits of keywords (any case); unknown ones get a bit, or count as none if not to `create`.

    When all places are taken, those of keywords that no message carries are given away. `LimitReached` when that is
    not enough, and nothing is created then; or `as_many_as_fit`: what is copied or found is not refused for a keyword.
    """
    known = keywords_txn(transaction.connection, account_id, mailbox_id)
    bits = {name.lower(): bit for bit, name in enumerate(known)}
    mask = _mask(bits, names)
    new: dict[str, str] = {}
    for name in names:
        if name.lower() not in bits:
            new.setdefault(name.lower(), name)
    if new and create:
        kept = mask | transaction.keywords.get(mailbox_id, 0)
        bits = _create_txn(transaction, account_id, mailbox_id, len(known), list(new.values()), kept, as_many_as_fit)
        mask |= _mask(bits, list(new))
    if mask:
        transaction.keywords[mailbox_id] = transaction.keywords.get(mailbox_id, 0) | mask
    return mask


def _mask(bits: Mapping[str, int], names: Sequence[str]) -> int:
    mask = 0
    for name in names:
        if (bit := bits.get(name.lower())) is not None:
            mask |= 1 << (KEYWORD_SHIFT + bit)
    return mask


def _create_txn(
    transaction: Transaction, account_id: int, mailbox_id: int, count: int, new: Sequence[str], kept: int,
    as_many_as_fit: bool,
) -> dict[str, int]:
    """Give places to new keywords, all or (`as_many_as_fit`) some of them: their bits by their names in lower case."""
    connection = transaction.connection
    wanted = [name for name in new if len(name) <= MAX_KEYWORD_LENGTH]
    if len(wanted) < len(new) and not as_many_as_fit:
        raise LimitReached(f"a keyword has at most {MAX_KEYWORD_LENGTH} characters")
    free = list(range(count, MAX_KEYWORDS))
    if len(free) < len(wanted):
        free += _unused_txn(connection, account_id, mailbox_id, count, kept)
    if len(free) < len(wanted) and not as_many_as_fit:
        raise LimitReached(f"a mailbox has at most {MAX_KEYWORDS} keywords")
    places = dict(zip(wanted, free, strict=False))
    for name, bit in places.items():
        if bit < count:
            connection.execute(
                update(keywords)
                .where(keywords.c.account_id == account_id, keywords.c.mailbox_id == mailbox_id, keywords.c.bit == bit)
                .values(name=name)
            )
        else:
            connection.execute(
                insert(keywords), {"account_id": account_id, "mailbox_id": mailbox_id, "bit": bit, "name": name})
    if len(places) < len(new):
        _log.info("mailbox {mailbox} has no place for the keywords {names}: messages come without them",
                  mailbox=mailbox_id, names=" ".join(name for name in new if name not in places))
    return {name.lower(): bit for name, bit in places.items()}


def _unused_txn(connection: Connection, account_id: int, mailbox_id: int, count: int, kept: int) -> list[int]:
    """Bits of keywords that no message carries, nor one (`kept`) that this transaction is about to change."""
    for (flags,) in _CARRIED.execute(connection, {"account": account_id, "box": mailbox_id}):
        kept |= flags
    return [bit for bit in range(count) if not kept >> (KEYWORD_SHIFT + bit) & 1]
