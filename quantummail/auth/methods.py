"""Which ways to log in there are: what the configuration says, what the accounts have, what the connection allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from secrets import token_bytes
from typing import TYPE_CHECKING, ClassVar, Literal

from twisted.logger import Logger

from quantummail.auth.checkers import credentials_of
from quantummail.auth.exchanges import (
    BearerExchange,
    Exchange,
    ExternalExchange,
    LoginExchange,
    PlainExchange,
    ScramExchange,
)
from quantummail.auth.names import normalised
from quantummail.auth.scram import ITERATIONS
from quantummail.store.errors import StoreError
from quantummail.tls.channel import addresses, fingerprint

if TYPE_CHECKING:
    from quantummail.auth.attempt import Peer
    from quantummail.auth.introspection import Introspection
    from quantummail.auth.login import Authenticator
    from quantummail.store.accounts import Users
    from quantummail.store.records import Credentials
    from quantummail.tls.channel import Channel

PLUS = "SCRAM-SHA-256-PLUS"
SCRAM = "SCRAM-SHA-256"
PASSWORD_MECHANISMS = ("PLAIN", "LOGIN")
MECHANISMS = ("EXTERNAL", PLUS, SCRAM, "OAUTHBEARER", "XOAUTH2", *PASSWORD_MECHANISMS)
"""All that there are, best first."""


@dataclass(frozen=True, slots=True)
class MethodSettings:
    """What the administrator has decided."""

    scram: Literal["auto", "yes", "no"] = "no"
    """auto: as soon as every account that has a password has keys."""
    scram_iterations: int = ITERATIONS
    certificates: Mapping[str, str] = field(default_factory=dict)
    """Accounts by the fingerprints of client certificates that name no address, or another one."""


class Methods:
    """Offers mechanisms, and begins exchanges. One for the server."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.auth")

    def __init__(self, settings: MethodSettings, users: Users, introspection: Introspection | None) -> None:
        self._settings = settings
        self._users = users
        self._introspection = introspection
        self._scram = settings.scram == "yes"
        self._told = False
        self.secret = token_bytes(32)
        """What salts for accounts that are not there are made from: a server that keeps it gives the same ones for
        ever, and nobody learns from a restart who is there."""

    @property
    def makes_keys(self) -> int:
        """The iterations of SCRAM keys that logins make; 0: they make none."""
        return 0 if self._settings.scram == "no" else self._settings.scram_iterations

    async def look(self) -> None:
        """See whether every account has the keys that SCRAM needs. At start, and when one has got them."""
        if self._settings.scram != "auto" or self._scram:
            return
        try:
            missing = await self._users.without_scram_keys()
        except StoreError as error:
            self.log.warn("whether SCRAM can be offered is not known: {reason}", reason=str(error))
            return
        if not missing:
            self._scram = True
            self.log.info("SCRAM is offered: every account has its keys")
        elif not self._told:
            self._told = True
            self.log.info("SCRAM is not offered yet: {missing} accounts get their keys at the next login with a "
                          "password", missing=missing)

    def offered(self, channel: Channel | None, offers: Callable[[str], bool]) -> tuple[str, ...]:
        """The mechanisms that can work on this connection, best first.

        :param offers: whether a listener has a capability; mechanisms are called ``AUTH=PLAIN`` and so on.
        """
        return tuple(name for name in MECHANISMS if self._possible(name, channel) and offers(f"AUTH={name}"))

    def exchange(
        self, name: str, peer: Peer, offered: tuple[str, ...], authenticator: Authenticator,
    ) -> Exchange | None:
        """A new exchange of a mechanism (in any case); None for one that is not among the `offered`."""
        name = name.upper()
        if name not in offered:
            return None
        if name in (PLUS, SCRAM):
            return ScramExchange(
                authenticator, peer, self.secret, self._settings.scram_iterations, self._credentials,
                plus=name == PLUS, plus_offered=PLUS in offered)
        if name == "EXTERNAL":
            return ExternalExchange(authenticator, peer, self._identities(peer.channel))
        if name in ("OAUTHBEARER", "XOAUTH2"):
            assert self._introspection is not None
            return BearerExchange(authenticator, peer, self._introspection, xoauth2=name == "XOAUTH2")
        return PlainExchange(authenticator, peer) if name == "PLAIN" else LoginExchange(authenticator, peer)

    def _possible(self, name: str, channel: Channel | None) -> bool:
        if name in PASSWORD_MECHANISMS:
            return True
        if name == SCRAM:
            return self._scram
        if name == PLUS:
            return self._scram and channel is not None and channel.binds
        if name == "EXTERNAL":
            return bool(self._identities(channel))
        return self._introspection is not None

    def _identities(self, channel: Channel | None) -> list[str]:
        certificate = channel.client_certificate() if channel is not None else None
        if certificate is None:
            return []
        mapped = self._settings.certificates.get(fingerprint(certificate))
        names = [mapped] if mapped is not None else addresses(certificate)
        return list(dict.fromkeys(found for found in map(normalised, names) if found))

    async def _credentials(self, address: str) -> Credentials | None:
        return await credentials_of(self._users, address)
