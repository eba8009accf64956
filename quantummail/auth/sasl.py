"""The server's side of SASL's plain mechanisms: PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login).

Pure, with all state in one `Exchange`: whatever a peer sends ends in a challenge, a `Login` or a `SaslError`.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

# RFC 4954 4: lines of an exchange, the end of the line included
MAX_LINE = 12288
MAX_FIELD = 1024


class SaslError(ValueError):
    """The exchange cannot go on. The text is fit for the client; the login has failed."""


class SaslCancelled(SaslError):
    """The client sent ``*``: it does not want to go on."""


class SaslNotAuthorized(SaslError):
    """The client asked to act for somebody else."""


@dataclass(frozen=True, slots=True)
class Login:
    """What the client claims, to be checked by `quantummail.auth.login.Authenticator`."""

    authzid: str
    """Empty, or the user name again."""
    username: str
    password: str

    def __repr__(self) -> str:
        return f"Login(username={self.username!r})"


class Exchange(Protocol):
    """One authentication. With an initial response `answer` is called at once, otherwise `begin` first."""

    def begin(self) -> bytes:
        """The first challenge, not yet in base64."""

    def answer(self, response: bytes) -> bytes | Login:
        """Take a decoded response: the next challenge, or the whole claim. Raises `SaslError` only."""


class Plain:
    """RFC 4616: one response, ``[authzid] NUL authcid NUL passwd``."""

    def begin(self) -> bytes:
        """An empty challenge (RFC 4616 2: the client sends the message)."""
        return b""

    def answer(self, response: bytes) -> Login:
        """The claim."""
        fields = response.split(b"\0")
        if len(fields) != 3:
            raise SaslError("PLAIN takes three fields")
        authzid, username, password = (_text(field) for field in fields)
        if not username or not password:
            raise SaslError("user name and password must not be empty")
        # RFC 4616 2: acting as another user is for the server to allow; we never do
        if authzid and authzid.lower() != username.lower():
            raise SaslNotAuthorized("acting as another user is not allowed")
        return Login(authzid, username, password)


class PlainLogin:
    """LOGIN: asks for the name, then for the password. An initial response is the name."""

    def __init__(self) -> None:
        self._username: str | None = None

    def begin(self) -> bytes:
        """The words that old clients look for."""
        return b"Username:"

    def answer(self, response: bytes) -> bytes | Login:
        """The question for the password, then the claim."""
        text = _text(response)
        if not text or "\0" in text:
            raise SaslError("user name and password must not be empty")
        if self._username is None:
            self._username = text
            return b"Password:"
        return Login("", self._username, text)


MECHANISMS: Mapping[str, Callable[[], Exchange]] = MappingProxyType({"PLAIN": Plain, "LOGIN": PlainLogin})
"""What we offer, best first."""


def mechanism(name: str) -> Exchange | None:
    """A new exchange of this mechanism (in any case), None when we do not offer it."""
    begin = MECHANISMS.get(name.upper())
    return begin() if begin is not None else None


def decode(line: bytes) -> bytes:
    """The octets of a response line, with or without its end. ``*`` raises `SaslCancelled`, ``=`` is empty.

    Strict: only the base64 alphabet, right padding, at most `MAX_LINE` octets.
    """
    if len(line) > MAX_LINE:
        raise SaslError("response too long")
    text = line.rstrip(b"\r\n")
    if text == b"*":  # RFC 4954 4, RFC 3501 6.2.2, RFC 5034 4
        raise SaslCancelled("authentication cancelled")
    if text == b"=":  # RFC 4954 4: an initial response that is present and empty
        return b""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        raise SaslError("not base64") from None


def encode(challenge: bytes) -> bytes:
    """A challenge in base64, without prefix and line end."""
    return binascii.b2a_base64(challenge, newline=False)


def _text(field: bytes) -> str:
    if len(field) > MAX_FIELD:
        raise SaslError("user name or password too long")
    try:
        return field.decode("utf-8")
    except UnicodeDecodeError:
        raise SaslError("user name and password must be UTF-8") from None
