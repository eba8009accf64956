"""The accounts as `twisted.cred` sees them: a realm, its avatars, and the checker of their passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import Attribute, Interface, implementer

from quantummail.auth.attempt import Attempt, IPlainPassword, LoginUnavailable
from quantummail.store.errors import StoreError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorTime

    from quantummail.auth.hashing import Hashing
    from quantummail.auth.sessions import OpenSessions
    from quantummail.auth.successes import Successes
    from quantummail.store.accounts import Users
    from quantummail.store.records import Credentials, User


class IAccount(Interface):
    """Somebody who has logged in."""

    user = Attribute("The account, a `quantummail.store.records.User`.")


@implementer(IAccount)
class Account:
    """The avatar of a user."""

    __slots__ = ("user",)

    def __init__(self, user: User) -> None:
        self.user = user


@implementer(IRealm)
class Accounts:
    """Gives the account that a checked attempt belongs to. Sessions end with their connections: no logout."""

    def requestAvatar(
        self, avatarId: bytes | tuple[()], mind: object, *interfaces: type[Interface],  # noqa: ARG002, N803  # IRealm
    ) -> tuple[type[Interface], Account, Callable[[], None]]:
        """`mind` is the `Attempt`, with its user."""
        if IAccount not in interfaces or not isinstance(mind, Attempt) or mind.user is None:
            raise NotImplementedError("accounts are IAccount")
        return IAccount, Account(mind.user), _nothing


def _nothing() -> None:
    """Logging out."""


@implementer(ICredentialsChecker)
class StoredPasswords:
    """Compares an attempt with the hash in the store: one calculation, whether the user exists or not."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.auth")
    credentialInterfaces = (IPlainPassword,)

    def __init__(
        self, users: Users, hashing: Hashing, successes: Successes, sessions: OpenSessions, clock: IReactorTime,
    ) -> None:
        self._users = users
        self._hashing = hashing
        self._successes = successes
        self._sessions = sessions
        self._clock = clock

    def requestAvatarId(self, credentials: Attempt) -> Deferred[bytes | tuple[()]]:
        """Fires with the address, `UnauthorizedLogin` or `LoginUnavailable`."""
        return Deferred.fromCoroutine(self._address(credentials))

    async def _address(self, attempt: Attempt) -> bytes | tuple[()]:
        found = await self._credentials(attempt.address)
        if found is None or not found.user.enabled:
            await self._hashing.dummy(attempt.password)
            raise UnauthorizedLogin
        user, stored = found.user, found.password_hash
        now = self._clock.seconds()
        if not self._successes.knows(user.id, stored, attempt.password, now):
            ok, better = await self._hashing.verify(attempt.password, stored)
            if not ok:
                raise UnauthorizedLogin
            if better is not None:
                stored = await self._replaced(user.id, stored, better)
            self._successes.add(user.id, stored, attempt.password, now)
        attempt.user, attempt.stored_hash = user, stored
        return user.address.encode()

    async def _credentials(self, address: str) -> Credentials | None:
        if not address:
            return None
        try:
            return await self._users.credentials(address)
        except Unavailable:
            raise LoginUnavailable from None

    async def _replaced(self, user_id: int, old: str, new: str) -> str:
        """Store the better hash. The login does not depend on it."""
        self._sessions.renewed(user_id, old, new)
        try:
            await self._users.replace_hash(user_id, old, new)
        except StoreError as error:
            self.log.warn("password hash of account {account} not renewed: {error}",
                          account=user_id, error=error)
            return old
        return new
