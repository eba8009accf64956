"""The commands by name, with the states that allow them: the one place where legality is decided (RFC 3501 section 3).

A module in `quantummail.imap.commands` says ``@command("MOVE", SELECTED)`` above a coroutine; that is all it takes to
add an extension.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session


class State(Enum):
    """Where a connection is (RFC 3501 section 3); after LOGOUT it is closed."""

    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"


ANY = frozenset(State)
NOT_AUTHENTICATED = frozenset({State.NOT_AUTHENTICATED})
AUTHENTICATED = frozenset({State.AUTHENTICATED, State.SELECTED})
SELECTED = frozenset({State.SELECTED})

Run = Callable[["Session", "Cursor"], Awaitable[str | None]]
"""Reads its arguments and answers with ``write``; gives the text after OK, or None when the tagged response comes from
elsewhere (a dialogue that goes on)."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command."""

    name: str
    states: frozenset[State]
    run: Run
    expunges: bool
    """Whether EXPUNGE may be sent at its end (RFC 3501 7.4.1: not for FETCH, STORE, SEARCH by number)."""
    capability: str
    """The extension it belongs to; switched off with it. Empty for RFC 3501."""
    streams: Callable[[bytes], bool] | None
    """Says of the arguments up to an announced literal whether that literal is a message to be streamed."""


    @property
    def by_number(self) -> bool:
        """Whether it speaks of message numbers, and has a counterpart that speaks of UIDs (RFC 9586 3.2)."""
        return f"UID {self.name}" in COMMANDS and self.name != "EXPUNGE"


COMMANDS: dict[str, Command] = {}


def command(
    name: str,
    states: frozenset[State],
    *,
    expunges: bool = True,
    capability: str = "",
    streams: Callable[[bytes], bool] | None = None,
) -> Callable[[Run], Run]:
    """Enter a coroutine in the table. ``UID FETCH`` is a name of its own."""

    def enter(run: Run) -> Run:
        COMMANDS[name] = Command(name, states, run, expunges, capability, streams)
        return run

    return enter


def load() -> None:
    """Import every module of commands, so that the table is whole."""
    package = importlib.import_module("quantummail.imap.commands")
    for module in sorted(found.name for found in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"{package.__name__}.{module}")
