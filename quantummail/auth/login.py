"""Logging in: one question that SMTP, IMAP and POP3 ask alike, in whichever way the client answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from quantummail.auth.accounts import Accounts, IAccount
from quantummail.auth.attempt import Attempt, LoginFailed, LoginUnavailable, PasswordAttempt, Peer
from quantummail.auth.checkers import Certified, Introspected, StoredKeys, StoredPasswords
from quantummail.auth.methods import Methods, MethodSettings
from quantummail.auth.names import normalised, printable
from quantummail.auth.sessions import OpenSessions
from quantummail.auth.successes import Successes
from quantummail.auth.throttle import LoginLimits, Throttle

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.internet.interfaces import IReactorTime

    from quantummail.auth.exchanges import Exchange
    from quantummail.auth.hashing import Hashing
    from quantummail.auth.introspection import Introspection
    from quantummail.store.accounts import Users
    from quantummail.store.records import User
    from quantummail.tls.channel import Channel

__all__ = ["Authenticator", "LoginFailed", "LoginLimits", "LoginUnavailable", "Peer"]


class Authenticator:
    """Checks who somebody is, in every way there is. One for the server: its limits hold for all protocols."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.auth")

    def __init__(self, users: Users, hashing: Hashing, clock: IReactorTime, limits: LoginLimits | None = None,
                 methods: MethodSettings | None = None, introspection: Introspection | None = None) -> None:
        """
        :param methods: what there is beside passwords; by default nothing.
        :param introspection: asks about tokens of OAuth 2; None: there are none.
        """
        self._clock = clock
        self._throttle = Throttle(limits or LoginLimits())
        self.sessions = OpenSessions(users, clock)
        self.methods = Methods(methods or MethodSettings(), users, introspection)
        self._portal = Portal(Accounts(), [
            StoredPasswords(users, hashing, Successes(), self.sessions, clock, self.methods),
            StoredKeys(users), Certified(users),
            *([Introspected(users, introspection)] if introspection is not None else []),
        ])

    def offered(self, channel: Channel | None, offers: Callable[[str], bool]) -> tuple[str, ...]:
        """See `Methods.offered`."""
        return self.methods.offered(channel, offers)

    def exchange(self, name: str, peer: Peer, offers: Callable[[str], bool]) -> Exchange | None:
        """A new exchange of a SASL mechanism (in any case); None for one that this peer is not offered."""
        return self.methods.exchange(name, peer, self.offered(peer.channel, offers), self)

    async def login(self, username: str, password: str, peer: Peer) -> User:
        """The account, if the password is right: see `authenticate`."""
        return await self.authenticate(PasswordAttempt(username, normalised(username), password), peer)

    async def authenticate(self, attempt: Attempt, peer: Peer) -> User:
        """The account, if the claim is right: `check`, then `enter`."""
        await self.check(attempt, peer)
        return self.enter(attempt, peer)

    async def check(self, attempt: Attempt, peer: Peer) -> None:
        """Whether a claim is right.

        Raises `LoginFailed`, the same for a wrong password, an unknown name and a disabled account; or
        `LoginUnavailable` when that cannot be said now. After some failures answers come late.
        """
        try:
            await self._checked(attempt, peer.client)
        except LoginUnavailable as reason:
            self.log.warn("login unavailable protocol={protocol} user={user} client={client}: {reason}",
                          protocol=peer.protocol, user=printable(attempt.username), client=peer.client, reason=reason,
                          connection=peer.connection)
            raise
        except (LoginFailed, UnauthorizedLogin):
            # docs/operations.rst: fail2ban matches this line
            self.log.warn("authentication failure protocol={protocol} user={user} client={client}",
                          protocol=peer.protocol, user=printable(attempt.username), client=peer.client,
                          connection=peer.connection)
            raise LoginFailed from None
        except Exception:  # noqa: BLE001  # the edge: whatever it is, the client may try again
            self.log.failure("unexpected error in a login protocol={protocol} client={client}",
                             protocol=peer.protocol, client=peer.client, connection=peer.connection)
            raise LoginUnavailable from None

    def enter(self, attempt: Attempt, peer: Peer) -> User:
        """Begin the session of a claim that was found right.

        A session that stays has an `end`, which is called if the account may not be used any more, until it is over:
        then `sessions.leave(user.id, end)` is said.
        """
        user = attempt.user
        assert user is not None
        if peer.end is not None:
            self.sessions.enter(user.id, attempt.stored_hash, peer.end)
        self.log.info("login protocol={protocol} user={user} client={client}",
                      protocol=peer.protocol, user=user.address, client=peer.client, connection=peer.connection)
        return user

    async def _checked(self, attempt: Attempt, client: str) -> None:
        # Charged before it is checked, so that guesses at the same time count like guesses one after another
        charge = self._throttle.charge(attempt.address, client, self._clock.seconds())
        if charge is None:
            raise LoginUnavailable("too many failed logins")
        if charge.delay:
            await self._sleep(charge.delay)
        try:
            await self._portal.login(attempt, attempt, IAccount)
        except (LoginFailed, UnauthorizedLogin):
            raise
        except Exception:
            charge.refund(self._clock.seconds())
            raise
        charge.succeeded(self._clock.seconds())

    def _sleep(self, seconds: float) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        self._clock.callLater(seconds, waiting.callback, None)
        return waiting
