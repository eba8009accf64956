"""What messages are sorted and threaded by (RFC 5256, RFC 5957), as values that compare as they should."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, text, update

from quantummail.message.casemap import casemap
from quantummail.message.encoded_word import decode_raw, decode_text
from quantummail.store.prepared import Prepared
from quantummail.store.tables import contents, messages
from quantummail.store.transaction import Transaction
from quantummail.store.uids import conditions

PAGE = 1000
# What comes behind decides nothing
_LONGEST = 500

ARRIVAL, CC, DATE, DISPLAY_FROM, DISPLAY_TO, FROM, SIZE, SUBJECT, TO = (
    "ARRIVAL", "CC", "DATE", "DISPLAYFROM", "DISPLAYTO", "FROM", "SIZE", "SUBJECT", "TO")
THREAD = "THREAD"
"""Not a key of SORT: the packed identifiers (`quantummail.message.thread_ids`), None where they are unknown."""

# nstring = string / "NIL", where the string is quoted
_QUOTED = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_NSTRING = rb"(?:NIL|" + _QUOTED + rb")"
_nstring = re.compile(rb"NIL|(" + _QUOTED + rb")|\{(\d+)\}\r\n", re.DOTALL)
# env-from = "(" 1*address ")" / "NIL", where no string is a literal
_LIST = rb"(?:NIL|\((?:\(" + b" ".join([_NSTRING] * 4) + rb"\))+\))"
_plain_list = re.compile(_LIST, re.DOTALL)
_escaped = re.compile(rb"\\(.)", re.DOTALL)
_FIELDS = ("from", "sender", "reply-to", "to", "cc")
# What nearly all envelopes look like up to the end of the first address of each field: no literals, nothing escaped
_SIMPLE = rb'(?:NIL|"([^"\\]*)")'
_simple = {
    field: re.compile(
        rb"\(" + _NSTRING + b" " + _NSTRING + (b" " + _LIST) * place
        + rb" (?:NIL|\(\(" + _SIMPLE + b" " + _NSTRING + b" " + _SIMPLE + b" " + _SIMPLE + rb"\))", re.DOTALL).match
    for place, field in enumerate(_FIELDS)
}

_Address = tuple[bytes, bytes, bytes]
"""Name, mailbox and host as they stand in the envelope; empty for NIL."""
_NOBODY: _Address = (b"", b"", b"")


@dataclass(frozen=True, slots=True)
class _Key:
    """One key: the column it comes from, and what makes the value of it."""

    column: ColumnElement[Any]
    value: Callable[[Any], Any] | None = None


def _subject(base: str | None) -> str:
    return casemap(base[:_LONGEST]) if base else ""


def _mailbox(field: str) -> Callable[[bytes | None], str]:
    # RFC 5256 section 3: addr-mailbox of the first address
    return lambda envelope: casemap(decode_raw(first_address(envelope, field)[1])[:_LONGEST])


def _display(field: str) -> Callable[[bytes | None], str]:
    def value(envelope: bytes | None) -> str:
        # RFC 5957 section 3
        name, mailbox, host = first_address(envelope, field)
        if name:
            return casemap(decode_text(name)[:_LONGEST])
        return casemap(decode_raw(mailbox + b"@" + host if host else mailbox)[:_LONGEST])

    return value


_KEYS: dict[str, _Key] = {
    ARRIVAL: _Key(messages.c.internal_date),
    CC: _Key(contents.c.envelope, _mailbox("cc")),
    # RFC 5256 2.2: the internal date where the header has none
    DATE: _Key(func.coalesce(contents.c.sent, messages.c.internal_date)),
    DISPLAY_FROM: _Key(contents.c.envelope, _display("from")),
    DISPLAY_TO: _Key(contents.c.envelope, _display("to")),
    FROM: _Key(contents.c.envelope, _mailbox("from")),
    SIZE: _Key(messages.c.size),
    SUBJECT: _Key(contents.c.base_subject, _subject),
    THREAD: _Key(contents.c.thread_ids),
    TO: _Key(contents.c.envelope, _mailbox("to")),
}
_IN_MAILBOX = (messages.c.account_id == bindparam("account")) & (messages.c.mailbox_id == bindparam("box"))
_WITH_CONTENTS = messages.outerjoin(
    contents, (contents.c.account_id == messages.c.account_id) & (contents.c.email_id == messages.c.email_id)
)
_pages: dict[tuple[str, ...], Prepared] = {}
_SET_THREAD_IDS = (
    update(contents)
    .where(contents.c.account_id == bindparam("account"), contents.c.email_id == bindparam("email"))
    .values(thread_ids=bindparam("packed"))
)

Values = list[list[Any]]
"""One list for each key, in the order of the UIDs."""


def page_txn(
    connection: Connection, account_id: int, mailbox_id: int, keys: tuple[str, ...], after: int, last: int
) -> tuple[list[int], Values]:
    """The keys of up to `PAGE` messages whose UIDs are above `after`, up to `last`."""
    statement = _pages.get(keys)
    if statement is None:
        statement = _pages[keys] = Prepared(
            _select(keys)
            .where(messages.c.uid > bindparam("after"), messages.c.uid <= bindparam("last"))
            .order_by(messages.c.uid)
            # not by limit(): SQLAlchemy would add an OFFSET to what SQLite gets
            .suffix_with(text(f"LIMIT {PAGE}"))
        )
    rows = statement.tuples(
        connection, {"account": account_id, "box": mailbox_id, "after": after, "last": last})
    return _values(keys, rows)


def few_txn(
    connection: Connection, account_id: int, mailbox_id: int, keys: tuple[str, ...], uids: Sequence[int]
) -> tuple[list[int], Values]:
    """The keys of these messages; those that are gone are missing."""
    rows: list[Any] = []
    for condition, parameters in conditions(uids):
        rows += connection.execute(
            _select(keys).where(condition).order_by(messages.c.uid),
            {"account": account_id, "box": mailbox_id, **parameters},
        )
    return _values(keys, rows)


def keep_thread_ids_txn(transaction: Transaction, account_id: int, found: Sequence[tuple[str, bytes]]) -> None:
    """Note what was read from files: e-mail ids, and what is packed of them."""
    transaction.connection.execute(
        _SET_THREAD_IDS, [{"account": account_id, "email": email_id, "packed": packed} for email_id, packed in found]
    )


def _select(keys: Sequence[str]) -> Any:
    columns = [_KEYS[key].column.label(f"key_{place}") for place, key in enumerate(keys)]
    return select(messages.c.uid, *columns).select_from(_WITH_CONTENTS).where(_IN_MAILBOX)


def _values(keys: Sequence[str], rows: Sequence[Any]) -> tuple[list[int], Values]:
    if not rows:
        return [], [[] for _ in keys]
    uids, *columns = zip(*rows, strict=True)
    values: Values = []
    for key, column in zip(keys, columns, strict=True):
        make = _KEYS[key].value
        values.append(list(column) if make is None else list(map(make, column)))
    return list(uids), values


def first_address(envelope: bytes | None, field: str) -> _Address:
    """The first address of a field (``from``, ``to``, ``cc``) in a rendered ENVELOPE."""
    if not envelope:
        return _NOBODY
    simple = _simple[field](envelope)
    if simple is not None:
        name, mailbox, host = simple.groups()
        return name or b"", mailbox or b"", host or b""
    position = 1
    # date and subject
    for _ in range(2):
        _, position = _string(envelope, position)
        position += 1
    for name in _FIELDS:
        if name == field:
            break
        position = _after_list(envelope, position) + 1
    if envelope[position : position + 2] != b"((":
        return _NOBODY
    position += 2
    address: list[bytes] = []
    for _ in range(4):
        value, position = _string(envelope, position)
        address.append(value)
        position += 1
    return address[0], address[2], address[3]


def _string(envelope: bytes, position: int) -> tuple[bytes, int]:
    """A string (empty for NIL), and where what follows begins."""
    found = _nstring.match(envelope, position)
    if found is None:
        return b"", position
    quoted, octets = found.groups()
    if octets is not None:
        end = found.end() + int(octets)
        return envelope[found.end() : end], end
    if quoted is None:
        return b"", found.end()
    content = quoted[1:-1]
    return (_escaped.sub(rb"\1", content) if b"\\" in content else content), found.end()


def _after_list(envelope: bytes, position: int) -> int:
    found = _plain_list.match(envelope, position)
    if found is not None:
        return found.end()
    # with literals
    position += 1
    while envelope[position : position + 1] == b"(":
        position += 1
        for _ in range(4):
            _, position = _string(envelope, position)
            position += 1
    return position + 1
