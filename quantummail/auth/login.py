"""Logging in: one question that SMTP, IMAP and POP3 ask alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.auth.accounts import Accounts, IAccount, StoredPasswords
from quantummail.auth.attempt import Attempt, LoginFailed, LoginUnavailable
from quantummail.auth.sessions import End, OpenSessions
from quantummail.auth.successes import Successes
from quantummail.auth.throttle import LoginLimits, Throttle
from quantummail.store.errors import InvalidName
from quantummail.store.names import normal_address

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from quantummail.auth.hashing import Hashing
    from quantummail.store.accounts import Users
    from quantummail.store.records import User

__all__ = ["Authenticator", "LoginFailed", "LoginLimits", "LoginUnavailable"]

MAX_USERNAME = 320


class Authenticator:
    """Checks user names and passwords. One for the server: its limits hold for all protocols."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.auth")

    def __init__(self, users: Users, hashing: Hashing, clock: IReactorTime,
                 limits: LoginLimits | None = None) -> None:
        self._clock = clock
        self._throttle = Throttle(limits or LoginLimits())
        self.sessions = OpenSessions(users, clock)
        self._portal = Portal(Accounts(), [StoredPasswords(users, hashing, Successes(), self.sessions, clock)])

    async def login(self, username: str, password: str, *,
                    protocol: str, client: str, connection: str, end: End | None = None) -> User:
        """The account, if the password is right.

        A session that stays gives an `end`, which is called if the account may not be used any more, until it is over:
        then `sessions.leave(user.id, end)` is said.

        Raises `LoginFailed`, the same for a wrong password, an unknown name and a disabled account; or
        `LoginUnavailable` when that cannot be said now. After some failures answers come late.
        """
        attempt = Attempt(normalised(username), password)
        try:
            user = await self._checked(attempt, client)
        except LoginUnavailable as reason:
            self.log.warn("login unavailable protocol={protocol} user={user} client={client}: {reason}",
                          protocol=protocol, user=printable(username), client=client, reason=reason,
                          connection=connection)
            raise
        except (LoginFailed, UnauthorizedLogin):
            # docs/operations.rst: fail2ban matches this line
            self.log.warn("authentication failure protocol={protocol} user={user} client={client}",
                          protocol=protocol, user=printable(username), client=client, connection=connection)
            raise LoginFailed from None
        except Exception:  # noqa: BLE001  # the edge: whatever it is, the client may try again
            self.log.failure("unexpected error in a login protocol={protocol} client={client}",
                             protocol=protocol, client=client, connection=connection)
            raise LoginUnavailable from None
        if end is not None:
            self.sessions.enter(user.id, attempt.stored_hash, end)
        self.log.info("login protocol={protocol} user={user} client={client}",
                      protocol=protocol, user=user.address, client=client, connection=connection)
        return user

    async def _checked(self, attempt: Attempt, client: str) -> User:
        # Charged before it is checked, so that guesses at the same time count like guesses one after another
        charge = self._throttle.charge(attempt.address, client, self._clock.seconds())
        if charge is None:
            raise LoginUnavailable("too many failed logins")
        if charge.delay:
            await self._sleep(charge.delay)
        try:
            _, account, _ = await self._portal.login(attempt, attempt, IAccount)
        except (LoginFailed, UnauthorizedLogin):
            raise
        except Exception:
            charge.refund(self._clock.seconds())
            raise
        charge.succeeded(self._clock.seconds())
        return account.user  # type: ignore[attr-defined,no-any-return]  # cred says object, the realm IAccount

    def _sleep(self, seconds: float) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        self._clock.callLater(seconds, waiting.callback, None)
        return waiting


def normalised(username: str) -> str:
    """The address a user name stands for; empty for what cannot be one (a name without domain)."""
    if len(username) > MAX_USERNAME:
        return ""
    try:
        return normal_address(username)
    except InvalidName:
        return ""


def printable(username: str) -> str:
    """A user name for one field of a log line: nothing that could be taken for another field or line."""
    return "".join(character if character.isprintable() and character != " " else "?"
                   for character in username[:MAX_USERNAME])
