"""Commands that look after a server: reindex, version."""

from __future__ import annotations

import sys

from quantummail.cli.command import EX_OK, EX_TEMPFAIL, Command, with_store
from quantummail.cli.versions import say, say_versions


class Reindex(Command):
    """Take messages into the index that are in the Maildirs only, and forget those whose files are gone."""

    synopsis = "[ADDRESS]"
    may_take = "address"

    def run(self) -> int:
        """Scan one account or all."""
        address = self["address"] or None
        found = with_store(self.configuration(), lambda store: store.reindex(address))
        say(f"{found.mailboxes} mailboxes: {found.adopted} messages taken in, {found.vanished} gone, "
            f"flags of {found.flags} changed")
        for error in found.errors:
            print(f"quantummail: {error}", file=sys.stderr)  # noqa: T201  # a command's answer
        return EX_TEMPFAIL if found.errors else EX_OK


class Version(Command):
    """Say which versions run here."""

    def run(self) -> int:
        """Print them."""
        say_versions()
        return EX_OK
