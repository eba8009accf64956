"""Commands about aliases, addresses that stand for others. They work beside a running server, on the same database."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from quantummail.cli.command import EX_OK, JSON, Command, Group, say_json, say_table, warn, with_store
from quantummail.cli.versions import say

if TYPE_CHECKING:
    from quantummail.store.records import Alias
    from quantummail.store.store import Store


class AliasAdd(Command):
    """Let an address stand for others; ``@domain`` is every address of the domain that is not there otherwise."""

    synopsis = "ADDRESS TARGET [TARGET ...]"
    takes = ("address",)
    takes_more = "targets"

    def run(self) -> int:
        """Add it."""
        alias, doubts = with_store(self.configuration(), self._add)
        say(f"{alias.address} stands for {', '.join(alias.targets)}")
        for found in doubts:
            warn(found)
        return EX_OK

    async def _add(self, store: Store) -> tuple[Alias, list[str]]:
        alias = await store.aliases.add(self["address"], self["targets"])
        doubts = [await doubt(store, alias.address, target) for target in alias.targets]
        return alias, [found for found in doubts if found]


class AliasList(Command):
    """List the aliases."""

    synopsis = "[DOMAIN] [--json]"
    optFlags = [JSON]
    may_take = "domain"

    def run(self) -> int:
        """List them."""
        domain = self["domain"] or None
        aliases = with_store(self.configuration(), lambda store: store.aliases.list(domain))
        if self["json"]:
            say_json([asdict(alias) for alias in aliases])
        else:
            say_table(("ALIAS", "TARGETS"), [(alias.address, ", ".join(alias.targets)) for alias in aliases])
        return EX_OK


class AliasDelete(Command):
    """Delete an alias."""

    synopsis = "ADDRESS"
    takes = ("address",)

    def run(self) -> int:
        """Delete it."""
        with_store(self.configuration(), lambda store: store.aliases.delete(self["address"]))
        say(f"{self['address']} deleted")
        return EX_OK


class AliasGroup(Group):
    """Addresses that stand for others."""

    subCommands = [
        ["add", None, AliasAdd, "let an address, or @domain, stand for others"],
        ["list", None, AliasList, "list the aliases"],
        ["delete", None, AliasDelete, "delete an alias"],
    ]


async def doubt(store: Store, alias: str, target: str) -> str:
    """Why a target of an alias may not be what was meant; empty if nothing is odd about it."""
    if target == alias:
        return f"{alias} stands for itself"
    local_part, _, domain = target.rpartition("@")
    found = await store.directory.resolve(local_part, domain)
    if not found.ours:
        return ""
    if any(step.endswith(f" -> {alias}") for step in found.trail):
        return f"{target} leads back to {alias}"
    if found.known:
        return ""
    return f"{target} is disabled" if found.disabled else f"{target} does not exist"
