"""Accounts in memory, and hashing that is done at once and counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

from quantummail.auth.hashing import Hashing
from quantummail.auth.passwords import Passwords
from quantummail.store.records import Credentials, ScramKeys, User

T = TypeVar("T")

PASSWORDS = Passwords(time_cost=1, memory_cost=8)


class CountedHashing(Hashing):
    """Cheap hashes, calculated where they are asked for."""

    def __init__(self) -> None:
        super().__init__(cast("Any", None), PASSWORDS)
        self.done: list[str] = []

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        self.done.append(work.__name__)
        return work(*arguments)


class MemoryUsers:
    """What `StoredPasswords` asks of the store's users."""

    def __init__(self) -> None:
        self.accounts: dict[str, Credentials] = {}
        self.failure: Exception | None = None
        self.replaced: list[tuple[int, str, str]] = []

    def add(
        self, address: str, stored: str, *, enabled: bool = True, scram: ScramKeys | None = None,
    ) -> User:
        """An account with this hash, and these keys."""
        user = User(id=len(self.accounts) + 1, address=address, admin=False, enabled=enabled, quota_bytes=0,
                    quota_messages=0, used_bytes=0, used_messages=0, created=0)
        self.accounts[address] = Credentials(user, stored, scram)
        return user

    async def credentials(self, address: str) -> Credentials | None:
        """The account of this address."""
        if self.failure is not None:
            raise self.failure
        return self.accounts.get(address)

    async def enabled_hashes(self, user_ids: Sequence[int]) -> dict[int, str]:
        """The hashes of these accounts that are enabled."""
        if self.failure is not None:
            raise self.failure
        return {found.user.id: found.password_hash for found in self.accounts.values()
                if found.user.id in user_ids and found.user.enabled}

    async def replace_hash(self, user_id: int, old_hash: str, new_hash: str) -> None:
        """Remember what was replaced."""
        if self.failure is not None:
            raise self.failure
        self.replaced.append((user_id, old_hash, new_hash))
        for address, found in self.accounts.items():
            if found.user.id == user_id:
                self.accounts[address] = Credentials(found.user, new_hash, found.scram)

    async def keep_scram_keys(self, user_id: int, password_hash: str, keys: ScramKeys) -> None:
        """Keep them."""
        if self.failure is not None:
            raise self.failure
        for address, found in self.accounts.items():
            if found.user.id == user_id and found.password_hash == password_hash:
                self.accounts[address] = Credentials(found.user, password_hash, keys)

    async def without_scram_keys(self) -> int:
        """How many have none."""
        if self.failure is not None:
            raise self.failure
        return sum(found.scram is None for found in self.accounts.values())
