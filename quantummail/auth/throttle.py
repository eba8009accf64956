"""How fast passwords may be guessed: per network and per account, never at the expense of the owner."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from quantummail.wire.clients import is_local, neighbourhood_of, network_of

_REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """Failed logins that are taken at once, and how many more an hour. Zero at once switches a limit off.

    After `free` failures every further one makes the next answer a second later, up to `max_delay` seconds.
    """

    free: int = 3
    max_delay: float = 10.0
    client: int = 30
    client_per_hour: int = 60
    network: int = 120
    network_per_hour: int = 600
    account: int = 60
    account_per_hour: int = 60
    known: int = 60
    known_per_hour: int = 240
    known_for: float = 30 * 86400.0
    """Seconds for which an address is known to be the account's after a login."""


class Buckets:
    """Token buckets by key, of one size. What nobody has used for long is forgotten first."""

    def __init__(self, capacity: int, per_hour: float) -> None:
        self.capacity = capacity
        self._rate = per_hour / 3600
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def used(self, key: str, now: float) -> float:
        """Tokens taken and not yet grown back."""
        used, since = self._used.get(key, (0.0, now))
        return max(0.0, used - max(0.0, now - since) * self._rate)

    def full(self, key: str, now: float) -> bool:
        """Whether no token is left."""
        return self.capacity > 0 and self.used(key, now) + 1 > self.capacity

    def wait(self, key: str, now: float) -> float:
        """Seconds until a token has grown back."""
        return max(0.0, self.used(key, now) + 1 - self.capacity) / self._rate if self._rate else 0.0

    def begin(self, key: str, used: float, now: float) -> None:
        """So many have been taken before anybody counted here."""
        if self.capacity > 0:
            self._set(key, self.used(key, now) + used, now)

    def take(self, key: str, now: float) -> None:
        """Take a token."""
        if self.capacity > 0:
            self._set(key, self.used(key, now) + 1, now)

    def give_back(self, key: str, now: float) -> None:
        """Put a token back, which was taken for nothing."""
        if key in self._used:
            self._set(key, max(0.0, self.used(key, now) - 1), now)

    def _set(self, key: str, used: float, now: float) -> None:
        self._used[key] = (used, now)
        self._used.move_to_end(key)
        if len(self._used) > _REMEMBERED:
            self._used.popitem(last=False)


class Charge:
    """What one attempt has taken. It stays taken, unless the attempt succeeds or could not be checked."""

    __slots__ = ("_known", "_pair", "_taken", "delay")

    def __init__(self, taken: list[tuple[Buckets, str]], delay: float,
                 known: KnownClients, pair: str) -> None:
        self._taken = taken
        self._known = known
        self._pair = pair
        self.delay = delay
        """Seconds to wait before the password is looked at."""

    def refund(self, now: float) -> None:
        """The attempt was no guess."""
        for buckets, key in self._taken:
            buckets.give_back(key, now)
        self._taken = []

    def succeeded(self, now: float) -> None:
        """The password was right: this client is known to be the account's from now on."""
        self.refund(now)
        self._known.add(self._pair, now)


class KnownClients:
    """Pairs of account and network that have logged in: guesses from elsewhere do not slow these down."""

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._since: OrderedDict[str, float] = OrderedDict()

    def add(self, pair: str, now: float) -> None:
        """A login from there has succeeded."""
        self._since[pair] = now
        self._since.move_to_end(pair)
        if len(self._since) > _REMEMBERED:
            self._since.popitem(last=False)

    def has(self, pair: str, now: float) -> bool:
        """Whether a login from there has succeeded lately."""
        since = self._since.get(pair)
        return since is not None and now - since < self._lifetime


class Throttle:
    """Charges each attempt before it is checked. Times are seconds of the caller's clock."""

    def __init__(self, limits: LoginLimits) -> None:
        self._limits = limits
        self._clients = Buckets(limits.client, limits.client_per_hour)
        self._networks = Buckets(limits.network, limits.network_per_hour)
        self._accounts = Buckets(limits.account, limits.account_per_hour)
        self._pairs = Buckets(limits.known, limits.known_per_hour)
        self._known = KnownClients(limits.known_for)

    def charge(self, address: str, client: str, now: float) -> Charge | None:
        """Take one guess from whoever must answer for it; None when there is none left.

        :param address: the account, normalised; empty when the name cannot be one.
        """
        pair = f"{address} {network_of(client)}" if address else ""
        payers = self._payers(address, client, pair, now)
        if any(buckets.full(key, now) for buckets, key in payers):
            return None
        failures = max((int(buckets.used(key, now)) for buckets, key in payers), default=0)
        for buckets, key in payers:
            buckets.take(key, now)
        delay = min(self._limits.max_delay, max(0.0, failures - self._limits.free + 1.0))
        return Charge(payers, delay, self._known, pair)

    def _payers(self, address: str, client: str, pair: str, now: float) -> list[tuple[Buckets, str]]:
        if self._known.has(pair, now):
            return [(self._pairs, pair)]
        payers = [(self._accounts, address)] if address else []
        # Programs on this machine, such as a webmail, log in for many people
        if not is_local(client):
            payers += [(self._clients, network_of(client)), (self._networks, neighbourhood_of(client))]
        return payers
