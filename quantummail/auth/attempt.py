"""One attempt to log in, and the two ways in which it can fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.cred.credentials import ICredentials
from zope.interface import implementer

if TYPE_CHECKING:
    from quantummail.store.records import User


class LoginFailed(Exception):
    """User name and password do not fit, for whatever reason: the client is told no more than this."""

    def __init__(self, text: str = "authentication failed") -> None:
        super().__init__(text)


class LoginUnavailable(Exception):
    """Whether the password is right cannot be said now: try again later. The text is fit for the client."""

    def __init__(self, text: str = "authentication is temporarily unavailable") -> None:
        super().__init__(text)


class IPlainPassword(ICredentials):
    """Credentials with an address and a password in the clear."""


@implementer(IPlainPassword)
class Attempt:
    """What a client claims: credentials for the checker, and the mind in which the realm finds the user."""

    __slots__ = ("address", "password", "stored_hash", "user")

    def __init__(self, address: str, password: str) -> None:
        self.address = address
        self.password = password
        self.stored_hash = ""
        """What the password was checked with; set by the checker."""
        self.user: User | None = None
        """Set by the checker when the password is right, so that the realm need not ask the store again."""
