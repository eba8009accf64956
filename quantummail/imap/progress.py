"""Long commands say that they are still at work, so that nobody on the way takes the connection for dead (RFC 9585)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quantummail.imap import capabilities

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from quantummail.imap.session import Session

INPROGRESS = capabilities.offer("INPROGRESS", before_login=True)
INTERVAL = 10.0
"""Seconds between two responses: RFC 9585 section 3 wants less than a few a minute, middleboxes forget after 30 s."""
_NAMES = ("COPY", "EXPUNGE", "MOVE", "SEARCH", "SORT", "STORE", "THREAD")
LONG = frozenset((*_NAMES, *(f"UID {name}" for name in _NAMES), "CLOSE", "DELETE", "ESEARCH", "RENAME"))
"""Commands that may work for long without saying anything."""


class Progress:
    """One command at work. A context manager: what it wraps is told of every `INTERVAL` seconds."""

    __slots__ = ("_session", "_stop", "_tag", "done", "goal")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tag = session.tag
        self._stop: Callable[[], None] | None = None
        self.done: int | None = None
        """How many of `goal` steps are done, if the command counts; it never goes back."""
        self.goal: int | None = None

    def __enter__(self) -> None:
        self._session.progress = self
        self._stop = self._session.wire.every(INTERVAL, self._tell)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._session.progress = None
        if self._stop is not None:
            self._stop()

    def _tell(self) -> None:
        session = self._session
        if session.closed or session.midway:
            # a response that comes in pieces is sign enough
            return
        # inprogress-tuple = "(" quoted-tag SP (number64 / nil) SP (nz-number64 / nil) ")"
        done, goal = ("NIL" if value is None else str(value) for value in (self.done, self.goal))
        session.untagged(f'OK [INPROGRESS ("{self._tag}" {done} {goal})] Still at it')
