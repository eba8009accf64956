"""One run of each SASL mechanism, from the first challenge to the account: what IMAP, POP3 and SMTP hold alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

from twisted.logger import Logger

from quantummail.auth import sasl
from quantummail.auth.attempt import CertificateAttempt, LoginFailed, ScramAttempt, TokenAttempt
from quantummail.auth.names import normalised, printable
from quantummail.auth.sasl import SaslError, SaslNotAuthorized
from quantummail.auth.scram import Scram, made_up

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from quantummail.auth.attempt import Peer
    from quantummail.auth.introspection import Introspection
    from quantummail.auth.login import Authenticator
    from quantummail.store.records import Credentials, User


class Exchange(Protocol):
    """One authentication. With an initial response `answer` is called at once, otherwise `begin` first."""

    def begin(self) -> bytes:
        """The first challenge, not yet in base64."""

    async def answer(self, response: bytes) -> bytes | User:
        """Take a decoded response: the next challenge, or the account, which is logged in then.

        Raises `SaslError` (the client's messages), `LoginFailed` and `LoginUnavailable`; the exchange is over then.
        """


class ClientFirst:
    """A mechanism whose client speaks first: the challenge before that is empty (RFC 4422 5)."""

    def __init__(self, authenticator: Authenticator, peer: Peer) -> None:
        self._authenticator = authenticator
        self._peer = peer

    def begin(self) -> bytes:
        """Nothing."""
        return b""


class PlainExchange(ClientFirst):
    """PLAIN: one response."""

    async def answer(self, response: bytes) -> User:
        """The account."""
        login = sasl.plain(response)
        return await self._authenticator.login(login.username, login.password, self._peer)


class LoginExchange:
    """LOGIN: asks for the name, then for the password. An initial response is the name."""

    def __init__(self, authenticator: Authenticator, peer: Peer) -> None:
        self._authenticator = authenticator
        self._peer = peer
        self._username: str | None = None

    def begin(self) -> bytes:
        """The words that old clients look for."""
        return b"Username:"

    async def answer(self, response: bytes) -> bytes | User:
        """The question for the password, then the account."""
        field = sasl.one_field(response)
        if self._username is None:
            self._username = field
            return b"Password:"
        return await self._authenticator.login(self._username, field, self._peer)


class ScramExchange(ClientFirst):
    """SCRAM-SHA-256, with and without PLUS: two responses, and an empty one after our signature."""

    log: ClassVar[Logger] = Logger(namespace="quantummail.auth")

    def __init__(
        self, authenticator: Authenticator, peer: Peer, secret: bytes, iterations: int,
        find: Callable[[str], Awaitable[Credentials | None]], *, plus: bool, plus_offered: bool,
    ) -> None:
        """
        :param secret: what the salts of accounts that are not there are made from.
        :param find: awaited for the account's `Credentials`.
        """
        super().__init__(authenticator, peer)
        channel = peer.channel
        self._scram = Scram(plus=plus, plus_offered=plus_offered,
                            binding=channel.binding if channel is not None else _no_binding)
        self._secret = secret
        self._iterations = iterations
        self._find = find
        self._username: str | None = None
        self._address = ""
        self._found: Credentials | None = None
        self._attempt: ScramAttempt | None = None

    async def answer(self, response: bytes) -> bytes | User:
        """Salt, signature, account."""
        if self._attempt is not None:
            if response:
                raise SaslError("nothing more was expected")
            return self._authenticator.enter(self._attempt, self._peer)
        if self._username is None:
            return await self._first(response)
        return await self._final(response)

    async def _first(self, response: bytes) -> bytes:
        first = self._scram.first(response)
        self._username, self._address = first.username, normalised(first.username)
        found = await self._find(self._address)
        self._found = found
        keys = found.scram if found is not None else None
        # RFC 5802 9: who is not there gets a salt, too, and always the same
        return self._scram.challenge(keys or made_up(self._secret, self._address or first.username, self._iterations))

    async def _final(self, response: bytes) -> bytes:
        username = self._username or ""
        try:
            proven = self._scram.proves(response)
        except SaslError as error:
            # a client that sees another TLS than we do may have somebody in between
            self.log.warn("SCRAM refused protocol={protocol} user={user} client={client}: {reason}",
                          protocol=self._peer.protocol, user=printable(username), client=self._peer.client,
                          reason=str(error), connection=self._peer.connection)
            raise
        attempt = ScramAttempt(username, self._address, self._found.scram if self._found else None, proven=proven)
        await self._authenticator.check(attempt, self._peer)
        self._attempt = attempt
        return self._scram.signature()


class ExternalExchange(ClientFirst):
    """EXTERNAL (RFC 4422 A): the TLS handshake has shown who it is; the response says as whom it wants to act."""

    def __init__(self, authenticator: Authenticator, peer: Peer, identities: Sequence[str]) -> None:
        """:param identities: the addresses that the client's certificate is for."""
        super().__init__(authenticator, peer)
        self._identities = identities

    async def answer(self, response: bytes) -> User:
        """The account."""
        wanted = sasl.text(response)
        if not wanted and len(self._identities) > 1:
            raise SaslError("the certificate is for several addresses, say which one")
        username = wanted or self._identities[0]
        address = normalised(username)
        if address not in self._identities:
            raise SaslNotAuthorized("the certificate is for somebody else")
        return await self._authenticator.authenticate(CertificateAttempt(username, address), self._peer)


class BearerExchange(ClientFirst):
    """OAUTHBEARER (RFC 7628) and XOAUTH2: one response; a second one acknowledges an error."""

    def __init__(self, authenticator: Authenticator, peer: Peer, introspection: Introspection, *,
                 xoauth2: bool) -> None:
        super().__init__(authenticator, peer)
        self._introspection = introspection
        self._xoauth2 = xoauth2
        self._failure: LoginFailed | None = None

    async def answer(self, response: bytes) -> bytes | User:
        """The account, or what is wrong with the token."""
        if self._failure is not None:
            # RFC 7628 3.2.3: whatever the client says to that
            raise self._failure
        claim = sasl.xoauth2(response) if self._xoauth2 else sasl.oauthbearer(response)
        attempt = TokenAttempt(claim.username, normalised(claim.username), claim.token)
        try:
            return await self._authenticator.authenticate(attempt, self._peer)
        except LoginFailed as failure:
            self._failure = failure
            return self._introspection.error(xoauth2=self._xoauth2)


def _no_binding(_kind: str) -> None:
    return None
