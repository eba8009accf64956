"""`quantummail suppression`: addresses elsewhere that our users may not write to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from quantummail.cli.command import (
    EX_DATAERR,
    EX_NOUSER,
    EX_OK,
    JSON,
    Command,
    CommandFailed,
    Group,
    say_json,
    say_table,
    with_store,
)
from quantummail.cli.versions import say

if TYPE_CHECKING:
    from quantummail.config import Config
    from quantummail.store.store import Store
    from quantummail.store.suppressions import Suppression

_PAGE = 1000


class SuppressionList(Command):
    """List them, with what their servers have said."""

    synopsis = "[--json]"
    optFlags = [JSON]

    def run(self) -> int:
        """List them."""
        config = self.configuration()
        found = with_store(config, lambda store: _all(store, config))
        if self["json"]:
            say_json([{name: getattr(one, name) for name in one.__slots__} for one in found])
            return EX_OK
        say_table(("ADDRESS", "SINCE", "LAST", "TIMES", "UNTIL", "REASON"), [
            (one.address, _day(one.since), _day(one.last), one.count,
             "deleted" if one.stays else _day(int(one.last + config.limits.suppress_for)), one.reason)
            for one in found
        ])
        return EX_OK


class SuppressionAdd(Command):
    """Refuse mail of our users to an address, until it is deleted here."""

    synopsis = "ADDRESS [--reason TEXT]"
    optParameters = [["reason", None, "an administrator has said so", "What users are told."]]
    takes = ("address",)

    def run(self) -> int:
        """Add it."""
        from quantummail.message.address import Address

        try:
            address = str(Address.parse(self["address"]))
        except ValueError as error:
            raise CommandFailed(EX_DATAERR, f"{self['address']!r} is not an address: {error}") from None
        with_store(self.configuration(), lambda store: store.suppressions.add(address, self["reason"]))
        say(f"{address} is suppressed")
        return EX_OK


class SuppressionDelete(Command):
    """Let mail to an address pass again."""

    synopsis = "ADDRESS"
    takes = ("address",)

    def run(self) -> int:
        """Delete it."""
        if not with_store(self.configuration(), lambda store: store.suppressions.delete(self["address"])):
            raise CommandFailed(EX_NOUSER, f"{self['address']} is not suppressed")
        say(f"{self['address']} is written to again")
        return EX_OK


class SuppressionGroup(Group):
    """Addresses elsewhere that do not exist, as their servers have said: nobody here may write to them."""

    subCommands = [
        ["list", None, SuppressionList, "list them, with the reason"],
        ["add", None, SuppressionAdd, "refuse mail to an address"],
        ["delete", None, SuppressionDelete, "let mail to an address pass again"],
    ]


async def _all(store: Store, config: Config) -> list[Suppression]:
    store.suppressions.keep = config.limits.suppress_for
    found: list[Suppression] = []
    while True:
        page = await store.suppressions.list(after=found[-1].address if found else "", limit=_PAGE)
        found += page
        if len(page) < _PAGE:
            return found


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(seconds))
