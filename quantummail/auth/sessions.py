"""Sessions that stay open after a login: they end soon after their account may not be used any more.

Accounts are switched off and passwords changed by commands, in other processes. So all accounts with open sessions
are looked at together, every few seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.store.errors import StoreError

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from quantummail.store.accounts import Users

INTERVAL = 5.0

End = Callable[[], None]
"""Ends a session: its account was disabled or deleted, or has another password now."""


class OpenSessions:
    """Who is logged in, and with which password hash. One for the server."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.auth")

    def __init__(self, users: Users, clock: IReactorTime) -> None:
        self._users = users
        self._clock = clock
        self._open: dict[int, dict[End, set[str]]] = {}
        self._timer: IDelayedCall | None = None
        self._looking = False

    def enter(self, user_id: int, stored_hash: str, end: End) -> None:
        """A session begins, whose password was checked with this hash. `end` is called once at most."""
        self._open.setdefault(user_id, {})[end] = {stored_hash}
        self._wait()

    def leave(self, user_id: int, end: End) -> None:
        """The session is over; nothing happens if it was not there."""
        sessions = self._open.get(user_id)
        if sessions is not None:
            sessions.pop(end, None)
            if not sessions:
                del self._open[user_id]
        if not self._open and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def renewed(self, user_id: int, old_hash: str, new_hash: str) -> None:
        """The same password is about to get a better hash: no session ends for that."""
        for hashes in self._open.get(user_id, {}).values():
            if old_hash in hashes:
                hashes.add(new_hash)

    def _wait(self) -> None:
        if self._open and self._timer is None and not self._looking:
            self._timer = self._clock.callLater(INTERVAL, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._looking = True
        Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        # who comes meanwhile may have a newer password than what is read
        asked = [
            (user_id, end, hashes) for user_id, sessions in self._open.items() for end, hashes in sessions.items()
        ]
        try:
            current = await self._users.enabled_hashes(list(self._open))
            for user_id, end, hashes in asked:
                if current.get(user_id) not in hashes and end in self._open.get(user_id, {}):
                    self.leave(user_id, end)
                    end()
        except StoreError as error:
            self.log.warn("open sessions cannot be checked: {reason}", reason=str(error))
        except Exception:  # noqa: BLE001  # the edge of a background task
            self.log.failure("unexpected error while open sessions are checked")
        finally:
            self._looking = False
            self._wait()
