"""How many sessions each account has."""

from __future__ import annotations


class UserSessions:
    """How many sessions each account has, over all listeners that share this object."""

    def __init__(self) -> None:
        self._open: dict[int, int] = {}

    def enter(self, user_id: int, limit: int) -> bool:
        """Count one more, unless that would exceed the limit (0: none)."""
        count = self._open.get(user_id, 0)
        if limit and count >= limit:
            return False
        self._open[user_id] = count + 1
        return True

    def leave(self, user_id: int) -> None:
        """One has ended."""
        count = self._open.get(user_id, 0) - 1
        if count > 0:
            self._open[user_id] = count
        else:
            self._open.pop(user_id, None)
