"""Where mail to one of our addresses goes: account, alias, subaddress, role, catch-all, in this order."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, literal_column, select

from quantummail.store.accounts import alias_targets_txn
from quantummail.store.names import lookup_address, lookup_domain
from quantummail.store.rows import AnyRow
from quantummail.store.storing import Target
from quantummail.store.tables import accounts, domains, mailboxes

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from quantummail.store.database import Database

# Addresses that every domain must have (RFC 5321 4.5.1, RFC 2142): they reach an administrator if nothing else is said
POSTMASTER = "postmaster"
ROLES = frozenset((POSTMASTER, "abuse", "hostmaster", "webmaster", "noc", "security", "mailer-daemon"))
# Changes made by commands, in another process, are followed after this time
_REMEMBERED_FOR = 2.0
_REMEMBERED = 10_000
# An account with less room than this may be full before two seconds are over, or have room again
_MUCH_ROOM = 256 * 1024 * 1024
_MANY_MESSAGES = 1000

_ACCOUNT = (
    select(
        accounts.c.id, accounts.c.address, accounts.c.enabled, accounts.c.quota_bytes, accounts.c.quota_messages,
        accounts.c.used_bytes, accounts.c.used_messages, mailboxes.c.id.label("inbox"), mailboxes.c.directory,
    )
    .join_from(accounts, mailboxes, mailboxes.c.account_id == accounts.c.id)
    .where(mailboxes.c.name == "INBOX")
)
_BY_ADDRESS = _ACCOUNT.where(accounts.c.address == bindparam("address"))
_ADMINISTRATORS = _ACCOUNT.where(accounts.c.admin, accounts.c.enabled).order_by(accounts.c.id)
_OURS: Any = select(literal_column("1")).where(domains.c.name == bindparam("domain"))


@dataclass(slots=True)
class Resolution:
    """What an address means here."""

    ours: bool
    """Whether the domain is one of ours (the bare postmaster is)."""
    local: dict[str, Target] = field(default_factory=dict)
    """Account address to its INBOX."""
    remote: list[str] = field(default_factory=list)
    """Addresses elsewhere that an alias leads to."""
    disabled: bool = False
    """Some of it leads to an account that is switched off."""
    owned: bool = False
    """The address itself (or its user without the detail) is an account or an alias: no role, no catch-all."""
    postmaster: bool = False
    """It is a postmaster of ours: refused for now at most, never for good (RFC 5321 4.5.1)."""
    nearly_full: bool = False
    """An account that it leads to is near its quota."""
    trail: list[str] = field(default_factory=list)
    """What led where, for the log and for `why`."""

    @property
    def known(self) -> bool:
        """Whether mail can go anywhere."""
        return bool(self.local or self.remote)


class Directory:
    """Answers for recipients; remembers good ones, and that a domain is not ours, for two seconds.

    Not where an account is nearly full.
    """

    def __init__(self, database: Database, clock: IReactorTime | None, delimiter: str) -> None:
        self._database = database
        self._clock = clock
        self._delimiter = delimiter
        self._remembered: OrderedDict[str, tuple[float, Resolution]] = OrderedDict()

    async def resolve(self, local_part: str, domain: str) -> Resolution:
        """Find out where mail to `local_part@domain` goes; an empty domain means this server's postmaster."""
        key = f"{local_part}@{domain}"
        now = self._clock.seconds() if self._clock is not None else 0.0
        remembered = self._remembered.get(key)
        if remembered is not None and remembered[0] > now:
            return remembered[1]
        found = await self._database.run(resolve_txn, local_part, domain, self._delimiter)
        if (found.known or not found.ours) and not found.nearly_full and self._clock is not None:
            self._remembered[key] = (now + _REMEMBERED_FOR, found)
            self._remembered.move_to_end(key)
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)
        return found


def resolve_txn(connection: Connection, local_part: str, domain: str, delimiter: str) -> Resolution:
    """`Directory.resolve` in one transaction."""
    try:
        domain = lookup_domain(domain)
    except ValueError:
        return Resolution(ours=False)
    if domain and not _is_ours_txn(connection, domain):
        return Resolution(ours=False)
    found = Resolution(ours=True)
    address = lookup_address(local_part, domain)
    found.postmaster = address == f"{POSTMASTER}@{domain}"
    waiting, seen = deque([address]), {address}
    while waiting:
        current = waiting.popleft()
        targets, owned = _step_txn(connection, current, delimiter, found)
        if current == address:
            found.owned = owned
        for target in targets:
            found.trail.append(f"{current} -> {target}")
            if target in seen:
                # more ways to the same address, or a circle
                continue
            seen.add(target)
            if _is_ours_txn(connection, target.rpartition("@")[2]):
                waiting.append(target)
            else:
                found.remote.append(target)
    if found.postmaster and not found.local and _administrators_txn(connection, domain, found):
        # RFC 5321 4.5.1: an alias that reaches nobody here does not keep mail from all of us
        found.owned = False
    return found


def _step_txn(
    connection: Connection, address: str, delimiter: str, found: Resolution
) -> tuple[Sequence[str], bool]:
    """What an address of ours means: its account is added to `found`, or its targets come back.

    True with them if it is an account or an alias itself, or one without its detail.
    """
    local_part, _, domain = address.rpartition("@")
    candidates = [address]
    base, separator, _ = local_part.partition(delimiter) if delimiter else (local_part, "", "")
    # RFC 5233: user+detail; an address that begins with the delimiter has no user
    if separator and base:
        candidates.append(f"{base}@{domain}")
    for candidate in candidates:
        row = connection.execute(_BY_ADDRESS, {"address": candidate}).one_or_none()
        if row is not None and not row.enabled:
            found.disabled = True
            if local_part == POSTMASTER:
                # RFC 5321 4.5.1: somebody reads this
                break
            return (), False
        if row is not None:
            _add_account(found, row)
            found.trail.append(f"{address} is an account")
            return (), True
        if targets := alias_targets_txn(connection, candidate):
            return targets, True
    if local_part in ROLES and _administrators_txn(connection, domain, found):
        return (), False
    return alias_targets_txn(connection, f"@{domain}") if domain else (), False


def _add_account(found: Resolution, row: AnyRow) -> None:
    room = None
    if row.quota_messages and row.used_messages >= row.quota_messages:
        room = 0
    elif row.quota_bytes:
        room = max(0, row.quota_bytes - row.used_bytes)
    if row.quota_messages and row.used_messages > row.quota_messages - _MANY_MESSAGES:
        found.nearly_full = True
    if room is not None and room < _MUCH_ROOM:
        found.nearly_full = True
    found.local[row.address] = Target(row.id, row.inbox, row.directory, room)


def _administrators_txn(connection: Connection, domain: str, found: Resolution) -> bool:
    administrators = connection.execute(_ADMINISTRATORS).all()
    own = [row for row in administrators if row.address.endswith(f"@{domain}")]
    for row in own or administrators:
        _add_account(found, row)
        found.trail.append(f"{row.address} is an administrator")
    return bool(administrators)


def _is_ours_txn(connection: Connection, domain: str) -> bool:
    return connection.execute(_OURS, {"domain": domain}).first() is not None
