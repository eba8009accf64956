"""What `twisted.cred` asks whether a claim is right: one checker for each kind of credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from zope.interface import implementer

from quantummail.auth.attempt import (
    Attempt,
    CertificateAttempt,
    IBearerToken,
    IClientCertificate,
    IPlainPassword,
    IScramProof,
    LoginUnavailable,
    PasswordAttempt,
    ScramAttempt,
    TokenAttempt,
)
from quantummail.auth.scram import derive
from quantummail.store.errors import StoreError, Unavailable

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from quantummail.auth.hashing import Hashing
    from quantummail.auth.introspection import Introspection
    from quantummail.auth.sessions import OpenSessions
    from quantummail.auth.successes import Successes
    from quantummail.store.accounts import Users
    from quantummail.store.records import Credentials

AvatarId = bytes | tuple[()]


class ScramKeeping(Protocol):
    """What a login with a password needs to know of SCRAM."""

    @property
    def makes_keys(self) -> int:
        """Accounts without keys of so many iterations get them; 0: they do not."""

    async def look(self) -> None:
        """An account has got keys."""


async def credentials_of(users: Users, address: str) -> Credentials | None:
    """What an account's logins are checked against. Raises `LoginUnavailable`."""
    if not address:
        return None
    try:
        return await users.credentials(address)
    except Unavailable:
        raise LoginUnavailable from None


def _is(attempt: Attempt, found: Credentials | None) -> AvatarId:
    """The claim is right, if the account is there and may be used."""
    if found is None or not found.user.enabled:
        raise UnauthorizedLogin
    attempt.user, attempt.stored_hash = found.user, found.password_hash
    return found.user.address.encode()


@implementer(ICredentialsChecker)
class StoredPasswords:
    """Compares a password with the hash in the store: one calculation, whether the user exists or not."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.auth")
    credentialInterfaces = (IPlainPassword,)

    def __init__(
        self, users: Users, hashing: Hashing, successes: Successes, sessions: OpenSessions, clock: IReactorTime,
        scram: ScramKeeping,
    ) -> None:
        self._users = users
        self._hashing = hashing
        self._successes = successes
        self._sessions = sessions
        self._clock = clock
        self._scram = scram

    def requestAvatarId(self, credentials: PasswordAttempt) -> Deferred[AvatarId]:
        """Fires with the address, `UnauthorizedLogin` or `LoginUnavailable`."""
        return Deferred.fromCoroutine(self._address(credentials))

    async def _address(self, attempt: PasswordAttempt) -> AvatarId:
        found = await credentials_of(self._users, attempt.address)
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
            wanted = self._scram.makes_keys
            if wanted and (found.scram is None or found.scram.iterations != wanted):
                # the login need not wait for that
                Deferred.fromCoroutine(self._keep_keys(user.id, stored, attempt.password, wanted))
        attempt.user, attempt.stored_hash = user, stored
        return user.address.encode()

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

    async def _keep_keys(self, user_id: int, stored: str, password: str, iterations: int) -> None:
        """Make what this password's next SCRAM login is checked against."""
        try:
            keys = await self._hashing.run_beside(derive, password, iterations)
            await self._users.keep_scram_keys(user_id, stored, keys)
            await self._scram.look()
        except LoginUnavailable:
            # others wait to log in: the next login tries again
            return
        except StoreError as error:
            self.log.warn("SCRAM keys of account {account} not kept: {error}", account=user_id, error=error)
        except Exception:  # noqa: BLE001  # the edge of a background task
            self.log.failure("unexpected error while SCRAM keys are made")


@implementer(ICredentialsChecker)
class StoredKeys:
    """Takes the outcome of SCRAM, if the account still is what the exchange ran with."""

    credentialInterfaces = (IScramProof,)

    def __init__(self, users: Users) -> None:
        self._users = users

    def requestAvatarId(self, credentials: ScramAttempt) -> Deferred[AvatarId]:
        """Fires with the address, `UnauthorizedLogin` or `LoginUnavailable`."""
        return Deferred.fromCoroutine(self._address(credentials))

    async def _address(self, attempt: ScramAttempt) -> AvatarId:
        # read anew, also for a wrong proof: the password may have been changed since the challenge
        found = await credentials_of(self._users, attempt.address)
        if not attempt.proven or attempt.keys is None or found is None or found.scram != attempt.keys:
            raise UnauthorizedLogin
        return _is(attempt, found)


@implementer(ICredentialsChecker)
class Certified:
    """Lets in whom a verified certificate names."""

    credentialInterfaces = (IClientCertificate,)

    def __init__(self, users: Users) -> None:
        self._users = users

    def requestAvatarId(self, credentials: CertificateAttempt) -> Deferred[AvatarId]:
        """Fires with the address, `UnauthorizedLogin` or `LoginUnavailable`."""
        return Deferred.fromCoroutine(self._address(credentials))

    async def _address(self, attempt: CertificateAttempt) -> AvatarId:
        return _is(attempt, await credentials_of(self._users, attempt.address))


@implementer(ICredentialsChecker)
class Introspected:
    """Lets in whom the authorization server's word about a token names."""

    credentialInterfaces = (IBearerToken,)

    def __init__(self, users: Users, introspection: Introspection) -> None:
        self._users = users
        self._introspection = introspection

    def requestAvatarId(self, credentials: TokenAttempt) -> Deferred[AvatarId]:
        """Fires with the address, `UnauthorizedLogin` or `LoginUnavailable`."""
        return Deferred.fromCoroutine(self._address(credentials))

    async def _address(self, attempt: TokenAttempt) -> AvatarId:
        owner = await self._introspection.owner(attempt.token)
        # a token of one user does not open another one's mail
        if owner is None or (attempt.username and attempt.address != owner):
            raise UnauthorizedLogin
        attempt.address = owner
        return _is(attempt, await credentials_of(self._users, owner))
