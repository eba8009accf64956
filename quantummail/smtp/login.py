"""What the SMTP session needs of SASL (RFC 4954). The mechanisms themselves are handed in."""

from __future__ import annotations

from typing import Protocol


class Login(Protocol):
    """What a client claims, to be checked by `Receiver.authenticate`."""

    @property
    def authzid(self) -> str:
        """Whom the client wants to act for; empty: the user himself."""

    @property
    def username(self) -> str:
        """Who the client says it is."""

    @property
    def password(self) -> str:
        """Its proof."""


class Exchange(Protocol):
    """One run of a mechanism. With an initial response `answer` is called at once, otherwise `begin` first."""

    def begin(self) -> bytes:
        """The first challenge, not yet in base64."""

    def answer(self, response: bytes) -> bytes | Login:
        """Take a decoded response: the next challenge, or the whole claim.

        Raises ValueError when the exchange cannot go on; its text is fit for the client.
        """
