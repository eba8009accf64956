"""Capabilities that a listener or an account does without: which there are, and the command that switches them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from quantummail.cli.command import EX_DATAERR, EX_NOUSER, EX_OK, JSON, Command, CommandFailed, say_json, with_store
from quantummail.cli.versions import say
from quantummail.config import values

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quantummail.config import Config
    from quantummail.store.records import User

# What matters before somebody has logged in, and nobody knows who it is
_BEFORE_LOGIN = frozenset({"SASL", "SASL-IR", "STARTTLS", "STLS", "USER"})


def imap_names() -> dict[str, str]:
    """The capabilities of IMAP, by their names in upper case."""
    from quantummail.imap import capabilities, registry  # loads the protocol, which other commands do not need

    registry.load()
    return _by_upper_case([*capabilities.names(), "LITERAL+", "LITERAL-"])


def smtp_names() -> dict[str, str]:
    """The extensions of SMTP."""
    from quantummail.smtp.extensions import SWITCHABLE

    return _by_upper_case(SWITCHABLE)


def pop3_names() -> dict[str, str]:
    """The capabilities of POP3."""
    from quantummail.pop3.session import SWITCHABLE

    return _by_upper_case(SWITCHABLE)


def mechanism_names() -> dict[str, str]:
    """The ways to log in."""
    from quantummail.auth.methods import MECHANISMS

    return _by_upper_case(f"AUTH={name}" for name in MECHANISMS)


def doubts(config: Config) -> list[str]:
    """What listeners are to do without, and there is not."""
    found = []
    for section, listener in config.listeners().items():
        names = {**(imap_names() if section.startswith("imap") else pop3_names() if section.startswith("pop3")
                    else smtp_names()), **mechanism_names()}
        found += [f"[{section}] disabled_capabilities: there is no {name}{_meant(name, names)}"
                  for name in getattr(listener, "disabled_capabilities", ()) if name not in names]
    return found


class UserCapabilities(Command):
    """Switch capabilities off, or on again, for one account; without options tell which are off.

    It applies from the account's next login. NAMES are those of CAPABILITY (IMAP), EHLO (SMTP) and CAPA (POP3),
    separated by commas. What is off for a listener (`disabled_capabilities`) is off for everybody.
    """

    synopsis = "ADDRESS [--disable NAMES] [--enable NAMES] [--json]"
    takes = ("address",)
    optFlags = [JSON]
    optParameters = [
        ["disable", None, None, "Do without these."],
        ["enable", None, None, "Have these again; `all` for all of them."],
    ]

    def run(self) -> int:
        """Switch and tell."""
        config = self.configuration()
        user = with_store(config, lambda store: store.users.find(self["address"]))
        if user is None:
            raise CommandFailed(EX_NOUSER, f"there is no user {self['address']}")
        disabled = set(user.disabled_capabilities)
        if self["disable"] is not None or self["enable"] is not None:
            disabled = self._changed(disabled)
            with_store(config, lambda store: store.users.set_disabled_capabilities(user.address, sorted(disabled)))
        self._tell(user, sorted(disabled))
        return EX_OK

    def _changed(self, disabled: set[str]) -> set[str]:
        known = {name: spelt for name, spelt in {**imap_names(), **smtp_names(), **pop3_names()}.items()
                 if name not in _BEFORE_LOGIN}
        again = values.NAMES.parse(self["enable"] or "")
        if "ALL" in again:
            disabled = set()
        # what an older or newer version knew can always be switched on again
        disabled = {name for name in disabled if name.upper() not in again}
        for name in values.NAMES.parse(self["disable"] or ""):
            if name not in known:
                raise CommandFailed(EX_DATAERR, self._unknown(name, known))
            disabled.add(known[name])
        return disabled

    def _unknown(self, name: str, known: dict[str, str]) -> str:
        if name in _BEFORE_LOGIN or name.startswith("AUTH="):
            return f"{name} matters before the login, when nobody knows who it is: see disabled_capabilities"
        return f"there is no capability {name}{_meant(name, known)}"

    def _tell(self, user: User, disabled: list[str]) -> None:
        if self["json"]:
            say_json({"address": user.address, "disabled_capabilities": disabled})
        elif disabled:
            say(f"{user.address} does without {', '.join(disabled)}")
        else:
            say(f"{user.address} has all capabilities")


def _by_upper_case(names: Iterable[str]) -> dict[str, str]:
    return {name.upper(): name for name in names}


def _meant(name: str, names: dict[str, str]) -> str:
    close = difflib.get_close_matches(name, names, 1, 0.6)
    return f", did you mean {names[close[0]]}?" if close else ""
