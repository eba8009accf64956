"""Commands that look after a server: reindex, version."""

from __future__ import annotations

import sys

from quantummail.cli.command import EX_OK, EX_TEMPFAIL, Command, with_store
from quantummail.cli.versions import say, say_versions

# A running server gives the files that it has put into Maildirs their rows within so many seconds, or never
_UNDER_WAY = 60.0


class Reindex(Command):
    """Take messages into the index that are in the Maildirs only, and forget those whose files are gone.

    While a server runs, what it has written itself in the last minute is left to it.
    """

    synopsis = "[ADDRESS]"
    may_take = "address"

    def run(self) -> int:
        """Scan one account or all."""
        from quantummail.service.lock import is_held  # loads the server, which `version` does not need

        address = self["address"] or None
        config = self.configuration()
        min_age = _UNDER_WAY if is_held(config.server.data_dir / "lock") else 0.0
        found = with_store(config, lambda store: store.reindex(address, min_age=min_age))
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
