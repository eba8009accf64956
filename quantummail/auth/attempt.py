"""One attempt to log in, in each of the ways there are, and the two ways in which it can fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.cred.credentials import ICredentials
from zope.interface import implementer

if TYPE_CHECKING:
    from quantummail.auth.sessions import End
    from quantummail.store.records import ScramKeys, User
    from quantummail.tls.channel import Channel


class LoginFailed(Exception):
    """User name and password do not fit, for whatever reason: the client is told no more than this."""

    def __init__(self, text: str = "authentication failed") -> None:
        super().__init__(text)


class LoginUnavailable(Exception):
    """Whether the password is right cannot be said now: try again later. The text is fit for the client."""

    def __init__(self, text: str = "authentication is temporarily unavailable") -> None:
        super().__init__(text)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who wants to log in, and through what."""

    protocol: str
    """As the log calls it."""
    client: str
    connection: str
    channel: Channel | None = None
    """TLS, when it is there and its handshake is done."""
    end: End | None = None
    """Called if the account may not be used any more, for a session that stays."""


class IPlainPassword(ICredentials):
    """Credentials with an address and a password in the clear."""


class IScramProof(ICredentials):
    """Credentials that SCRAM has compared with the account's keys."""


class IClientCertificate(ICredentials):
    """An address that a verified client certificate is for."""


class IBearerToken(ICredentials):
    """A token of OAuth 2, and the address that the client says it is for."""


@implementer(ICredentials)
class Attempt:
    """What a client claims: credentials for a checker, and the mind in which the realm finds the user."""

    def __init__(self, username: str, address: str) -> None:
        self.username = username
        """As the client wrote it: for the log."""
        self.address = address
        """The account that this means; empty for what cannot be one."""
        self.stored_hash = ""
        """The account's password hash when it was checked; set by the checker."""
        self.user: User | None = None
        """Set by the checker when the claim is right, so that the realm need not ask the store again."""


@implementer(IPlainPassword)
class PasswordAttempt(Attempt):
    """PLAIN, LOGIN, and the commands that take a password."""

    def __init__(self, username: str, address: str, password: str) -> None:
        super().__init__(username, address)
        self.password = password


@implementer(IScramProof)
class ScramAttempt(Attempt):
    """The end of a SCRAM exchange."""

    def __init__(self, username: str, address: str, keys: ScramKeys | None, *, proven: bool) -> None:
        """
        :param keys: the account's keys that the exchange ran with; None: made-up ones, for an account without any.
        """
        super().__init__(username, address)
        self.keys = keys
        self.proven = proven


@implementer(IClientCertificate)
class CertificateAttempt(Attempt):
    """EXTERNAL: the address comes from a certificate that was verified."""


@implementer(IBearerToken)
class TokenAttempt(Attempt):
    """OAUTHBEARER and XOAUTH2. Without a user name the checker sets the address."""

    def __init__(self, username: str, address: str, token: str) -> None:
        super().__init__(username, address)
        self.token = token
