"""Commands that look after a server: reindex, version."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from quantummail.cli.command import EX_OK, EX_TEMPFAIL, Command, with_store
from quantummail.cli.versions import say, say_versions
from quantummail.store.errors import NoSuchUser

if TYPE_CHECKING:
    from quantummail.store.adoption import Findings
    from quantummail.store.store import Store

# A running server gives the files that it has put into Maildirs their rows within so many seconds, or never
_UNDER_WAY = 60.0


class Reindex(Command):
    """Take messages into the index that are in the Maildirs only, and forget those whose files are gone.

    While a server runs, what it has written itself in the last minute is left to it.
    """

    synopsis = "[--text] [ADDRESS]"
    may_take = "address"
    optFlags = [["text", None, "Make the full-text index anew instead."]]

    def run(self) -> int:
        """Scan one account or all."""
        from quantummail.service.lock import is_held  # loads the server, which `version` does not need

        config = self.configuration()
        if self["text"]:
            serving = is_held(config.server.data_dir / "lock")
            with_store(config, lambda store: self._reindex_texts(store, serving))
            return EX_OK
        min_age = _UNDER_WAY if is_held(config.server.data_dir / "lock") else 0.0
        found = with_store(config, lambda store: self._reindex(store, min_age))
        say(f"{found.mailboxes} mailboxes made, {found.adopted} messages taken in, {found.vanished} gone, "
            f"flags of {found.flags} changed")
        if min_age:
            say(f"a server runs: what it has written itself in the last {min_age:g} seconds was left to it")
        for error in found.errors:
            print(f"quantummail: {error}", file=sys.stderr)  # noqa: T201  # a command's answer
        return EX_TEMPFAIL if found.errors else EX_OK

    async def _reindex_texts(self, store: Store, serving: bool) -> None:
        address = self["address"] or None
        user = await store.users.find(address) if address else None
        if address and user is None:
            raise NoSuchUser(f"there is no user {address}")
        store.texts.forget(user.id if user is not None else None)
        if serving:
            say("the full-text index is thrown away: the server makes it again in the background, "
                "and reads messages until then")
            return
        await store.texts.indexing.catch_up()
        say("the full-text index is made again")

    async def _reindex(self, store: Store, min_age: float) -> Findings:
        address = self["address"] or None
        found = await store.reindex(address, min_age=min_age)
        users = [user for user in [await store.users.find(address)] if user] if address else await store.users.list()
        mailboxes = [len(await store.mailboxes.list(user.id)) for user in users]
        say(f"looked at {len(users)} accounts, {sum(mailboxes)} mailboxes, "
            f"{sum(user.used_messages for user in users)} messages")
        return found


class Version(Command):
    """Say which versions run here."""

    def run(self) -> int:
        """Print them."""
        say_versions()
        return EX_OK
