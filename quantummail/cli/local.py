"""Commands about mail of this machine's programs: `sendmail` as a command of ours, `mailq`, local names."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
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
    with_store,
)
from quantummail.cli.queue import as_json, entries
from quantummail.cli.versions import say

if TYPE_CHECKING:
    from quantummail.config import Config
    from quantummail.message.address import Address
    from quantummail.store.directory import Resolution
    from quantummail.store.outgoing_lists import Entry
    from quantummail.store.store import Store


class Sendmail(Command):
    """Hand in a message as the program `sendmail` does, with its flags; see docs/commands.rst."""

    synopsis = "[flags] [recipients]"

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """Flags are sendmail's, not ours."""
        if options and options[0] == "--help":
            super().parseOptions(options)
        self.given = list(options or ())

    def run(self) -> int:
        """Do what they say."""
        from quantummail.cli.sendmail import run

        return run(self.given, str(self.config_path))


class Mailq(Command):
    """List what waits, message by message, as `mailq` does everywhere."""

    synopsis = "[--json]"
    optFlags = [JSON]

    def run(self) -> int:
        """List it."""
        from quantummail.store.outgoing_records import Selection

        found = with_store(self.configuration(), lambda store: entries(store, Selection()))
        if self["json"]:
            say_json([as_json(entry) for entry in found])
            return EX_OK
        if not found:
            say("Mail queue is empty")
            return EX_OK
        say("-Queue ID-         --Size-- ----Arrival Time---- -Sender/Recipient-------")
        messages: dict[str, list[Entry]] = {}
        for entry in found:
            messages.setdefault(entry.message.id, []).append(entry)
        octets = 0
        for of_one in messages.values():
            octets += of_one[0].message.size
            _say_message(of_one)
        count = len(messages)
        say(f"-- {-(-octets // 1024)} Kbytes in {count} Request{'s' if count > 1 else ''}.")
        return EX_OK


def _say_message(of_one: Sequence[Entry]) -> None:
    message = of_one[0].message
    states = {entry.recipient.state.value for entry in of_one}
    # postqueue(1): being tried, held
    mark = "*" if "leased" in states else "!" if states == {"held"} else " "
    arrived = time.strftime("%a %b %d %H:%M:%S", time.localtime(message.created))
    say(f"{message.id}{mark} {message.size:>9} {arrived:>20}  {message.sender or 'MAILER-DAEMON'}")
    answered = ""
    for entry in sorted(of_one, key=lambda one: (one.recipient.code, one.recipient.answer)):
        recipient = entry.recipient
        answer = f"{recipient.code} {recipient.status} {recipient.answer}".strip() if recipient.code else ""
        if answer and answer != answered:
            say(f"({answer})".rjust(78))
            answered = answer
        say(" " * 39 + recipient.address)
    say("")


class Aliases(Command):
    """Check the file of aliases (`[local] aliases`). It needs no rebuilding: the server reads it when it changes."""

    def run(self) -> int:
        """Check it."""
        from quantummail.delivery.local_names import parse_aliases

        path = self.configuration().local.aliases
        if path is None:
            raise CommandFailed(EX_DATAERR, "[local] aliases is empty: there is no such file")
        try:
            found, complaints = parse_aliases(path.read_text("utf-8", "replace"))
        except FileNotFoundError:
            found, complaints = {}, [f"{path} does not exist"]
        for complaint in complaints:
            say(f"{path}: {complaint}")
        say(f"{path}: {len(found)} aliases")
        return EX_DATAERR if complaints and not found else EX_OK


class Resolve(Command):
    """Say where mail to addresses, or names of this machine's users, goes."""

    synopsis = "ADDRESS ..."
    takes_more = "address"

    def run(self) -> int:
        """Say it; 67 if mail to one of them goes nowhere."""
        from quantummail.message.address import Address

        config = self.configuration()
        domain = config.local.domain or config.server.hostname
        code = EX_OK
        for given in self["address"]:
            try:
                address = Address.parse(given if "@" in given else f"{given}@{domain}")
            except ValueError as error:
                raise CommandFailed(EX_DATAERR, f"{given!r} is no address: {error}") from None
            found = with_store(config, partial(_resolved, config, address))
            if not found.ours:
                say(f"{address}: goes to another server")
            elif found.known:
                say(f"{address}: {', '.join([*found.local, *found.remote])}")
            else:
                say(f"{address}: no such user here")
                code = EX_NOUSER
            for step in found.trail:
                say(f"  {step}")
        return code


async def _resolved(config: Config, address: Address, store: Store) -> Resolution:
    from quantummail.delivery.local_names import AliasFile, LocalNames

    names = LocalNames(store.directory, config.local.domain or config.server.hostname, AliasFile(config.local.aliases))
    return await names.resolve(address.local_part, address.domain)


class LocalGroup(Group):
    """Names of this machine's users."""

    subCommands = [
        ["aliases", None, Aliases, "check the file of aliases"],
        ["resolve", None, Resolve, "say where mail to a name or an address goes"],
    ]
