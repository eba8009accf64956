"""How many connections may be open, and how fast they may come. Counts only: the caller says no."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from quantummail.wire.clients import network_of

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one listener takes. Zero switches a limit off."""

    total: int = 1000
    per_client: int = 50
    per_client_per_minute: int = 0


class Admission:
    """Counts the open connections of one listener, and the new ones of the last minute, by client.

    Times are seconds of a monotonic clock that the caller passes in. A rate is a token bucket: `per_client_per_minute`
    at once, refilled evenly. Unix sockets (client "unix") are local programs: only the total counts for them.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.open = 0
        self._open_by_client: dict[str, int] = {}
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def refusal(self, client: str, now: float) -> str | None:
        """Why this client may not connect now, in words for its user; None if it may."""
        if self.limits.total and self.open >= self.limits.total:
            return "too many connections"
        if client == "unix":
            return None
        network = network_of(client)
        if self.limits.per_client and self._open_by_client.get(network, 0) >= self.limits.per_client:
            return "too many connections from your address"
        if self.limits.per_client_per_minute and not self._take(network, now):
            return "too many connections a minute from your address"
        return None

    def joined(self, client: str) -> None:
        """A connection was admitted."""
        network = network_of(client)
        self.open += 1
        self._open_by_client[network] = self._open_by_client.get(network, 0) + 1

    def left(self, client: str) -> None:
        """An admitted connection has ended."""
        network = network_of(client)
        self.open -= 1
        remaining = self._open_by_client.get(network, 0) - 1
        if remaining > 0:
            self._open_by_client[network] = remaining
        else:
            self._open_by_client.pop(network, None)

    def _take(self, network: str, now: float) -> bool:
        capacity = float(self.limits.per_client_per_minute)
        tokens, since = self._tokens.pop(network, (capacity, now))
        tokens = min(capacity, tokens + (now - since) * capacity / 60)
        admitted = tokens >= 1
        self._tokens[network] = (tokens - 1 if admitted else tokens, now)
        if len(self._tokens) > _REMEMBERED:
            self._tokens.popitem(last=False)
        return admitted
