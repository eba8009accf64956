"""Return options of LIST that bring responses of their own, one behind each LIST line.

A module of an extension adds its option to `OPTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from quantummail.imap.grammar.cursor import Cursor
    from quantummail.imap.session import Session
    from quantummail.store.records import Mailbox


class Extra(Protocol):
    """What one LIST command wants to know of each mailbox beside its name."""

    async def prepare(self, session: Session, _boxes: Sequence[Mailbox]) -> None:
        """Read what is needed for all of these at once."""

    async def line(self, session: Session, box: Mailbox) -> bytes:
        """The response for one of them, perhaps empty."""


Reader = Callable[["Cursor"], Extra | None]


@dataclass(frozen=True, slots=True)
class Option:
    """A return option."""

    capability: str
    read: Reader
    """Reads the arguments behind its name."""


OPTIONS: dict[str, Option] = {}


def plain(_arguments: Cursor) -> None:
    """An option that only asks for attributes."""
